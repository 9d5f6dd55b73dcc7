"""Fuzz target: policy documents and vendor profiles.

Invariants: a text is a document or is refused with every problem told; what is accepted compiles, and decides about any
body without another error than a declared one.
"""

from __future__ import annotations

from functools import cache

from proxy.contract.profile import Profile
from proxy.policy.document import DocumentError, parse_policy, parse_profile
from proxy.policy.plan import compile_plan
from proxy.policy.verdict import Enforcement, Route
from proxy.wire.judge import judge
from proxy.wire.problems import Refused
from tests.fuzz.target import Target
from tests.source import ROOT

_BODIES = (
    b'{"model":"kimi-k2.6","messages":[],"temperature":2,"top_p":0.5,"n":3,"thinking":{"type":"disabled"},"top_k":4}',
    b'{"messages":[{"role":"user","content":"x"}],"max_tokens":0,"extra_body":{"top_p":1},"tool_choice":"required"}',
)


@cache
def _vendor() -> Profile:
    path = ROOT / "policies" / "vendors" / "moonshot.yaml"
    return parse_profile(path.read_text(encoding="utf-8"), path.name)


def check(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    try:
        parse_profile(text, "fuzzed.yaml")
    except DocumentError as error:
        _check_told(error)
    try:
        document = parse_policy(text, "fuzzed.yaml")
    except DocumentError as error:
        _check_told(error)
        return
    for firmly in Enforcement:
        plan = compile_plan(document, _vendor(), firmly)
        for route in Route:
            for body in _BODIES:
                try:
                    judge(plan, route, body)
                except Refused as refusal:
                    assert refusal.problem.status == 400


def _check_told(error: DocumentError) -> None:
    assert error.problems
    for problem in error.problems:
        assert problem.source == "fuzzed.yaml"
        assert problem.message


WORDS = (
    *(b"version: 1\n", b"name: ", b"models: ", b"- kind: ", b"  ", b"\n", b": ", b"- ", b"[]", b"{}", b"null", b"true"),
    *(b"clauses:\n", b"mode: {default: thinking}", b"enforcement: strict\n", b"contract: range", b"routes: [chat]"),
    *(
        b"{thinking: 1.0, instant: 0.6}",
        b"1e400",
        b"-0",
        b".inf",
        b"!!float",
        b"&a",
        b"*a",
        b"<<: ",
        b"|\n",
        b'"\\x00"',
    ),
    *(
        b"member: ",
        b"members: ",
        b"value: ",
        b"absent: fill",
        b"absent: leave",
        b"source: x",
        b"id: a",
        b"[",
        b"{",
        b"'",
    ),
)
TARGET = Target("policy", check, WORDS, longest=3000)
