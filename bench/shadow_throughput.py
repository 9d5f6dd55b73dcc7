"""How many pairs the scorer scores in a second of CPU, and what crosses to it.

The real scorer in this process: frames through a Unix socket, its inbox, assembling, all signals, the log in a
temporary folder, the fold. Only the reference's network is left out: its recorded bytes are assembled as they would be.
Not here: the traffic (shadow_traffic.py). Invariant: the CPU is of the whole process, its threads included, but for
what making and writing the frames took.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from unittest.mock import patch

from bench.shadow_load import split
from bench.shadow_proxy import AMPLE, settings, write
from bench.shadow_traffic import TIMINGS, Case, described, frames, greeting, recorded, reference_answer
from bench.shadow_vendor import whole
from proxy.config.load import Flags, from_process
from proxy.config.values import Config
from proxy.contract.assemble import Assembler
from proxy.contract.envelope import Envelope
from proxy.contract.exchange import LENGTH_BYTES, VERSION, Content, Exchange, Hello, decode
from proxy.endpoint.endpoint import Endpoint
from proxy.endpoint.reply import Reply
from proxy.metrics.cells import Registry
from proxy.metrics.scorer import ScorerMetrics
from proxy.metrics.shadow import ShadowMetrics
from proxy.policy.decide import decide
from proxy.policy.verdict import Route
from proxy.scorer.scorer import Scorer
from proxy.shadow.shadow import Shadow

BAR: Final = 500.0
USUAL_SHARE: Final = 0.2
SECOND_SHARES: Final = (0.0, USUAL_SHARE, 1.0)
"""The last is what a warning asks for."""
_BATCH: Final = 48
"""Pairs written at once; well below what may wait for the reference."""
_PIECE_BYTES: Final = 8192
"""What one read of the reference's answer brings."""
_ANY_PORT: Final = 9
_STEP_S: Final = 0.002
_LONGEST: Final = 20.0
"""Times the wanted CPU time: when a run on a busy machine is ended."""


@dataclass(frozen=True, slots=True)
class ThroughputFigure:
    """One share of pairs with a second reference answer. `per_cpu_s`: scored pairs in a second of CPU."""

    second_share: float
    traffic: str
    scored: int
    tripled: int
    lost: int
    cpu_s: float
    per_cpu_s: float
    log_bytes: int

    @property
    def barred(self) -> bool:
        """Whether the bar is about it: more second answers than usual are for information."""
        return self.second_share <= USUAL_SHARE

    @property
    def kept(self) -> bool:
        return (self.per_cpu_s >= BAR or not self.barred) and not self.lost


@dataclass(frozen=True, slots=True)
class CrossingFigure:
    """One conversation of long requests with the same tools, checked and not mirrored: bytes through the outbox."""

    requests: int
    request_bytes: int
    tools_bytes: int
    content_frames: int
    content_bytes: int
    other_bytes: int

    @property
    def kept(self) -> bool:
        return self.content_frames == 1


class _Recorded(Endpoint):
    """The reference without its network."""

    def __init__(self, cases: Sequence[Case], *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]  # as ReferenceLeg gives them
        self._cases = cases
        self._last = b""

    async def call(self, body: bytes, *, stop_after_bytes: int | None = None) -> Reply:
        answer = reference_answer(self._cases, body, again=body is self._last)  # a second question follows at once
        self._last = body
        assembler = Assembler(answer.content_type)
        for at in range(0, len(answer.data), _PIECE_BYTES):
            assembler.feed(answer.data[at : at + _PIECE_BYTES])
        return Reply(assembler.answer(complete=True), status=200)


def measure(
    seconds: float, cases_wanted: int, say: Callable[[str], None], shares: Sequence[float] = SECOND_SHARES
) -> list[ThroughputFigure]:
    """About `seconds` of CPU for each share of second answers."""
    cases = asyncio.run(recorded(cases_wanted))
    say(f"throughput: {described(cases)}")
    figures = []
    for share in shares:
        figures.append(asyncio.run(_scoring(cases, share, seconds)))
        say(f"throughput {share:.0%} second answers: {figures[-1].per_cpu_s:.0f} pairs a second of CPU")
    return figures


def _configured(folder: Path, share: float) -> Config:
    mirror = {**AMPLE, "fraction": "100%", "second_answer": share}
    reference = {"max_in_flight": 512}
    said = settings(_ANY_PORT, _ANY_PORT, mirror=mirror, reference=reference, state_dir=str(folder / "log"))
    return from_process(Flags(config=str(write(folder, said)))).config


