"""The child's side of the channel: every order, the drain above all, with a service that only notes what it is told.

Not here: processes (test_life.py). Invariant: the supervisor's end is a socket of the test's own.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest

from proxy.child import process
from proxy.child.channel import (
    Ask,
    Channel,
    Drain,
    Order,
    Ready,
    Report,
    Start,
    Swap,
    Swapped,
    Word,
    decode_word,
    encode_order,
)
from proxy.child.memory import PROMPT, Thrift
from proxy.child.process import Obedience
from proxy.config.values import Config
from proxy.metrics.worker import Metrics
from proxy.supervisor.worker import Worker
from tests.supervisor.tiny import load
from tests.wire.client import until

OFTEN: Final = Thrift(1 << 20, 1 << 20, every_s=0.001, blocks_per_s=0, young=10_000)


class Told:
    """A service. It cannot take the configuration `bad`; a drain waits for `idle`, or fails."""

    def __init__(self, config: Config) -> None:
        self.heard: list[object] = [config.hash]
        self.idle = asyncio.Event()
        self.fails = False

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        self.heard.append(len(sockets))

    def swap(self, config: Config) -> None:
        if config.hash == "bad":
            raise RuntimeError("not that one")
        self.heard.append(config.hash)

    async def drain(self, grace_s: float, deadline_s: float) -> None:
        self.heard.append((grace_s, deadline_s))
        if self.fails:
            raise RuntimeError("it does not end")
        await self.idle.wait()

    def in_flight(self) -> int:
        return 3

    def detail(self) -> bytes:
        return b"{}"


class Supervising:
    """The other end. `service` is there once a Start was obeyed."""

    def __init__(self, channel: Channel, child: asyncio.Task[None], services: list[Told]) -> None:
        self.channel = channel
        self.child = child
        self._services = services

    @property
    def service(self) -> Told:
        (service,) = self._services
        return service

    def say(self, order: Order) -> None:
        self.channel.send(encode_order(order))

    async def hear(self) -> Word | None:
        frame = await asyncio.wait_for(self.channel.receive(), 60.0)
        return None if frame is None else decode_word(frame)

    async def asked(self) -> None:
        """All orders before are obeyed once this is answered."""
        self.say(Ask())
        assert isinstance(await self.hear(), Report)


def config(folder: Path, name: str = "first", drain_s: float = 20.0) -> Config:
    file = folder / f"{name}.json"
    file.write_text(f'{{"name": "{name}", "drain_s": {drain_s}, "drain_grace_s": 0.5}}')
    return load(file).config


@asynccontextmanager
async def supervising(thrift: Thrift = PROMPT) -> AsyncIterator[Supervising]:
    ours, theirs = socket.socketpair()
    metrics, services = Metrics(), list[Told]()

    def make(config: Config) -> Told:
        services.append(Told(config))
        return services[-1]

    channel = await Channel.over(theirs)
    child = asyncio.create_task(Obedience(channel, make, metrics.registry, metrics.loop_lag, thrift).run([]))
    supervisor = Supervising(await Channel.over(ours), child, services)
    try:
        yield supervisor
    finally:
        supervisor.channel.close()
        child.cancel()
        with suppress(asyncio.CancelledError, TypeError):
            await child
        channel.close()


async def test_a_configuration_that_is_refused_leaves_the_former(tmp_path: Path) -> None:
    async with supervising() as supervisor:
        supervisor.say(Start(config(tmp_path)))
        assert await supervisor.hear() == Ready()
        supervisor.say(Swap(config(tmp_path, "second", drain_s=7.0)))
        assert await supervisor.hear() == Swapped("")
        supervisor.say(Swap(config(tmp_path, "bad", drain_s=9.0)))
        assert await supervisor.hear() == Swapped("RuntimeError: not that one")
        supervisor.service.idle.set()
        supervisor.channel.close()
        await asyncio.wait_for(supervisor.child, 60.0)
        assert supervisor.service.heard == ["first", 0, "second", (0.5, 7.0)]


async def test_memory_is_given_back_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Thrift, int, float]] = []

    def every_third_collects(*now: *tuple[Thrift, int, float]) -> bool:
        given.append(now)
        return len(given) % 3 == 0

    monkeypatch.setattr(process, "give_back", every_third_collects)
    monkeypatch.setattr(process, "time", SimpleNamespace(perf_counter=partial(next, count(0.0, 2**-20))))
    async with supervising(OFTEN) as supervisor:
        supervisor.say(Start(config(tmp_path)))
        await until(lambda: len(given) > 6)
    assert {(thrift, settled) for thrift, settled, _ in given} == {(OFTEN, given[0][1])}
    assert [since_s * 2**20 for _, _, since_s in given[:7]] == [1, 3, 5, 2, 4, 6, 2]


async def test_giving_memory_back_takes_a_hundredth_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    def slowly(*_: object) -> bool:
        given.append(time.perf_counter())
        time.sleep(0.005)
        return True

    monkeypatch.setattr(process, "give_back", slowly)
    async with supervising(OFTEN) as supervisor:
        supervisor.say(Start(config(tmp_path)))
        await until(lambda: len(given) > 2)
    assert min(two - one for one, two in pairwise(given)) > 0.4


async def test_a_report_names_its_numbers_once(tmp_path: Path) -> None:
    async with supervising() as supervisor:
        supervisor.say(Start(config(tmp_path)))
        assert await supervisor.hear() == Ready()
        supervisor.say(Ask())
        first = await supervisor.hear()
        assert isinstance(first, Report)
        assert (first.in_flight, first.detail) == (3, b"{}")
        assert first.layout is not None
        supervisor.say(Ask())
        second = await supervisor.hear()
        assert isinstance(second, Report)
        assert second.layout is None
        assert len(second.numbers) == len(first.numbers)


async def test_a_drain_ends_with_a_report(tmp_path: Path) -> None:
    async with supervising() as supervisor:
        supervisor.say(Start(config(tmp_path)))
        supervisor.say(Drain(1.0, 30.0))
        assert await supervisor.hear() == Ready()
        await supervisor.asked()
        assert not supervisor.child.done()
        supervisor.service.idle.set()
        assert isinstance(await supervisor.hear(), Report)
        assert await supervisor.hear() is None
        await asyncio.wait_for(supervisor.child, 60.0)
        assert supervisor.service.heard[2:] == [(1.0, 30.0)]


async def test_a_second_drain_takes_the_place_of_the_first(tmp_path: Path) -> None:
    async with supervising() as supervisor:
        supervisor.say(Start(config(tmp_path)))
        supervisor.say(Drain(1.0, 3600.0))
        assert await supervisor.hear() == Ready()
        await supervisor.asked()
        supervisor.say(Drain(0.0, 1.0))
        await supervisor.asked()
        supervisor.service.idle.set()
        while await supervisor.hear() is not None:
            pass
        await asyncio.wait_for(supervisor.child, 60.0)
        assert supervisor.service.heard[2:] == [(1.0, 3600.0), (0.0, 1.0)]


async def test_a_drain_that_fails_ends_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with supervising() as supervisor:
        supervisor.say(Start(config(tmp_path)))
        assert await supervisor.hear() == Ready()
        supervisor.service.fails = True
        supervisor.say(Drain(0.0, 1.0))
        assert isinstance(await supervisor.hear(), Report)
        assert await supervisor.hear() is None
        await asyncio.wait_for(supervisor.child, 60.0)
    assert "it does not end" in capsys.readouterr().err


async def test_a_report_says_how_late_the_loop_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_LAG_EVERY_S", 0.0)
    async with supervising() as supervisor:
        supervisor.say(Start(config(tmp_path)))
        assert await supervisor.hear() == Ready()
        late = False
        while not late:  # each question is a turn of the loop, and so a timer
            supervisor.say(Ask())
            report = await supervisor.hear()
            assert isinstance(report, Report)
            late = report.loop_lag_s > 0.0


async def test_a_supervisor_that_goes_before_it_said_anything() -> None:
    async with supervising() as supervisor:
        supervisor.channel.close()
        await asyncio.wait_for(supervisor.child, 60.0)


async def test_orders_out_of_place_end_the_child(tmp_path: Path) -> None:
    async with supervising() as supervisor:
        supervisor.say(Ask())
        with pytest.raises(TypeError, match="the first order was Ask"):
            await asyncio.wait_for(supervisor.child, 60.0)
    async with supervising() as supervisor:
        supervisor.say(Start(config(tmp_path)))
        supervisor.say(Start(config(tmp_path)))
        with pytest.raises(TypeError, match="a second Start"):
            await asyncio.wait_for(supervisor.child, 60.0)


@pytest.mark.parametrize("scorer", [True, False])
async def test_a_worker_drains_its_plane_and_then_what_the_scorer_is_to_see(tmp_path: Path, scorer: bool) -> None:
    logged: list[bytes] = []
    outbox = str(tmp_path / "nobody.sock") if scorer else ""
    worker = Worker(config(tmp_path), logged.append, Metrics(), outbox)
    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    await worker.start([listening])
    worker.swap(config(tmp_path, "second"))
    _, writer = await asyncio.open_connection(*address)
    writer.close()
    assert (worker.in_flight(), worker.detail()) == (0, b"")
    await asyncio.wait_for(worker.drain(0.0, 0.0), 60.0)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)
    assert not logged
