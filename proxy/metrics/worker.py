"""The metrics of one worker: requests, policy, upstream, latency, tokens.

Not here: the supervisor's own metrics and the merge. Invariant: children are made when configuration is loaded; on the
request path a metric costs one bound method call, never a `labels()` lookup.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

from proxy.metrics.cells import Buckets, Cell, Counters, Gauges, Histograms, Registry

OUTCOMES: Final = ("ok", "rejected", "client_error", "upstream_error", "timeout", "client_gone", "shed")
"""How a request ended for the client. Exactly one per request."""
UPSTREAM_OUTCOMES: Final = ("ok", "client_error", "server_error", "timeout", "reset", "truncated", "client_gone")
"""How an exchange with a vendor ended. Exactly one per exchange."""
ACTIONS: Final = ("rewrite", "fill", "drop", "reject", "observe")
NOWHERE: Final = "none"
"""The route of a request that was refused before it came to one, or to a vendor."""
TOKEN_TYPES: Final = ("input", "output", "cached_input", "reasoning")
CONNECTION_EVENTS: Final = ("opened", "reused", "failed", "unsolicited", "broken", "idle_closed")
_NAMED: Final = (200, 400, 401, 402, 403, 404, 408, 413, 422, 429, 499, 500, 502, 503, 504, 529)
CODES: Final = (*map(str, _NAMED), "2xx", "3xx", "4xx", "5xx", "other", "none")
"""Every value of the label `code`: statuses that ask for different things of whoever is on call, and the rest by class.
A hostile vendor has a thousand statuses and as many ways to end an answer; each pair of them would be a series.
"""
_CODES: Final = {status: str(status) for status in _NAMED}

_TTFT_BUCKETS = (0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160)
"""A subset of vLLM's boundaries, so overlays line up; the top is for thinking mode."""
_DURATION_BUCKETS = (0.3, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 240, 480, 960)
_TPOT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5)
_GAP_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_OVERHEAD_BUCKETS = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
_LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


def code_label(status: int) -> str:
    """The status as a value of CODES; `none` when there was no status at all."""
    return _CODES.get(status) or (f"{status // 100}xx" if 200 <= status < 600 else "other" if status else "none")


class Series:
    """The cells of one (route, vendor, stream), resolved: what a finished request steps."""

    __slots__ = (
        "_requests",
        "_tokens",
        "_upstream",
        "_verdicts",
        "duration",
        "first_token",
        "gap",
        "overhead",
        "per_token",
        "upstream",
    )

    def __init__(
        self,
        requests: Callable[[str, int], Cell],
        upstream: Callable[[str, int], Cell],
        verdicts: Callable[[str, str, str], Cell],
        tokens: Sequence[Cell],
        histograms: Sequence[Buckets],
    ) -> None:
        self._requests = _Remembered(requests)
        self._upstream = _Remembered(upstream)
        self._verdicts = _Remembered(verdicts)
        self._tokens = tokens
        self.duration, self.overhead, self.upstream, self.first_token, self.per_token, self.gap = histograms

    def count(self, outcome: str, status: int, upstream: str | None, upstream_status: int) -> None:
        """`paramwall_requests_total`, and `paramwall_upstream_requests_total` unless `upstream` is None."""
        self._requests.cell((outcome, status)).value += 1
        if upstream is not None:
            self._upstream.cell((upstream, upstream_status)).value += 1

    def count_tokens(self, into: int, out: int, cached: int, reasoning: int) -> None:
        """`paramwall_tokens_total`; none of them negative."""
        input_, output, cached_input, reasoning_ = self._tokens
        input_.value += into
        output.value += out
        cached_input.value += cached
        reasoning_.value += reasoning

    def count_verdicts(self, counts: Iterable[tuple[str, str, str]]) -> None:
        """`paramwall_policy_verdicts_total`, one step for each (clause, action, param)."""
        for count in counts:
            self._verdicts.cell(count).value += 1


