"""The judges of the bypass fuzz are judged: each reader reads as it should, and what is unlawful is seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fuzz.lawful import Host, faults
from tests.fuzz.readers import READERS, Unreadable, node

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "e2e" / "readings.yaml").read_text(encoding="utf-8"))
HOST = Host("any", None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["body"])
def test_each_reader_sees_what_it_should(case: Mapping[str, Any]) -> None:
    unlawful, unread = set(), set()
    for reader in READERS:
        name = reader.__name__.removeprefix("read_")
        if name in case.get("either", ()):
            continue
        try:
            view = reader(case["body"].encode())
        except Unreadable:
            unread.add(name)
        else:
            if list(faults(view, "chat", HOST)):
                unlawful.add(name)
    assert unlawful == set(case["unlawful"]) - {"node"}
    assert unread == set(case.get("unread", ())) - {"node"}


@pytest.mark.usefixtures("needs_node")
async def test_node_sees_what_it_should() -> None:
    async with node() as reader:
        for case in CASES:
            try:
                view = await reader.read(case["body"].encode())
            except Unreadable:
                assert "node" in case.get("unread", ()), case["body"]
            else:
                assert bool(list(faults(view, "chat", HOST))) == ("node" in case["unlawful"]), case["body"]


@pytest.mark.parametrize(
    ("switch", "body", "seen"),
    [
        (("thinking", "type"), b'{"temperature":0.6,"top_p":0.95,"enable_thinking":false}', True),
        (("enable_thinking",), b'{"temperature":0.6,"top_p":0.95,"enable_thinking":false}', False),
        (("enable_thinking",), b'{"temperature":1.0,"top_p":0.95,"enable_thinking":false}', True),
        (("enable_thinking",), b'{"temperature":1.0,"top_p":0.95,"thinking":{"type":"enabled"}}', False),
    ],
)
def test_a_host_reads_its_own_switch_only(switch: tuple[str, ...], body: bytes, seen: bool) -> None:
    host = Host("one switch", switch)
    assert all(bool(list(faults(reader(body), "chat", host))) == seen for reader in READERS)


def test_a_host_that_does_not_think_unasked_must_be_told() -> None:
    host = Host("silent", ("enable_thinking",), unasked="instant")
    for reader in READERS:
        assert list(faults(reader(b'{"temperature":1.0,"top_p":0.95}'), "chat", host))
        assert not list(faults(reader(b'{"temperature":1.0,"top_p":0.95,"enable_thinking":true}'), "chat", host))


def test_range_admits_what_exact_does_not() -> None:
    body = b'{"temperature":0.25,"top_p":0.95}'
    for reader in READERS:
        assert list(faults(reader(body), "chat", HOST))
        assert not list(faults(reader(body), "chat", Host("any", None, contract="range")))
        assert list(faults(reader(body.replace(b"0.25", b"1.01")), "chat", Host("any", None, contract="range")))


def test_routes_judge_what_means_something_there() -> None:
    body = b'{"temperature":1.0,"top_p":0.95,"n":2}'
    for reader in READERS:
        assert list(faults(reader(body), "responses", HOST))
        assert not list(faults(reader(body), "messages", HOST))
