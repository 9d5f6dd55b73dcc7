"""The schema of shadow scoring: what vendors are compared with, how much of the traffic, and what is made of it.

Not here: the rest of the schema (document.py) and rules that need two settings (relations_scoring.py). Invariant: a
default that the program also has stands in values.py alone.
"""

from __future__ import annotations

from typing import Final

from pydantic import Field

from proxy.config import kinds
from proxy.config.section import Section, Sub
from proxy.config.values import REFERENCE_TIMEOUTS, Drift, Evidence, Mirror, Probes, Retention, Signals

_MIRROR: Final = Mirror()
_SIGNALS: Final = Signals()
_PROBES: Final = Probes()
_DRIFT: Final = Drift()
_RETENTION: Final = Retention()
_EVIDENCE: Final = Evidence()


class ReferenceTimeoutSettings(Section):
    """How long to wait for the reference."""

    connect: kinds.DurationOrNone = Field(
        default=REFERENCE_TIMEOUTS.connect_s, description="Name, connection, tunnel and TLS together."
    )
    first_byte: kinds.DurationOrNone = Field(
        default=REFERENCE_TIMEOUTS.first_byte_s, description="From the last byte sent to the first of the answer."
    )
    idle: kinds.DurationOrNone = Field(default=REFERENCE_TIMEOUTS.idle_s, description="Between two reads of an answer.")
    total: kinds.DurationOrNone = Field(
        default=REFERENCE_TIMEOUTS.total_s, description="From the request to the end of its answer."
    )


class ReferenceSettings(Section):
    """The endpoint trusted as truth. It gets a copy of the mirrored requests, and never a client's credential."""

    url: kinds.BaseUrl = Field(description="Base URL; it ends in `/v1`.")
    model: kinds.Model | None = Field(
        default=None,
        description="The model's name that is sent. Unset: the one its profile gives for the policy, else the policy's "
        "name.",
    )
    profile: kinds.Shipped | None = Field(
        default=None,
        description="How the reference spells things: a shipped profile or a file. Unset: chosen by the URL's host, "
        "else `openai-compatible`.",
    )
    api_key_env: kinds.Variable | None = Field(
        default=None,
        description="Environment variable with the reference's key. This or `api_key_file` is needed unless the host "
        "is this machine or on a private network.",
    )
    api_key_file: kinds.File | None = Field(
        default=None, description="File with the reference's key, instead of a variable."
    )
    timeouts: Sub[ReferenceTimeoutSettings] = Field(
        default=ReferenceTimeoutSettings(), description="How long to wait for the reference."
    )
    max_in_flight: kinds.Count = Field(default=8, description="Requests under way to the reference; more wait.")
    ca_file: kinds.File | None = Field(
        default=None, description="PEM certificates to trust for the reference instead of the system's."
    )
    tunnel: kinds.Tunnel | None = Field(
        default=None,
        description="HTTP proxy to reach the reference through (CONNECT). `environment`: HTTPS_PROXY and NO_PROXY "
        "decide.",
    )
    allow_plain_http: kinds.Truth = Field(
        default=False, description="Allow `http://` to a host that is neither this machine nor a private network."
    )


