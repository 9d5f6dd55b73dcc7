"""The plane: a configuration resolved for the request path, made once when it is loaded.

Not here: anything per request. Invariant: a plane does not change; a reload makes a new one, and a request keeps the
plane it started with to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from proxy.config.values import Client, Config, Vendor
from proxy.metrics.worker import Metrics
from proxy.policy.decide import Plan
from proxy.wire import routes
from proxy.wire.pool import Pool
from proxy.wire.routes import Match, Served


@dataclass(frozen=True, slots=True)
class Lane:
    """All that is known beforehand about requests to one vendor.

    `head_end` follows every request line: Host, Via, and the vendor's key where the proxy holds one. `redact` is that
    key, which no answer may carry to a client; neither shows itself.
    """

    vendor: Vendor
    pool: Pool
    base: bytes
    head_end: bytes = field(repr=False)
    redact: bytes = field(repr=False)

    def plan_for(self, client: Client) -> Plan:
        """The policy as it applies to this client here."""
        return self.vendor.client_plans.get(client.name, self.vendor.plan)


@dataclass(frozen=True, slots=True)
class Way:
    """One served path at one vendor. `start` is how every request to it begins after its method: the vendor's path and
    the fields that are always the same. `judged`: its bodies are read by policy.
    """

    lane: Lane
    served: Served
    judged: bool
    start: bytes = field(repr=False)

    @classmethod
    def of(cls, lane: Lane, match: Match) -> Way:
        """The vendor's configured path, then the matched one."""
        query = f"?{match.query}" if match.query else ""
        line = b" %b%b HTTP/1.1\r\n" % (lane.base, (match.path + query).encode())
        return cls(lane, match.served, match.served.policy is not None, line + lane.head_end)


@dataclass(frozen=True, slots=True)
class Plane:
    """One configuration's lanes. `usual` are the ways that requests commonly take, by target. `pseudonym` is how this
    proxy names itself in Via (RFC 9110 section 7.6.3).
    """

    config: Config
    lanes: Mapping[str, Lane]
    usual: Mapping[str, Way]
    pseudonym: bytes

    def way(self, target: str) -> Way | None:
        """The way of a request target as received; None: it is not served, or names no vendor."""
        return self.usual.get(target) or _way(self.config, self.lanes, target)


def build(config: Config, metrics: Metrics, clock: Callable[[], float], previous: Plane | None) -> Plane:
    """Resolve `config`. A vendor that did not change keeps its connections; the pools of the others are retired."""
    pseudonym = f"paramwall-{config.hash}".encode()
    kept = [] if previous is None else [(lane.vendor, lane.pool) for lane in previous.lanes.values()]
    lanes: dict[str, Lane] = {}
    for vendor in config.vendors:
        pool = next((pool for old, pool in kept if _same_upstream(old, vendor)), None)
        lanes[vendor.name] = _lane(vendor, pool or Pool(vendor, metrics, clock), pseudonym)
    in_use = {lane.pool for lane in lanes.values()}
    for _, pool in kept:
        if pool not in in_use:
            pool.retire()
    for v in config.vendors:
        counts = {count for plan in (v.plan, *v.client_plans.values()) for count in plan.counts}
        metrics.prepare(v.name, routes.LABELS, routes.STREAMS, sorted(counts))
    targets = [
        f"{prefix}/v1{path}" for prefix in ("", *(f"/vendors/{name}" for name in lanes)) for path in routes.PATHS
    ]
    usual = {target: way for target in targets if (way := _way(config, lanes, target)) is not None}
    return Plane(config, lanes, usual, pseudonym)


def _way(config: Config, lanes: Mapping[str, Lane], target: str) -> Way | None:
    match = routes.match(target)
    lane = None if match is None else lanes.get(match.vendor or config.vendors[0].name)
    return None if match is None or lane is None else Way.of(lane, match)


def _same_upstream(old: Vendor, new: Vendor) -> bool:
    """Whether connections made for `old` are good for `new`: same place, same way there, same proof of who it is."""
    return (old.name, old.scheme, old.host, old.port, old.ca_file, old.tunnel, old.timeouts.connect_s) == (
        new.name,
        new.scheme,
        new.host,
        new.port,
        new.ca_file,
        new.tunnel,
        new.timeouts.connect_s,
    )


def _lane(vendor: Vendor, pool: Pool, pseudonym: bytes) -> Lane:
    usual = {"http": 80, "https": 443}[vendor.scheme]
    name = f"[{vendor.host}]" if ":" in vendor.host else vendor.host
    host = name if vendor.port == usual else f"{name}:{vendor.port}"
    key = vendor.api_key.reveal() if vendor.api_key is not None else ""
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    head_end = f"Host: {host}\r\n{authorization}Via: 1.1 ".encode() + pseudonym + b"\r\n"
    return Lane(vendor, pool, vendor.path.encode(), head_end, key.encode())
