"""The dashboard of the proxy itself: what it adds, its processes, its configuration, what it could not do.

Not here: the scorer's own health (mirror.py). Invariant: what differs between instances is shown for each instance.
"""

from __future__ import annotations

from typing import Final

from dashboards.generator.board import Board, Row
from dashboards.generator.panels import COLOURED, Column, Query, heatmap, levels, stat, table, timeseries, words
from dashboards.generator.promql import grown, growth, pick, quantile, rate, total

_OVERHEAD: Final = "paramwall_overhead_seconds"
_LAG: Final = "paramwall_event_loop_lag_seconds"
_RELOADED: Final = "paramwall_config_last_reload_successful"
_RELOADED_AT: Final = "paramwall_config_last_reload_success_timestamp_seconds"
_RESTARTS: Final = "paramwall_worker_restarts_total"
_YES_NO: Final = words((0, "no", "red"), (1, "yes", "green"))

_NOW = Row(
    "Now",
    [
        stat(
            "Overhead p99",
            "Own time before a request leaves, without connecting. Milliseconds are much; the processor is busy then.",
            Query(quantile(0.99, _OVERHEAD), "p99", empty="No request in the last minutes"),
            unit="s",
            limits=levels("green", (0.005, "yellow"), (0.05, "red")),
        ),
        stat(
            "Workers",
            "Workers that accept connections, over all instances. 0: clients are refused.",
            Query(total(pick("paramwall_workers")), "workers"),
            unit="none",
            limits=levels("red", (1, "green")),
        ),
        stat(
            "Configurations in use",
            "Different configurations among the instances. More than 1 outside of a rollout: an instance has not taken "
            "over the newest.",
            Query(f"count(count by (hash) ({pick('paramwall_config_info')}))", "configurations"),
            unit="none",
            limits=levels("green", (2, "red")),
        ),
        stat(
            "Last reload worked",
            "no: the newest configuration has a fault, and the former one is in use. `paramwall check` names it.",
            Query(f"min({pick(_RELOADED)})", "worked"),
            unit="none",
            limits=levels("red", (1, "green")),
            mappings=_YES_NO,
        ),
        stat(
            "Worker restarts",
            "Workers replaced within the time range shown, but for rolling ones, which somebody asked for.",
            Query(grown(_RESTARTS, "", 'reason!="rolling"'), "restarts"),
            unit="none",
            limits=levels("green", (0.5, "yellow"), (3, "red")),
            decimals=0,
        ),
        stat(
            "Loop lag p99",
            "How late the workers' timers fire. Above 0.1 s every request waits that long at each step.",
            Query(quantile(0.99, _LAG), "p99"),
            unit="s",
            limits=levels("green", (0.1, "yellow"), (0.5, "red")),
        ),
    ],
)

_COSTS = Row(
    "What the proxy adds",
    [
        timeseries(
            "Overhead",
            "Own time before a request leaves: judging, editing, choosing a connection. Rising with the request rate: "
            "more workers.",
            Query(quantile(0.99, _OVERHEAD, "stream"), "p99, stream {{stream}}"),
            Query(quantile(0.5, _OVERHEAD, "stream"), "p50, stream {{stream}}"),
            unit="s",
        ),
        heatmap(
            "Overhead, all requests",
            "How many requests had how much overhead. Two separate bands: two kinds of requests, mostly short and long "
            "bodies.",
            Query(growth(f"{_OVERHEAD}_bucket", "le"), "{{le}}"),
            unit="s",
        ),
        timeseries(
            "Event loop lag",
            "How late a timer of a worker fired, measured once a second. Above 0.1 s: too few processors, or a "
            "neighbour takes them.",
            Query(quantile(0.99, _LAG, "instance"), "{{instance}} p99"),
            Query(quantile(0.5, _LAG, "instance"), "{{instance}} p50"),
            unit="s",
        ),
        timeseries(
            "In flight",
            "Requests under way, for each instance. Uneven: the load balancer keeps connections too long.",
            Query(total(pick("paramwall_requests_in_flight"), "instance"), "{{instance}}"),
            unit="none",
        ),
        timeseries(
            "Connections to vendors",
            "Open connections, for each vendor. Each open stream needs one, and two descriptors.",
            Query(total(pick("paramwall_upstream_connections"), "vendor"), "{{vendor}}"),
            unit="none",
        ),
        timeseries(
            "What became of connections",
            "reused should be far above opened. failed: the vendor does not accept. unsolicited: bytes nobody asked "
            "for, so the connection was closed. broken: it ended amid an exchange.",
            Query(rate("paramwall_upstream_connection_events_total", "event"), "{{event}}"),
            unit="events/s",
        ),
    ],
)

