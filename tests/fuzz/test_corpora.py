"""Two public corpora, where they are at hand: JSONTestSuite and the Big List of Naughty Strings.

Here: what the gate makes of each file and each string. Not here: the corpora themselves; two environment variables name
a checkout of nst/JSONTestSuite (PARAMWALL_JSON_SUITE) and the file blns.json of minimaxir/big-list-of-naughty-strings
(PARAMWALL_NAUGHTY_STRINGS). Invariant: every file has a declared outcome (tests/cases/json_suite.yaml) as a whole body,
as the value of a member that nobody judges, and as that of one that is judged; what is accepted keeps its bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from proxy.policy.verdict import Route
from proxy.wire.judge import judge
from proxy.wire.problems import Refused
from tests.fuzz.inprocess import Gate, gates
from tests.fuzz.judging import Passage, Tally
from tests.fuzz.readers import node
from tests.fuzz.requests import Request
from tests.fuzz.test_bytes_kept import passage
from tests.source import ROOT

ACCEPTED: Final = "accepted"
DECLARED: Final = ROOT / "tests" / "cases" / "json_suite.yaml"
_BEFORE: Final = b'{"model":"kimi-k2.6","messages":[],"temperature":1.0,"top_p":0.95,'
_BLANK: Final = b" \t\r\n"


def _given(variable: str) -> Path:
    path = os.environ.get(variable)
    if path is None:
        pytest.skip(f"{variable} names no copy of the corpus (CONTRIBUTING.md says which)")
    return Path(path)


def _declared() -> Iterator[tuple[str, Mapping[str, str]]]:
    for group in yaml.safe_load(DECLARED.read_text(encoding="utf-8")):
        for name in group["files"]:
            yield name, {place: group[place] for place in ("body", "member", "judged")}


@pytest.fixture(scope="module")
def gate() -> Gate:
    return gates()[0]


def _outcome(gate: Gate, body: bytes) -> tuple[str, bytes]:
    """`accepted` or the code of the refusal, and the body that leaves."""
    try:
        return ACCEPTED, judge(gate.plan, Route.CHAT, body).body
    except Refused as refusal:
        return refusal.problem.code if refusal.problem.status == 400 else str(refusal), b""


def test_every_file_is_declared_once_and_by_its_class() -> None:
    names = [name for name, _ in _declared()]
    assert len(names) == len(set(names)) == 340
    for name, outcome in _declared():
        if name.startswith("y_"):
            assert outcome["member"] == ACCEPTED, name
        if name.startswith("n_"):
            assert ACCEPTED not in outcome.values(), name


@pytest.mark.usefixtures("needs_node")
async def test_json_test_suite(gate: Gate) -> None:
    root, seen = _given("PARAMWALL_JSON_SUITE"), {}
    declared = dict(_declared())
    async with node() as reader:
        for path in sorted([*(root / "test_parsing").iterdir(), *(root / "test_transform").iterdir()]):
            text = path.read_bytes()
            member = _BEFORE + b'"x":' + text + b"}"
            outcome, left = _outcome(gate, member)
            seen[path.name] = {
                "body": _outcome(gate, text)[0],
                "member": outcome,
                "judged": _outcome(gate, _BEFORE + b'"thinking":' + text + b"}")[0],
            }
            if outcome == ACCEPTED:
                assert left == _BEFORE + b'"x":' + text.strip(_BLANK) + b"}", path.name
                tally = Tally()
                await Passage(gate.lane, Request("chat", (), member, ""), tally).forwarded(left, "", reader)
                assert not tally.found, path.name
    assert seen == declared


def _strings() -> list[str]:
    found: list[str] = json.loads(_given("PARAMWALL_NAUGHTY_STRINGS").read_bytes())
    assert len(found) > 400
    return found


def _request(text: str) -> dict[str, Any]:
    """A conversation with the text wherever a client may put one."""
    arguments = json.dumps({text: text, "list": [text]}, ensure_ascii=False)
    call = {"id": text, "type": "function", "function": {"name": text, "arguments": arguments}}
    said = [
        {"role": "user", "content": text, "name": text},
        {"role": "assistant", "content": None, "reasoning_content": text, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": text, "content": [{"type": "text", "text": text}]},
    ]
    schema = {"type": "object", "properties": {text: {"type": "string", "description": text, "enum": [text]}}}
    tool = {"type": "function", "function": {"name": "f", "description": text, "parameters": schema}}
    sampling = {"temperature": 1.0, "top_p": 0.95}
    others = {"tools": [tool], "stop": [text], "user": text, "metadata": {text: text}, "prompt_cache_key": text}
    return {"model": "kimi-k2.6", "messages": said, **sampling, **others}


def test_naughty_strings_arrive_byte_for_byte() -> None:
    with passage() as send:
        for text in _strings():
            for escaped in (False, True):
                body = json.dumps(_request(text), ensure_ascii=escaped, separators=(",", ":")).encode()
                assert send(body) == (body, ""), ascii(text)


def test_naughty_names_arrive_or_are_refused_as_declared(gate: Gate) -> None:
    for text in _strings():
        for escaped in (False, True):
            body = _BEFORE + json.dumps({text: 1.10}, ensure_ascii=escaped, separators=(",", ":")).encode()[1:]
            outcome, left = _outcome(gate, body)
            if len(text) > 256:
                assert outcome == "member-name-too-long", ascii(text)
            else:
                # The name of a member is written plainly, however it came; its value keeps its bytes.
                plain = _BEFORE + json.dumps({text: 1.10}, ensure_ascii=False, separators=(",", ":")).encode()[1:]
                assert outcome == ACCEPTED, ascii(text)
                assert json.loads(left) == json.loads(body)
                assert escaped or left == plain
