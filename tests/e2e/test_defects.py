"""Every known defect, from the vendor's socket to the alarm; what is to name it is in tests/cases/defects.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.signals import SIGNALS
from proxy.simulator.faults import FAULTS
from tests.e2e.defects.cases import Case, cases
from tests.e2e.defects.run import run
from tests.e2e.defects.systems import processes
from tests.source import ROOT, none_of

CASES = {case.name: case for case in cases()}
QUICK = [name for name, case in CASES.items() if case.quick]
PAGE = ROOT / "docs/defects.md"
THROUGH_PROCESSES = ("leaked-markers", "finish-mismatch", "injected-system-prompt", "refusals", "server-error")
HONEST = 2000


def test_every_fault_has_its_place_and_every_signal_exists() -> None:
    told = sorted(case.name for case in cases())
    assert told == sorted(fault.name for fault in FAULTS)
    names = {signal.name for signal in SIGNALS}
    none_of((name for name, case in CASES.items() if not names.issuperset(case.signals)), "expects no signal there is")
    none_of((name for name, case in CASES.items() if bool(case.signals) == bool(case.why)), "a signal, or why not")


def test_the_page_has_a_row_for_each() -> None:
    page = PAGE.read_text()
    none_of((case.fault for case in CASES.values() if f"| `{case.fault}` |" not in page), "not in docs/defects.md")


@pytest.mark.parametrize("name", QUICK)
async def test_a_dozen_are_named_in_time(name: str, tmp_path: Path) -> None:
    seen = await run(CASES[name], tmp_path, healthy=60)
    none_of(seen.faults, name)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CASES)
async def test_all_are_named_in_time(name: str, tmp_path: Path) -> None:
    """`.venv/bin/pytest -m long tests/e2e/test_defects.py`."""
    seen = await run(CASES[name], tmp_path)
    none_of(seen.faults, name)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", THROUGH_PROCESSES)
async def test_through_the_real_processes(name: str, tmp_path: Path) -> None:
    seen = await run(CASES[name], tmp_path, processes)
    none_of(seen.faults, name)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_an_honest_vendor_is_not_named(tmp_path: Path) -> None:
    """As many answers and pairs as HONEST, of either mode."""
    seen = await run(Case("none", "", requests=HONEST), tmp_path, healthy=0)
    assert (seen.answers, seen.pairs) == (HONEST, HONEST)
    none_of(seen.faults, "an honest vendor")
