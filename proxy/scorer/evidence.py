"""What is behind an alarm: its series, the rows in which it speaks, a pair with its two answers; as values and as JSON.

Not here: the folder and what is printed or shown (cli/, the admin port). Invariants: everything is read from the log
and the kept bodies, nothing is computed anew; what cannot be found is a NoEvidence that says what can be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from proxy.config.refusal import choose
from proxy.drift.report import KeyView, SeriesView
from proxy.drift.rows import Key, PairRow
from proxy.scorer.bodies import Bodies, Kept
from proxy.scorer.evidence_rows import Told, told_rows
from proxy.scorer.standing import PastAlarm, Standing, series_of, view_of
from proxy.store import Store

ROWS_READ: Final = 10_000
_NUMBER: Final = re.compile("[1-9][0-9]{0,17}")
"""An admission: as many digits as SQLite's integers can always hold."""
HOW_TO_KEEP: Final = "bodies are kept with `evidence: {bodies: disagreements}` and a state_dir in the configuration"


class NoEvidence(Exception):
    """There is nothing of what was asked for."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted: alarm number `alarm`, or a vendor, of which `mode` and `signal` may be left open. Nothing: the
    newest alarm that lasts.
    """

    alarm: int | None = None
    vendor: str | None = None
    mode: str | None = None
    signal: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """One signal of one key, since when it is looked at, and the alarm where there is one."""

    view: KeyView
    series: SeriesView
    since_s: float
    alarm: PastAlarm | None

    @property
    def key(self) -> Key:
        """Whose signal."""
        return self.view.key


def subject_of(standing: Standing, asked: Asked) -> Subject | None:
    """What was asked for; None when that is the newest alarm and there is none. Raises NoEvidence."""
    if asked.vendor is not None:
        return _of_vendor(standing, asked.vendor, asked.mode, asked.signal)
    alarms = standing.alarms
    if asked.alarm is not None:
        if not 1 <= asked.alarm <= len(alarms):
            allowed = f"give a number from 1 to {len(alarms)}" if alarms else "there was no alarm; name a --vendor"
            raise NoEvidence(f"there is no alarm {asked.alarm}", allowed)
        return _of_alarm(standing, alarms[asked.alarm - 1])
    lasting = [each for each in alarms if each.recovered_at_s is None] or list(alarms)
    return _of_alarm(standing, lasting[-1]) if lasting else None


def rows_of(store: Store, bodies: Bodies | None, subject: Subject) -> list[Told]:
    """The first ROWS_READ rows in which the signal speaks. Raises StoreError."""
    found = store.rows_of(subject.key, subject.series.name, subject.since_s, ROWS_READ)
    ids = {} if bodies is None else bodies.request_ids(subject.key.vendor)
    direction = subject.series.direction if subject.alarm is None else subject.alarm.direction
    return list(told_rows(found, subject.series.name, direction, ids))


def evidence_as_json(standing: Standing, subject: Subject | None, rows: Sequence[Told]) -> dict[str, Any]:
    """All of it for a program."""
    of = None
    if subject is not None:
        of = {
            "key": msgspec.to_builtins(subject.key),
            "state": str(subject.view.state),
            "series": msgspec.to_builtins(subject.series),
            "since_s": subject.since_s,
            "alarm": msgspec.to_builtins(subject.alarm),
        }
    return {
        "source": standing.source,
        "alarms": standing.as_json()["alarms"],
        "subject": of,
        "rows": msgspec.to_builtins(rows),
    }


def pair_of(store: Store, bodies: Bodies | None, asked: str) -> tuple[Kept | None, PairRow | None]:
    """A pair by its admission number or request id: its exchange where it was kept, its row where there is one.

    Raises StoreError, and NoEvidence when there is neither.
    """
    number = int(asked) if _NUMBER.fullmatch(asked) else None
    kept = None if bodies is None else bodies.find(number, None if number else asked)
    row = store.pair(kept.number if kept is not None else number or 0)
    if kept is None and row is None:
        raise NoEvidence(
            f"neither the log nor the kept bodies have {asked}", f"see `paramwall evidence`; {HOW_TO_KEEP}"
        )
    return kept, row


def pair_as_json(kept: Kept | None, row: PairRow | None) -> dict[str, Any]:
    """The pair for a program; the request is text."""
    return {"kept": None if kept is None else kept_as_json(kept), "row": msgspec.to_builtins(row)}


def kept_as_json(kept: Kept) -> dict[str, Any]:
    """A kept exchange for a program; the request is text."""
    return {**msgspec.to_builtins(kept), "request": kept.request.decode(errors="replace")}


def _of_alarm(standing: Standing, alarm: PastAlarm) -> Subject:
    view = view_of(standing.keys, alarm.key)
    series = None if view is None else series_of(view, alarm.series)
    if view is None or series is None:
        raise NoEvidence(f"{alarm.series} is not watched any more", "name a --vendor and a --signal that are")
    return Subject(view, series, alarm.changepoint_s, alarm)


def _of_vendor(standing: Standing, vendor: str, mode: str | None, signal: str | None) -> Subject:
    views = [view for view in standing.keys if view.key.vendor == vendor]
    if not views:
        names = sorted({view.key.vendor for view in standing.keys})
        raise NoEvidence(f"the log has no vendor {vendor}", choose(vendor, names) if names else _NOTHING_CHECKED)
    known = [(view, series) for view in views for series in view.series if series.n and mode in {None, view.key.mode}]
    if signal is None:
        found = [each for each in known if each[1].name == each[0].leading]
    else:
        found = [each for each in known if each[1].name == signal]
    if not found:
        names = sorted({series.name for _, series in known})
        hint = choose(signal or "", names) if names else "nothing of it was checked yet"
        where = f" in {mode} mode" if mode else ""
        raise NoEvidence(f"{vendor} has no value of {signal or 'any signal'}{where} yet", hint)
    view, series = max(found, key=lambda each: (each[1].alarmed_at_s is not None, each[1].log_evidence))
    latest = next((a for a in reversed(standing.alarms) if (a.key, a.series) == (view.key, series.name)), None)
    lasting = latest if series.alarmed_at_s is not None else None
    return Subject(view, series, series.changepoint_s or 0.0, lasting)


_NOTHING_CHECKED: Final = "nothing was checked yet"
