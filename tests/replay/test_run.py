"""Whole replays against vendors on real sockets: every request once, bounded trouble, honest counts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from proxy.config.values import Secret, Timeouts
from proxy.contract.mode import Mode
from proxy.endpoint.retry import Bounds
from proxy.replay.checkpoint import AnotherReplay, Call
from proxy.replay.dataset import UnusableDataset
from proxy.replay.prepare import Settings
from proxy.replay.rounds import Round
from proxy.replay.run import GIVE_UP_AFTER, GivenUp, Ways
from proxy.replay.session import Session
from proxy.replay.summary import Summary, read_summary
from proxy.simulator import Options, Simulator, parse_faults
from proxy.store import StoreBusy
from tests.cli.running import run as command
from tests.endpoint.calling import Turned
from tests.replay.datasets import answer_to, constant_vendor, number_of, write_dataset
from tests.replay.targets import session

INSTANT = Settings(mode=Mode.INSTANT)


def simulator(*faults: str, seed: int = 1, **options: Any) -> Simulator:  # noqa: ANN401
    return Simulator(Options(instant=True, seed=seed, faults=parse_faults(*faults), received_size=100_000, **options))


def quick(one: Session, seconds: float = 0.3) -> Session:
    """With timeouts that a test can wait for."""
    times = Timeouts(seconds, seconds, seconds, seconds)
    targets = tuple(replace(each, upstream=replace(each.upstream, timeouts=times)) for each in one.targets)
    return replace(one, targets=targets)


async def run(
    one: Session,
    turned: Turned | None = None,
    on_end: Callable[[int, Call], None] = lambda _target, _call: None,
    attempts: int = 3,
    concurrency: int = 5,
    *,
    retry_failed: bool = False,
) -> tuple[Summary, tuple[GivenUp, ...]]:
    """To its end; time passes only by sleeping."""
    turned = turned or Turned()
    bounds = Bounds(attempts=attempts)
    ways = Ways(
        "paramwall-test/0", bounds, concurrency, turned.clock, lambda: 5.0, Random(1).random, turned.sleep, retry_failed
    )
    checkpoint = one.open(1.0)
    try:
        given_up = await one.run(checkpoint, ways, on_end).finish(one.surveyed.records)
        return one.score(checkpoint), given_up
    finally:
        checkpoint.close()


def results(one: Session) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (one.output / "results.jsonl").read_text().splitlines()]


def plain(line: dict[str, Any]) -> dict[str, Any]:
    """Without what depends on when it was made."""
    return {name: value for name, value in line.items() if name != "run"}


async def test_every_request_goes_to_every_target_once(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data.jsonl", 30)
    async with simulator() as vendor, simulator(seed=2) as reference:
        settings = replace(INSTANT, epochs=2)
        one = session(data, tmp_path / "out", vendor.url, reference=reference.url, twice=True, settings=settings)
        summary, given_up = await run(one)
        assert Counter(number_of(each.body) for each in vendor.received) == dict.fromkeys(range(30), 2)
        assert Counter(number_of(each.body) for each in reference.received) == dict.fromkeys(range(30), 4)
        assert {each.header("User-Agent") for each in vendor.received} == {"paramwall-test/0"}
    assert given_up == ()
    assert (summary.complete, summary.planned, summary.dataset.records) == (True, 180, 30)
    assert [(each.role, each.asked, each.answered) for each in summary.targets] == [
        ("vendor", 60, 60),
        ("reference", 60, 60),
        ("reference-again", 60, 60),
    ]
    lines = results(one)
    assert [(each["data_index"], each["epoch"], each["role"]) for each in lines] == [
        (record, epoch, role)
        for record in range(1, 31)
        for epoch in (0, 1)
        for role in ("vendor", "reference", "reference-again")
    ]
    assert summary.noise_floor is not None
    assert summary.noise_floor["instant"]["tool_call_f1"].n == 60
    assert read_summary(one.output / "summary.json") == summary


async def test_an_honest_vendor_raises_no_alarm_and_a_faulty_one_does(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data.jsonl", 150)
    async with simulator() as honest, simulator("leaked-markers=0.3", seed=2) as faulty, simulator(seed=3) as reference:
        one = session(data, tmp_path / "out", honest.url, faulty.url, reference=reference.url)
        summary, _ = await run(one, concurrency=10)
    alarmed = {
        (target.url, each.name)
        for target in summary.targets
        for mode in target.modes
        for each in mode.signals
        if each.alarm
    }
    assert alarmed == {(one.targets[1].url, "leaked-markers")}
    good, bad = (target.modes[0].contract_pass_rate for target in summary.targets[:2])
    assert good.value == 1.0
    assert bad.value == pytest.approx(0.7, abs=0.1)
    assert summary.targets[0].modes[0].state == "ok"


async def test_vendors_that_differ_alike_speak_against_the_reference(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data.jsonl", 100)
    async with simulator(tool_rate=0.9) as first, simulator(tool_rate=0.9, seed=2) as second:
        async with simulator(tool_rate=0.1, seed=3) as reference:
            one = session(data, tmp_path / "out", first.url, second.url, reference=reference.url)
            summary, _ = await run(one, concurrency=10)
    for target in summary.targets[:2]:
        (mode,) = target.modes
        assert mode.state == "reference_suspect"
        alarms = [each for each in mode.signals if each.alarm]
        assert "tool-trigger" in [each.name for each in alarms]
        assert all(each.suspect for each in alarms)


async def test_broken_off_and_gone_on_with(tmp_path: Path) -> None:
    """What has ended is never sent again, what has not is; the result is that of a replay in one go."""
    data, seen = write_dataset(tmp_path / "data.jsonl", 60), Counter[int]()
    refused = sum(answer_to(line) is None for line in data.read_bytes().splitlines())
    assert refused

    def came(body: bytes, moment: str) -> None:
        seen[number_of(body)] += moment == "came"

    async with constant_vendor(came) as url:
        one = session(data, tmp_path / "out", url)
        ended: set[int] = set()
        for most in (7, 25, 60):
            before, seen_before = set(ended), seen.copy()
            await run_until(one, ended, most)
            assert not any((seen - seen_before)[number] for number in before)
        assert seen.keys() == set(range(60))
        again, _ = await run(one)
        whole = session(data, tmp_path / "whole", url)
        in_one_go, _ = await run(whole)
    assert list(map(plain, results(one))) == list(map(plain, results(whole)))
    assert again.targets[0].modes == in_one_go.targets[0].modes
    assert (again.targets[0].answered, again.targets[0].failed) == (60 - refused, {"refused": refused})


async def run_until(one: Session, ended: set[int], most: int) -> None:
    """Break off as soon as `most` calls have ended."""

    def end(_target: int, call: Call) -> None:
        ended.add(call.record)
        if len(ended) == most and most < 60:
            task.cancel()

    task = asyncio.create_task(run(one, on_end=end))
    try:
        await task
    except asyncio.CancelledError:
        assert most < 60
    else:
        assert most == 60


async def test_failed_calls_are_made_again_only_when_asked_to(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data.jsonl", 20)
    async with simulator("server-error=0.3") as vendor:
        one = session(data, tmp_path / "out", vendor.url)
        summary, _ = await run(one, attempts=1)
        failed = summary.targets[0].failed["server_error"]
        assert 0 < failed < 20
        vendor.set_faults(())
        vendor.received.clear()
        await run(one)
        assert not vendor.received
        summary, _ = await run(one, retry_failed=True)
        assert len(vendor.received) == failed
        assert (summary.targets[0].answered, summary.targets[0].failed) == (20, {})


async def test_errors_are_survived_and_told(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data.jsonl", 30)
    async with simulator(
        "server-error=0.2", "rate-limited=0.2", "reset-stream=0.1", "cut-before-headers=0.1"
    ) as vendor:
        one = session(data, tmp_path / "out", vendor.url)
        summary, _ = await run(one, attempts=8)
    target = summary.targets[0]
    assert target.asked == 30
    assert target.answered + sum(target.failed.values()) == 30
    assert set(target.failed) <= {"cut"}, "an answer that has begun is not asked for again"
    assert target.retried > 0
    reasons = Counter(reason for line in results(one) for reason in line["run"]["former"])
    assert {"server_error", "rate_limited"} <= set(reasons)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("rate-limited", "rate_limited"),
        ("quota-used-up", "rate_limited"),
        ("server-error", "server_error"),
        ("cut-before-headers", "unreachable"),
        ("stalled-stream", "timeout"),
    ],
)
async def test_a_vendor_that_never_answers_is_given_up(fault: str, reason: str, tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data.jsonl", 100)
    async with simulator(f"{fault}=1") as vendor:
        one = session(data, tmp_path / "out", vendor.url)
        one = quick(one) if reason == "timeout" else one
        summary, (given_up,) = await run(one, attempts=2)
        # Two attempts a call, and each goes out twice where the connection is closed before an answer.
        assert len(vendor.received) <= 4 * (GIVE_UP_AFTER + 5)
    target = summary.targets[0]
    assert given_up.reason == reason
    assert (target.answered, set(target.failed), summary.complete) == (0, {reason}, False)
    assert GIVE_UP_AFTER <= target.asked <= GIVE_UP_AFTER + 5
    assert all(line["answer"] is None or line["status"] == "failed" for line in results(one))


async def test_a_refusal_of_one_request_says_nothing_of_the_next(tmp_path: Path) -> None:
    """A vendor that refuses a long run of requests for what is in them is not given up."""
    data = write_dataset(tmp_path / "data.jsonl", 40, temperature=0.1)
    async with simulator() as vendor:
        summary, given_up = await run(session(data, tmp_path / "out", vendor.url))
    assert given_up == ()
    assert summary.targets[0].failed == {"refused": 40}
    assert summary.dataset.would_reject == {"temperature-off-contract": 40}


async def test_a_vendor_that_answers_now_and_then_is_not_given_up(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data.jsonl", 60)
    async with simulator("service-unavailable=0.5") as vendor:
        summary, given_up = await run(session(data, tmp_path / "out", vendor.url), attempts=1)
    assert given_up == ()
    assert summary.complete
    assert summary.targets[0].failed["server_error"] > GIVE_UP_AFTER


async def test_a_refusal_that_repeats_the_key_is_kept_without_it(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data.jsonl", 3)
    async with simulator("echo-key=1") as vendor:
        one = session(data, tmp_path / "out", vendor.url)
        keyed = replace(one.targets[0].upstream, api_key=Secret("sk-very-secret"))
        one = replace(one, targets=(replace(one.targets[0], upstream=keyed),))
        await run(one)
        assert vendor.received[0].header("Authorization") == "Bearer sk-very-secret"
    assert all("***" in line["error"] for line in results(one))
    with one.open(1.0) as checkpoint:
        kept = [*checkpoint.calls(0)]
    assert "very-secret" not in f"{kept} {(one.output / 'results.jsonl').read_text()}"


async def test_one_target_that_fails_does_not_stop_the_other(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data.jsonl", 40)
    async with simulator("server-error=1") as vendor, simulator(seed=2) as reference:
        one = session(data, tmp_path / "out", vendor.url, reference=reference.url)
        summary, given_up = await run(one, attempts=1)
    assert [each.target for each in given_up] == [one.targets[0].name]
    assert [each.answered for each in summary.targets] == [0, 40]
    kvv = summary.targets[0].modes[0].kvv
    assert kvv.counts.failure_count == summary.targets[0].asked
    assert summary.targets[0].modes[0].agreement.trigger_agreement.value is None


@pytest.mark.parametrize("count", [5, 60])
async def test_a_dataset_that_changes_meanwhile_ends_it_and_keeps_what_was_answered(count: int, tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data.jsonl", 20)
    async with simulator() as vendor:
        one = session(data, tmp_path / "out", vendor.url)
        write_dataset(data, count)
        with pytest.RaisesGroup(UnusableDataset, flatten_subgroups=True) as caught:
            await run(one, concurrency=1)
        assert "changed while it was read: it does not have the 20 records" in str(caught.value.exceptions)
        write_dataset(data, 20)
        summary, _ = await run(one)
        assert (summary.complete, len(vendor.received)) == (True, 20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_scoring_leaves_no_file_half_written(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    before: list[str] = []

    def broken_off(*_: object) -> Iterator[Round]:
        before.extend(each.name for each in output.iterdir())
        os.kill(os.getpid(), number)
        yield from ()

    def ignored(_number: int, _frame: object) -> None:
        """As what an event loop leaves behind; nor does a signal that comes through end the tests."""

    monkeypatch.setattr("proxy.replay.session.rounds", broken_off)
    data, handler = write_dataset(tmp_path / "data.jsonl", 3), signal.signal(number, ignored)
    try:
        words = ("--vendor", "http://127.0.0.1:9/v1", "--output", str(output), "--export")
        ran = command("replay", str(data), *words)
        assert signal.getsignal(number) is ignored
    finally:
        signal.signal(number, handler)
    assert (ran.code, ran.err) == (128 + number, "paramwall: broken off while scoring; --export scores what there is\n")
    begun = [name for name in before if name.startswith(".results.jsonl.")]
    assert len(begun) == 1
    assert {each.name for each in output.iterdir()} == {"lock", "replay.db"}


async def test_another_replay_in_the_same_place_is_refused(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data.jsonl", 3)
    async with simulator() as vendor:
        one = session(data, tmp_path / "out", vendor.url)
        await run(one)
        for other, what in (
            (session(write_dataset(tmp_path / "b.jsonl", 4), tmp_path / "out", vendor.url), "dataset"),
            (session(data, tmp_path / "out", "http://127.0.0.1:9/v1"), "targets"),
            (session(data, tmp_path / "out", vendor.url, settings=Settings(mode=Mode.THINKING)), "mode"),
            (session(data, tmp_path / "out", vendor.url, settings=replace(INSTANT, epochs=3)), "epochs"),
        ):
            with pytest.raises(AnotherReplay) as caught:
                other.open(1.0)
            assert what in [name for name, _, _ in caught.value.differing]


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    one = session(write_dataset(tmp_path / "data.jsonl", 3), tmp_path / "out", "http://127.0.0.1:9/v1")
    first = one.open(1.0)
    with pytest.raises(StoreBusy, match="another replay"):
        one.open(2.0)
    first.close()
    one.open(3.0).close()


async def test_scoring_again_gives_the_same_bytes(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data.jsonl", 40)
    async with simulator("off-schema-arguments=0.3") as vendor, simulator(seed=2) as reference:
        one = session(data, tmp_path / "out", vendor.url, reference=reference.url, twice=True)
        await run(one)
    files = [one.output / name for name in ("results.jsonl", "summary.json")]
    before = [file.read_bytes() for file in files]
    with one.open(9.0) as checkpoint:
        one.score(checkpoint)
    assert [file.read_bytes() for file in files] == before
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)


async def test_expected_answers_are_scored_by_task(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    lines = [
        {
            "format": "paramwall-record/1",
            "id": f"{task}-{at}",
            "task": task,
            "body": {"messages": [{"role": "user", "content": f"{at}: say a word"}]},
            "expected": expected,
            "scorer": "contains",
        }
        for task, expected in (("hard", "never said"), ("easy", ["word", "x"]))
        for at in range(20)
    ]
    data.write_text("\n".join(map(json.dumps, lines)))
    async with constant_vendor(lambda _body, _moment: None) as url:
        one = session(data, tmp_path / "out", url)
        summary, _ = await run(one)
    numbers = [json.dumps(line["body"]).encode() for line in lines[:20]]
    worded = sum(b"word" in (answer_to(body) or b"") for body in numbers)
    called = sum(b"tool_calls" in (answer_to(body) or b"") for body in numbers)
    easy, hard = summary.targets[0].modes[0].scores
    assert (easy.task, easy.n, easy.unparsed, easy.unanswered) == (
        "easy",
        worded + called,
        called,
        20 - worded - called,
    )
    assert easy.value == pytest.approx(worded / (worded + called))
    assert (hard.task, hard.value) == ("hard", 0.0)
