"""`paramwall init`, and the configuration it writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from proxy.cli.init import starter
from proxy.config.document import SECTIONS
from proxy.config.load import ConfigError
from proxy.config.reading import read_settings
from proxy.config.section import Section
from proxy.config.tree import Place, read_tree
from proxy.config.values import REFERENCE_TIMEOUTS
from proxy.policy.document import Problem
from tests.cli.running import run
from tests.config.loading import loaded

EVERYTHING_ON = re.sub(r"(?m)^( *)#(?=[a-z_0-9]+:)", r"\1", starter())
"""The starter with every setting that is off taken out of its comment."""


def test_it_is_written_where_asked(tmp_path: Path) -> None:
    file = tmp_path / "here.yaml"
    ran = run("init", str(file))
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == f"{file} written; next: set the vendor's url in it, then `paramwall check {file}`\n"
    assert file.read_text(encoding="utf-8") == starter()


def test_by_default_it_is_paramwall_yaml_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("init").code == 0
    assert run("check").code == 0


def test_nothing_is_overwritten_unless_forced(tmp_path: Path) -> None:
    file = tmp_path / "paramwall.yaml"
    file.write_text("mine", encoding="utf-8")
    ran = run("init", str(file))
    assert (ran.code, file.read_text(encoding="utf-8")) == (2, "mine")
    assert ran.err == (
        f"paramwall: {file} is there already\n  hint: write to another FILE, or overwrite it with --force\n"
    )
    assert run("init", str(file), "--force").code == 0
    assert file.read_text(encoding="utf-8") == starter()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    ran = run("init", str(tmp_path / "none" / "paramwall.yaml"))
    assert (ran.code, ran.out) == (2, "")
    assert "cannot be written: No such file or directory" in ran.err


def test_the_starter_loads_as_it_is() -> None:
    said = loaded(starter())
    assert said.warnings == ()
    assert [vendor.name for vendor in said.config.vendors] == ["moonshot"]


def _settings(path: str, section: type[Section]) -> Iterator[str]:
    return (f"{path}.{name}".lstrip(".") for name in section.model_fields)


def _written(value: object, path: str = "") -> Iterator[str]:
    """The settings of a file, with entries of named lists as their section."""
    if isinstance(value, dict):
        for name, inner in value.items():
            here = path if path in ("vendors", "clients") else f"{path}.{name}".lstrip(".")
            yield from {here, f"{path}.name"} if path in ("vendors", "clients") else {here}
            yield from _entry(inner, here) if path in ("vendors", "clients") else _written(inner, here)


def _entry(value: object, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{name}"
            yield from _entry(inner, f"{path}.{name}")


def test_every_setting_is_in_it_and_nothing_else() -> None:
    every = {setting for path, section in SECTIONS for setting in _settings(path, section)}
    assert set(_written(yaml.safe_load(EVERYTHING_ON))) == every


def test_every_setting_in_it_is_well_written() -> None:
    problems: list[Problem] = []
    tree, places = read_tree(EVERYTHING_ON, Place("starter"), {}, problems)
    read_settings(tree, places, problems)
    assert problems == []


def test_with_everything_on_only_missing_files_and_the_second_way_to_give_a_key_are_wrong() -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(EVERYTHING_ON, read_secrets=False)
    assert [problem.message for problem in raised.value.problems] == [
        "vendors.moonshot.ca_file: etc/certificates/vendor.pem cannot be read: No such file or directory",
        "tls: etc/certificates/server.pem cannot be read: No such file or directory",
        "reference: the key is given twice, by api_key_env and api_key_file",
        "reference.ca_file: etc/certificates/reference.pem cannot be read: No such file or directory",
        "signals.tokenizer_file: the file cannot be read: No such file or directory",
    ]


def test_the_defaults_it_shows_are_the_defaults() -> None:
    """A setting that is off shows what holds without it; only examples of what has no default may differ."""
    plain = loaded(starter()).config
    shown = loaded(_shown("limits", "drain", "signals", "drift", "retention", "evidence")).config
    assert shown.limits == plain.limits
    assert (shown.drain_s, shown.drain_grace_s) == (plain.drain_s, plain.drain_grace_s)
    assert (shown.signals, shown.drift) == (plain.signals, plain.drift)
    assert (shown.retention, shown.evidence) == (plain.retention, plain.evidence)
    mirrored = loaded(_shown("reference", "mirror"), read_secrets=False).config
    assert mirrored.reference is not None
    assert mirrored.mirror == plain.mirror
    assert (mirrored.reference.timeouts, mirrored.reference.max_in_flight) == (REFERENCE_TIMEOUTS, 8)


EXAMPLE = re.compile(r"(?m)^ +(api_key_file|ca_file|tunnel|tokenizer_file|redact):.*\n")
"""What has no default in the sections below."""


def _shown(*names: str) -> str:
    """The starter with these sections switched on, as it shows them."""
    parts = []
    for name in names:
        section = re.search(rf"(?ms)^#{name}:.*?(?=\n\n|\n#[a-z]|\Z)", starter())
        assert section is not None
        parts.append(EXAMPLE.sub("", re.sub(r"(?m)^( *)#", r"\1", section[0]) + "\n"))
    return starter() + "\n" + "".join(parts)
