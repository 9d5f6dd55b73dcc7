"""The last phase of every request: one outcome, its metrics, one log line, and the finished Exchange for the tap.

Not here: anything the client waits for; all of this happens after its last byte. Invariant: every request is counted
exactly once, whatever became of it, and nothing written here holds content, a credential or a query.
"""

from __future__ import annotations

from typing import Final

import msgspec

from proxy.contract.exchange import Exchange, Timings
from proxy.contract.mode import Mode
from proxy.contract.reading import Reading, read_json, read_stream
from proxy.metrics.worker import Metrics, Series
from proxy.policy.decision import Decision
from proxy.wire.admission import Permit
from proxy.wire.forward import Journey
from proxy.wire.relay import Relay
from proxy.wire.tap import Ticket

_UPSTREAM_OUTCOME: Final[dict[str | None, str]] = {
    "connect": "reset",
    "reset": "reset",
    "truncated": "truncated",
    "client-gone": "client_gone",
    "client-stalled": "client_gone",
}
_UNREAD: Final = Reading()
_OUTCOME: Final[dict[str | None, str]] = {
    "client_gone": "client_gone",
    "timeout": "timeout",
    "ok": "ok",
    "client_error": "client_error",
}


class Record:
    """What is known of one request, filled in as it passes. Times in seconds on the worker's monotonic clock.

    `outcome` is set early only by a refusal; `code` is its error code. `policy` names the plan that judges the body,
    `decision` is what it decided, `actions` what was done.
    """

    # What every record starts with; an instance holds only what differs.
    route = "none"
    vendor = "none"
    client = ""
    policy = ""
    decision: Decision | None = None
    actions = ""
    stream = False
    outcome = ""
    status = 0
    code = ""
    body_bytes = 0
    ticket: Ticket | None = None
    read_at: float | None = None
    permit: Permit | None = None

    def __init__(self, request_id: str, started: float) -> None:
        self.request_id = request_id
        self.started = started
        self.journey = Journey()

    def receipts(self) -> dict[str, str]:
        """What every answer says about what was done, without content."""
        lines = {"x-paramwall-request-id": self.request_id}
        if self.policy:
            lines["x-paramwall-policy"] = self.policy
        if self.actions:
            lines["x-paramwall-actions"] = self.actions
        return lines

    def answer_begins(self, status: int) -> bytes:
        """The receipts as lines of a vendor's answer; its request has left, whose body nobody holds any more."""
        if self.permit is not None:
            self.permit.drop_body()
        policy = f"x-paramwall-policy: {self.policy}\r\n" if self.policy else ""
        actions = f"x-paramwall-actions: {self.actions}\r\n" if self.actions else ""
        source = "x-paramwall-error-source: vendor\r\n" if status >= 400 else ""
        return f"x-paramwall-request-id: {self.request_id}\r\n{policy}{actions}{source}".encode("ascii")

    @property
    def mode(self) -> Mode:
        """The mode that was decided; without a decision the model's own."""
        return Mode.THINKING if self.decision is None else self.decision.mode


def upstream_outcome(journey: Journey) -> str | None:
    """A value of metrics.UPSTREAM_OUTCOMES; None when nothing was sent to a vendor."""
    if journey.failure is not None:
        return "timeout" if journey.failure.endswith("timeout") else _UPSTREAM_OUTCOME[journey.failure]
    if journey.relay is None:
        return None
    status = journey.relay.status
    return "ok" if status < 400 else "client_error" if status < 500 else "server_error"


def conclude(record: Record, metrics: Metrics, now: float) -> Line:
    """Count the request, hand its exchange over, and return its log line."""
    journey = record.journey
    relay = journey.relay
    upstream, upstream_status = upstream_outcome(journey), 0 if relay is None else relay.status
    if not record.outcome:
        record.outcome = _OUTCOME.get(upstream, "upstream_error")
    if not record.status:
        record.status = upstream_status
    series = metrics.series(record.route, record.vendor, record.stream)
    series.count(record.outcome, record.status, upstream, upstream_status)
    decision = record.decision
    if decision is not None:
        series.count_verdicts(decision.counts)
        if decision.translation.receipt:
            metrics.mode_translations(record.vendor).value += 1
    reading, first_token_s = _UNREAD, None
    if relay is not None and journey.sent_at is not None:
        reading, first_token_s = _read_answer(record, relay, metrics)
        _observe(record, relay, series, reading, first_token_s, now)
    if record.ticket is not None:
        try:
            record.ticket.finish(_exchange(record, upstream, first_token_s, now))
        except Exception:
            metrics.tap_failures.inc()
    return _line(record, reading, first_token_s, now)


