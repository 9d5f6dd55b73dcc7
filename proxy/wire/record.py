"""The last phase of every request: one outcome, its metrics, one log line, and the finished Exchange for the tap.

Not here: anything the client waits for; all of this happens after its last byte. Invariant: every request is counted
exactly once, whatever became of it, and nothing written here holds content, a credential or a query.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import orjson

from proxy.contract.answer import Reading, read_json, read_stream
from proxy.contract.exchange import Exchange, Tap, Timings
from proxy.contract.mode import Mode
from proxy.metrics.worker import Metrics, Series
from proxy.policy.verdict import Finding
from proxy.wire.forward import Journey
from proxy.wire.relay import Relay

_UPSTREAM_OUTCOME: Final = {
    "connect": "reset",
    "reset": "reset",
    "truncated": "truncated",
    "client-gone": "client_gone",
    "client-stalled": "client_gone",
}
_UNREAD: Final = Reading()
_OUTCOME: Final = {"client_gone": "client_gone", "timeout": "timeout", "ok": "ok", "client_error": "client_error"}


@dataclass(slots=True)
class Record:
    """What is known of one request, filled in as it passes. Times in seconds on the worker's monotonic clock.

    `outcome` is set early only by a refusal; `code` is its error code.
    """

    request_id: str
    started: float
    route: str = "none"
    vendor: str = "none"
    client: str = ""
    policy: str = ""
    mode: Mode = Mode.THINKING
    stream: bool = False
    judged: bool = False
    actions: str = ""
    outcome: str = ""
    status: int = 0
    code: str = ""
    body_bytes: int = 0
    body: bytes = b""
    read_at: float | None = None
    params: Collection[str] = ()
    findings: tuple[Finding, ...] = ()
    observed: tuple[Finding, ...] = ()
    rejected: bool = False
    translated: bool = False
    journey: Journey = field(default_factory=Journey)


def upstream_outcome(journey: Journey) -> str | None:
    """A value of metrics.UPSTREAM_OUTCOMES; None when nothing was sent to a vendor."""
    if journey.failure is not None:
        return "timeout" if journey.failure.endswith("timeout") else _UPSTREAM_OUTCOME[journey.failure]
    if journey.relay is None:
        return None
    status = journey.relay.status
    return "ok" if status < 400 else "client_error" if status < 500 else "server_error"


def conclude(record: Record, metrics: Metrics, tap: Tap | None, now: float) -> dict[str, object]:
    """Count the request, hand it to the tap, and return the members of its log line."""
    journey, relay = record.journey, record.journey.relay
    upstream = upstream_outcome(journey)
    if not record.outcome:
        record.outcome = _OUTCOME.get(upstream or "", "upstream_error")
    if relay is not None and not record.status:
        record.status = relay.status
    series = metrics.series(record.route, record.vendor, record.stream)
    series.count(record.outcome, record.status)
    if record.findings or record.observed or record.translated:
        _count_verdicts(record, metrics)
    if upstream is not None:
        series.count_upstream(upstream, relay.status if relay is not None else 0)
    reading, first_token_s = _UNREAD, None
    if relay is not None and journey.sent_at is not None:
        reading, first_token_s = _read_answer(record, relay, metrics)
        _observe(record, relay, series, reading, first_token_s, now)
        if tap is not None:
            _tap(record, relay, first_token_s, metrics, tap, now)
    return _line(record, reading, first_token_s, now)


def _count_verdicts(record: Record, metrics: Metrics) -> None:
    for finding in record.observed:
        metrics.verdict(finding.clause, "observe", _param(record, finding), record.vendor).value += 1
    for finding in record.findings:
        action = "reject" if record.rejected else action_of(finding)
        metrics.verdict(finding.clause, action, _param(record, finding), record.vendor).value += 1
    if record.translated:
        metrics.mode_translations(record.vendor).value += 1


def _param(record: Record, finding: Finding) -> str:
    """The member as a label: one that the policy names, else `other`."""
    name = finding.member
    if name in record.params:
        return name
    name = name.partition(".")[0].partition("[")[0]
    return name if name in record.params else "other"


def action_of(finding: Finding) -> str:
    """What a repair did: fill, drop or rewrite."""
    if finding.fills:
        return "fill"
    return "drop" if finding.edits and None in finding.edits.values() else "rewrite"


def _read_answer(record: Record, relay: Relay, metrics: Metrics) -> tuple[Reading, float | None]:
    """Usage and first token, read from the copy. An answer with a content coding, or of another route, is not read."""
    if not record.judged or relay.status != 200 or relay.content_coding not in (b"", b"identity"):
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
    for cell, count in zip(series.tokens, (usage.input, usage.output, usage.cached, usage.reasoning), strict=True):
        if count > 0:
            cell.value += count
    if first_token_s is not None and usage.output > 1:
        series.per_token.observe((upstream_s - first_token_s) / (usage.output - 1))


def _tap(record: Record, relay: Relay, first_token_s: float | None, metrics: Metrics, tap: Tap, now: float) -> None:
    started, sent_at = record.started, record.journey.sent_at
    head, tail = relay.capture.parts()
    exchange = Exchange(
        record.request_id,
        record.vendor,
        record.route,
        record.policy,
        record.mode,
        record.stream,
        record.outcome,
        relay.status,
        record.body,
        head + tail if relay.status < 400 else b"",  # a vendor's refusal may show the client's key
        relay.capture.size,
        relay.content_type.decode("latin-1"),
        relay.content_coding.decode("latin-1"),
        Timings(
            None if sent_at is None else sent_at - started,
            None if relay.first_byte_at is None else relay.first_byte_at - started,
            None if first_token_s is None or sent_at is None else sent_at + first_token_s - started,
            now - started,
            relay.worst_gap_s,
        ),
    )
    try:
        tap(exchange)
    except Exception:
        metrics.tap_failures.inc()


def _line(record: Record, reading: Reading, first_token_s: float | None, now: float) -> dict[str, object]:
    relay, usage = record.journey.relay, reading.usage
    line: dict[str, object] = {
        "time": "",
        "event": "request",
        "id": record.request_id,
        "vendor": record.vendor,
        "route": record.route,
        "outcome": record.outcome,
        "status": record.status,
        "stream": record.stream,
        "duration_ms": round((now - record.started) * 1000, 1),
        "bytes_in": record.body_bytes,
        "bytes_out": relay.capture.size if relay is not None else 0,
    }
    if record.policy:
        line["policy"], line["mode"] = record.policy, record.mode
    if record.actions:
        line["actions"] = record.actions
    if record.client:
        line["client"] = record.client
    if record.code:
        line["code"] = record.code
    if record.journey.failure is not None:
        line["failure"] = record.journey.failure
    if record.observed:
        line["observed"] = [finding.clause for finding in record.observed]
    if first_token_s is not None:
        line["first_token_ms"] = round(first_token_s * 1000, 1)
    if reading.finish_reason in _FINISH_REASONS:
        line["finish_reason"] = reading.finish_reason
    if usage is not None:
        line["tokens_in"], line["tokens_out"] = usage.input, usage.output
    return line


_FINISH_REASONS: Final = frozenset(
    ("stop", "length", "tool_calls", "content_filter", "function_call", "abort", "error")
)


def rendered(line: dict[str, object], *, console: bool) -> bytes:
    """The line as JSON, or as `key=value` words for a terminal."""
    if not console:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    words = (f"{name}={orjson.dumps(value).decode()}" for name, value in line.items() if name not in ("time", "event"))
    return f"{line.get('time', '')} {' '.join(words)}\n".encode()
