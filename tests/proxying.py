"""A whole data plane inside the test's own event loop: real sockets, real configuration, no child processes.

Not here: vendors (proxy.simulator, or a test's own) and assertions. Invariant: everything started is stopped, and
nothing is left under way when the block ends.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import yaml

from proxy.child.snapshot import snapshot
from proxy.config.load import Flags, load, read_file
from proxy.config.values import Client, Config, Vendor
from proxy.contract.envelope import Envelope
from proxy.contract.exchange import Exchange
from proxy.metrics.worker import Metrics
from proxy.policy.decision import Decision
from proxy.policy.plan import Plan
from proxy.policy.verdict import Route
from proxy.wire.server import DataPlane
from tests import exposed
from tests.canary_sweep import told

_ANY_PORT = 9


@dataclass(slots=True)
class Shown:
    """What a tap was told of one request. `whole` is the answer, its parts joined."""

    request_id: str
    vendor: str
    mode: str
    body: bytes
    opted_out: bool
    parts: list[bytes] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)

    def part(self, data: bytes) -> None:
        self.parts.append(data)

    def finish(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)

    @property
    def exchange(self) -> Exchange:
        (exchange,) = self.exchanges
        return exchange

    @property
    def whole(self) -> bytes:
        return b"".join((*self.parts, self.exchange.answer))


class Recorder:
    """A tap that keeps everything."""

    def __init__(self) -> None:
        self.shown: list[Shown] = []

    def note(self, vendor: str, plan: Plan, route: Route, envelope: Envelope | None, decision: Decision | str) -> None:
        pass

    def admit(
        self,
        request_id: str,
        vendor: Vendor,
        client: Client | None,
        *,
        opted_out: bool,
        strain: float,
        envelope: Envelope,
        decision: Decision,
        body: bytes,
    ) -> Shown:
        shown = Shown(request_id, vendor.name, decision.mode, body, opted_out)
        self.shown.append(shown)
        return shown


@dataclass(slots=True)
class Proxy:
    """A running data plane. `lines` are its log lines, `shown` what its tap was told."""

    url: str
    port: int
    plane: DataPlane
    metrics: Metrics
    lines: list[dict[str, Any]] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)

    def exposition(self) -> str:
        """The worker's metrics as text."""
        return exposed.exposition(snapshot(self.metrics.registry))

    def count(self, name: str, **labels: str) -> float:
        """One sample's value; 0 when there is none."""
        return exposed.value(self.metrics.registry, name, **labels) or 0.0


def configured(
    vendor_url: str,
    *,
    vendor: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
    **settings: Any,  # noqa: ANN401  (any setting of the file)
) -> Config:
    """A Config with one vendor named `sim`, through the real loader. `vendor`, `more` vendors and `settings` are as in
    the file.
    """
    port = urlsplit(vendor_url).port
    url = vendor_url.replace(f":{port}/", f":{_ANY_PORT}/", 1)
    sim = {"url": url, "profile": "openai-compatible", **(vendor or {})}
    text = yaml.safe_dump({"version": 1, "vendors": {"sim": sim, **(more or {})}, **settings})
    config = _loaded(text, tuple((environ or {}).items()))
    if port is None or "vendors" in settings:
        return config
    return replace(config, vendors=(replace(config.vendors[0], port=port), *config.vendors[1:]))


@cache
def _loaded(text: str, environ: tuple[tuple[str, str], ...]) -> Config:
    """Loading compiles policies, which takes longer than most tests; only the vendor's port differs between them."""

    def read_text(path: Path) -> str:
        return text if path.name == "test-paramwall.yaml" else read_file(path)

    return load(Flags(config="test-paramwall.yaml"), dict(environ), read_text).config


@asynccontextmanager
async def proxying(config: Config, **seams: Any) -> AsyncIterator[Proxy]:  # noqa: ANN401  (DataPlane's own)
    """A data plane for `config`, accepting on a free port."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(1024)
    sock.setblocking(False)
    port = sock.getsockname()[1]
    metrics = Metrics()
    lines: list[dict[str, Any]] = []
    recorder = Recorder()
    seams.setdefault("tap", recorder)

    def write(line: bytes) -> None:
        told("the log", line)
        lines.append(orjson.loads(line))

    plane = DataPlane(config, metrics, write, **seams)
    await plane.start([sock])
    proxy = Proxy(f"http://127.0.0.1:{port}/v1", port, plane, metrics, lines, recorder.shown)
    try:
        yield proxy
    finally:
        await plane.drain(0.0, 1.0)
        sock.close()
        told("the metrics", proxy.exposition())