_PROCESSES = Row(
    "Processes",
    [
        timeseries(
            "Workers that accept",
            "For each instance. Below the configured number for more than a moment: they die before they accept.",
            Query(total(pick("paramwall_workers"), "instance"), "{{instance}}"),
            unit="none",
            w=8,
        ),
        timeseries(
            "Worker restarts by reason",
            "By reason, between two points of the graph. killed is often want of memory, stuck an event loop that "
            "stood still for 30 s, rolling was asked for.",
            Query(growth(_RESTARTS, "instance, reason"), "{{instance}}: {{reason}}"),
            unit="none",
            bars=True,
            w=8,
        ),
        timeseries(
            "Processor time",
            "Cores in use, by role. A worker cannot use more than one.",
            Query(rate("paramwall_process_cpu_seconds_total", "instance, role"), "{{instance}} {{role}}"),
            unit="cores",
            w=8,
        ),
        timeseries(
            "Resident memory",
            "By role. Workers grow with bodies in flight; a steady climb over days without traffic to match is a leak.",
            Query(total(pick("paramwall_process_resident_memory_bytes"), "instance, role"), "{{instance}} {{role}}"),
            unit="bytes",
            w=8,
        ),
        timeseries(
            "Open file descriptors",
            "By role. An open stream needs two; at the hard limit connections are refused.",
            Query(total(pick("paramwall_process_open_fds"), "instance, role"), "{{instance}} {{role}}"),
            unit="none",
            w=8,
        ),
        timeseries(
            "What could not be done",
            "Between two points of the graph; each should stay at zero. Log lines dropped: whoever reads stderr is too "
            "slow. Tap failures: an answer was not read afterwards. Reports missed: a worker was busy for a second.",
            Query(growth("paramwall_log_lines_dropped_total"), "log lines dropped"),
            Query(growth("paramwall_tap_failures_total"), "tap failures"),
            Query(growth("paramwall_worker_reports_missed_total"), "reports missed"),
            unit="none",
            bars=True,
            w=8,
        ),
    ],
)

_CONFIGURATION = Row(
    "Configuration and build",
    [
        table(
            "Configuration of each instance",
            "All instances should have one hash. Reloaded: no means that the newest configuration has a fault and the "
            "former one is in use.",
            {"instance": "Instance", "version": "Version", "revision": "Revision", "python": "Python", "hash": "Hash"},
            Column("Reloaded", f"min by (instance) ({pick(_RELOADED)})", looks={"mappings": _YES_NO, **COLOURED}),
            Column("", f"max by (instance, hash) ({pick('paramwall_config_info')})"),
            Column("", f"max by (instance, version, revision, python) ({pick('paramwall_build_info')})"),
            Column("Loaded", f"max by (instance) ({pick(_RELOADED_AT)}) * 1000", "dateTimeFromNow"),
            Column("Started", f"max by (instance) ({pick('paramwall_start_time_seconds')}) * 1000", "dateTimeFromNow"),
            h=4,
        ),
        timeseries(
            "Age of the configuration",
            "Since each instance last loaded one. Lines that do not fall together: an instance missed a change.",
            Query(f"time() - max by (instance) ({pick(_RELOADED_AT)})", "{{instance}}"),
            unit="s",
        ),
        timeseries(
            "Duration of a scrape",
            "How long Prometheus waits for the admin port. Close to the scrape timeout, graphs get holes.",
            Query(pick("scrape_duration_seconds"), "{{instance}}"),
            unit="s",
        ),
    ],
)

INTERNALS: Final = Board(
    "internals",
    "Paramwall: internals",
    "What the proxy adds to a request, how its processes fare, and which configuration and build they run.",
    [_NOW, _COSTS, _PROCESSES, _CONFIGURATION],
)
