"""The parameter checks of the Kimi Vendor Verifier, put to the policy in strict: all of them come out as they must.

Source of the probes: MoonshotAI/Kimi-Vendor-Verifier, verify_params.py (exact) and tests/params/test_params.py (range).
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from proxy.policy.verdict import Reject
from tests.policy.shipped import judged, plan

SPELLINGS: dict[str, dict[bool, dict[str, Any]]] = {
    "kimi": {True: {"thinking": {"type": "enabled"}}, False: {"thinking": {"type": "disabled"}}},
    "opensource": {
        True: {"chat_template_kwargs": {"thinking": True}},
        False: {"chat_template_kwargs": {"thinking": False}},
    },
}
FIXED = [("top_p", 0.95, 0.8), ("presence_penalty", 0, 0.5), ("frequency_penalty", 0, 0.5), ("n", 1, 2)]


def _probes(temperatures: dict[bool, tuple[list[float], list[float]]]) -> list[tuple[bool, dict[str, Any], bool]]:
    """Mode, members and whether they must be accepted."""
    probes: list[tuple[bool, dict[str, Any], bool]] = []
    for thinking, (accepted, rejected) in temperatures.items():
        probes.append((thinking, {}, True))
        probes += [(thinking, {"temperature": value}, True) for value in accepted]
        probes += [(thinking, {"temperature": value}, False) for value in rejected]
        for name, good, bad in FIXED:
            probes += [(thinking, {name: good}, True), (thinking, {name: bad}, False)]
    return probes


EXACT = _probes({True: ([1.0], [0.5]), False: ([0.6], [0.5])})
RANGE = _probes({True: ([0.6, 0.0, 1.0], [1.1, 2.0, -0.1]), False: ([0.6], [])})
CASES = [
    pytest.param(
        contract, spelling, *probe, id=f"{contract} {spelling} {'thinking' if probe[0] else 'instant'} {probe[1]}"
    )
    for contract, probes in (("exact", EXACT), ("range", RANGE))
    for spelling in SPELLINGS
    for probe in probes
]


def test_the_pre_check_has_forty_four_probes() -> None:
    assert len(EXACT) * len(SPELLINGS) == 44


@pytest.mark.parametrize("profile", ["openai-compatible", "moonshot", "vllm"])
@pytest.mark.parametrize(("contract", "spelling", "thinking", "members", "accepted"), CASES)
def test_probe(
    contract: str, spelling: str, thinking: bool, members: dict[str, Any], accepted: bool, profile: str
) -> None:
    messages = [{"role": "user", "content": "Say OK."}]
    body = {"model": "kimi-k2.6", "messages": messages, **SPELLINGS[spelling][thinking], **members}
    verdict = judged(json.dumps(body).encode(), plan("kimi-k2.6", profile, "strict", contract)).verdict
    assert isinstance(verdict, Reject) is not accepted
    if isinstance(verdict, Reject):
        assert re.match(r"^invalid (\w+): only (\S+) is allowed", verdict.findings[0].message)
