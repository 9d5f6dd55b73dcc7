"""What the worst inputs known cost, in memory and processor time, beside ordinary ones of the same size.

`python -m tests.load.amplification` sends each input of the catalogue to a real `paramwall serve` with its scorer,
and an ordinary one of the same bytes in as many requests. Memory is how much the peaks of all our processes
grow, by the bytes sent; time is their processor time divided by that of the ordinary input, measured in turns.
`--write` puts the table into docs/worst-inputs.md.

Not here: the inputs (amplification_inputs.py, amplification_wire.py). Invariant: every wait is bounded, and an input
that does not end in time is reported as over.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from bench.processes import Program, free_port
from tests.load.amplification_inputs import BODIES, SMALL, SMALL_BODIES, chat, ordinary
from tests.load.amplification_search import Worst, search
from tests.load.amplification_wire import ANSWERS, STREAMS, ordinary_stream, post
from tests.proxying import configured

BAR: Final = 8.0
_LIMIT_S: Final = 60.0
_START_S: Final = 60.0
_QUIET_S: Final = 0.3
_STEP_S: Final = 0.05
_WHOLE: Final = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"choices":[]}'
_TABLE: Final = Path(__file__).parents[2] / "docs/worst-inputs.md"


@dataclass(frozen=True, slots=True)
class Input:
    """What connections send, one after the other, how many requests that are, and what the vendor answers each."""

    name: str
    sent: tuple[bytes, ...]
    requests: int
    answer: bytes = _WHOLE

    @property
    def size(self) -> int:
        """Bytes on the wire, of the side that misbehaves."""
        return len(self.answer) if self.answer is not _WHOLE else sum(map(len, self.sent))


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one input: growth of memory by its size, and time by that of an ordinary one."""

    name: str
    size: int
    memory: float
    time: float

    @property
    def over(self) -> bool:
        """Whether it is outside the bar."""
        return self.memory > BAR or self.time > BAR


