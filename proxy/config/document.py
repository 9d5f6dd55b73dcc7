"""The schema of paramwall.yaml: every setting, its kind, its default and what it does.

Here: the data plane; document_scoring.py holds the sections of shadow scoring. Not here: reading a tree by the schema
(reading.py), and rules that need two settings, a file or the environment (relations.py, credentials.py). Invariant: a
name that the schema does not know is a problem, never ignored; the reference in docs/configuration.md is made from
these classes.
"""

from __future__ import annotations

from typing import Final

from pydantic import Field

from proxy.config import kinds
from proxy.config.document_scoring import (
    DriftSettings,
    EvidenceSettings,
    MirrorSettings,
    ProbeSettings,
    ReferenceSettings,
    ReferenceTimeoutSettings,
    RetentionSettings,
    SignalSettings,
)
from proxy.config.section import Section, Sub
from proxy.config.tree import Text
from proxy.config.values import Address, Limits, Timeouts

_TIMEOUTS: Final = Timeouts()
_LIMITS: Final = Limits()


class TimeoutSettings(Section):
    """How long to wait for a vendor."""

    connect: kinds.DurationOrNone = Field(
        default=_TIMEOUTS.connect_s, description="Name, connection, tunnel and TLS together."
    )
    first_byte: kinds.DurationOrNone = Field(
        default=_TIMEOUTS.first_byte_s,
        description="From the last byte sent to the first of the answer. A thinking model that does not stream is "
        "silent for minutes.",
    )
    idle: kinds.DurationOrNone = Field(default=_TIMEOUTS.idle_s, description="Between two reads of an answer.")
    total: kinds.DurationOrNone = Field(
        default=_TIMEOUTS.total_s, description="From the request to the end of its answer."
    )


class VendorSettings(Section):
    """One host of the model. The first vendor answers `/v1/...`, each answers `/vendors/<name>/v1/...`."""

    name: kinds.Name = Field(description="Names the vendor in paths, metrics and logs.")
    url: kinds.BaseUrl = Field(description="Base URL; it ends in `/v1`.")
    profile: kinds.Shipped | None = Field(
        default=None,
        description="How the vendor spells things: a shipped profile or a file. Unset: chosen by the URL's host, else "
        "`openai-compatible`.",
    )
    api_key_env: kinds.Variable | None = Field(
        default=None,
        description="Environment variable with the vendor's key. The client's own credential is then never sent.",
    )
    api_key_file: kinds.File | None = Field(
        default=None, description="File with the vendor's key, instead of a variable."
    )
    credentials: kinds.Credentials | None = Field(
        default=None,
        description="`held`: the key named here is sent. `pass`: the client's own credential is. Unset: `held` with a "
        "key, else `pass`; it must be said where both are plausible.",
    )
    enforcement: kinds.Enforcement | None = Field(
        default=None, description="Overrides the enforcement for this vendor."
    )
    max_in_flight: kinds.Count | None = Field(
        default=None,
        description="Requests under way to this vendor, over all workers; more get 503. Unset: no limit of its own.",
    )
    timeouts: Sub[TimeoutSettings] = Field(default=TimeoutSettings(), description="How long to wait for the vendor.")
    retry_reused: kinds.Truth = Field(
        default=False,
        description="Repeat a request once when a reused connection closes before a single byte of answer.",
    )
    ca_file: kinds.File | None = Field(
        default=None, description="PEM certificates to trust for this vendor instead of the system's."
    )
    tunnel: kinds.Tunnel | None = Field(
        default=None,
        description="HTTP proxy to reach the vendor through (CONNECT). `environment`: HTTPS_PROXY and NO_PROXY decide; "
        "without it they are ignored.",
    )
    allow_plain_http: kinds.Truth = Field(
        default=False, description="Allow `http://` to a host that is neither this machine nor a private network."
    )
    mirror: kinds.Truth = Field(default=True, description="`false`: this vendor's traffic is never mirrored.")
    probe: kinds.Truth = Field(default=True, description="`false`: no probes are sent to this vendor.")


class ClientSettings(Section):
    """One application that may use the proxy. With clients, every request needs one of their keys."""

    name: kinds.Name = Field(description="Names the client in logs.")
    key_sha256: kinds.Digest | None = Field(
        default=None,
        repr=False,
        description='SHA-256 of the key: `printf %s "$KEY" | sha256sum`. One of the three `key_` settings is needed.',
    )
    key_env: kinds.Variable | None = Field(
        default=None, description="Environment variable with the key; only its hash is kept."
    )
    key_file: kinds.File | None = Field(default=None, description="File with the key; only its hash is kept.")
    enforcement: kinds.Enforcement | None = Field(
        default=None, description="Overrides the enforcement, also a vendor's, for this client."
    )
    max_in_flight: kinds.Count | None = Field(
        default=None, description="Requests of this client under way, over all workers; more get 429."
    )
    mirror: kinds.Truth = Field(default=True, description="`false`: this client's requests never go to the reference.")


class TlsSettings(Section):
    """TLS towards clients. Without this section clients speak plain HTTP."""

    certificate: kinds.File = Field(description="PEM file with the certificate chain.")
    key: kinds.File = Field(description="PEM file with the private key, not encrypted.")


