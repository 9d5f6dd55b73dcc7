"""Forward and relay: send one request to the vendor and stay until its answer is over.

Not here: what is sent (judge.py, headers.py) and how an answer is written (relay.py). Invariants: whoever ends first
releases the other side at once: a client that leaves closes the vendor's connection, a vendor that breaks off aborts
the client's. Nothing is sent twice, but once more on a new connection where configuration allows it, the connection
was a reused one and not a byte of answer came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from proxy.config.values import Timeouts, Vendor
from proxy.wire.admission import RETRY_AFTER
from proxy.wire.aiohttp_hooks import Connection
from proxy.wire.deadlines import Deadlines
from proxy.wire.dial import DialError, NoDescriptor
from proxy.wire.plane import Lane
from proxy.wire.problems import Problem, Refused
from proxy.wire.relay import Relay
from proxy.wire.vendor_leg import VendorConnection

MakeRelay = Callable[[Callable[[str | None], None]], Relay]


class Journey(msgspec.Struct):
    """What is known of one forwarding while it runs and after. Times on the worker's monotonic clock.

    `failure` is None while all is well, else one of: connect, connect-timeout, first-byte-timeout, idle-timeout,
    total-timeout, client-stalled, client-gone, reset, truncated.
    """

    relay: Relay | None = None
    dialled_s: float = 0.0
    sent_at: float | None = None
    failure: str | None = None


class Passage(msgspec.Struct, eq=False):
    """One request on one connection: the client's flow control on this side, the deadlines on the other."""

    _leg: VendorConnection
    _relay: Relay
    _timeouts: Timeouts
    _stall_s: float
    _sent_at: float
    _paused_at: float | None = None

    def pause(self) -> None:
        """The client is slow. A vendor whose answer is whole is read on: its connection serves others next."""
        self._paused_at = self._relay.clock()
        if not self._relay.complete:
            self._leg.pause()

    def resume(self) -> None:
        """The client caught up. The silence was its own, so the vendor's idle time starts anew."""
        self._paused_at = None
        self._relay.last_read_at = self._relay.clock()
        if not self._relay.finished:
            self._leg.resume()

    def client_gone(self) -> None:
        """Nobody is left to answer to."""
        if not self._relay.finished:
            self.end("client-gone")

    def end(self, reason: str) -> None:
        """Break off on both sides."""
        self._leg.close("broken")
        self._relay.fail(reason)

    def check(self) -> None:
        """End what is late."""
        relay, timeouts, now = self._relay, self._timeouts, self._relay.clock()
        if relay.finished:
            return
        if self._paused_at is not None:
            if now - self._paused_at > self._stall_s:
                self.end("client-stalled")
        elif relay.first_byte_at is None:
            if timeouts.first_byte_s is not None and now - self._sent_at > timeouts.first_byte_s:
                self.end("first-byte-timeout")
        elif timeouts.idle_s is not None and now - relay.last_read_at > timeouts.idle_s:
            self.end("idle-timeout")
        if timeouts.total_s is not None and now - self._sent_at > timeouts.total_s and not relay.finished:
            self.end("total-timeout")


async def forward(
    lane: Lane,
    outgoing: list[bytes],
    make_relay: MakeRelay,
    client: Connection,
    deadlines: Deadlines,
    stall_s: float,
    journey: Journey,
) -> None:
    """Send `outgoing`, relay the answer, return when it is whole or broken off (see `journey.failure`).

    Raises Refused (502, 504) when the client has not seen any of an answer; CancelledError when the client left.
    """
    leg, again = lane.pool.take(), None
    if leg is None:
        leg = await _dial(lane, journey)
    elif lane.vendor.retry_reused:
        again = list(outgoing)
    await _exchange(lane, leg, outgoing, make_relay, client, deadlines, stall_s, journey)
    if again is not None and _untouched(journey):
        journey.relay = journey.failure = None
        leg = await _dial(lane, journey)
        await _exchange(lane, leg, again, make_relay, client, deadlines, stall_s, journey)
    if journey.failure is not None and journey.relay is not None and not journey.relay.head_sent:
        raise _refusal(lane.vendor, journey.failure)


def _untouched(journey: Journey) -> bool:
    return journey.failure == "reset" and journey.relay is not None and journey.relay.first_byte_at is None


async def _dial(lane: Lane, journey: Journey) -> VendorConnection:
    clock = asyncio.get_running_loop().time
    started = clock()
    try:
        return await lane.pool.open()
    except TimeoutError:
        journey.failure = "connect-timeout"
        raise _refusal(lane.vendor, "connect-timeout") from None
    except NoDescriptor:
        raise Refused(_FILES_FULL, "shed") from None
    except DialError as error:
        journey.failure = "connect"
        raise Refused(_unreachable(lane.vendor, error.reason), "upstream_error") from None
    finally:
        journey.dialled_s += clock() - started


async def _exchange(
    lane: Lane,
    leg: VendorConnection,
    outgoing: list[bytes],
    make_relay: MakeRelay,
    client: Connection,
    deadlines: Deadlines,
    stall_s: float,
    journey: Journey,
) -> None:
    over: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    def done(failure: str | None) -> None:
        if not over.done():
            over.set_result(failure)

    relay = journey.relay = make_relay(done)
    journey.sent_at = relay.clock()
    leg.send(outgoing, relay)
    outgoing.clear()
    passage = Passage(leg, relay, lane.vendor.timeouts, stall_s, journey.sent_at)
    deadlines.active.add(passage)
    client.reader = passage
    try:
        journey.failure = await over
    except asyncio.CancelledError:
        if not relay.finished:
            passage.end("client-gone")
        # An abort of ours ends the client's connection too, and the reason came first.
        journey.failure = over.result() if over.done() and not over.cancelled() else "client-gone"
        raise
    finally:
        client.reader = None
        deadlines.active.discard(passage)
        if relay.complete and journey.failure is None:
            lane.pool.give_back(leg)
        else:
            leg.close("broken")


def _refusal(vendor: Vendor, failure: str) -> Refused:
    if failure.endswith("timeout"):
        setting = failure.removesuffix("-timeout").replace("-", "_")
        problem = Problem(
            504,
            f"vendor-{failure}",
            f"the vendor {vendor.name} did not answer within its {setting} timeout",
            f"retry, or raise timeouts.{setting} of this vendor",
            type="server_error",
        )
        return Refused(problem, "timeout")
    problem = Problem(
        502,
        f"vendor-{failure}",
        f"the vendor {vendor.name} closed the connection or sent what is not HTTP before its answer began",
        "retry; if it goes on, look at paramwall_upstream_requests_total and the vendor's status page",
        type="server_error",
    )
    return Refused(problem, "upstream_error")


def _unreachable(vendor: Vendor, reason: str) -> Problem:
    return Problem(
        502,
        "vendor-unreachable",
        f"the vendor {vendor.name} cannot be reached: {reason}",
        "check the vendor's URL in the configuration and its status page, then retry",
        type="server_error",
    )


_FILES_FULL: Final = Problem(
    503,
    "files-full",
    "the proxy has as many connections as it may have files open",
    "retry later, or raise its limit of open files (`ulimit -n`, systemd's LimitNOFILE)",
    type="server_error",
    headers=RETRY_AFTER,
)
