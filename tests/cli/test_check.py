"""`paramwall check`: configurations, policies and profiles, in words and as JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config import shipped
from tests.cli.running import run

GOOD = "version: 1\nvendors:\n  a: {url: https://api.moonshot.ai/v1}\n"
BAD = "version: 1\nvendors:\n  a: {url: https://a.example/v2}\nlistn: 127.0.0.1:1\n"
POLICY = """version: 1
name: mine
models: [m]
mode: {default: thinking}
clauses:
  - {id: n-above-one, kind: fixed, member: n, value: 1, source: a test}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with some files in it."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "good.yaml": GOOD,
        "bad.yaml": BAD,
        "policy.yaml": POLICY,
        "bad-policy.yaml": POLICY.replace("fixed", "fixd").replace("models", "modles"),
        "profile.yaml": shipped.profile_text("vllm"),
        "bad-profile.yaml": shipped.profile_text("vllm").replace("hosts", "hots"),
        "broken.yaml": "a: [",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("good.yaml", "good.yaml: ok, configuration "),
        ("policy.yaml", "policy.yaml: ok, policy mine, 1 clause\n"),
        ("profile.yaml", "profile.yaml: ok, profile vllm\n"),
    ],
)
def test_a_usable_file(file: str, said: str) -> None:
    ran = run("check", file)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(said)


@pytest.mark.usefixtures("folder")
def test_every_problem_is_printed_with_its_line_and_remedy() -> None:
    ran = run("check", "bad.yaml")
    assert (ran.code, ran.err) == (2, "")
    assert ran.out == (
        'bad.yaml:3: vendors.a.url: the path of "https://a.example/v2" does not end in /v1\n'
        "  hint: write https://a.example/v1\n"
        "bad.yaml:4: listn is not a setting\n"
        "  hint: did you mean listen?\n"
    )


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("bad-policy.yaml", ["bad-policy.yaml:3: ", "bad-policy.yaml:6: "]),
        ("bad-profile.yaml", ["bad-profile.yaml:"]),
        ("broken.yaml", ["broken.yaml:1: not YAML"]),
        ("none.yaml", ["--config: there is no file none.yaml"]),
        ("binary.yaml", ["binary.yaml: the file cannot be read: it is not UTF-8 text"]),
    ],
)
def test_an_unusable_file(file: str, said: list[str]) -> None:
    ran = run("check", file)
    assert (ran.code, ran.err) == (2, "")
    for text in said:
        assert text in ran.out
    assert "  hint: " in ran.out


def test_the_reference_is_shown(folder: Path) -> None:
    (folder / "mirrored.yaml").write_text(f"{GOOD}reference: {{url: http://127.0.0.1:9/v1, model: k}}\n")
    ran = run("check", "mirrored.yaml")
    assert ran.code == 0
    assert ran.out.endswith("vendors a (api.moonshot.ai, repair); reference 127.0.0.1:9 (k), mirror 1%\n")


@pytest.mark.usefixtures("folder")
def test_several_files_as_json() -> None:
    ran = run("check", "good.yaml", "bad.yaml", "policy.yaml", "--json")
    assert ran.code == 2
    good, bad, policy = ran.json["files"]
    assert (good["file"], good["kind"], good["ok"], good["problems"]) == ("good.yaml", "configuration", True, [])
    assert (policy["kind"], policy["ok"]) == ("policy", True)
    assert bad["problems"][1] == {
        "source": "bad.yaml",
        "line": 4,
        "message": "listn is not a setting",
        "hint": "did you mean listen?",
    }


def test_warnings_and_notices_go_to_stderr(folder: Path) -> None:
    (folder / "held.yaml").write_text(GOOD.replace("}", ", api_key_env: VENDOR_KEY}"), encoding="utf-8")
    ran = run("check", "held.yaml", environ={"VENDOR_KEY": "canary"})
    assert ran.code == 0
    assert ran.err == "held.yaml: everyone on this machine can use the key of a; hint: add a `clients` section\n"
    assert "canary" not in ran.out + ran.err


def test_secrets_are_looked_for_unless_told_otherwise(folder: Path) -> None:
    (folder / "held.yaml").write_text(GOOD.replace("}", ", api_key_env: NOT_SET}"), encoding="utf-8")
    assert run("check", "held.yaml").code == 2
    assert run("check", "held.yaml", "--no-secrets").code == 0


@pytest.mark.usefixtures("folder")
def test_without_a_file_paramwall_yaml_is_checked() -> None:
    ran = run("check")
    assert ran.code == 2
    assert "there is no paramwall.yaml here" in ran.out
    Path("paramwall.yaml").write_text(GOOD, encoding="utf-8")
    assert run("check").out.startswith("paramwall.yaml: ok")
