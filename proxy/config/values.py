"""The frozen Config: everything a worker needs to know, resolved once, when configuration is loaded.

Not here: reading files (load.py) and their schema (document.py). Invariant: a Config is complete and consistent;
nothing in it needs checking again, and a secret in it shows itself only to `reveal()`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class Client:
    """A named client, known by the SHA-256 of its key. `max_in_flight` is per worker, already divided."""

    name: str
    key_sha256: bytes = field(repr=False)
    max_in_flight: int | None = None


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