class LimitSettings(Section):
    """What the proxy takes on. Counts and sizes are totals that the workers share."""

    in_flight: kinds.Count = Field(default=_LIMITS.in_flight, description="Requests under way; more get 503.")
    body: kinds.Size = Field(default=_LIMITS.body_bytes, description="Largest request body; a larger one gets 413.")
    bodies_in_flight: kinds.Size = Field(
        default=_LIMITS.body_bytes_in_flight,
        description="All request bodies held at once; more get 503. Each worker may hold at least one largest body.",
    )
    header_timeout: kinds.Duration = Field(
        default=_LIMITS.header_timeout_s, description="For a request's head to arrive."
    )
    body_timeout: kinds.Duration = Field(default=_LIMITS.body_timeout_s, description="For a request's body to arrive.")
    body_floor: kinds.Rate = Field(
        default=_LIMITS.body_floor_bytes_per_s, description="Slowest mean rate at which a body may arrive."
    )
    keepalive: kinds.Duration = Field(
        default=_LIMITS.keepalive_s, description="How long an idle client connection stays open."
    )
    write_stall: kinds.Duration = Field(
        default=_LIMITS.write_stall_s, description="How long a client may leave its answer unread before it is cut off."
    )


class LogSettings(Section):
    """The log: one line for each request, on stderr, without bodies and credentials."""

    format: kinds.LogFormat = Field(default="json", description="`json` for machines, `console` for eyes.")


class DrainSettings(Section):
    """The end, after SIGTERM."""

    timeout: kinds.Duration = Field(default=900.0, description="How long open answers may go on before they are cut.")
    grace: kinds.DurationOrZero = Field(
        default=1.0, description="How long an idle connection may still send a request before a drain closes it."
    )


class Settings(Section):
    """The whole file."""

    version: kinds.Version = Field(description="Version of this file's format.")
    vendors: tuple[VendorSettings, ...] = Field(
        default=(),
        description="The hosts of the model: a list, or a mapping by name; at least one. The first is the default.",
    )
    policy: kinds.Shipped = Field(
        default=Text("kimi-k2.6"), description="What is lawful: a shipped policy (`paramwall policy list`) or a file."
    )
    enforcement: kinds.Enforcement | None = Field(
        default=None,
        description="`repair`: make requests lawful, refuse where that has no single way. `strict`: refuse. `observe`: "
        "only count. Unset: as the policy says.",
    )
    contract: kinds.Contract | None = Field(
        default=None,
        description="`exact`: one lawful temperature for each mode. `range`: 0 to 1, as later vendor suites demand. "
        "Unset: as the policy says.",
    )
    clients: tuple[ClientSettings, ...] = Field(
        default=(),
        description="Who may use the proxy: a list, or a mapping by name. Unset: anyone who reaches it, each with a "
        "credential of their own for the vendor.",
    )
    listen: kinds.Listen = Field(default=(Address("127.0.0.1", 8080),), description="Where clients connect.")
    tls: Sub[TlsSettings] | None = Field(default=None, description="TLS towards clients.")
    admin: kinds.Admin = Field(
        default=Address("127.0.0.1", 9090),
        description="Where `/metrics`, `/healthz`, `/readyz`, `/status` and the page are.",
    )
    workers: kinds.Workers = Field(default=1, description="Worker processes; one for each core in use is right.")
    limits: Sub[LimitSettings] = Field(default=LimitSettings(), description="What the proxy takes on.")
    log: Sub[LogSettings] = Field(default=LogSettings(), description="The log.")
    drain: Sub[DrainSettings] = Field(default=DrainSettings(), description="The end, after SIGTERM.")
    reference: Sub[ReferenceSettings] | None = Field(
        default=None, description="The endpoint that vendors are compared with. Unset: nothing is mirrored."
    )
    mirror: Sub[MirrorSettings] = Field(default=MirrorSettings(), description="How much goes to the reference.")
    signals: Sub[SignalSettings] = Field(default=SignalSettings(), description="Checks of the vendors' own answers.")
    probes: Sub[ProbeSettings] = Field(default=ProbeSettings(), description="Scheduled tests of the vendors.")
    drift: Sub[DriftSettings] = Field(default=DriftSettings(), description="When a vendor counts as degraded.")
    state_dir: kinds.Folder | None = Field(
        default=None,
        description="Folder of the log of checks and comparisons. Unset: they are kept in memory and lost at the end.",
    )
    retention: Sub[RetentionSettings] = Field(default=RetentionSettings(), description="How much of the log is kept.")
    evidence: Sub[EvidenceSettings] = Field(default=EvidenceSettings(), description="Bodies kept to be looked at.")


SECTIONS: Final[tuple[tuple[str, type[Section]], ...]] = (
    ("", Settings),
    ("vendors", VendorSettings),
    ("vendors.timeouts", TimeoutSettings),
    ("clients", ClientSettings),
    ("tls", TlsSettings),
    ("limits", LimitSettings),
    ("log", LogSettings),
    ("drain", DrainSettings),
    ("reference", ReferenceSettings),
    ("reference.timeouts", ReferenceTimeoutSettings),
    ("mirror", MirrorSettings),
    ("signals", SignalSettings),
    ("probes", ProbeSettings),
    ("drift", DriftSettings),
    ("retention", RetentionSettings),
    ("evidence", EvidenceSettings),
)
"""Every section by its path, in the order of the reference."""
