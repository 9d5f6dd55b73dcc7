"""The packs and profiles that travel with the product, read once, and a request judged by one of them."""

from __future__ import annotations

import pickle
from functools import cache
from pathlib import Path
from typing import Final

from proxy.contract.envelope import Envelope
from proxy.contract.profile import Profile
from proxy.policy.decide import Decision, Plan, compile_plan, decide
from proxy.policy.document import Enforcement, PolicyDocument, Route, parse_policy, parse_profile

ROOT: Final = Path(__file__).parents[2]
CASES: Final = ROOT / "tests" / "cases" / "policy"
POLICIES: Final[dict[str, PolicyDocument]] = {
    path.stem: parse_policy(path.read_text(), path.name) for path in sorted((ROOT / "policies").glob("*.yaml"))
}
OTHERS: Final[dict[str, PolicyDocument]] = {
    path.stem: parse_policy(path.read_text(), path.name) for path in sorted((CASES / "policies").glob("*.yaml"))
}
"""Policies made for tests."""
PROFILES: Final[dict[str, Profile]] = {
    path.stem: parse_profile(path.read_text(), path.name)
    for path in sorted((ROOT / "policies" / "vendors").glob("*.yaml"))
}


@cache
def plan(
    policy: str = "kimi-k2.6",
    profile: str = "openai-compatible",
    enforcement: str | None = None,
    contract: str | None = None,
) -> Plan:
    """A shipped policy, or one made for tests, compiled for a shipped profile; it has crossed to another process, as
    those of workers have.
    """
    firmly = None if enforcement is None else Enforcement(enforcement)
    compiled = compile_plan((POLICIES | OTHERS)[policy], PROFILES[profile], firmly, contract)
    crossed: Plan = pickle.loads(pickle.dumps(compiled))
    return crossed


def judged(body: bytes, plan: Plan, route: Route = Route.CHAT) -> Decision:
    """The decision on a body. Raises MalformedBody."""
    return decide(plan, route, Envelope.parse(body))


def emitted(body: bytes, decision: Decision) -> bytes:
    """The body that leaves after `decision`, as the request path makes it."""
    return Envelope.parse(body).encode(decision.changes)
