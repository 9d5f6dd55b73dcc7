"""A whole verification in the test's own event loop, against any base URL.

Not here: vendors and assertions. Invariant: a pause of the run takes no time, and is written down.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from proxy.config.values import Timeouts, Vendor
from proxy.endpoint.endpoint import Endpoint
from proxy.endpoint.retry import Bounds, PersistentCaller
from proxy.probes.probe import Setting
from proxy.verify.result import ProbeResult
from proxy.verify.runner import Runner
from proxy.verify.selection import Parties, Side, chains, selected
from proxy.verify.state import Run, State
from proxy.verify.verdict import Judged, judge, spent
from tests.endpoint.calling import Turned
from tests.proxying import configured

FAST = (
    "connection",
    "parameters",
    "template",
    "reasoning",
    "tools",
    "schema-types",
    "json-answer",
    "accounting",
    "limits",
    "generation",
)
"""All layers, with one family of schemas."""
KEY = "sk-verify-0123456789"
EVERYTHING: tuple[str, ...] = ()


@dataclass(slots=True)
class Ran:
    """How a run went. `requests` counts calls, repeats included."""

    judged: Judged
    runner: Runner
    turned: Turned
    requests: int
    seconds: float
    layers: dict[str, str] = field(default_factory=dict)

    def found(self, name: str, mode: str = "thinking") -> ProbeResult:
        """One probe's result."""
        return next(one for one in self.judged.probes if (one.id, one.mode) == (name, mode))

    def failed(self) -> set[str]:
        """The layers that failed."""
        return {name for name, verdict in self.layers.items() if verdict == "fail"}


def vendor_at(url: str, profile: str = "openai-compatible", **more: str) -> Vendor:
    """As a configuration makes it."""
    return configured(url, vendor={"profile": profile, **more}, environ={"KEY": KEY}).vendors[0]


async def verified(
    vendor: Vendor,
    state: Path,
    *,
    reference: Vendor | None = None,
    only: Sequence[str] = EVERYTHING,
    contract: str = "exact",
    model: str = "kimi-k2.6",
    wait_s: float = 5.0,
    attempts: int = 3,
    concurrency: int = 8,
    early_end: int = 6,
    stop_after: int | None = None,
) -> Ran:
    """One run; `stop_after` sets its stop once so many requests are done, as Ctrl-C does."""
    turned, items = Turned(), selected(only)
    sides = {Side.VENDOR: vendor} | ({Side.REFERENCE: reference} if reference is not None else {})
    settings = {side: Setting(model, each.plan, contract, early_end) for side, each in sides.items()}
    parties = Parties(settings[Side.VENDOR], settings.get(Side.REFERENCE))
    began_s = time.monotonic()
    async with AsyncExitStack() as stack:
        callers = {}
        for side, each in sides.items():
            bounded = replace(each, timeouts=Timeouts(wait_s, wait_s, wait_s, wait_s))
            endpoint = Endpoint(bounded, "paramwall-test/0", time.monotonic)
            stack.push_async_callback(endpoint.close)
            bounds = Bounds(attempts=attempts, total_s=120.0)
            callers[side] = PersistentCaller(endpoint, bounds, concurrency, turned.clock, lambda: 0.5, turned.sleep)
        run = Run(vendor=vendor.host, model=model, profile=vendor.profile.name, contract=contract)
        kept = stack.enter_context(State(state, run))
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            if done == stop_after:
                runner.stop.set()

        runner = Runner(callers, kept, concurrency, advance=advance)
        await runner.run(chains(items, parties))
        judged = judge(items, parties, runner.reply)
        requests = spent(kept.entries.values()).requests
    layers = {layer.layer: layer.verdict for layer in judged.layers}
    return Ran(judged, runner, turned, requests, time.monotonic() - began_s, layers)
