"""The frozen Config: everything a worker needs to know, resolved once, when configuration is loaded.

Not here: reading files (load.py) and their schema (document.py). Invariant: a Config is complete and consistent;
nothing in it needs checking again, and a secret in it shows itself only to `reveal()`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.contract.profile import Profile
from proxy.policy.decide import Plan


class Secret:
    """A credential. Its repr, str and format are `***`, and no serialiser knows it; only `reveal()` gives the text.

    Not a dataclass, so that `dataclasses.asdict` and JSON encoders that read dataclasses cannot reach the text.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def reveal(self) -> str:
        """The credential itself, for the one header it belongs in."""
        return self._text


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; None: no limit. `first_byte_s` from the last byte sent to the first of the answer; `idle_s` between two
    reads of the answer.
    """

    connect_s: float | None = 10.0
    first_byte_s: float | None = 1800.0
    idle_s: float | None = 900.0
    total_s: float | None = None


REFERENCE_TIMEOUTS: Final = Timeouts(10.0, 600.0, 300.0, 900.0)
"""Nobody waits for the reference, so it gets less time than a vendor."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 lets the system choose."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Vendor:
    """One upstream. `path` is the base path of its URL (`/v1`), without a slash at the end.

    `api_key` None: the client's own credential passes through. `plan` is the compiled policy as it applies to this
    vendor; `client_plans` holds the plans of clients whose enforcement differs, by client name. `max_in_flight` is per
    worker, already divided.
    """

    name: str
    scheme: str
    host: str
    port: int
    path: str
    profile: Profile
    plan: Plan
    client_plans: Mapping[str, Plan] = field(default_factory=dict)
    api_key: Secret | None = None
    timeouts: Timeouts = Timeouts()
    max_in_flight: int | None = None
    ca_file: str | None = None
    tunnel: str | None = field(default=None, repr=False)
    """URL of an HTTP proxy to reach the vendor through (CONNECT); only ever set by configuration. It may hold that
    proxy's password."""
    retry_reused: bool = False
    """One retry on a reused connection that closed before a single byte of answer."""
    mirror: bool = True
    """Whether this vendor's traffic may be mirrored."""
    probed: bool = False
    """Whether probes go to this vendor when there are any: it has a key of ours, or needs none."""


