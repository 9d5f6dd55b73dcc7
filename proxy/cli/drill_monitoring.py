"""What watches a drill: a real Prometheus with the shipped rules, a real Alertmanager, and the webhook that it calls.

Not here: what is watched (demo_stage.py) and what the drill makes of it (drill.py). Invariants: everything listens on
loopback, on ports that were free; when the block ends, in whatever way, no process and no file is left.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
from aiohttp import web

from proxy.config.shipped import shipped_folder
from proxy.supervisor.sockets import CannotStart

PROMETHEUS: Final = ("prometheus",)
ALERTMANAGER: Final = ("prometheus-alertmanager", "alertmanager")
"""As Debian calls it, and as its authors do."""
EVERY_S: Final = 2
"""Seconds between two scrapes, and between two evaluations of the rules."""
WATCHDOG: Final = "ParamwallWatchdog"
"""The alert that always fires, so that its absence is noticed."""
_READY_S: Final = 30.0
_POLL_S: Final = 0.1
_STOP_S: Final = 5.0

_PROMETHEUS_YAML: Final = """\
global: {{scrape_interval: {every}s, evaluation_interval: {every}s}}
rule_files: ["{rules}/*.yaml"]
alerting:
  alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]
scrape_configs:
  - job_name: paramwall
    static_configs: [{{targets: ["{admin}"]}}]
"""
_ALERTMANAGER_YAML: Final = """\
route:
  receiver: webhook
  group_by: [alertname, vendor]
  group_wait: 1s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: webhook
    webhook_configs: [{{url: "{webhook}", send_resolved: true}}]
"""


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert as it arrived at the webhook at `at_s` (Unix time)."""

    at_s: float
    firing: bool
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.labels["alertname"]


@dataclass(slots=True)
class Monitoring:
    """What runs, and what the webhook has got so far."""

    prometheus_url: str
    alertmanager_url: str
    versions: tuple[str, str]
    notices: list[Notice] = field(default_factory=list)

    def take(self, payload: dict[str, Any]) -> None:
        """One call of the webhook."""
        now_s = time.time()
        for alert in payload["alerts"]:
            notice = Notice(now_s, alert["status"] == "firing", alert["labels"], alert["annotations"])
            # Alertmanager tells the whole group again when one of it changes.
            before = next((each for each in reversed(self.notices) if each.labels == notice.labels), None)
            if notice.name != WATCHDOG and (before is None or before.firing != notice.firing):
                self.notices.append(notice)


class Missing(Exception):
    """A program is not installed; the text says which and how to get it."""


def found(given: str | None, names: Sequence[str], package: str) -> str:
    """The path of a program: the one given, or the first of `names` on the PATH. Raises Missing."""
    for name in names if given is None else (given,):
        path = shutil.which(name)
        if path is not None:
            return path
    named = f"{given} is no program" if given is not None else f"none of {', '.join(names)} is on the PATH"
    raise Missing(f"{named}\n  hint: apt-get install {package}, or name one with --{package.rpartition('-')[2]} PATH")


@asynccontextmanager
async def monitored(
    admin: str, prometheus: str, alertmanager: str, session: aiohttp.ClientSession
) -> AsyncIterator[Monitoring]:
    """Watch the admin port at `admin` (HOST:PORT) until the block ends. Raises CannotStart."""
    with (
        tempfile.TemporaryDirectory(prefix="paramwall-drill-") as folder,
        resources.as_file(shipped_folder("dashboards") / "rules") as rules,
    ):
        at = Path(folder)
        web_address, alert_address = _free(), _free()
        versions = (await _version(prometheus), await _version(alertmanager))
        monitoring = Monitoring(f"http://{web_address}", f"http://{alert_address}", versions)
        async with _webhook(monitoring.take) as webhook:
            texts = {
                "alertmanager.yaml": _ALERTMANAGER_YAML.format(webhook=webhook),
                "prometheus.yaml": _PROMETHEUS_YAML.format(
                    every=EVERY_S, rules=rules, alertmanager=alert_address, admin=admin
                ),
            }
            for name, text in texts.items():
                await asyncio.to_thread((at / name).write_text, text, encoding="utf-8")
            async with (
                _running(
                    *(alertmanager, f"--config.file={at / 'alertmanager.yaml'}", f"--storage.path={at / 'alerts'}"),
                    *(f"--web.listen-address={alert_address}", "--cluster.listen-address="),
                    ready=f"{monitoring.alertmanager_url}/-/ready",
                    session=session,
                ),
                _running(
                    *(prometheus, f"--config.file={at / 'prometheus.yaml'}", f"--storage.tsdb.path={at / 'series'}"),
                    f"--web.listen-address={web_address}",
                    ready=f"{monitoring.prometheus_url}/-/ready",
                    session=session,
                ),
            ):
                yield monitoring


async def query(session: aiohttp.ClientSession, prometheus_url: str, expression: str) -> list[dict[str, Any]]:
    """The series that an expression gives now. Raises ValueError with what Prometheus says is wrong with it."""
    async with session.post(f"{prometheus_url}/api/v1/query", data={"query": expression}) as response:
        said = await response.json()
    if said["status"] != "success":
        raise ValueError(f"{said['error']}: {expression}")
    result = said["data"]["result"]
    return [{"metric": {}, "value": result}] if said["data"]["resultType"] == "scalar" else list(result)


@asynccontextmanager
async def _webhook(take: Callable[[dict[str, Any]], None]) -> AsyncIterator[str]:
    """The URL that Alertmanager calls."""

    async def called(request: web.Request) -> web.Response:
        take(orjson.loads(await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", called)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _running(*command: str, ready: str, session: aiohttp.ClientSession) -> AsyncIterator[None]:
    """A process that answers at `ready`; its own words are shown only when it does not come up."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    words: list[bytes] = []
    reading = asyncio.create_task(_read(process, words))
    try:
        await _until_ready(process, ready, session, words)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        await asyncio.wait({reading})


async def _read(process: asyncio.subprocess.Process, words: list[bytes]) -> None:
    assert process.stderr is not None
    async for line in process.stderr:
        words[:] = [*words[-19:], line]


async def _until_ready(
    process: asyncio.subprocess.Process, url: str, session: aiohttp.ClientSession, words: list[bytes]
) -> None:
    end = time.monotonic() + _READY_S
    while time.monotonic() < end and process.returncode is None:
        try:
            async with session.get(url) as response:
                if response.status == 200:
                    return
        except aiohttp.ClientError:
            pass  # it does not listen yet
        await asyncio.sleep(_POLL_S)
    said = b"".join(words[-3:]).decode(errors="replace").rstrip()
    raise CannotStart(f"{url} does not answer 200; the process says:\n{said or 'nothing'}")


async def _version(program: str) -> str:
    """What it calls itself, as in `prometheus 2.42.0`."""
    process = await asyncio.create_subprocess_exec(
        program, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    words = out.decode(errors="replace").split()
    return f"{words[0].rstrip(',')} {words[2]}" if len(words) > 2 else Path(program).name


def _free() -> str:
    """An address on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
