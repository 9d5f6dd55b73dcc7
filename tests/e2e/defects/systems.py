"""The system under test before a vendor and a reference: in this process, or as the real processes.

Both mirror all traffic and keep the default false-alarm budget. Not here: the traffic and what is looked for (run.py).
Invariant: both are the same parts over real sockets; `here` leaves out the supervisor alone.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

from proxy.metrics.cells import Registry
from proxy.metrics.scorer import ScorerMetrics
from proxy.metrics.shadow import ShadowMetrics
from proxy.scorer.scorer import Scorer
from proxy.shadow.shadow import Shadow
from proxy.simulator import Simulator
from tests.e2e.defects.cases import Case
from tests.e2e.serving import serving
from tests.exposed import total
from tests.proxying import configured, proxying
from tests.supervisor.running import Running

_KEY: Final = "DEFECTS_REFERENCE_KEY"
_STOP_S: Final = 60.0
_MIRROR: Final[dict[str, Any]] = {
    "fraction": "100%",
    "requests_per_minute": 1_000_000,
    "requests_per_day": 1_000_000,
    "tokens_per_minute": 1_000_000_000,
    "tokens_per_day": 1_000_000_000,
}


class System(Protocol):
    """A proxy with its scorer. `metric` sums all samples of a name with these labels."""

    @property
    def url(self) -> str: ...

    async def metric(self, name: str, **labels: str) -> float: ...


class Here:
    """Data plane, tap and scorer in this event loop, over real sockets."""

    def __init__(self, url: str, registries: Sequence[Registry]) -> None:
        self.url = url
        self._registries = registries

    async def metric(self, name: str, **labels: str) -> float:
        return total(self._registries, name, **labels)


class There:
    """A supervisor seen from outside."""

    def __init__(self, supervisor: Running) -> None:
        self.url = f"{supervisor.url}/v1"
        self.metric = supervisor.metric


@asynccontextmanager
async def here(folder: Path, vendor: Simulator, reference: Simulator, case: Case) -> AsyncIterator[System]:
    """Everything in this process."""
    config = configured(
        vendor.url,
        vendor={"profile": vendor.options.profile, **case.vendor},
        environ={_KEY: "sk-reference"},
        reference={"url": "http://127.0.0.1:9/v1", "profile": "moonshot", "api_key_env": _KEY, "max_in_flight": 32},
        mirror={**_MIRROR, "second_answer": case.second_answer},
        state_dir="state",
    )
    assert config.reference is not None
    port = int(reference.url.rpartition(":")[2].partition("/")[0])
    config = replace(config, reference=replace(config.reference, port=port), state_dir=str(folder / "state"))
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(folder / "outbox"))
    sock.listen()
    sock.setblocking(False)
    counted = ScorerMetrics()
    scorer = Scorer(config, counted, lambda _: None, lambda _: None)
    await scorer.start([sock])
    tapped = Registry()
    shadow = Shadow(config, ShadowMetrics(tapped), str(folder / "outbox"))
    shadow.start()
    try:
        async with proxying(config, tap=shadow) as proxy:
            yield Here(proxy.url, (proxy.metrics.registry, tapped, counted.registry))
        await shadow.close()
    finally:
        await scorer.drain(0.0, _STOP_S)
        sock.close()


@asynccontextmanager
async def processes(folder: Path, vendor: Simulator, reference: Simulator, case: Case) -> AsyncIterator[System]:
    """`paramwall serve` as users run it: a supervisor, a worker, a scorer."""
    async with serving(
        folder,
        [{"name": "sim", "url": vendor.url, "profile": vendor.options.profile, **case.vendor}],
        environment={_KEY: "sk-reference"},
        reference={"url": reference.url, "profile": "moonshot", "api_key_env": _KEY, "max_in_flight": 32},
        mirror={**_MIRROR, "second_answer": case.second_answer},
        state_dir=str(folder / "state"),
    ) as supervisor:
        yield There(supervisor)


Stage = Callable[[Path, Simulator, Simulator, Case], AbstractAsyncContextManager[System]]
