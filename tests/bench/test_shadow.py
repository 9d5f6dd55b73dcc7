"""The probes of the shadow: their traffic is what they say it is, and their figures mean what the tables claim."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from bench import shadow, shadow_throughput
from bench.shadow_cost import CostFigure, script_of
from bench.shadow_killed import KilledFigure
from bench.shadow_load import loading, messages, split
from bench.shadow_report import TABLES, fill, section, to_json
from bench.shadow_throughput import CrossingFigure, ThroughputFigure
from bench.shadow_trouble import TroubleFigure
from bench.shadow_vendor import CONTENT, REASONING, Troubled, events, whole
from bench.workloads import WORKLOADS
from proxy.contract.answer import Answer
from proxy.contract.assemble import Assembler
from proxy.contract.envelope import Envelope
from proxy.scorer.answers import KnownTools
from proxy.shadow.sampling import conversation_of
from proxy.signals.features import read
from proxy.signals.read import read_rates
from tests.source import ROOT

COST = CostFigure("agent", "25 KB agent JSON", True, 200.0, 220.0, 1.1, 1.05, 1.2, 300.0, 0.25, 0.01, 0, 5)
SCORED = ThroughputFigure(0.2, "traffic", 1000, 200, 0, 1.6, 625.0, 900_000)
CROSSED = CrossingFigure(20, 473_000, 6000, 1, 6010, 22_000)
MIB = 1 << 20
RSS = (MIB, 2 * MIB), (3 * MIB, 3 * MIB)
TROUBLE = TroubleFigure("down", 2.0, 8.0, 1.02, 4000, 0, *RSS, {"selected": 4000}, ("inconclusive",))
KILLED = KilledFigure(100, 15, 15, 0, 9000, 0, 40, 5000, 4900, 300.0)
ON = {"date": "2026-01-01"}
KEPT = {
    "cost": section(ON, [COST]),
    "throughput": section(ON, [SCORED, CROSSED]),
    "trouble": section(ON, [TROUBLE]),
    "killed": section(ON, [KILLED]),
}


# Figures and tables


def test_every_table_can_be_made_of_what_was_kept() -> None:
    again = json.loads(to_json(KEPT))
    rows = {name: make(again)[1:] for name, make in TABLES.items()}
    assert rows["cost"] == [("25 KB agent JSON", "200", "220", "1.10x", "1.05 to 1.20", "1.15x", "300", "25.0%")]
    assert rows["throughput"] == [("20%", "625", "500", "1,000", "0", "900")]
    assert rows["crossing"] == [("requests of 473 KB", "20", "6,000 bytes", "1, 6,010 bytes", "1,100 bytes")]
    assert rows["trouble"] == [
        ("down", "2.00 / 8.00", "1.02x", "4,000", "0", "1 to 2", "3 to 3", "4,000 selected", "inconclusive")
    ]
    assert rows["killed"] == [("100", "15", "15", "9,000", "0", "40", "5,000", "4,900")]
    assert [row[0] for row in rows["machine"]] == ["cost", "throughput", "trouble", "killed"]


@pytest.mark.parametrize(
    ("figure", "kept"),
    [
        (COST, True),
        (replace(COST, ratio=1.16), False),
        (replace(COST, ratio=1.16, barred=False), True),
        (replace(COST, failed=1), False),
        (SCORED, True),
        (replace(SCORED, per_cpu_s=499.0), False),
        (replace(SCORED, per_cpu_s=499.0, second_share=1.0), True),
        (replace(SCORED, lost=1), False),
        (CROSSED, True),
        (replace(CROSSED, content_frames=2), False),
        (TROUBLE, True),
        (replace(TROUBLE, states=("inconclusive", "ok")), False),
        (replace(TROUBLE, states=()), False),
        (replace(TROUBLE, phase="healthy", states=("inconclusive", "ok")), True),
        (replace(TROUBLE, errors=1), False),
        (KILLED, True),
        (replace(KILLED, same=14, differences=3), False),
        (replace(KILLED, errors=1), False),
        (replace(KILLED, rows=0), False),
    ],
)
def test_whether_a_bar_is_kept(figure: CostFigure, kept: bool) -> None:
    assert figure.kept is kept
    assert section(ON, [figure])["kept"] is kept


def test_the_document_holds_the_figures_that_were_kept() -> None:
    text = (ROOT / "docs/benchmarks.md").read_text()
    kept = json.loads(shadow.FIGURES.read_text()) if shadow.FIGURES.exists() else {}
    assert all(f"<!-- shadow:{name} -->" in text for name in TABLES)
    assert fill(text, kept) == text, "hint: python -m bench.shadow --markdown docs/benchmarks.md"


def test_a_document_cannot_ask_for_an_unknown_table() -> None:
    with pytest.raises(ValueError, match="no table of the shadow is called speed; there are cost, throughput"):
        fill("<!-- shadow:speed -->\n<!-- /shadow -->", KEPT)


@pytest.mark.parametrize("wrong", [["speed"], ["cost", "--workloads", "tiny"], ["killed", "--kills", "0"]])
def test_a_wrong_command_line_is_refused(wrong: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["shadow", *wrong])
    with pytest.raises(SystemExit) as ended:
        shadow.main()
    assert ended.value.code == 2


# The load


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_every_request_is_a_conversation_of_its_own(workload: object) -> None:
    assert workload in WORKLOADS
    (found,) = [each for each in WORKLOADS if each is workload]
    before, after = split(found.body, stream=found.stream)
    bodies = [b"%b%010d %b" % (before, number, after) for number in (1, 2)]
    assert len({conversation_of(Envelope.parse(each), "") for each in bodies}) == 2
    script = script_of(found, 7)
    assert f"number, before, after = 7, [==[{before.decode()}]==], [==[{after.decode()}]==]" in script


@asynccontextmanager
async def troubled(behaviour: str) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Troubled(behaviour, loop), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_load_counts_answers_and_nothing_else() -> None:
    async with troubled("honest") as port:
        async with loading(port, 3, 0.001, messages()) as load:
            async with asyncio.timeout(10):
                while len(load.seconds) < 9:  # noqa: ASYNC110  (a count is awaited)
                    await asyncio.sleep(0.005)
    assert load.errors == 0
    assert all(0 < each < 10 for each in load.seconds)


@pytest.mark.parametrize("listens", [True, False])
async def test_refusals_and_broken_connections_are_errors(listens: bool) -> None:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(troubled("limited"))
        if not listens:
            await stack.aclose()
        async with loading(port, 1, 0.0, messages()) as load, asyncio.timeout(10):
            while not load.errors:  # noqa: ASYNC110  (a count is awaited)
                await asyncio.sleep(0.005)
    assert load.seconds == []


async def test_a_hanging_vendor_is_alive_and_says_nothing() -> None:
    async with troubled("hanging") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(next(messages()))
        writer.write(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert b"text/plain" in head  # the first answer on the connection is the second question's


def answer(content_type: str, data: bytes) -> Answer:
    assembler = Assembler(content_type)
    assembler.feed(data)
    return assembler.answer(complete=True)


def test_the_honest_vendor_says_the_same_in_both_forms_and_breaks_no_rule() -> None:
    one, other = answer("application/json", whole()), answer("text/event-stream", events())
    for each, stream in ((one, b"false"), (other, b"true")):
        assert (each.content, each.reasoning) == (CONTENT, REASONING)
        members = {"model": b'"kimi-k2.6"', "stream": stream}
        asked = KnownTools().asked(members, "thinking", frozenset({"kimi-k2.6"}), whole=False)
        assert not any(read_rates(read(each, asked), asked).values())
    assert one.usage is not None
    assert other.usage is not None
    assert (one.usage.prompt, one.usage.completion) == (other.usage.prompt, other.usage.completion)
    assert one.finish_reason == other.finish_reason == "stop"


# The scorer


def test_all_that_is_fed_is_scored_and_a_second_answer_is_given_as_wanted() -> None:
    without, with_all = shadow_throughput.measure(0.01, 8, lambda _: None, shares=(0.0, 1.0))
    assert without.scored > 0
    assert with_all.tripled == with_all.scored > 0
    assert without.tripled == without.lost == with_all.lost == 0
    assert without.per_cpu_s == pytest.approx(without.scored / without.cpu_s)
    assert without.log_bytes > 0


def test_tools_of_a_conversation_cross_once() -> None:
    found = shadow_throughput.crossing(3)
    assert found.content_frames == 1
    assert found.tools_bytes <= found.content_bytes <= found.tools_bytes + 64
    assert found.requests * len(whole()) < found.other_bytes < found.request_bytes
