"""What the operator is told about the running proxy: the lines at start and the members of `/status`.

Not here: writing and serving them. Invariant: of the configuration only names, hosts, profiles, labels, counts and
the folder of the log are told; never a key, a hash of one, a path of a key file or an URL's user part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from proxy import __version__
from proxy.child.snapshot import Snapshot
from proxy.config.values import Config, Reference, Vendor
from proxy.metrics.glance import LOSSES, REQUESTS, Counter
from proxy.supervisor.admin import PATHS
from proxy.supervisor.child import Child
from proxy.supervisor.crew import Crew, Place


@dataclass(frozen=True, slots=True)
class Loading:
    """The last attempt to load the configuration; `error` is empty when it succeeded. `at_s` is Unix time."""

    at_s: float
    cause: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """Where the process stands: bound addresses, its configuration, the last attempt to load one."""

    config: Config
    listen: tuple[str, ...]
    admin: str
    loading: Loading
    uptime_s: float
    phase: str
    not_ready: str


def urls(config: Config, listen: Sequence[str]) -> list[str]:
    """What clients put into `base_url`, without the `/v1`."""
    return [f"{'http' if config.tls is None else 'https'}://{where}" for where in listen]


def opening_lines(config: Config, listen: Sequence[str], admin: str) -> Iterator[str]:
    """What is printed at start, before the workers accept."""
    yield f"version {__version__}, configuration {config.hash}"
    yield f"listening on {' and '.join(urls(config, listen))}"
    yield f"admin on http://{admin} (a page for people, {', '.join(PATHS)})"
    for vendor in config.vendors:
        yield f"vendor {vendor.name}: {place_of(vendor)}, profile {vendor.profile.name}, {credentials_of(vendor)}"
        yield f"policy for {vendor.name}: {vendor.plan.label}, {vendor.plan.enforcement}"
    if config.clients:
        yield f"clients: {len(config.clients)}, by key"
    yield from _about_scoring(config)


def _about_scoring(config: Config) -> Iterator[str]:
    reference, mirror, budget = config.reference, config.mirror, config.drift.budget
    if reference is not None:
        whose = "no credential" if reference.api_key is None else "credential of its own"
        place = f"{place_of(reference)}, profile {reference.profile.name}, model {reference.model}"
        yield f"reference: {place}, {whose}"
        yield (
            f"mirror: {_percent(mirror.fraction)} of the traffic, {_percent(mirror.raised_fraction)} while a vendor is "
            f"in warn; at most {mirror.requests_per_minute} requests a minute and {mirror.requests_per_day} a day, "
            f"{mirror.tokens_per_minute} tokens a minute and {mirror.tokens_per_day} a day"
        )
    if config.scoring:
        days, pairs = f"{budget.amount / 24:.6g} days", f"{budget.amount:.0f} pairs"
        rare = days if budget.clock == "hours" else pairs
        yield f"checks: {_percent(config.signals.fraction)} of the answers, at most one false alarm in {rare}"
        yield f"log of the checks: {'in memory' if config.state_dir is None else config.state_dir}"


def _percent(share: float) -> str:
    return f"{share * 100:.6g}%"


def place_of(endpoint: Vendor | Reference) -> str:
    """Scheme, host, port where it is not the usual one, and path of a vendor or of the reference."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    usual = {"http": 80, "https": 443}.get(endpoint.scheme) == endpoint.port
    return f"{endpoint.scheme}://{host}{'' if usual else f':{endpoint.port}'}{endpoint.path}"


def credentials_of(vendor: Vendor) -> str:
    """Whose credential the vendor sees."""
    return "credentials pass through" if vendor.api_key is None else "credential held by the proxy"


def said_by(scorer: Child | None) -> bytes:
    """What the scorer says of the vendors, as JSON; nothing before its first report."""
    return b"" if scorer is None or scorer.report is None else scorer.report.detail


def members(running: Running, crew: Crew, scorers: Crew, families: Snapshot, now_s: float) -> dict[str, object]:
    """The members of `/status`; `now_s` is the crews' clock, `families` all that was counted. What the scorer says of
    itself is beside them.
    """
    config = running.config
    scorer = scorers.present()
    requests = _count(families, REQUESTS, "vendor")
    return {
        "version": __version__,
        "phase": running.phase,
        "not_ready": running.not_ready or None,
        "uptime_s": round(running.uptime_s, 1),
        "listen": urls(config, running.listen),
        "admin": f"http://{running.admin}",
        "config": {
            "hash": config.hash,
            "last_load": {
                "at": _time(running.loading.at_s),
                "cause": running.loading.cause,
                "successful": not running.loading.error,
                "error": running.loading.error or None,
            },
        },
        "vendors": [
            {
                "name": vendor.name,
                "host": vendor.host,
                "url": place_of(vendor),
                "profile": vendor.profile.name,
                "policy": vendor.plan.label,
                "enforcement": str(vendor.plan.enforcement),
                "credentials": "pass" if vendor.api_key is None else "held",
                "requests": requests.get(vendor.name, 0),
            }
            for vendor in config.vendors
        ],
        "in_flight": crew.in_flight(),
        "workers": [_worker(child, _place_of(child, crew.places), now_s) for child in crew.children],
        "scorer": None if scorer is None else _worker(scorer, _place_of(scorer, scorers.places), now_s),
        "scoring": config.scoring,
        "evidence": {"state_dir": config.state_dir, "bodies": config.evidence.bodies},
        "lost": {name: _count(families, counter).get("", 0) for name, counter in LOSSES.items()},
        **_shadow(said_by(scorer)),
    }


def _count(families: Snapshot, counter: Counter, by: str = "") -> dict[str, int]:
    """What a counter says, by the values of one of its labels; without one, in all."""
    counts: dict[str, int] = {}
    for family, numbers in families.families():
        if family.name == counter.family:
            for values, number in zip(family.children, numbers, strict=True):
                labels = dict(zip(family.labels, values, strict=True))
                if counter.labels.items() <= labels.items():
                    label = labels.get(by, "")
                    counts[label] = counts.get(label, 0) + int(number)
    return counts


def _shadow(said: bytes) -> dict[str, object]:
    """What the scorer reported: `drift` by vendor and mode, `alarms`, `mirror`; empty until it has."""
    nothing: dict[str, object] = {"drift": [], "alarms": [], "mirror": None}
    return {**nothing, **(orjson.loads(said) if said else {})}


def _place_of(child: Child, places: Sequence[Place]) -> Place | None:
    return next((place for place in places if place.child is child), None)


def _worker(child: Child, place: Place | None, now_s: float) -> dict[str, object]:
    """A worker that is leaving has lost its place to its successor."""
    return {
        "pid": child.pid,
        "place": None if place is None else place.number,
        "state": str(child.state),
        "in_flight": child.in_flight,
        "restarts": None if place is None else place.restarts,
        "uptime_s": round(now_s - child.started_s, 1),
        "resident_bytes": child.usage.resident_bytes,
        "loop_lag_s": 0.0 if child.report is None else round(child.report.loop_lag_s, 4),
    }


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
