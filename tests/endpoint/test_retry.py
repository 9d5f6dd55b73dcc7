"""Calls made again: which, when, and how often at most. Time passes only by sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

import pytest

from proxy.endpoint.pause import FIRST_S, LONGEST_S, Pause
from proxy.endpoint.retry import Bounds, PersistentCaller
from tests.endpoint.calling import BODY, Turned, endpoint_to
from tests.wire.vendor import Asked, End, Step, chunked, head, vending, whole

OK = (whole(b'{"choices":[{"message":{"content":"OK"},"finish_reason":"stop"}]}'),)
BUSY = (whole(b"later", status=429),)
BUSY_7 = (whole(b"later", "Retry-After: 7", status=429),)
BUSY_LONG = (whole(b"later", "Retry-After: 9999", status=429),)
UNPAID = (whole(b'{"error":{"type":"exceeded_current_quota_error"}}', status=429),)
ERROR = (whole(b"oh", status=500),)
REFUSED = (whole(b"no", status=400),)
CLOSED = (End.CLOSE,)
CUT = (
    head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked"),
    chunked(b": x\n\n", last=b""),
    End.CLOSE,
)


class Case(NamedTuple):
    scripts: list[Iterable[Step]]
    """One for each attempt; the last one lasts."""
    reason: str
    former: tuple[str, ...]
    slept: list[float]


BOUNDS = Bounds(attempts=4, first_s=1.0, longest_s=3.0, total_s=30.0)
CASES = {
    "an answer": Case([OK], "", (), []),
    "an error, then an answer": Case([ERROR, OK], "", ("server_error",), [1.0]),
    "waits grow, attempts are bounded": Case([ERROR], "server_error", ("server_error",) * 3, [1, 2, 3]),
    "a refusal is final": Case([REFUSED], "refused", (), []),
    "what has begun is final": Case([CUT], "cut", (), []),
    "429 without a word": Case([BUSY, OK], "", ("rate_limited",), [1.0]),
    "429 is obeyed": Case([BUSY_7, OK], "", ("rate_limited",), [1.0, 6.0]),
    "429 beyond the patience": Case([BUSY_LONG], "rate_limited", (), []),
    "429 that only money ends": Case([UNPAID], "rate_limited", (), []),
    "different ends": Case([ERROR, BUSY, OK], "", ("server_error", "rate_limited"), [1.0, 2.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_calls_are_made_again(name: str) -> None:
    case, turned = CASES[name], Turned()
    scripts = list(case.scripts)

    def answer(_asked: Asked) -> Iterable[Step]:
        return scripts.pop(0) if len(scripts) > 1 else scripts[0]

    async with vending(answer) as vendor, endpoint_to(vendor, turned) as endpoint:
        caller = PersistentCaller(endpoint, BOUNDS, 1, turned.clock, lambda: 0.0, turned.sleep)
        outcome = await caller.call(BODY)
    assert (outcome.reply.reason, outcome.former, turned.slept) == (case.reason, case.former, case.slept)
    assert len(vendor.asked) == outcome.attempts == len(case.former) + 1


async def test_a_connection_that_is_refused_again_and_again_ends() -> None:
    turned = Turned()
    async with vending(CLOSED) as vendor, endpoint_to(vendor, turned) as endpoint:
        caller = PersistentCaller(endpoint, BOUNDS, 1, turned.clock, lambda: 0.0, turned.sleep)
        outcome = await caller.call(BODY)
    assert (outcome.reply.reason, outcome.attempts) == ("unreachable", 4)


async def test_a_429_holds_back_every_call_and_no_more_than_may_are_under_way() -> None:
    turned, refused = Turned(), [True]
    most = 0

    def answer(_asked: Asked) -> Iterable[Step]:
        nonlocal most
        most = max(most, sum(not one.closed.is_set() for one in vendor.conversations))
        if refused:
            refused.clear()
            return BUSY_7
        times.append(turned.now)
        return OK

    times: list[float] = []
    async with vending(answer) as vendor, endpoint_to(vendor, turned) as endpoint:
        caller = PersistentCaller(endpoint, BOUNDS, 2, turned.clock, lambda: 0.0, turned.sleep)
        outcomes = await asyncio.gather(*(caller.call(BODY) for _ in range(6)))
    assert [outcome.reply.reason for outcome in outcomes] == [""] * 6
    assert most <= 2
    assert sum(moment < 107.0 for moment in times) <= 1, "one call was under way beside the refused one, no other"


async def test_chance_spreads_the_waits() -> None:
    turned = Turned()
    async with vending(ERROR) as vendor, endpoint_to(vendor, turned) as endpoint:
        caller = PersistentCaller(endpoint, BOUNDS, 1, turned.clock, lambda: 0.5, turned.sleep)
        await caller.call(BODY)
    assert turned.slept == [1.125, 2.25, 3.375]


def test_a_pause_lasts_as_asked_or_twice_as_long_as_the_last() -> None:
    now = [0.0]
    pause = Pause(lambda: now[0])
    lasted = []
    for said in (None, None, 30.0, None, 1e9):
        pause.refused(said)
        pause.refused(said or 0.5)  # one that was under way beside it
        lasted.append(pause.left_s)
        now[0] += pause.left_s
    assert lasted == [FIRST_S, 2 * FIRST_S, 30.0, 8 * FIRST_S, LONGEST_S]
    pause.answered()
    pause.refused(None)
    assert pause.left_s == FIRST_S
