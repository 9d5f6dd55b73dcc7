"""What `paramwall demo` plays on: simulated vendors, the processes of `paramwall serve` before them, and a client.

Not here: what is sent and what it shows (demo_story.py), and printing. Invariants: the proxy is the real one, started
as `serve` starts it, configured by a file; when the block ends, in whatever way, no process and no file is left.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import aiohttp
from prometheus_client import Metric, disable_created_metrics
from prometheus_client.parser import text_string_to_metric_families

from proxy.cli.demo_story import Door, Seen, Step
from proxy.config.load import Flags, load, read_file
from proxy.contract.sse import EventDecoder
from proxy.simulator import Lengths, Lognormal, Options, Simulator, parse_faults
from proxy.supervisor import sockets
from proxy.supervisor.crew import Patience
from proxy.supervisor.launches import launches
from proxy.supervisor.notes import Notes
from proxy.supervisor.supervisor import Supervisor

Say: TypeAlias = Callable[[str], None]

_READY_S: Final = 30.0
_POLL_S: Final = 0.05
_REQUEST_S: Final = 20.0
_LENGTHS: Final = Lengths(reasoning=Lognormal(24, 0.2), content=Lognormal(28, 0.2))
"""Tokens: short enough to be read along."""
_SPEED: Final = 2.0
_CONFIG: Final = """\
# The configuration of this demo; change it while it runs, and it is loaded anew.
version: 1
listen: 127.0.0.1:0
admin: 127.0.0.1:0
policy: kimi-k2.6
enforcement: repair
vendors:
  - name: engine           # /v1, being the first, and /vendors/engine/v1
    url: {url}
    profile: vllm
    credentials: pass
    mirror: false
    probe: false
  - name: strict           # /vendors/strict/v1: the same vendor under another enforcement
    url: {url}
    profile: vllm
    credentials: pass
    enforcement: strict
    mirror: false
    probe: false
  - name: honest           # the two vendors under watch
    url: {honest}
    profile: vllm
    credentials: pass
  - name: degrading
    url: {degrading}
    profile: vllm
    credentials: pass
reference:
  url: {reference}
  profile: moonshot
mirror:                    # everything, so that a minute is enough; 1% is the default
  fraction: 100%
  requests_per_minute: 100000
  requests_per_day: 1000000
  tokens_per_minute: 100000000
  tokens_per_day: 900000000
state_dir: {state}
evidence: {{bodies: disagreements}}
log: {{format: console}}
drain: {{grace: 0s, timeout: 5s}}
"""
HEADERS: Final = {
    "Authorization": "Bearer sk-demo",
    "Accept": "application/json",
    "Content-Type": "application/json",
    "User-Agent": "OpenAI/Python (paramwall demo)",
}


class Ended(Exception):
    """The proxy was told to end (Ctrl-C) before the demo was over."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything is up. `proxy` ends when the supervisor does: after a signal, or a failure."""

    vendor: Simulator
    degrading: Simulator
    session: aiohttp.ClientSession
    config: Path
    state: Path
    policy: str
    proxy_url: str
    admin_url: str
    proxy: asyncio.Task[None]

    def url(self, door: Door) -> str:
        """The base URL of a door, ending in /v1."""
        urls = {Door.VENDOR: self.vendor.url, Door.STRICT: f"{self.proxy_url}/vendors/strict/v1"}
        return urls.get(door, f"{self.proxy_url}/v1")

    async def play(self, step: Step, on_event: Callable[[bytes], None]) -> Seen:
        """Send one request; `on_event` gets the data of each event of a stream when it arrives."""
        self.vendor.received.clear()
        decoder, parts, reads = EventDecoder(), list[bytes](), list[float]()
        started = time.perf_counter()
        url = f"{self.url(step.door)}/chat/completions"
        async with self.session.post(url, data=step.body, headers=HEADERS) as response:
            async for part in response.content.iter_any():
                reads.append(time.perf_counter() - started)
                parts.append(part)
                for event in decoder.feed(part) if step.stream else ():
                    on_event(event.data)
        headers = {name.lower(): value for name, value in response.headers.items()}
        received = self.vendor.received[-1].body if self.vendor.received else None
        return Seen(step.body, received, response.status, headers, b"".join(parts), tuple(reads))

    async def metrics(self) -> Sequence[Metric]:
        """What the admin port says now."""
        async with self.session.get(f"{self.admin_url}/metrics") as response:
            return list(text_string_to_metric_families(await response.text()))