@dataclass(frozen=True, slots=True)
class Client:
    """A named client, known by the SHA-256 of its key. `max_in_flight` is per worker, already divided; `mirror` False:
    its requests never go to the reference.
    """

    name: str
    key_sha256: bytes = field(repr=False)
    max_in_flight: int | None = None
    mirror: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """Per worker. Sizes in bytes, times in seconds."""

    in_flight: int = 2000
    body_bytes: int = 100 * 1024 * 1024
    body_bytes_in_flight: int = 512 * 1024 * 1024
    header_timeout_s: float = 10.0
    body_timeout_s: float = 300.0
    body_floor_bytes_per_s: int = 1024
    keepalive_s: float = 75.0
    write_stall_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificate and key files for the client side."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Reference:
    """The endpoint trusted as truth. `name` is its host, with the port where it is not the usual one.

    `model` is the name sent. `api_key` None: no credential is sent; a client's never is. `plan` is the policy, strict,
    in the reference's spelling: it says what the reference would refuse and how it is told the mode. `max_in_flight`
    is the total, for there is one scorer.
    """

    name: str
    scheme: str
    host: str
    port: int
    path: str
    profile: Profile
    model: str
    plan: Plan
    api_key: Secret | None = None
    timeouts: Timeouts = REFERENCE_TIMEOUTS
    max_in_flight: int = 8
    ca_file: str | None = None
    tunnel: str | None = field(default=None, repr=False)
    """URL of an HTTP proxy to reach the reference through (CONNECT). It may hold that proxy's password."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """How much goes to the reference; means nothing without one. Shares are 0 to 1, sizes in bytes, times in seconds.

    `raised_fraction` (never below `fraction`) holds while a vendor is in `warn`; `second_answer` is the share of pairs
    that get a second reference answer while it is not. The budgets hold for all requests to the reference together.
    A pair that is not complete `pair_deadline_s` after its admission is given up. `allow_opt_out`: the request header
    `x-paramwall-mirror: off` is obeyed.
    """

    fraction: float = 0.01
    raised_fraction: float = 0.1
    second_answer: float = 0.2
    requests_per_minute: int = 60
    tokens_per_minute: int = 500_000
    requests_per_day: int = 5000
    tokens_per_day: int = 20_000_000
    pair_deadline_s: float = 900.0
    max_body_bytes: int = 4 * 1024**2
    allow_opt_out: bool = True


@dataclass(frozen=True, slots=True)
class Signals:
    """`fraction` is the share of answers that are checked, 0 to 1; 0 here, so that a Config made in code starts no
    scorer (a file's default is 1). `tokenizer_file` holds tiktoken ranks. `outbox_bytes` is what may wait for the
    scorer in each worker.
    """

    fraction: float = 0.0
    tokenizer_file: str | None = None
    outbox_bytes: int = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class Probes:
    """Scheduled probes: one to each vendor every `every_s` seconds (None: none), within `tokens_per_day` of each
    vendor's tokens, read and written.
    """

    every_s: float | None = None
    tokens_per_day: int = 50_000


@dataclass(frozen=True, slots=True)
class Budget:
    """One false alarm per this much over the whole fleet: `clock` is "hours" or "pairs", `amount` how many of them."""

    clock: str = "hours"
    amount: float = 2160.0


@dataclass(frozen=True, slots=True)
class Drift:
    """`tolerance` overrides those of the signals, by name. `window_s` is how far back the effect is measured; a vendor
    with fewer than `enough` pairs in it is inconclusive.
    """

    budget: Budget = Budget()
    tolerance: Mapping[str, float] = field(default_factory=dict)
    window_s: float = 86400.0
    enough: int = 50


@dataclass(frozen=True, slots=True)
class Retention:
    """How old and how large the log may become: seconds and bytes."""

    age_s: float = 90 * 86400.0
    size_bytes: int = 1024**3


@dataclass(frozen=True, slots=True)
class Evidence:
    """Which bodies are kept: "off", "disagreements" or "all"; for how long (seconds), up to what size (bytes), and what
    is struck out of them first (regular expressions that compile and never match an empty text). `page`: whether the
    admin port shows them: "true", "false", or "auto", while it listens on a loopback address.
    """

    bodies: str = "off"
    size_bytes: int = 256 * 1024**2
    age_s: float = 14 * 86400.0
    redact: tuple[str, ...] = ()
    page: str = "auto"


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. The first vendor answers `/v1/...`; each answers `/vendors/<name>/v1/...`. `hash` is 8
    hex digits over all but secrets.
    """

    vendors: tuple[Vendor, ...]
    hash: str
    clients: tuple[Client, ...] = ()
    listen: tuple[Address, ...] = (Address("127.0.0.1", 8080),)
    admin: Address = Address("127.0.0.1", 9090)
    workers: int = 1
    limits: Limits = Limits()
    tls: Tls | None = None
    log_format: str = "json"
    drain_s: float = 900.0
    drain_grace_s: float = 1.0
    watched: tuple[str, ...] = ()
    """Files whose change means a reload: the configuration, the policies, the key files."""
    reference: Reference | None = None
    mirror: Mirror = Mirror()
    signals: Signals = Signals()
    probes: Probes = Probes()
    drift: Drift = Drift()
    retention: Retention = Retention()
    evidence: Evidence = Evidence()
    state_dir: str | None = None
    """Folder of the log; None: the log is kept in memory."""

    @property
    def scoring(self) -> bool:
        """Whether there is anything for a scorer to do."""
        return self.signals.fraction > 0 or self.reference is not None or self.probes.every_s is not None
