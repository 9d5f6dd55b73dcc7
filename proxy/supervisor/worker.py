"""A worker process: `python -m proxy.supervisor.worker`, started by the supervisor only.

Here: what a worker is made of: a data plane, and its tap where there is a scorer to send to. Not here: how a process
obeys (child/), what a data plane does (wire/), what is sent (shadow/).
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from proxy.child.process import Log, main
from proxy.config.values import Config
from proxy.metrics.shadow import ShadowMetrics
from proxy.metrics.worker import Metrics
from proxy.shadow.shadow import Shadow
from proxy.wire.server import DataPlane


class Worker:
    """One worker's service."""

    def __init__(self, config: Config, log: Log, metrics: Metrics, outbox: str) -> None:
        self._shadow = Shadow(config, ShadowMetrics(metrics.registry), outbox) if outbox else None
        self._plane = DataPlane(config, metrics, log, self._tap(config))
        self.in_flight = self._plane.in_flight

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Begin to accept."""
        if self._shadow is not None:
            self._shadow.start()
        await self._plane.start(sockets)

    def swap(self, config: Config) -> None:
        """New requests use `config`."""
        self._plane.swap(config, self._tap(config))
        if self._shadow is not None:
            self._shadow.swap(config)

    async def drain(self, grace_s: float, deadline_s: float) -> None:
        """Finish what is under way, then send what the scorer is to see of it."""
        await self._plane.drain(grace_s, deadline_s)
        if self._shadow is not None:
            await self._shadow.close()

    def detail(self) -> bytes:
        """Nothing but numbers."""
        return b""

    def _tap(self, config: Config) -> Shadow | None:
        return self._shadow if config.scoring else None


if __name__ == "__main__":  # pragma: no cover  (the process itself)
    counted = Metrics()
    main(lambda config, log, outbox: Worker(config, log, counted, outbox), counted)
