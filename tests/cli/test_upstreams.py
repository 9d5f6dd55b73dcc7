"""Which vendors a command calls, and with whose key."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from proxy.cli.upstreams import VENDOR_KEY, Said, upstreams_of

ONE, OTHER = "http://127.0.0.1:9001/v1", "http://127.0.0.1:9002/v1"
KEY = "sk-upstreams-0123456789"
FILE = f"""\
version: 1
vendors:
  held: {{url: '{ONE}', api_key_env: HELD, credentials: held}}
  passed: {{url: '{OTHER}', credentials: pass}}
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HELD", "sk-held-0123456789")
    monkeypatch.setenv(VENDOR_KEY, KEY)
    monkeypatch.setenv("MINE", "sk-mine-0123456789")
    (tmp_path / "paramwall.yaml").write_text(FILE)


@pytest.mark.parametrize(
    ("names", "variable", "keys"),
    [
        ([ONE], None, [KEY]),
        ([ONE], "MINE", ["sk-mine-0123456789"]),
        ([ONE, ONE], None, [KEY, KEY]),
        (["held"], None, ["sk-held-0123456789"]),
        (["held", "passed"], None, ["sk-held-0123456789", KEY]),
        (["held", ONE], "MINE", ["sk-mine-0123456789", "sk-mine-0123456789"]),
    ],
)
def test_each_vendor_has_its_key(names: list[str], variable: str | None, keys: list[str]) -> None:
    found = upstreams_of(names, Said(key=variable))
    assert [vendor.api_key.reveal() for vendor in found.vendors if vendor.api_key is not None] == keys


@pytest.mark.parametrize(("names", "variable"), [([ONE, OTHER], None), (["held", "passed"], "MINE")])
def test_one_key_never_goes_to_two_hosts(
    names: list[str], variable: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as raised:
        upstreams_of(names, Said(key=variable))
    assert raised.value.exit_code == 2
    said = capsys.readouterr().err
    name = variable or VENDOR_KEY
    assert f"the key in {name} would go to http://127.0.0.1:9001 and to http://127.0.0.1:9002" in said
    assert "sk-" not in said


def test_without_a_variable_vendors_without_a_key_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VENDOR_KEY)
    assert [vendor.api_key for vendor in upstreams_of([ONE, OTHER], Said()).vendors] == [None, None]