class MirrorSettings(Section):
    """How much of the traffic goes to the reference. What it spends is bounded by the four budgets."""

    fraction: kinds.Share = Field(default=_MIRROR.fraction, description="Share of the conversations that is mirrored.")
    raised_fraction: kinds.Share = Field(
        default=_MIRROR.raised_fraction,
        description="That share while the vendor is in `warn`; where it is unset, never less than `fraction`.",
    )
    second_answer: kinds.Share = Field(
        default=_MIRROR.second_answer,
        description="Share of the pairs with a second answer of the reference, which shows how much it differs from "
        "itself. While the vendor is in `warn` all have one.",
    )
    requests_per_minute: kinds.Count = Field(
        default=_MIRROR.requests_per_minute, description="Requests to the reference; what is beyond is not mirrored."
    )
    tokens_per_minute: kinds.Tokens = Field(
        default=_MIRROR.tokens_per_minute, description="Tokens of the reference, read and written."
    )
    requests_per_day: kinds.Count = Field(
        default=_MIRROR.requests_per_day, description="Requests to the reference in a day."
    )
    tokens_per_day: kinds.Tokens = Field(
        default=_MIRROR.tokens_per_day, description="Tokens of the reference in a day."
    )
    pair_deadline: kinds.Duration = Field(
        default=_MIRROR.pair_deadline_s, description="How long a pair may take to be complete before it is given up."
    )
    max_body: kinds.Size = Field(default=_MIRROR.max_body_bytes, description="Largest request body that is mirrored.")
    allow_opt_out: kinds.Truth = Field(
        default=_MIRROR.allow_opt_out,
        description="Whether a request with the header `x-paramwall-mirror: off` is left out.",
    )


class SignalSettings(Section):
    """Checks of the vendors' own answers. They need no reference."""

    fraction: kinds.Share = Field(default=1.0, description="Share of the answers that is checked; `0%`: none.")
    tokenizer_file: kinds.File | None = Field(
        default=None,
        description="Ranks of the model's tokenizer (tiktoken's format), to count the prompt tokens of plain text "
        "conversations. Unset: they are not counted.",
    )
    outbox: kinds.Size = Field(
        default=_SIGNALS.outbox_bytes,
        description="What may wait for the scorer, in each worker; what is beyond goes unscored.",
    )


class ProbeSettings(Section):
    """Short requests of our own by which every vendor is tested, one after the other, beside the traffic."""

    every: kinds.DurationOrNone = Field(
        default=_PROBES.every_s,
        description="How often each vendor is sent the next probe. `none`: never. Vendors need a key of ours, unless "
        "they are on this machine or a private network.",
    )
    tokens_per_day: kinds.Tokens = Field(
        default=_PROBES.tokens_per_day,
        description="Tokens of one vendor, read and written, that probes may cost in a day.",
    )


class DriftSettings(Section):
    """When a vendor counts as degraded."""

    budget: kinds.FalseAlarms = Field(
        default=_DRIFT.budget,
        description="One false alarm per this long on average, over all vendors together; or per so many pairs.",
    )
    tolerance: kinds.Tolerances = Field(
        default={}, description="How much of a difference is no drift, for single signals. Others keep their own."
    )
    window: kinds.Span = Field(default=_DRIFT.window_s, description="How far back the size of an effect is measured.")
    enough: kinds.Count = Field(
        default=_DRIFT.enough, description="Pairs in the window below which a vendor is `inconclusive`."
    )


class RetentionSettings(Section):
    """How much of the log is kept; it holds no texts."""

    age: kinds.Span = Field(default=_RETENTION.age_s, description="Older rows are removed.")
    size: kinds.Size = Field(default=_RETENTION.size_bytes, description="Beyond this the oldest rows are removed.")


class EvidenceSettings(Section):
    """Bodies of compared requests and answers, kept for people to look at."""

    bodies: kinds.Bodies = Field(
        default=_EVIDENCE.bodies,
        description="`off`: none is kept. `disagreements`: those of pairs that differ in a signal. `all`: of every "
        "pair. Needs `state_dir`.",
    )
    size: kinds.Size = Field(default=_EVIDENCE.size_bytes, description="Beyond this the oldest are removed.")
    age: kinds.Span = Field(default=_EVIDENCE.age_s, description="Older ones are removed.")
    page: kinds.EvidencePage = Field(
        default=_EVIDENCE.page,
        description="Whether the page on the admin port shows them, which needs no password. `auto`: while `admin` is "
        "an address of this machine only.",
    )
    redact: kinds.Patterns = Field(
        default=_EVIDENCE.redact, description="What matches is struck out before a body is kept."
    )
