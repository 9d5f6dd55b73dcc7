"""`paramwall evidence`: what is behind an alarm: the pairs, two answers side by side, a bundle for the vendor.

Not here: finding it (scorer/evidence.py), the answers side by side (evidence_pair.py), the bundle (evidence_bundle.py).
Invariant: everything shown is read from the log and the kept bodies; nothing is computed anew.
"""

from __future__ import annotations

import time
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Annotated, Final

import typer

from proxy.cli.evidence_bundle import write_bundle
from proxy.cli.evidence_pair import show_pair
from proxy.cli.standing import effect_of, evidence_of, moment, open_log
from proxy.cli.terminal import answer, answer_json, answer_table, note, refuse
from proxy.config.refusal import choose
from proxy.contract.mode import Mode
from proxy.scorer.bodies import Bodies
from proxy.scorer.evidence import (
    HOW_TO_KEEP,
    ROWS_READ,
    Asked,
    NoEvidence,
    Subject,
    evidence_as_json,
    pair_as_json,
    pair_of,
    rows_of,
    subject_of,
)
from proxy.scorer.evidence_rows import Told
from proxy.scorer.standing import PastAlarm, Standing, read_log
from proxy.store import Store, StoreError, StoreMissing

ROWS_SHOWN: Final = 20


def evidence(
    alarm: Annotated[int | None, typer.Argument(metavar="[ALARM]", help="Number of an alarm in the list.")] = None,
    state_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The proxy's --state-dir, where its log is.")
    ] = None,
    vendor: Annotated[str | None, typer.Option(metavar="NAME", help="Instead of an alarm: this vendor.")] = None,
    mode: Annotated[
        str | None,
        typer.Option(metavar="|".join(Mode), help="With --vendor: in this mode; else the one that says most."),
    ] = None,
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
    if mode is not None and vendor is None:
        refuse("--mode goes with --vendor", "add --vendor NAME")
    if mode is not None and mode not in tuple(Mode):
        refuse(f"--mode: {mode} is not known here", choose(mode, tuple(Mode)))
    if pair is not None and bundle is not None:
        refuse("--pair and --bundle are both given", "leave one of them out")
    with open_log(state_dir) as store, closing_bodies(state_dir) as bodies:
        try:
            if pair is not None:
                with store.snapshot():
                    _show_pair(store, bodies, pair, json=json)
                return
            with store.snapshot():
                standing = read_log(store, state_dir, time.time())
                subject = subject_of(standing, Asked(alarm, vendor, mode, signal))
                rows = [] if subject is None else _rows(store, bodies, subject)
                if bundle is not None:
                    _write_bundle(bundle, store, bodies, subject, rows)
        except (StoreError, NoEvidence) as error:
            refuse(error.message, error.hint)
    if json:
        answer_json(evidence_as_json(standing, subject, rows))
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


def _rows(store: Store, bodies: Bodies | None, subject: Subject) -> list[Told]:
    rows = rows_of(store, bodies, subject)
    if len(rows) == ROWS_READ:
        note(f"only the first {ROWS_READ} rows since {moment(subject.since_s)} are read")
    return rows


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


# One pair, and the bundle


def _show_pair(store: Store, bodies: Bodies | None, asked: str, *, json: bool) -> None:
    """Two answers side by side, or at least the pair's values. Raises StoreError, NoEvidence."""
    kept, row = pair_of(store, bodies, asked)
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
    bodies_said = f"{len(mine)} exchanges in bodies/" if mine else f"no bodies ({HOW_TO_KEEP})"
    note(f"{file}: summary.md, pairs.csv with {len(rows)} rows, {bodies_said}")
    if mine:
        note("it holds requests and answers: look through it before it leaves the house")
        note(f"`paramwall replay {file} --vendor URL --output DIR` asks them again")
