"""The mock vendor and the started programs, for real: sockets, processes, memory."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bench.client import connect, request
from bench.processes import Program
from bench.vendor import Connection, Pace


@asynccontextmanager
async def vendor(pace: Pace) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(pace, loop), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def reached(condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110  (no event tells of the other side's state)
            await asyncio.sleep(0.01)


async def answer(port: int, body: bytes, end: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(body))
    async with asyncio.timeout(10):
        said = await reader.readuntil(end)
    writer.close()
    return said


async def test_vendor_streams_every_chunk_and_counts_it() -> None:
    pace = Pace(chunks=7, gap_s=0.001, block=1)
    async with vendor(pace) as port:
        said = await answer(port, b'{"stream":true}', b"0\r\n\r\n")
    assert said.count(b'{"content":" token') == 7
    assert said.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert (pace.answers_begun, pace.chunks_written) == (1, 7)


async def test_vendor_answers_whole_without_stream() -> None:
    pace = Pace(chunks=7, gap_s=0, block=1)
    async with vendor(pace) as port:
        said = await answer(port, b"{}", b"}}")
    assert said.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    assert (pace.answers_begun, pace.chunks_written) == (1, 0)


async def test_vendor_stops_for_a_stuck_reader() -> None:
    pace = Pace(chunks=0, gap_s=0, block=64)
    async with vendor(pace) as port:
        client = await connect(port, stuck=True)
        client.ask(request(b'{"stream":true}')).add_done_callback(asyncio.Future.exception)
        await reached(lambda: client.reads == 1)
        written = -1
        async with asyncio.timeout(10):
            while written != pace.chunks_written:
                written = pace.chunks_written
                await asyncio.sleep(0.3)
        client.transport.abort()
        await reached(lambda: client.lost)


async def test_client_notes_first_bytes_and_gaps() -> None:
    async with vendor(Pace(chunks=5, gap_s=0.02, block=1)) as port:
        client = await connect(port)
        for _ in range(3):
            await client.ask(request(b'{"stream":true}'))
        client.transport.abort()
    assert len(client.first_bytes_s) == 3
    assert len(client.gaps_s) == 15
    assert all(gap > 0 for gap in client.gaps_s)


BUSY_CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"


def test_program_is_measured_and_ended_with_its_children(tmp_path: Path) -> None:
    program = Program("busy", [sys.executable, "-c", BUSY_CHILD], min(os.sched_getaffinity(0)), tmp_path)
    try:
        deadline = time.monotonic() + 20
        while program.cpu_s() < 0.5:
            assert time.monotonic() < deadline, program.said()
        tree = program._tree()
        assert len(tree) == 2
        assert program.rss_bytes() > 5_000_000
        assert program.peak_bytes() >= program.rss_bytes()
    finally:
        program.stop()
    assert not program.running()
    assert not any(Path(f"/proc/{pid}").exists() and _alive(pid) for pid in tree)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
