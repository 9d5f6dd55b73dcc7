"""`paramwall report`: where it is written and not written over, what it is made of, and what it refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from proxy.report.facts import FORMAT
from proxy.store import Store
from tests.cli.logged import write_log
from tests.cli.running import run
from tests.report import given
from tests.report.given_report import write_state


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The options that name a log, a verification and a replay."""
    folder = tmp_path_factory.mktemp("given")
    write_state(folder / "state")
    verify, replay = given.write(folder)
    return ("--state-dir", str(folder / "state"), "--verify", str(verify), "--replay", str(replay))


def test_markdown_is_what_is_printed(files: tuple[str, ...]) -> None:
    ran = run("report", *files, "--title", "Vendors of ours")
    assert ran.code == 0
    assert ran.out.startswith(f"<!-- {FORMAT} -->\n\n# Vendors of ours\n")
    for part in (
        "| 1 | honest |",
        "R1",
        "V1",
        "L1",
        "What is not known",
        "temperature-off-contract rewrite temperature 30",
    ):
        assert part in ran.out, part
    assert run("report", *files, "--title", "Vendors of ours", "--markdown", "-").out.count("\n") == ran.out.count("\n")


def test_both_files_at_once_and_json(files: tuple[str, ...], tmp_path: Path) -> None:
    html, markdown = tmp_path / "r.html", tmp_path / "r.md"
    ran = run("report", *files, "--html", str(html), "--markdown", str(markdown), "--json")
    assert ran.code == 0
    found = json.loads(ran.out)
    assert found["format"] == FORMAT
    assert [source["id"] for source in found["sources"]] == ["L1", "V1", "R1"]
    assert [vendor["name"] for vendor in found["vendors"]] == ["honest", "engine", "official", "third"]
    assert f"report of 4 vendors written to {html}" in ran.err
    assert f"report of 4 vendors written to {markdown}" in ran.err
    assert html.read_text().startswith("<!doctype html>")
    assert html.stat().st_mode & 0o777 == 0o644
    assert sorted(each.name for each in tmp_path.iterdir()) == ["r.html", "r.md"]


def test_only_a_former_report_is_written_over(files: tuple[str, ...], tmp_path: Path) -> None:
    for option, name in (("--html", "r.html"), ("--markdown", "r.md")):
        file = tmp_path / name
        assert run("report", *files, option, str(file)).code == 0
        first = file.read_text()
        assert run("report", *files, option, str(file), "--title", "Again").code == 0
        assert file.read_text() != first
        file.write_text("<p>dear diary</p>")
        ran = run("report", *files, option, str(file))
        assert ran.code == 2
        assert f"{file} exists and is no former report" in ran.err
        assert "--force" in ran.err
        assert file.read_text() == "<p>dear diary</p>"
        assert run("report", *files, option, str(file), "--force").code == 0
        assert FORMAT in file.read_text()


def test_links_and_devices_stay_what_they_are(files: tuple[str, ...], tmp_path: Path) -> None:
    file, link = tmp_path / "r.html", tmp_path / "link.html"
    link.symlink_to(file)
    assert run("report", *files, "--html", str(link)).code == 0
    assert link.is_symlink()
    assert FORMAT in file.read_text()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run("report", *files, "--markdown", str(pipe)).code == 0
        assert os.read(reading, 5) == b"<!-- "
    finally:
        os.close(reading)
    assert pipe.is_fifo()


def test_a_link_to_itself(files: tuple[str, ...], tmp_path: Path) -> None:
    link = tmp_path / "link.html"
    link.symlink_to(link)
    for force in ((), ("--force",)):
        ran = run("report", *files, "--html", str(link), *force)
        assert ran.code == 2
        assert "cannot be written: Too many levels of symbolic links" in ran.err
    assert link.is_symlink()


def test_names_whose_bytes_are_no_characters(files: tuple[str, ...], tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"\xff.json")
    odd.write_bytes(Path(files[3]).read_bytes())
    for form in ("--json", "--markdown=-"):
        ran = run("report", "--verify", str(odd), "--title", os.fsdecode(b"\xfe"), form)
        assert ran.code == 0
        assert "udcff.json" in ran.out
        assert "udcfe" in ran.out


def test_a_log_without_rows_is_not_old(files: tuple[str, ...], tmp_path: Path) -> None:
    with Store.open(tmp_path):
        pass
    ran = run("report", "--state-dir", str(tmp_path), *files[2:4], "--json")
    assert ran.code == 0
    found = json.loads(ran.out)
    assert found["sources"][0]["at_s"] == found["made_at_s"]
    assert found["sources"][0]["from_s"] is None
    assert not [one for one in found["unknown"] if "L1 is" in one["what"]]


def test_a_file_that_cannot_be_written(files: tuple[str, ...], tmp_path: Path) -> None:
    ran = run("report", *files, "--html", str(tmp_path / "no" / "r.html"))
    assert ran.code == 2
    assert "cannot be written: No such file or directory" in ran.err


def test_one_source_is_enough_and_the_others_are_missed(files: tuple[str, ...]) -> None:
    for option, file in zip(files[::2], files[1::2], strict=True):
        ran = run("report", option, file, "--json")
        assert ran.code == 0
        found = json.loads(ran.out)
        assert len(found["sources"]) == 1
        missed = " ".join(one["what"] for one in found["unknown"])
        assert ("no live log was read" in missed) == (option != "--state-dir")
        assert ("no replay was read" in missed) == (option != "--replay")
        assert ("was not verified" in missed) == (option != "--verify")


def test_a_log_of_an_older_version_has_no_repairs(tmp_path: Path) -> None:
    write_log(tmp_path)
    ran = run("report", "--state-dir", str(tmp_path))
    assert ran.code == 0
    assert "what the firewall repaired: the log holds no facts of requests" in ran.out


REFUSED = (
    ((), "no source is given", "--state-dir DIR, --verify FILE or --replay DIR"),
    (("--state-dir", "nowhere"), "nowhere/paramwall.db does not exist", "hint"),
    (("--verify", "nowhere.json"), "--verify nowhere.json: No such file or directory", "paramwall verify --output"),
    (("--verify", "other.json"), "it is not a result of this version's paramwall verify", "paramwall verify --output"),
    (("--replay", "empty"), "--replay empty: No such file or directory", "paramwall replay --output"),
    (("--replay", "other.json"), "is no summary of a replay", "paramwall replay --output"),
    (("--state-dir", "fresh"), "nothing is known of any vendor", "paramwall verify or replay"),
    (("--json", "--markdown", "-"), "both want stdout", "a file"),
    (("--html", "r", "--markdown", "./r"), "--html and --markdown are both to be r", "a file of its own"),
)


@pytest.mark.parametrize(("words", "message", "hint"), REFUSED, ids=[" ".join(one[0]) or "nothing" for one in REFUSED])
def test_what_cannot_be_used(
    words: tuple[str, ...], message: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("fresh").mkdir()
    Path("other.json").write_text('{"a": 1}')
    with Store.open(Path("fresh")):
        pass
    ran = run("report", *words)
    assert ran.code == 2
    assert message in ran.err
    assert hint in ran.err
    assert ran.out == ""
