"""`paramwall evidence`: what is behind an alarm: the pairs, two answers side by side, a bundle for the vendor.

Not here: rows as text (evidence_rows.py), the answers side by side (evidence_pair.py), the bundle (evidence_bundle.py).
Invariant: everything shown is read from the log and the kept bodies; nothing is computed anew.
"""

from __future__ import annotations

import time
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from proxy.cli.evidence_bundle import write_bundle
from proxy.cli.evidence_pair import pair_as_json, show_pair
from proxy.cli.evidence_rows import Told, told_rows
from proxy.cli.standing import (
    PastAlarm,
    Standing,
    effect_of,
    evidence_of,
    moment,
    open_log,
    read_log,
    series_of,
    view_of,
)
from proxy.cli.terminal import answer, answer_json, answer_table, note, refuse
from proxy.config.refusal import choose
from proxy.drift.report import KeyView, SeriesView
from proxy.drift.rows import Key
from proxy.scorer.bodies import Bodies
from proxy.store import Store, StoreError, StoreMissing

ROWS_READ: Final = 10_000
ROWS_SHOWN: Final = 20
HOW_TO_KEEP: Final = "bodies are kept with `evidence: {bodies: disagreements}` and a state_dir in the configuration"


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


def evidence(
    alarm: Annotated[int | None, typer.Argument(metavar="[ALARM]", help="Number of an alarm in the list.")] = None,
    state_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The proxy's --state-dir, where its log is.")
    ] = None,
    vendor: Annotated[str | None, typer.Option(metavar="NAME", help="Instead of an alarm: this vendor.")] = None,
    signal: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --vendor: this signal; else the leading one.")
    ] = None,
    pair: Annotated[
        str | None, typer.Option(metavar="N|ID", help="Show two answers side by side: an admission or a request id.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(metavar="FILE.zip", help="Write all of it for the vendor.")] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what is behind an alarm: the newest that lasts, unless another or a vendor is named."""
    if state_dir is None:
        refuse("no --state-dir is given", "evidence is read from the log: add the proxy's --state-dir DIR")
    if vendor is not None and alarm is not None:
        refuse("an alarm and --vendor are both given", "leave one of them out")
    if signal is not None and vendor is None:
        refuse("--signal goes with --vendor", "add --vendor NAME")
    if pair is not None and bundle is not None:
        refuse("--pair and --bundle are both given", "leave one of them out")
    with open_log(state_dir) as store, closing_bodies(state_dir) as bodies:
        try:
            if pair is not None:
                _show_pair(store, bodies, pair, json=json)
                return
            with store.snapshot():
                standing = read_log(store, state_dir, time.time())
                subject = _subject(standing, alarm, vendor, signal)
                rows = [] if subject is None else _rows(store, bodies, subject)
                if bundle is not None:
                    _write_bundle(bundle, store, bodies, subject, rows)
        except StoreError as error:
            refuse(error.message, error.hint)
    if json:
        answer_json(_as_json(standing, subject, rows))
    elif bundle is None:
        _show(standing, subject, rows)


def closing_bodies(folder: Path) -> closing[Bodies] | nullcontext[None]:
    """The kept bodies; None where none were ever kept. Ends with exit code 2 when they cannot be read."""
    try:
        return closing(Bodies.read(folder))
    except StoreMissing:
        return nullcontext()
    except StoreError as error:
        refuse(error.message, error.hint)


# What is looked at


def _subject(standing: Standing, number: int | None, vendor: str | None, signal: str | None) -> Subject | None:
    """What was asked for; the newest lasting alarm by itself; None when there is no alarm."""
    if vendor is not None:
        return _of_vendor(standing, vendor, signal)
    alarms = standing.alarms
    if number is not None:
        if not 1 <= number <= len(alarms):
            allowed = f"give a number from 1 to {len(alarms)}" if alarms else "there was no alarm; name a --vendor"
            refuse(f"there is no alarm {number}", allowed)
        return _of_alarm(standing, alarms[number - 1])
    lasting = [each for each in alarms if each.recovered_at_s is None] or list(alarms)
    return _of_alarm(standing, lasting[-1]) if lasting else None


def _of_alarm(standing: Standing, alarm: PastAlarm) -> Subject:
    view = view_of(standing.keys, alarm.key)
    series = None if view is None else series_of(view, alarm.series)
    if view is None or series is None:
        refuse(f"{alarm.series} is not watched any more", "name a --vendor and a --signal that are")
    return Subject(view, series, alarm.changepoint_s, alarm)


def _of_vendor(standing: Standing, vendor: str, signal: str | None) -> Subject:
    views = [view for view in standing.keys if view.key.vendor == vendor]
    if not views:
        names = sorted({view.key.vendor for view in standing.keys})
        refuse(f"the log has no vendor {vendor}", choose(vendor, names) if names else "nothing was checked yet")
    known = [(view, series) for view in views for series in view.series if series.n]
    if signal is None:
        found = [each for each in known if each[1].name == each[0].leading]
    else:
        found = [each for each in known if each[1].name == signal]
    if not found:
        names = sorted({series.name for _, series in known})
        hint = choose(signal or "", names) if names else "nothing of it was checked yet"
        refuse(f"{vendor} has no value of {signal or 'any signal'} yet", hint)
    view, series = max(found, key=lambda each: (each[1].alarmed_at_s is not None, each[1].log_evidence))
    latest = next((a for a in reversed(standing.alarms) if (a.key, a.series) == (view.key, series.name)), None)
    lasting = latest if series.alarmed_at_s is not None else None
    return Subject(view, series, series.changepoint_s or 0.0, lasting)


def _rows(store: Store, bodies: Bodies | None, subject: Subject) -> list[Told]:
    found = store.rows_of(subject.key, subject.series.name, subject.since_s, ROWS_READ)
    if len(found) == ROWS_READ:
        note(f"only the first {ROWS_READ} rows since {moment(subject.since_s)} are read")
    ids = {} if bodies is None else bodies.request_ids(subject.key.vendor)
    direction = subject.series.direction if subject.alarm is None else subject.alarm.direction
    return list(told_rows(found, subject.series.name, direction, ids))


# Printing


def _show(standing: Standing, subject: Subject | None, rows: list[Told]) -> None:
    if standing.alarms:
        columns = ("#", "at", "vendor", "mode", "signal", "effect", "evidence", "began", "recovered")
        answer_table(columns, [_alarm_line(number, each) for number, each in enumerate(standing.alarms, 1)])
        answer("")
    else:
        answer("no alarm so far" if standing.keys else "nothing was checked yet")
    if subject is None:
        if standing.keys:
            note("hint: --vendor NAME shows a vendor's leading signal without an alarm")
        return
    series = subject.series
    since = f", since {moment(subject.since_s)}" if subject.since_s else ", over all that is in the log"
    answer(f"{series.name} of {subject.key.vendor}, {subject.key.mode}{since}")
    answer(f"effect {effect_of(subject.alarm or series)}, evidence {evidence_of(subject.alarm or series)}")
    against, contrary = (sum(row.against == sign for row in rows) for sign in (1, -1))
    answer(f"{len(rows)} rows are not neutral: {against} against the vendor, {contrary} for it")
    if rows:
        answer("")
        lines = [_row_line(row) for row in rows[:ROWS_SHOWN]]
        answer_table(("at", "admission", "request id", "vendor", "reference", "says"), lines)
    if len(rows) > ROWS_SHOWN:
        note(f"{len(rows) - ROWS_SHOWN} more: --json or --bundle FILE.zip has them all")


def _alarm_line(number: int, alarm: PastAlarm) -> tuple[str, ...]:
    name = f"{alarm.series} (reference suspect)" if alarm.suspect else alarm.series
    what = (str(number), moment(alarm.at_s), alarm.key.vendor, alarm.key.mode, name)
    return (*what, effect_of(alarm), evidence_of(alarm), moment(alarm.changepoint_s), moment(alarm.recovered_at_s))


def _row_line(row: Told) -> tuple[str, ...]:
    return (moment(row.at_s), str(row.number or "-"), row.request_id or "-", row.vendor, row.reference, row.says)


def _as_json(standing: Standing, subject: Subject | None, rows: list[Told]) -> dict[str, Any]:
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


# One pair, and the bundle


def _show_pair(store: Store, bodies: Bodies | None, asked: str, *, json: bool) -> None:
    """Two answers side by side, or at least the pair's values. Raises StoreError."""
    number = int(asked) if asked.isdecimal() and int(asked) > 0 else None
    kept = None if bodies is None else bodies.find(number, None if number else asked)
    row = store.pair(kept.number if kept is not None else number or 0)
    if kept is None and row is None:
        refuse(f"neither the log nor the kept bodies have {asked}", f"see `paramwall evidence`; {HOW_TO_KEEP}")
    if json:
        answer_json(pair_as_json(kept, row))
        return
    show_pair(kept, row)
    if kept is None:
        note(f"its bodies were not kept; {HOW_TO_KEEP}")


def _write_bundle(file: Path, store: Store, bodies: Bodies | None, subject: Subject | None, rows: list[Told]) -> None:
    """Raises StoreError."""
    if subject is None:
        refuse("there is no alarm to bundle", "name a --vendor and a --signal")
    key, name = subject.key, subject.series.name
    kept = [] if bodies is None else bodies.about(key.vendor, name, subject.since_s, ROWS_READ)
    mine = [each for each in kept if each.mode == key.mode]
    found = store.checkpoint()
    assert found is not None, "there is no view without a checkpoint"
    shown = subject.alarm or subject.series
    try:
        write_bundle(file, subject.view, subject.series, shown, subject.since_s, found[1]["fleet"], rows, mine)
    except OSError as error:
        hint = "name a new file" if isinstance(error, FileExistsError) else "name a file in a directory you can write"
        refuse(f"{file} cannot be written: {error.strerror}", hint)
    bodies_said = f"{len(mine)} exchanges" if mine else f"no bodies ({HOW_TO_KEEP})"
    note(f"{file}: summary.md, pairs.csv with {len(rows)} rows, {bodies_said}")
    if mine:
        note("it holds requests and answers: look through it before it leaves the house")
