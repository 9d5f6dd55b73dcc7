"""A child that is no worker: what it says and writes is believed no further than it should be."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.child.channel import Ready, Report, Swapped, encode_word
from proxy.supervisor.child import Child, Launch, State

CHANNEL = "import socket, sys; line = socket.socket(fileno=int(sys.argv[sys.argv.index('--channel') + 1]));"


def says(*words: bytes) -> str:
    """The program of a process that sends these frames and then waits for the end of its channel."""
    frames = b"".join(len(word).to_bytes(4, "big") + word for word in words)
    return f"{CHANNEL} line.sendall({frames!r})\nwhile line.recv(65536): pass"


class Seen:
    def __init__(self) -> None:
        self.changes = 0
        self.lines: list[str] = []

    def changed(self) -> None:
        self.changes += 1


@asynccontextmanager
async def started(program: str) -> AsyncIterator[tuple[Child, Seen]]:
    seen = Seen()
    launch = Launch((sys.executable, "-I", "-S", "-c", program), (), 2)
    async with asyncio.timeout(20.0):
        child = await Child.start(launch, b"", 0.0, seen.changed, seen.lines.append)
        try:
            yield child, seen
        finally:
            child.kill()
            await child.gone.wait()


@pytest.mark.parametrize("word", [b"", b"\xc1", b"\x93\x01\x02\x03", encode_word(Ready())[:-1]])
async def test_nonsense_ends_it(word: bytes) -> None:
    async with started(says(encode_word(Ready()), word)) as (child, seen):
        await child.gone.wait()
        assert child.ended() == "was killed by SIGKILL"
        assert child.was_ready
        assert seen.lines == [f"worker {child.pid} said what is no word of the channel and is ended"]


async def test_answers_that_nobody_asked_for_do_no_harm() -> None:
    report = Report(7, 0.5, ())
    async with started(says(encode_word(Ready()), encode_word(Swapped("?")), encode_word(report))) as (child, _):
        await child.settled.wait()
        assert child.state is State.SERVING
        while child.report is None:
            await child.ask(0.05, 0.0)
        assert child.in_flight == 7
        assert child.usage.open_fds > 0


async def test_one_that_answers_nothing() -> None:
    async with started(says(encode_word(Ready()))) as (child, _):
        await child.settled.wait()
        assert not await child.ask(0.01, now_s=5.0)
        assert not await child.ask(60.0, now_s=6.0), "one that owes a report is not waited for again"
        assert (child.missed, child.missed_since_s) == (2, 5.0)
        answer = child.swap(b"")
        child.kill()
        assert await answer == "", "what is gone has nothing to take over"
        assert await child.ask(60.0, now_s=7.0)


async def test_its_last_lines_are_kept_and_no_line_is_too_long() -> None:
    program = (
        "import sys; sys.stderr.write('x' * 2_000_000 + '\\n' + ''.join(f'{n}\\n' for n in range(20))); sys.exit(3)"
    )
    async with started(program) as (child, seen):
        await child.gone.wait()
        assert child.ended() == "ended with exit code 3"
        assert list(child.last_lines) == [str(number) for number in range(8, 20)]
        assert not seen.lines, "before it accepts, only its end is told"
        assert not child.was_ready


async def test_a_command_that_is_not_there() -> None:
    with pytest.raises(OSError, match="no-such-program"):
        await Child.start(Launch(("/no-such-program",), (), 2), b"", 0.0, Seen().changed, Seen().lines.append)
