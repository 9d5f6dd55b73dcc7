"""Storms, hangs and kills: a run is bounded, what was answered is kept, and what was not is no verdict."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from proxy.probes import PROBES
from proxy.probes.probe import Setting
from proxy.simulator import Options, Simulator, parse_faults
from proxy.verify.runner import GIVE_UP
from proxy.verify.selection import Parties, UnknownName, chains, cost, selected
from proxy.verify.state import Run, State, StateError
from tests.verify.verifying import KEY, vendor_at, verified

PARTS = ("parameters", "template")


async def test_a_storm_of_429_is_waited_for_and_given_up(tmp_path: Path) -> None:
    async with Simulator(Options(instant=True, faults=parse_faults("rate-limited:7"))) as vendor:
        ran = await verified(vendor_at(vendor.url, "moonshot"), tmp_path / "state", concurrency=1)
    assert ran.runner.gave_up
    assert ran.requests == 3 * GIVE_UP == len(vendor.received)
    assert sum(ran.turned.slept) >= 7.0 * (3 * GIVE_UP - 1), "the Retry-After is obeyed"
    assert ran.judged.verdict == "inconclusive"
    assert ran.judged.no_answer_share == 1.0


async def test_a_storm_that_passes_costs_no_verdict(tmp_path: Path) -> None:
    async with Simulator(
        Options(seed=3, instant=True, faults=parse_faults("server-error=0.2", "rate-limited=0.2"))
    ) as vendor:
        ran = await verified(vendor_at(vendor.url, "moonshot"), tmp_path / "state", only=PARTS, attempts=12)
    assert ran.judged.verdict == "pass"
    assert ran.requests == len(vendor.received)
    assert len(ran.turned.slept) > 10


async def test_few_answers_are_inconclusive_and_counted(tmp_path: Path) -> None:
    async with Simulator(Options(seed=3, instant=True, faults=parse_faults("service-unavailable=0.4"))) as vendor:
        ran = await verified(vendor_at(vendor.url, "moonshot"), tmp_path / "state", only=PARTS, attempts=1)
    assert ran.judged.verdict == "inconclusive"
    assert 0.2 < ran.judged.no_answer_share < 0.6
    silent = [one for one in ran.judged.probes if one.verdict == "no-answer"]
    assert silent
    assert all(one.unanswered and "status 503" in one.seen for one in silent)
    assert not [one for one in ran.judged.probes if one.verdict == "pass" and one.unanswered]


async def test_a_vendor_that_never_answers_ends_in_time(tmp_path: Path) -> None:
    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    try:
        vendor = vendor_at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        ran = await verified(vendor, tmp_path / "state", wait_s=0.05, attempts=2)
    finally:
        server.close()
        for writer in writers:
            writer.close()
    assert ran.runner.gave_up
    assert ran.judged.verdict == "inconclusive"
    assert ran.judged.no_answer_share == 1.0
    assert ran.seconds < 10


async def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    async with Simulator(Options(seed=1, instant=True)) as vendor:
        one = vendor_at(vendor.url, "moonshot")
        whole = await verified(one, tmp_path / "whole", only=PARTS)
        alone = len(vendor.received)
        for stop_after in (1, 7, 20):
            vendor.received.clear()
            state = tmp_path / f"stopped-{stop_after}"
            first = await verified(one, state, only=PARTS, stop_after=stop_after, concurrency=1)
            assert first.runner.stop.is_set()
            assert first.judged.verdict == "inconclusive"
            assert "not asked" in first.found("null-content", "instant").seen
            second = await verified(one, state, only=PARTS, concurrency=1)
            assert len(vendor.received) == alone, "what was answered is not asked again"
            assert second.judged.verdict == "pass"
            assert [one.id for one in second.judged.probes] == [one.id for one in whole.judged.probes]


async def test_what_was_not_answered_is_asked_again(tmp_path: Path) -> None:
    async with Simulator(Options(instant=True, faults=parse_faults("service-unavailable"))) as vendor:
        one = vendor_at(vendor.url, "moonshot")
        first = await verified(one, tmp_path / "state", only=PARTS, attempts=1)
        assert first.judged.no_answer_share == 1.0
        vendor.set_faults(())
        second = await verified(one, tmp_path / "state", only=PARTS)
    assert second.judged.verdict == "pass"


RUN = Run(vendor="http://a/v1", model="m", profile="moonshot", contract="exact")


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (
            Run(vendor="http://b/v1", model="m", profile="moonshot", contract="exact"),
            "vendor http://a/v1, not http://b/v1",
        ),
        (Run(vendor="http://a/v1", model="n", profile="moonshot", contract="exact"), "model m, not n"),
        (Run(vendor="http://a/v1", model="m", profile="moonshot", contract="range"), "contract exact, not range"),
    ],
)
def test_another_run_is_refused(tmp_path: Path, other: Run, says: str) -> None:
    with State(tmp_path / "state", RUN):
        pass
    with pytest.raises(StateError, match=says) as refused:
        State(tmp_path / "state", other)
    assert "--state" in refused.value.hint


def test_a_file_that_is_no_state_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.write_text("my notes\n")
    with pytest.raises(StateError, match="no state of paramwall verify"):
        State(file, RUN)
    assert file.read_text() == "my notes\n"


def test_one_run_at_a_time_writes(tmp_path: Path) -> None:
    with State(tmp_path / "state", RUN), pytest.raises(StateError, match="used by another run"):
        State(tmp_path / "state", RUN)


async def test_half_a_line_is_passed_over(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with Simulator(Options(seed=1, instant=True)) as vendor:
        one = vendor_at(vendor.url, "moonshot")
        await verified(one, state, only=["limits"])
        asked = len(vendor.received)
        lines = state.read_bytes().splitlines(keepends=True)
        state.write_bytes(b"".join(lines[:-2]) + lines[-2][: len(lines[-2]) // 2])
        assert (await verified(one, state, only=["limits"])).judged.verdict == "pass"
        assert len(vendor.received) == asked + 2
        assert (await verified(one, state, only=["limits"])).judged.verdict == "pass"
        assert len(vendor.received) == asked + 2
    assert (state.stat().st_mode & 0o777) == 0o600


async def test_a_key_that_an_error_repeats_is_not_kept(tmp_path: Path) -> None:
    faults = parse_faults("echo-key=0.3")
    async with Simulator(Options(seed=5, instant=True, faults=faults)) as vendor:
        one = vendor_at(vendor.url, "moonshot", api_key_env="KEY")
        ran = await verified(one, tmp_path / "state", only=["parameters"])
        run = Run(vendor=one.host, model="kimi-k2.6", profile="moonshot", contract="exact")
    with State(tmp_path / "state", run) as state:
        errors = [entry.reply.error for entry in state.entries.values() if entry.reply.status == 401]
    assert errors
    assert all(b"Bearer ***" in error and KEY.encode() not in error for error in errors)
    assert KEY not in repr(ran.judged)


def test_names_select() -> None:
    everything = selected(())
    assert {item.probe.id for item in everything} == {probe.id for probe in PROBES}
    assert [item.probe.id for item in selected(["null-content"])] == ["null-content"]
    assert {item.probe.layer for item in selected(["limits", "accounting"])} == {"limits", "accounting"}
    with pytest.raises(UnknownName):
        selected(["limit"])


def test_the_cost_is_of_requests_made_once() -> None:
    plan = vendor_at("http://127.0.0.1:9/v1", "moonshot").plan
    parties = Parties(Setting("kimi-k2.6", plan))
    one, two = cost(chains(selected(["usage-present"]), parties)), cost(chains(selected(["accounting"]), parties))
    assert one.requests == 12
    assert two.requests == 16, "the plain question serves them all"
    assert two.prompt > one.prompt > 500
    assert one.most == 12 * 1024
    assert one.completion < one.most
    began = time.monotonic()
    assert cost(chains(selected(()), Parties(Setting("kimi-k2.6", plan, early_end=1000)))).requests > 1200
    assert time.monotonic() - began < 5