async def _scoring(cases: Sequence[Case], share: float, seconds: float) -> ThroughputFigure:
    with tempfile.TemporaryDirectory(prefix="bench-") as name, socket.socket(socket.AF_UNIX) as inbox:
        folder = Path(name)
        config, metrics, said = _configured(folder, share), ScorerMetrics(), list[str]()
        inbox.bind(str(folder / "scorer"))
        inbox.listen(1)
        inbox.setblocking(False)
        with patch("proxy.scorer.reference.Endpoint", partial(_Recorded, cases)):
            scorer = Scorer(config, metrics, said.append, said.append)
            await scorer.start([inbox])
        reader, writer = await asyncio.open_unix_connection(str(folder / "scorer"))
        writer.write(greeting(cases, os.getpid(), VERSION))
        await reader.readexactly(LENGTH_BYTES)
        cpu_s = await _fed(cases, config, scorer, metrics, writer, seconds)
        writer.close()
        await scorer.drain(0.0, 60.0)
        if metrics.defects.value:
            raise RuntimeError(f"defects of the scorer: {said[-3:]}")
        log_bytes = sum(file.stat().st_size for file in (folder / "log").iterdir())
    scored, tripled = (int(metrics.pairs.labels("bench", second).value) for second in ("false", "true"))
    lost = _ended(metrics) - scored - tripled
    scored += tripled
    return ThroughputFigure(share, described(cases), scored, tripled, lost, cpu_s, scored / cpu_s, log_bytes)


async def _fed(
    cases: Sequence[Case],
    config: Config,
    scorer: Scorer,
    metrics: ScorerMetrics,
    writer: asyncio.StreamWriter,
    seconds: float,
) -> float:
    """Batch after batch, each once the one before is admitted and every question to the reference, which is a task, is
    answered; the CPU seconds that scoring took, to the last pair folded.
    """
    vendor = config.vendors[0]
    number, feeding_s, resting = 0, 0.0, len(asyncio.all_tasks())
    begun_s, over = time.process_time(), time.monotonic() + _LONGEST * max(seconds, 1.0)
    while time.process_time() - begun_s - feeding_s < seconds and time.monotonic() < over:
        before_s = time.thread_time()
        batch = range(number, number + _BATCH)
        writer.write(b"".join(frames(cases, each, vendor.name, vendor.plan.name) for each in batch))
        feeding_s += time.thread_time() - before_s
        number += _BATCH
        await writer.drain()
        while scorer.in_flight() + _ended(metrics) < number or len(asyncio.all_tasks()) > resting:  # noqa: ASYNC110
            await asyncio.sleep(_STEP_S)
    while _ended(metrics) < number:  # noqa: ASYNC110  (counts tell, no event does)
        await asyncio.sleep(_STEP_S)
    return time.process_time() - begun_s - feeding_s


def _ended(metrics: ScorerMetrics) -> int:
    """Mirrored exchanges that have met their fate."""
    return int(sum(metrics.mirror.numbers()))


# What crosses


def crossing(requests: int) -> CrossingFigure:
    """One conversation of 475 KB requests through the worker's half, with checks on and no mirror."""
    return asyncio.run(_crossing(requests))


async def _crossing(requests: int) -> CrossingFigure:
    heard = bytearray()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        path = str(Path(name) / "scorer")
        over = asyncio.Event()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(2**18):
                heard.extend(data)
            writer.close()
            over.set()

        server = await asyncio.start_unix_server(listen, path)
        said = settings(_ANY_PORT, None, signals={"fraction": 1})
        config = from_process(Flags(config=str(write(Path(name), said)))).config
        shadow = Shadow(config, ShadowMetrics(Registry()), path)
        shadow.start()
        while not shadow.outbox.open:  # noqa: ASYNC110  (no event tells)
            await asyncio.sleep(_STEP_S)
        before, after = split("long", stream=False)
        for number in range(requests):
            _cross(shadow, config, number, b"%b%010d %b" % (before, number, after))
        await shadow.close()
        await over.wait()
        server.close()
    return _crossed(bytes(heard), requests, before + after)


def _cross(shadow: Shadow, config: Config, number: int, asked: bytes) -> None:
    vendor, envelope = config.vendors[0], Envelope.parse(asked)
    decision = decide(vendor.plan, Route.CHAT, envelope)
    ticket = shadow.admit(
        f"{number:032x}", vendor, None, opted_out=False, strain=0.0, envelope=envelope, decision=decision, body=asked
    )
    if ticket is None:
        raise RuntimeError("a request was not to be checked")
    answer = whole()
    ticket.finish(Exchange("ok", "ok", 200, answer, len(answer), "application/json", "", TIMINGS))


def _crossed(heard: bytes, requests: int, asked: bytes) -> CrossingFigure:
    frames, contents, other, at = 0, 0, 0, 0
    while at < len(heard):
        size = LENGTH_BYTES + int.from_bytes(heard[at : at + LENGTH_BYTES], "big")
        match decode(heard[at + LENGTH_BYTES : at + size]):
            case Content():
                frames, contents = frames + 1, contents + size
            case Hello():
                pass
            case _:
                other += size
        at += size
    tools = len(Envelope.parse(asked).members["tools"])
    return CrossingFigure(requests, len(asked), tools, frames, contents, other)
