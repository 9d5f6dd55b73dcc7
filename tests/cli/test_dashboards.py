"""`paramwall dashboards`: what is shipped is written, and nothing of anybody else's is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.cli.dashboards import SHIPPED, shipped_files
from tests.cli.running import run

ROOT = Path(__file__).parents[2]


def test_all_of_it_is_written_and_may_be_written_again(tmp_path: Path) -> None:
    assert run("dashboards", str(tmp_path / "out")).code == 0
    result = run("dashboards", str(tmp_path / "out"))
    assert result.code == 0, result.err
    written = {file.relative_to(tmp_path / "out") for file in (tmp_path / "out").rglob("*") if file.is_file()}
    assert written == {Path(name) for name, _ in shipped_files()}
    assert {path.parts[0] for path in written} == set(SHIPPED)
    for path in written:
        assert (tmp_path / "out" / path).read_bytes() == (ROOT / "dashboards" / path).read_bytes()
        assert str(path) in result.out


def test_a_file_that_differs_stops_it_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "runbook.md").write_text("ours")
    result = run("dashboards", str(tmp_path))
    assert result.code == 2
    assert "runbook.md is there and differs" in result.err
    assert "--force" in result.err
    assert [file.name for file in tmp_path.iterdir()] == ["runbook.md"]
    assert (tmp_path / "runbook.md").read_text() == "ours"
    assert run("dashboards", str(tmp_path), "--force").code == 0
    assert (tmp_path / "runbook.md").read_text() != "ours"


@pytest.mark.parametrize("at", ["file", "file/below"])
def test_a_place_that_cannot_be_written(tmp_path: Path, at: str) -> None:
    (tmp_path / "file").write_text("")
    result = run("dashboards", str(tmp_path / at))
    assert result.code == 2
    assert "hint:" in result.err
