"""A data plane, its shadow and a scorer in the test's own event loop, joined by a real Unix socket.

Not here: vendors (proxy.simulator, or a test's own), and assertions. Invariant: everything started is stopped.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from proxy.metrics.cells import Registry
from proxy.metrics.scorer import ScorerMetrics
from proxy.metrics.shadow import ShadowMetrics
from proxy.scorer.scorer import Scorer
from proxy.shadow.shadow import Shadow
from tests import exposed
from tests.proxying import Proxy, configured, proxying

AMPLE: Final = {
    "fraction": "100%",
    "requests_per_minute": 1_000_000,
    "requests_per_day": 1_000_000,
    "tokens_per_minute": 900_000_000,
    "tokens_per_day": 900_000_000,
}
"""A mirror that leaves nothing out."""


@dataclass(slots=True)
class Watched:
    """All parts. `said` are the scorer's lines."""

    proxy: Proxy
    shadow: Shadow
    scorer: Scorer
    counted: ShadowMetrics
    metrics: ScorerMetrics
    registry: Registry
    said: list[str] = field(default_factory=list)

    def status(self) -> dict[str, Any]:
        """What the scorer tells."""
        found: dict[str, Any] = orjson.loads(self.scorer.detail() or b'{"drift": [], "alarms": [], "mirror": {}}')
        return found

    def fates(self) -> dict[tuple[str, str], float]:
        """`paramwall_mirror_total` by (result, reason), workers and scorer together, without zeros."""
        found: dict[tuple[str, str], float] = {}
        for registry in (self.registry, self.metrics.registry):
            for sample in exposed.samples(registry, "paramwall_mirror_total"):
                key = (sample.labels["result"], sample.labels["reason"])
                found[key] = found.get(key, 0) + sample.value
        return {key: value for key, value in found.items() if value}

    def balanced(self) -> bool:
        """Whether every exchange that was selected has met exactly one fate."""
        fates = self.fates()
        selected = fates.pop(("selected", ""), 0)
        return sum(fates.values()) == selected

    def count(self, name: str, **labels: str) -> float:
        """One sample of the scorer's."""
        return exposed.value(self.metrics.registry, name, **labels) or 0.0


@asynccontextmanager
async def watching(
    folder: Path,
    vendor_url: str,
    reference_url: str | None,
    *,
    mirror: Mapping[str, Any] | None = None,
    reference: Mapping[str, Any] | None = None,
    scorer: bool = True,
    **settings: Any,  # noqa: ANN401  (any setting of the file)
) -> AsyncIterator[Watched]:
    """A running proxy with its scorer; `mirror`, `reference` and `settings` as in the file."""
    if reference_url is not None:
        settings |= {"reference": {"url": reference_url, **(reference or {})}, "mirror": {**AMPLE, **(mirror or {})}}
    config = configured(vendor_url, **settings)
    path = str(folder / "scorer")
    inbox = socket.socket(socket.AF_UNIX)
    inbox.bind(path)
    inbox.listen(16)
    inbox.setblocking(False)
    said: list[str] = []
    metrics, registry = ScorerMetrics(), Registry()
    counted = ShadowMetrics(registry)
    one = Scorer(config, metrics, said.append, said.append)
    if scorer:
        await one.start([inbox])
    shadow = Shadow(config, counted, path)
    shadow.start()
    try:
        async with proxying(config, tap=shadow) as proxy:
            if scorer:
                await until_heard(shadow)
            yield Watched(proxy, shadow, one, counted, metrics, registry, said)
    finally:
        await shadow.close()
        if scorer:
            await one.drain(0.0, 10.0)
        inbox.close()


async def until_heard(shadow: Shadow) -> None:
    """Wait until the scorer has said what it wants."""
    async with asyncio.timeout(10):
        while not shadow.told:  # noqa: ASYNC110  (what is awaited is the other side's word)
            await asyncio.sleep(0.005)
