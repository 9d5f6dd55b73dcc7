"""The metrics of the supervisor: the build, the configuration, the worker processes.

Not here: the workers' families and how they are added up. Invariant: every label value is from a closed set named here
or from the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.metrics.cells import Counters, Gauges, Registry

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


class ProcessMetrics:
    """`paramwall_process_*` by role; processor time never goes back. Without /proc there are none."""

    def __init__(self, registry: Registry) -> None:
        self._cpu = Counters("paramwall_process_cpu_seconds", "Processor time used, by role.", ("role",), registry)
        self._resident = Gauges(
            "paramwall_process_resident_memory_bytes", "Resident memory, by role.", ("role",), registry
        )
        self._fds = Gauges("paramwall_process_open_fds", "Open file descriptors, by role.", ("role",), registry)

    def use(self, usage: Mapping[str, Usage]) -> None:
        """Show this, by role."""
        for role, used in usage.items():
            cpu = self._cpu.labels(role)
            cpu.set(max(cpu.value, used.cpu_s))
            self._resident.labels(role).set(used.resident_bytes)
            self._fds.labels(role).set(used.open_fds)


class CrewMetrics:
    """What is counted of the processes of one kind, "worker" or "scorer"."""

    def __init__(self, kind: str, does: str, registry: Registry) -> None:
        self.serving = Gauges(f"paramwall_{kind}s", f"Processes of this kind that {does}.", (), registry).labels()
        self._restarts = Counters(f"paramwall_{kind}_restarts", "Processes replaced, by reason.", ("reason",), registry)
        self.reports_missed = Counters(
            f"paramwall_{kind}_reports_missed",
            "Times a process did not report within a second; its last known numbers stood in.",
            (),
            registry,
        ).labels()
        for reason in RESTART_REASONS:
            self._restarts.labels(reason)

    def restarted(self, reason: str) -> None:
        """Count one replacement; `reason` is one of RESTART_REASONS."""
        self._restarts.labels(reason).inc()


class SupervisorMetrics:
    """The supervisor's families in one registry; the merged families of the workers join it as a collector."""

    def __init__(self) -> None:
        registry = self.registry = Registry()

        def gauges(name: str, text: str, *labels: str) -> Gauges:
            return Gauges(name, text, labels, registry)

        self._build = gauges("paramwall_build_info", "What runs; always 1.", "version", "revision", "python")
        self._config = gauges(
            "paramwall_config_info", "The configuration in use; always 1. Compare the hash over instances.", "hash"
        )
        self._reload_successful = gauges(
            "paramwall_config_last_reload_successful",
            "1 when the last attempt to load the configuration succeeded, 0 when it failed.",
        ).labels()
        self._reload_success_timestamp = gauges(
            "paramwall_config_last_reload_success_timestamp_seconds",
            "When the configuration was last loaded with success.",
        ).labels()
        self.start_time = gauges("paramwall_start_time_seconds", "When the supervisor started.").labels()
        self.workers = CrewMetrics("worker", "accept connections", registry)
        self.scorers = CrewMetrics("scorer", "look at answers", registry)
        self.processes = ProcessMetrics(registry)

    def build(self, version: str, revision: str, python: str) -> None:
        """State what runs; `revision` is empty when it is not known."""
        self._build.labels(version, revision, python).set(1)

    def loaded(self, config_hash: str, now_s: float) -> None:
        """A configuration was loaded at `now_s` (Unix time). Only its hash has a series from here on."""
        self._config.clear()
        self._config.labels(config_hash).set(1)
        self._reload_successful.set(1)
        self._reload_success_timestamp.set(now_s)

    def load_failed(self) -> None:
        """A configuration could not be loaded; the former one stays in use."""
        self._reload_successful.set(0)
