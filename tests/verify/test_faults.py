"""Every fault of the simulator: the layer that `paramwall verify` names for it (tests/cases/verify.yaml)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.simulator import Options, Simulator, parse_faults
from proxy.simulator.faults import FAULTS
from proxy.verify.runner import Unwelcome
from tests.source import ROOT, none_of
from tests.verify.verifying import FAST, vendor_at, verified

CASES: list[dict[str, Any]] = yaml.safe_load((ROOT / "tests/cases/verify.yaml").read_text(encoding="utf-8"))


def test_every_fault_has_its_case() -> None:
    told = {case["fault"].partition(":")[0] for case in CASES}
    none_of((fault.name for fault in FAULTS if fault.name not in told), "no case in tests/cases/verify.yaml")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["fault"] or "honest")
async def test_the_right_layer_is_named(case: dict[str, Any], tmp_path: Path) -> None:
    faults = parse_faults(*filter(None, [case["fault"]]))
    async with (
        Simulator(Options(seed=1, instant=True, faults=faults)) as vendor,
        Simulator(Options(seed=2, instant=True)) as honest,
    ):
        reference = vendor_at(honest.url, "moonshot") if case.get("reference") else None
        run = verified(
            vendor_at(vendor.url, "moonshot"),
            tmp_path / "state",
            reference=reference,
            only=FAST,
            wait_s=case.get("wait_s", 30.0),
        )
        if "unwelcome" in case:
            with pytest.raises(Unwelcome, match=str(case["unwelcome"])):
                await run
            return
        ran = await run
    expected = set(case.get("failed", [case["layer"]] if "layer" in case else []))
    seen = [f"{one.id} ({one.mode}): {one.seen}" for one in ran.judged.probes if one.verdict == "fail"]
    assert ran.failed() == expected, seen
    assert ran.judged.verdict == case.get("verdict", "fail")
    if case.get("verdict") == "inconclusive":
        assert ran.judged.no_answer_share == 1.0
        assert set(ran.layers.values()) == {"inconclusive"}
        assert not any(layer.passed for layer in ran.judged.layers)