def _read_answer(record: Record, relay: Relay, metrics: Metrics) -> tuple[Reading, float | None]:
    """Usage and first token, read from the copy. An answer with a content coding, or of another route, is not read."""
    if not record.policy or relay.status != 200 or relay.content_coding not in (b"", b"identity"):
        return _UNREAD, None
    head, tail = relay.capture.parts()
    try:
        if relay.content_type.startswith(b"text/event-stream"):
            reading = read_stream(head, tail, relay.capture.size)
        else:
            reading = _UNREAD if head else read_json(tail)
    except Exception:
        metrics.tap_failures.inc()
        return _UNREAD, None
    if relay.complete and reading.usage is None and not head:
        metrics.usage_missing(record.vendor).inc()
    arrived = relay.capture.arrival(reading.first_token - 1) if reading.first_token else None
    return reading, None if arrived is None else arrived - (record.journey.sent_at or arrived)


def _observe(
    record: Record, relay: Relay, series: Series, reading: Reading, first_token_s: float | None, now: float
) -> None:
    sent_at = record.journey.sent_at or now
    series.duration.observe(now - record.started)
    if record.read_at is not None:
        series.overhead.observe(sent_at - record.read_at - record.journey.dialled_s)
    if not relay.complete:
        return
    upstream_s = relay.last_read_at - sent_at
    series.upstream.observe(upstream_s)
    if first_token_s is not None:
        series.first_token.observe(first_token_s)
        series.gap.observe(relay.worst_gap_s)
    usage = reading.usage
    if usage is None:
        return
    series.count_tokens(usage.input, usage.output, usage.cached, usage.reasoning)
    if first_token_s is not None and usage.output > 1:
        series.per_token.observe((upstream_s - first_token_s) / (usage.output - 1))


def _exchange(record: Record, upstream: str | None, first_token_s: float | None, now: float) -> Exchange:
    started, sent_at, relay = record.started, record.journey.sent_at, record.journey.relay
    timings = Timings(
        None if sent_at is None else sent_at - started,
        None if relay is None or relay.first_byte_at is None else relay.first_byte_at - started,
        None if first_token_s is None or sent_at is None else sent_at + first_token_s - started,
        now - started,
        0.0 if relay is None else relay.worst_gap_s,
    )
    if relay is None:
        return Exchange(record.outcome, upstream or "none", 0, b"", 0, "", "", timings)
    return Exchange(
        record.outcome,
        upstream or "none",
        relay.status,
        relay.capture.rest() if relay.status < 400 else b"",  # a vendor's refusal may show the client's key
        relay.capture.size,
        relay.content_type.decode("latin-1"),
        relay.content_coding.decode("latin-1"),
        timings,
    )


class Line(msgspec.Struct, omit_defaults=True):
    """One log line; what does not apply is left out. No content, credential or query stands in it.

    `event` is "request", or "fault" for a defect of ours: the type of the `error`, and where it came from (`at`).
    """

    time: str
    event: str
    id: str = ""
    vendor: str = ""
    route: str = ""
    outcome: str = ""
    status: int | None = None
    stream: bool | None = None
    duration_ms: float | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    policy: str = ""
    mode: str = ""
    actions: str = ""
    client: str = ""
    code: str = ""
    failure: str | None = None
    observed: tuple[str, ...] = ()
    first_token_ms: float | None = None
    finish_reason: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    error: str = ""
    at: tuple[str, ...] = ()

    def rendered(self, *, console: bool) -> bytes:
        """The line as JSON, or as `key=value` words for a terminal."""
        if not console:
            return _encode(self) + b"\n"
        named: dict[str, object] = msgspec.to_builtins(self)
        words = (f"{name}={_encode(value).decode()}" for name, value in named.items() if name not in ("time", "event"))
        return f"{self.time} {' '.join(words)}\n".encode()


_encode: Final = msgspec.json.Encoder().encode
_FINISH_REASONS: Final = frozenset(
    ("stop", "length", "tool_calls", "content_filter", "function_call", "abort", "error")
)


def _line(record: Record, reading: Reading, first_token_s: float | None, now: float) -> Line:
    journey, usage, finish, decision = record.journey, reading.usage, reading.finish_reason, record.decision
    # By position, in the order of the fields: a third of the cost of names, once a request.
    return Line(
        "",
        "request",
        record.request_id,
        record.vendor,
        record.route,
        record.outcome,
        record.status,
        record.stream,
        round((now - record.started) * 1000, 1),
        record.body_bytes,
        0 if journey.relay is None else journey.relay.capture.size,
        record.policy,
        record.mode if record.policy else "",
        record.actions,
        record.client,
        record.code,
        journey.failure,
        () if decision is None else decision.observed,
        None if first_token_s is None else round(first_token_s * 1000, 1),
        finish if finish in _FINISH_REASONS else None,
        None if usage is None else usage.input,
        None if usage is None else usage.output,
    )
