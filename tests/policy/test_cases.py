"""Golden cases: a body, a policy and an enforcement in; a verdict, the body that leaves, error texts and receipts out.

The files of tests/cases/policy/golden hold them, one file a subject. A case says `body`, and may say `policy`,
`profile`, `enforcement`, `contract` and `route`; `verdict` is allow, rewrite, reject or malformed. What a case does not
expect must not happen: no receipts unless listed, `sent` equals `body` unless given.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from proxy.contract.envelope import MalformedBody
from proxy.policy.document import Route
from proxy.policy.verdict import Allow, Reject, Rewrite
from tests.policy.shipped import CASES, emitted, judged, plan

KNOWN_KEYS = {
    "name", "body", "policy", "profile", "enforcement", "contract", "route", "verdict", "mode", "sent", "error",
    "seen", "hint", "code", "param", "receipts", "observed", "translation", "applies",
}  # fmt: skip


def _load() -> list[Any]:
    found = []
    for path in sorted((CASES / "golden").glob("*.yaml")):
        cases = yaml.safe_load(path.read_text())
        assert len({case["name"] for case in cases}) == len(cases), f"{path.name} names a case twice"
        found += [pytest.param(case, id=f"{path.stem}: {case['name']}") for case in cases]
    return found


@pytest.mark.parametrize("case", _load())
def test_case(case: dict[str, Any]) -> None:
    assert case.keys() <= KNOWN_KEYS
    body = case["body"].encode()
    compiled = plan(
        case.get("policy", "kimi-k2.6"),
        case.get("profile", "openai-compatible"),
        case.get("enforcement"),
        case.get("contract"),
    )
    route = Route(case.get("route", "chat"))
    if case["verdict"] == "malformed":
        with pytest.raises(MalformedBody) as caught:
            judged(body, compiled, route)
        assert (caught.value.code, caught.value.param) == (case["code"], case["param"])
        assert case.get("error", "") in str(caught.value)
        assert caught.value.code in compiled.clause_ids
        return
    decision = judged(body, compiled, route)
    assert type(decision.verdict).__name__.lower() == case["verdict"]
    assert [f.receipt for f in decision.verdict.observed] == case.get("observed", [])
    assert decision.translation.receipt == case.get("translation", "")
    assert decision.applies is case.get("applies", True)
    assert set(decision.counts) <= set(compiled.counts)
    if "mode" in case:
        assert decision.mode == case["mode"]
    match decision.verdict:
        case Allow():
            assert emitted(body, decision).decode() == case.get("sent", case["body"])
        case Rewrite(findings=findings):
            assert emitted(body, decision).decode() == case["sent"]
            assert [f.receipt for f in findings] == case["receipts"]
        case Reject(findings=findings):
            assert findings[0].message == case["error"]
            assert findings[0].clause == case["code"]
            assert findings[0].member == case["param"]
            assert findings[0].seen == case.get("seen", findings[0].seen)
            assert case.get("hint", "") in findings[0].hint