@asynccontextmanager
async def staged(say: Say, more: str = "") -> AsyncIterator[Stage]:
    """Start everything, and stop it in the end. `say` gets the proxy's notes and its log, line by line; `more` are
    settings of its configuration.

    Raises Ended, or sockets.CannotStart.
    """
    faults = parse_faults("accept-any-parameters")
    options = Options(profile="vllm", faults=faults, lengths=_LENGTHS, speed=_SPEED)
    timeout = aiohttp.ClientTimeout(total=_REQUEST_S)
    with tempfile.TemporaryDirectory(prefix="paramwall-demo-") as folder:
        file = Path(folder, "paramwall.yaml")
        async with (
            Simulator(options) as vendor,
            Simulator(_watched("vllm", 1)) as honest,
            Simulator(_watched("vllm", 2)) as degrading,
            Simulator(_watched("moonshot", 3)) as reference,
            aiohttp.ClientSession(timeout=timeout) as session,
        ):
            text = more + _CONFIG.format(
                url=vendor.url,
                honest=honest.url,
                degrading=degrading.url,
                reference=reference.url,
                state=Path(folder, "state"),
            )
            await asyncio.to_thread(file.write_text, text, encoding="utf-8")
            async with _log(say) as log_fd, _proxy(vendor, degrading, session, file, log_fd, say) as stage:
                await ready(stage)
                yield stage


def _watched(profile: str, seed: int) -> Options:
    """An honest host of the second act: quick, since its answers are counted rather than read."""
    return Options(seed=seed, profile=profile, instant=True, lengths=_LENGTHS)


@asynccontextmanager
async def _proxy(
    vendor: Simulator, degrading: Simulator, session: aiohttp.ClientSession, file: Path, log_fd: int, say: Say
) -> AsyncIterator[Stage]:
    """What proxy.supervisor.run does, inside this event loop and on free ports."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types
    # The variables of the environment are for `serve`; they must not change what is shown here.
    load_file = partial(load, Flags(config=str(file)), {}, read_file)
    loaded = load_file()
    config = loaded.config
    with ExitStack() as closing:
        listening = [closing.enter_context(sock) for sock in sockets.listen(config.listen, "--listen")]
        admin = [closing.enter_context(sock) for sock in sockets.listen((config.admin,), "--admin")]
        started = launches(closing, listening, log_fd)
        notes = Notes(lambda line: say(line.decode()), time.time, as_json=False)
        supervisor = Supervisor(load_file, loaded, listening, admin, started, notes, Patience())
        proxy = asyncio.create_task(supervisor.run())
        proxy_url, admin_url = (f"http://{sockets.shown(each[0])}" for each in (listening, admin))
        try:
            state, policy = file.parent / "state", config.vendors[0].plan.label
            yield Stage(vendor, degrading, session, file, state, policy, proxy_url, admin_url, proxy)
        finally:
            proxy.cancel()
            await asyncio.wait({proxy})


async def ready(stage: Stage) -> None:
    """Wait until a worker accepts. Raises what stopped the proxy, Ended, or CannotStart when it takes too long."""
    end = time.monotonic() + _READY_S
    while time.monotonic() < end:
        if stage.proxy.done():
            stage.proxy.result()  # raises what stopped it
            raise Ended
        # A proxy that gives up closes its admin port a moment before it ends, and only its end says why.
        with suppress(aiohttp.ClientConnectionError):
            async with stage.session.get(f"{stage.admin_url}/readyz") as response:
                if response.status == 200:
                    return
        await asyncio.wait({stage.proxy}, timeout=_POLL_S)
    raise sockets.CannotStart(f"no worker accepts after {_READY_S:g} s\nhint: is this machine very busy? try again")


def hear_signals() -> asyncio.Event:
    """Set by whatever ends a demo. The supervisor by itself would drain, and reload when the terminal is closed."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


@asynccontextmanager
async def _log(say: Say) -> AsyncIterator[int]:
    """The writing end of a pipe for the workers' log."""
    reading_fd, writing_fd = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading_fd, "rb", buffering=0)
    )

    async def tell() -> None:
        async for line in reader:
            say(line.decode(errors="replace").rstrip())

    telling = asyncio.create_task(tell())
    try:
        yield writing_fd
    finally:
        os.close(writing_fd)
        await asyncio.wait({telling}, timeout=1.0)  # it ends with the last process that holds the pipe
        telling.cancel()
        transport.close()