class _Remembered:
    """Cells by label values, which come from closed sets or are a vendor's three-digit statuses."""

    __slots__ = ("_cells", "_make")

    def __init__(self, make: Callable[..., Cell]) -> None:
        self._make = make
        self._cells: dict[tuple[Any, ...], Cell] = {}

    def cell(self, labels: tuple[Any, ...]) -> Cell:
        found = self._cells.get(labels)
        if found is None:
            found = self._cells[labels] = self._make(*labels)
        return found


class Metrics:
    """The worker's registry and its families.

    `prepare` makes the children of a configuration. Children of a configuration that is gone stay, as counters must.
    """

    def __init__(self) -> None:
        registry = self.registry = Registry()

        def counters(name: str, text: str, *labels: str) -> Counters:
            return Counters(name, text, labels, registry)

        self._requests = counters(
            "paramwall_requests", "Requests by how they ended for the client; one outcome each.",
            "route", "vendor", "stream", "outcome", "code",
        )  # fmt: skip
        self._verdicts = counters(
            "paramwall_policy_verdicts", "Findings of the policy, by clause and by what was done about them.",
            "clause", "action", "param", "vendor",
        )  # fmt: skip
        self._upstream = counters(
            "paramwall_upstream_requests",
            "Exchanges with a vendor by how they ended; one outcome each.",
            "vendor",
            "outcome",
            "code",
        )
        self._tokens = counters(
            "paramwall_tokens", "Tokens by type, as the vendor's usage states them.", "vendor", "type"
        )
        self._usage_missing = counters("paramwall_usage_missing", "Complete answers without usage.", "vendor")
        self._translations = counters(
            "paramwall_mode_translations", "Requests whose mode switch was spelled anew for the vendor.", "vendor"
        )
        self._connections = counters(
            "paramwall_upstream_connection_events", "What became of vendor connections.", "vendor", "event"
        )
        self._in_flight = Gauges("paramwall_requests_in_flight", "Requests under way.", ("vendor",), registry)
        self._open_connections = Gauges(
            "paramwall_upstream_connections", "Open vendor connections.", ("vendor",), registry
        )
        self.log_lines_dropped = counters(
            "paramwall_log_lines_dropped",
            "Log lines dropped because whoever reads stderr was slow; requests never wait for the log.",
        ).labels()
        self.tap_failures = counters(
            "paramwall_tap_failures", "Finished exchanges that could not be read or handed on; no client notices."
        ).labels()
        self._make_histograms(registry)
        self._series: dict[tuple[str, str, bool], Series] = {}

    def _make_histograms(self, registry: Registry) -> None:
        by_route, by_vendor = ("route", "vendor", "stream"), ("vendor", "stream")

        def histograms(name: str, text: str, labels: tuple[str, ...], bounds: tuple[float, ...]) -> Histograms:
            return Histograms(name, text, labels, bounds, registry)

        self._duration = histograms(
            "paramwall_request_duration_seconds",
            "From the request's head to the last byte of its answer.",
            by_route,
            _DURATION_BUCKETS,
        )
        self._overhead = histograms(
            "paramwall_overhead_seconds",
            "Own time added before the request left (judging, editing, choosing a connection), without connecting.",
            by_vendor,
            _OVERHEAD_BUCKETS,
        )
        self._upstream_duration = histograms(
            "paramwall_upstream_duration_seconds",
            "From the request sent to the vendor to the last byte of its answer.",
            by_vendor,
            _DURATION_BUCKETS,
        )
        self._first_token = histograms(
            "paramwall_upstream_time_to_first_token_seconds",
            "From the request sent to the first event with content, reasoning or a tool call; streams only.",
            by_vendor,
            _TTFT_BUCKETS,
        )
        self._per_token = histograms(
            "paramwall_upstream_time_per_output_token_seconds",
            "Mean time per output token after the first, by the vendor's own count; streams only.",
            by_vendor,
            _TPOT_BUCKETS,
        )
        self._gap = histograms(
            "paramwall_upstream_max_chunk_gap_seconds",
            "The longest silence within one answer; streams only.",
            by_vendor,
            _GAP_BUCKETS,
        )
        self.loop_lag = histograms(
            "paramwall_event_loop_lag_seconds",
            "How late a timer of the worker's event loop fired, once a second.",
            (),
            _LAG_BUCKETS,
        ).labels()

    def prepare(
        self, vendor: str, routes: Iterable[str], streams: Collection[str], verdicts: Iterable[tuple[str, str, str]]
    ) -> None:
        """Make a vendor's children of a configuration, so that what can happen and has not reads as zero.

        `streams` are the routes on which a stream can be asked for, `verdicts` the (clause, action, param) that its
        policies may count.
        """
        for route in routes:
            for stream in (False, True) if route in streams else (False,):
                self.series(route, vendor, stream)
                self.requests(route, vendor, stream, "ok", 200)
        for outcome in UPSTREAM_OUTCOMES:
            self.upstream(vendor, outcome, 200 if outcome == "ok" else 0)
        for event in CONNECTION_EVENTS:
            self.connection_event(vendor, event)
        self.usage_missing(vendor)
        self.mode_translations(vendor)
        self.in_flight(vendor)
        self.open_connections(vendor)
        for clause, action, param in verdicts:
            self.verdict(clause, action, param, vendor)

    def series(self, route: str, vendor: str, stream: bool) -> Series:  # noqa: FBT001  (a label)
        """The cells of one kind of request."""
        found = self._series.get((route, vendor, stream))
        if found is None:
            found = self._series[route, vendor, stream] = Series(
                lambda outcome, status: self.requests(route, vendor, stream, outcome, status),
                lambda outcome, status: self.upstream(vendor, outcome, status),
                lambda clause, action, param: self.verdict(clause, action, param, vendor),
                # Without a vendor nothing more is ever counted, so nothing is shown of it.
                [self.tokens(vendor, kind) if route != NOWHERE else Cell() for kind in TOKEN_TYPES],
                self._timed(route, vendor, stream) if route != NOWHERE else [Buckets(()) for _ in range(6)],
            )
        return found

    def _timed(self, route: str, vendor: str, stream: bool) -> list[Buckets]:  # noqa: FBT001  (a label)
        """What only a stream has is counted as one, also where a vendor streams unasked."""
        asked = "true" if stream else "false"
        return [
            self._duration.labels(route, vendor, asked),
            self._overhead.labels(vendor, asked),
            self._upstream_duration.labels(vendor, asked),
            self._first_token.labels(vendor, "true"),
            self._per_token.labels(vendor, "true"),
            self._gap.labels(vendor, "true"),
        ]

    def requests(self, route: str, vendor: str, stream: bool, outcome: str, code: int) -> Cell:  # noqa: FBT001
        """`paramwall_requests_total`; all arguments are from closed sets."""
        return self._requests.labels(route, vendor, "true" if stream else "false", outcome, code_label(code))

    def upstream(self, vendor: str, outcome: str, code: int) -> Cell:
        """`paramwall_upstream_requests_total`."""
        return self._upstream.labels(vendor, outcome, code_label(code))

    def verdict(self, clause: str, action: str, param: str, vendor: str) -> Cell:
        """`paramwall_policy_verdicts_total`."""
        return self._verdicts.labels(clause, action, param, vendor)

    def tokens(self, vendor: str, kind: str) -> Cell:
        """`paramwall_tokens_total`."""
        return self._tokens.labels(vendor, kind)

    def usage_missing(self, vendor: str) -> Cell:
        """`paramwall_usage_missing_total`."""
        return self._usage_missing.labels(vendor)

    def mode_translations(self, vendor: str) -> Cell:
        """`paramwall_mode_translations_total`."""
        return self._translations.labels(vendor)

    def connection_event(self, vendor: str, event: str) -> Cell:
        """`paramwall_upstream_connection_events_total`."""
        return self._connections.labels(vendor, event)

    def in_flight(self, vendor: str) -> Cell:
        """`paramwall_requests_in_flight`."""
        return self._in_flight.labels(vendor)

    def open_connections(self, vendor: str) -> Cell:
        """`paramwall_upstream_connections`."""
        return self._open_connections.labels(vendor)
