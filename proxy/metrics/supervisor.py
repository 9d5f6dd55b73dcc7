"""The metrics of the supervisor: the build, the configuration, the worker processes.

Not here: the workers' families and how they are added up. Invariant: every label value is from a closed set named here
or from the configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

RESTART_REASONS: Final = ("killed", "exited", "never_ready", "stuck", "rolling")
"""Why a worker was replaced: ended by a signal it did not get from us; ended by itself; ended before it accepted; did
not answer for too long; asked for by a rolling restart or by a configuration it could not take over.
"""
ROLES: Final = ("supervisor", "worker", "scorer")


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes use: processor seconds so far, resident bytes and open file descriptors now."""

    cpu_s: float = 0.0
    resident_bytes: int = 0
    open_fds: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.cpu_s + other.cpu_s, self.resident_bytes + other.resident_bytes, self.open_fds + other.open_fds
        )


class ProcessCollector(Collector):
    """`paramwall_process_*` by role, from what was last put into `usage`; processor time never goes back."""

    def __init__(self) -> None:
        self.usage: Mapping[str, Usage] = {}
        self._cpu_shown = dict.fromkeys(ROLES, 0.0)

    def collect(self) -> Iterator[Metric]:
        """One family per resource."""
        cpu = CounterMetricFamily("paramwall_process_cpu_seconds", "Processor time used, by role.", labels=("role",))
        resident = GaugeMetricFamily(
            "paramwall_process_resident_memory_bytes", "Resident memory, by role.", labels=("role",)
        )
        fds = GaugeMetricFamily("paramwall_process_open_fds", "Open file descriptors, by role.", labels=("role",))
        for role, usage in self.usage.items():
            self._cpu_shown[role] = max(self._cpu_shown[role], usage.cpu_s)
            cpu.add_metric((role,), self._cpu_shown[role])
            resident.add_metric((role,), usage.resident_bytes)
            fds.add_metric((role,), usage.open_fds)
        yield from (cpu, resident, fds)


class CrewMetrics:
    """What is counted of the processes of one kind, "worker" or "scorer"."""

    def __init__(self, kind: str, does: str, registry: CollectorRegistry) -> None:
        self.serving = Gauge(f"paramwall_{kind}s", f"Processes of this kind that {does}.", registry=registry)
        self._restarts = Counter(
            f"paramwall_{kind}_restarts", "Processes replaced, by reason.", ("reason",), registry=registry
        )
        self.reports_missed = Counter(
            f"paramwall_{kind}_reports_missed",
            "Times a process did not report within a second; its last known numbers stood in.",
            registry=registry,
        )
        for reason in RESTART_REASONS:
            self._restarts.labels(reason)

    def restarted(self, reason: str) -> None:
        """Count one replacement; `reason` is one of RESTART_REASONS."""
        self._restarts.labels(reason).inc()


class SupervisorMetrics:
    """The supervisor's families in one registry; the merged families of the workers join it as a collector."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry(auto_describe=False)
        self._build = Gauge(
            "paramwall_build_info", "What runs; always 1.", ("version", "revision", "python"), registry=registry
        )
        self._config = Gauge(
            "paramwall_config_info", "The configuration in use; always 1.", ("hash",), registry=registry
        )
        self.reload_successful = Gauge(
            "paramwall_config_last_reload_successful",
            "Whether the last attempt to load the configuration succeeded.",
            registry=registry,
        )
        self.reload_success_timestamp = Gauge(
            "paramwall_config_last_reload_success_timestamp_seconds",
            "When the configuration was last loaded with success.",
            registry=registry,
        )
        self.start_time = Gauge("paramwall_start_time_seconds", "When the supervisor started.", registry=registry)
        self.workers = CrewMetrics("worker", "accept connections", registry)
        self.scorers = CrewMetrics("scorer", "look at answers", registry)
        self.processes = ProcessCollector()
        registry.register(self.processes)

    def build(self, version: str, revision: str, python: str) -> None:
        """State what runs; `revision` is empty when it is not known."""
        self._build.labels(version, revision, python).set(1)

    def loaded(self, config_hash: str, now_s: float) -> None:
        """A configuration was loaded at `now_s` (Unix time). Only its hash has a series from here on."""
        self._config.clear()
        self._config.labels(config_hash).set(1)
        self.reload_successful.set(1)
        self.reload_success_timestamp.set(now_s)

    def load_failed(self) -> None:
        """A configuration could not be loaded; the former one stays in use."""
        self.reload_successful.set(0)
