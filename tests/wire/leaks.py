"""What may be left when the last request is over: nothing.

Not here: what the requests were. Invariant: everything a request takes is counted here: tasks, file descriptors,
permits, vendor connections, outcomes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client.samples import Sample

from proxy.child.snapshot import snapshot
from tests import exposed
from tests.proxying import Proxy
from tests.wire.client import until


def samples(proxy: Proxy, name: str) -> Iterator[Sample]:
    """One family's samples of this name."""
    return exposed.samples(proxy.metrics.registry, name)


def label_values(proxy: Proxy) -> set[str]:
    """Every label value there is: nothing else in an exposition can come from a request."""
    layout = snapshot(proxy.metrics.registry).layout
    return {value for family in layout for values in family.children for value in values}


def total(proxy: Proxy, name: str, **labels: str) -> float:
    """The sum of a counter over all label values but those given."""
    return sum(sample.value for sample in samples(proxy, name) if labels.items() <= sample.labels.items())


def outcomes(proxy: Proxy, name: str = "paramwall_requests_total") -> dict[str, int]:
    """How often each outcome was counted."""
    found: dict[str, int] = {}
    for sample in samples(proxy, name):
        if sample.value:
            outcome = sample.labels["outcome"]
            found[outcome] = found.get(outcome, 0) + int(sample.value)
    return found


def idle(proxy: Proxy) -> bool:
    """Whether no request holds anything of the plane."""
    admission = proxy.plane._admission
    counts = [admission.total, admission.bodies, *admission._vendors.values(), *admission._clients.values()]
    return not any(count.now for count in counts) and not proxy.plane._deadlines.active


def descriptors() -> int:
    """Open file descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


@asynccontextmanager
async def nothing_left(proxy: Proxy) -> AsyncIterator[None]:
    """What the block started is gone shortly after it. Idle vendor connections are closed for the count."""
    tasks, files = len(asyncio.all_tasks()), descriptors()
    yield
    await until(lambda: idle(proxy))
    for lane in proxy.plane._pipeline.plane.lanes.values():
        while lane.pool._idle:
            lane.pool._idle[-1].close("idle_closed")
    await until(lambda: total(proxy, "paramwall_upstream_connections") == 0)
    assert all(lane.pool.open_count() == 0 for lane in proxy.plane._pipeline.plane.lanes.values())
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    await until(lambda: descriptors() <= files)
    assert total(proxy, "paramwall_requests_in_flight") == 0
    assert proxy.plane.in_flight() == 0