def catalogue(size: int) -> Iterator[tuple[Input, Input]]:
    """Every input and the ordinary one it is compared with."""
    for name, body in BODIES.items():
        yield _requests(f"body: {name}", [body(size)])
    for name, body in SMALL_BODIES.items():
        one = body(SMALL)
        yield _requests(f"bodies: {name}", [one] * max(size // len(one), 1))
    for name, stream in STREAMS.items():
        sent, count = stream(size)
        each = ordinary(max(len(sent) // count - 150, 150))
        yield Input(f"wire: {name}", (sent,), count), _ordinary([each] * count)
    for name, answer in ANSWERS.items():
        asked, given = (post(chat(b',"stream":true')),), answer(size)
        yield Input(f"vendor: {name}", asked, 1, given), Input("ordinary", asked, 1, ordinary_stream(len(given)))


def _requests(name: str, bodies: list[bytes]) -> tuple[Input, Input]:
    worst = Input(name, tuple(post(body) for body in bodies), len(bodies))
    return worst, Input("ordinary", tuple(post(ordinary(len(body))) for body in bodies), len(bodies))


def _ordinary(bodies: list[bytes]) -> Input:
    """On one connection, as what it is compared with."""
    sent = b"".join(post(body, last=i == len(bodies) - 1) for i, body in enumerate(bodies))
    return Input("ordinary", (sent,), len(bodies))


class Vendor:
    """Answers every request with `answer`."""

    answer: bytes = _WHOLE

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or b"0"))
                writer.write(self.answer)
                await writer.drain()
        writer.close()


@contextmanager
def proxy(vendor_port: int) -> Iterator[tuple[Program, int]]:
    """One worker and its scorer, in processes of their own."""
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        folder, port = Path(name), free_port()
        file = folder / "paramwall.yaml"
        vendor = {"name": "v", "url": f"http://127.0.0.1:{vendor_port}/v1", "profile": "openai-compatible"}
        said = {"version": 1, "listen": f"127.0.0.1:{port}", "admin": f"127.0.0.1:{free_port()}", "vendors": [vendor]}
        file.write_text(json.dumps({**said, "state_dir": name, "drain": {"timeout": "1s", "grace": "0s"}}))
        command = (sys.executable, "-P", "-m", "proxy", "serve", "--config", str(file), "--workers", "1")
        program = Program("proxy", command, None, folder)
        try:
            yield program, port
        finally:
            program.stop()


def cpu_s(program: Program) -> float:
    """Processor time of all its processes so far, to the microsecond (Linux's schedstat)."""
    total = 0
    for pid in program._tree():
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


async def send(port: int, worst: Input) -> bool:
    """Send it, and read what comes until the proxy closes; whether that came in time."""
    try:
        async with asyncio.timeout(_LIMIT_S):
            for sent in worst.sent:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(sent)
                with contextlib.suppress(OSError):
                    while await reader.read(1 << 20):
                        pass
                writer.transport.abort()
    except TimeoutError:
        return False
    return True


async def _settled(program: Program) -> float:
    """Processor time once the scorer has done its part."""
    end = asyncio.get_running_loop().time() + _LIMIT_S
    spent, since = cpu_s(program), asyncio.get_running_loop().time()
    while (now := asyncio.get_running_loop().time()) < end and now - since < _QUIET_S:
        await asyncio.sleep(_STEP_S)
        if (more := cpu_s(program)) - spent > _STEP_S / 10:
            since = now
        spent = more
    return spent


async def cost(worst: Input, like: Input, turns: int) -> Cost:
    """Measure one input on a proxy of its own."""
    async with vending() as (vendor, vendor_port):
        with proxy(vendor_port) as (program, port):
            await _ready(program, port)
            await send(port, Input("warm", (post(chat()),) * 20, 20))
            await _settled(program)
            resting = program.rss_bytes()
            program.reset_peak()
            spent: dict[Input, list[float]] = {worst: [], like: []}
            memory, ended = 0.0, True
            for turn in range(turns):
                for one in (worst, like):
                    vendor.answer = one.answer
                    before = cpu_s(program)
                    ended = await send(port, one) and ended
                    spent[one].append(await _settled(program) - before)
                    if turn == 0 and one is worst:
                        memory = max(program.peak_bytes() - resting, 0) / worst.size
            ratio = statistics.median(spent[worst]) / statistics.median(spent[like])
            return Cost(worst.name, worst.size, memory, ratio if ended else float("inf"))


async def _ready(program: Program, port: int) -> None:
    async with asyncio.timeout(_START_S):
        while '"status":200' not in program.said():
            if not program.running():
                raise RuntimeError(f"the proxy did not start:\n{program.said()}")
            with contextlib.suppress(OSError):
                await send(port, Input("first", (post(chat()),), 1))
            await asyncio.sleep(_STEP_S)


@asynccontextmanager
async def vending() -> AsyncIterator[tuple[Vendor, int]]:
    """A vendor on a free port."""
    vendor = Vendor()
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0, limit=1 << 25)
    try:
        yield vendor, server.sockets[0].getsockname()[1]
    finally:
        server.close()


def measure(size: int, turns: int, named: str, say: Callable[[str], None]) -> list[Cost]:
    """All inputs whose name holds `named`, the worst first."""
    found: list[Cost] = []
    for worst, like in catalogue(size):
        if named in worst.name:
            found.append(uvloop.run(cost(worst, like, turns)))
            say(_row(found[-1]))
    return sorted(found, key=lambda one: max(one.memory, one.time), reverse=True)


def _row(one: Cost) -> str:
    return f"| {one.name} | {one.size / 2**20:.1f} MiB | {one.memory:.1f} | {one.time:.1f} |"


def table(found: list[Cost]) -> str:
    """As Markdown."""
    return "\n".join(
        ["| input | sent | memory, by its size | time, by an ordinary input |", "|---|---|---|---|", *map(_row, found)]
    )


def _say(row: str) -> None:
    sys.stderr.write(row + "\n")


def _time_of(one: Worst) -> float:
    return one.time


def _memory_of(one: Worst) -> float:
    return one.memory


def _searched(seconds: float, seed: int) -> int:
    plan = configured("http://127.0.0.1:1/v1").vendors[0].plan
    for name, kept in (("time", _time_of), ("memory", _memory_of)):
        worst, tried = search(plan, seconds / 2, seed, kept)
        recipe = f"{worst.recipe.size} bytes of {worst.recipe.pieces}"
        sys.stdout.write(f"{name}: {worst.time:.1f} in time, {worst.memory:.1f} in memory, of {tried}: {recipe}\n")
    return 0


def main() -> int:
    """The command."""
    options = argparse.ArgumentParser(prog="python -m tests.load.amplification", description=__doc__.partition("\n")[0])
    options.add_argument("--mib", type=float, default=2.0, help="size of each input")
    options.add_argument("--turns", type=int, default=3)
    options.add_argument("--only", default="", help="part of the names of inputs")
    options.add_argument("--write", action="store_true", help="keep the table in docs/worst-inputs.md")
    options.add_argument("--search", type=float, default=0.0, help="seconds of looking for worse bodies, at random")
    options.add_argument("--seed", type=int, default=1)
    said = options.parse_args()
    if said.search:
        return _searched(said.search, said.seed)
    found = measure(int(said.mib * 2**20), said.turns, said.only, _say)
    sys.stdout.write(table(found) + "\n")
    if said.write:
        before = _TABLE.read_text(encoding="utf-8").partition("\n| input |")[0]
        _TABLE.write_text(f"{before}\n{table(found)}\n", encoding="utf-8")
    return 1 if any(one.over for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
