"""`paramwall status`: how every vendor stands, from a running proxy or from its log alone.

Not here: where it is read (standing.py, scorer/standing.py). Invariant: `--replay` uses nothing but the rows of the log
(and the oldest state they are complete from), so that what it confirms does not rest on the process that is confirmed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from proxy.cli.standing import ask_proxy, effect_of, evidence_of, moment, open_log
from proxy.cli.terminal import FINDING, answer, answer_json, answer_table, note, refuse
from proxy.config.refusal import choose
from proxy.drift.report import KeyView
from proxy.drift.states import State
from proxy.scorer.book import Book
from proxy.scorer.standing import Standing, read_log, restored, series_of, standing_of
from proxy.signals import NAMED
from proxy.store import Store, StoreError

ADMIN: Final = "http://127.0.0.1:9090"
DIFFERENCES_SHOWN: Final = 20
_COLUMNS: Final = ("vendor", "mode", "state", "since", "signal", "effect", "evidence", "pairs", "answers")


def status(
    admin: Annotated[str | None, typer.Option(metavar="URL", help=f"A running proxy's admin port; {ADMIN}.")] = None,
    state_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Read the log in this directory instead.")
    ] = None,
    acknowledge: Annotated[
        str | None, typer.Option(metavar="VENDOR", help="Accept how a vendor is now: its evidence starts anew.")
    ] = None,
    signal: Annotated[str, typer.Option(metavar="NAME", help="With --acknowledge: this signal only.")] = "",
    remark: Annotated[str, typer.Option("--note", metavar="TEXT", help="With --acknowledge: why; it is logged.")] = "",
    *,
    replay: Annotated[bool, typer.Option("--replay", help="Fold the whole log again and compare.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show how every vendor stands. --replay and --acknowledge need --state-dir.

    Exit code 0: no vendor is degraded. 1: one is, or a replay gives another state. 2: nothing can be read.
    """
    if state_dir is None:
        if replay or acknowledge is not None:
            refuse(f"{'--replay' if replay else '--acknowledge'} works on the log", "add the proxy's --state-dir DIR")
    elif admin is not None:
        refuse("--admin and --state-dir are both given", "leave one of them out")
    if acknowledge is None and (signal or remark):
        refuse(f"{'--signal' if signal else '--note'} goes with --acknowledge", "add --acknowledge VENDOR")
    if state_dir is None:
        _show(ask_proxy(admin or ADMIN), [], json=json)
        return
    with open_log(state_dir) as store:
        try:
            if acknowledge is not None:
                _acknowledge(store, state_dir, acknowledge, signal, remark)
                return
            standing, differences = _replayed(store, state_dir) if replay else (_read(store, state_dir), [])
        except StoreError as error:
            refuse(error.message, error.hint)
    if replay and not json:
        _show_replay(differences)
    _show(standing, differences, json=json, replayed=replay)


def _read(store: Store, folder: Path) -> Standing:
    with store.snapshot():
        return read_log(store, folder, time.time())


def _show(standing: Standing, differences: list[str], *, json: bool, replayed: bool = False) -> None:
    """Print it; end with exit code 1 when there is a finding."""
    if json:
        more = {"replay": {"same": not differences, "differences": differences}} if replayed else {}
        answer_json({**standing.as_json(), **more})
    elif standing.keys:
        _show_table(standing)
    else:
        answer(f"nothing was checked yet ({standing.source})")
        note("hint: send a request through the proxy; checks are off where signals: {fraction: 0} and no reference is")
    if differences or any(view.state is State.DEGRADED for view in standing.keys):
        raise typer.Exit(FINDING)


def _show_table(standing: Standing) -> None:
    policies = {view.key.policy for view in standing.keys}
    columns = (*_COLUMNS, "policy") if len(policies) > 1 else _COLUMNS
    answer_table(columns, [_line(view)[: len(columns)] for view in standing.keys])
    lasting = [alarm for alarm in standing.alarms if alarm.recovered_at_s is None]
    if lasting:
        note(f"alarms that last: {len(lasting)}; paramwall evidence --state-dir DIR shows what is behind them")


def _line(view: KeyView) -> tuple[str, ...]:
    leading = series_of(view, view.leading)
    shown = ("-", "-", "-") if leading is None else (leading.name, effect_of(leading), evidence_of(leading))
    since = moment(view.at_s)
    return (
        view.key.vendor,
        view.key.mode,
        view.state,
        since,
        *shown,
        str(view.pairs),
        str(view.answers),
        view.key.policy,
    )


# Replay


def _replayed(store: Store, folder: Path) -> tuple[Standing, list[str]]:
    """How things stand by the rows alone, and where the checkpoint says otherwise."""
    with store.snapshot():
        last, checkpoint = store.checkpoint() or (0, Book().state())
        after, state = store.replay_from()
        book = Book() if state is None else restored(state)
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("folding", total=last - after)
            for number, row in store.rows(after):
                book.fold(row)
                progress.update(task, completed=number - after)
        again = msgspec.msgpack.encode(book.state())
        differences = []
        if again != msgspec.msgpack.encode(checkpoint):
            differences = list(_differences("", checkpoint, msgspec.msgpack.decode(again))) or ["the order of members"]
        return standing_of(book, str(folder), time.time()), differences


def _show_replay(differences: list[str]) -> None:
    if not differences:
        answer("replay: the same state, bit for bit")
        return
    answer(f"replay: another state, in {len(differences)} places")
    for line in differences[:DIFFERENCES_SHOWN]:
        answer(f"  {line}")


def _differences(place: str, kept: Any, again: Any) -> Iterator[str]:  # noqa: ANN401  (builtins)
    """Where two states differ, one line each."""
    if isinstance(kept, dict) and isinstance(again, dict):
        for name in {**kept, **again}:
            yield from _differences(f"{place}.{name}".lstrip("."), kept.get(name), again.get(name))
    elif isinstance(kept, list) and isinstance(again, list) and len(kept) == len(again):
        for index, (one, other) in enumerate(zip(kept, again, strict=True)):
            yield from _differences(f"{place}[{index}]", one, other)
    elif repr(kept) != repr(again):
        yield f"{place}: the log says {kept!r}, its rows {again!r}"


# Acknowledgement


def _acknowledge(store: Store, folder: Path, vendor: str, signal: str, remark: str) -> None:
    """Leave the request for the scorer. Raises StoreError."""
    vendors = sorted({view.key.vendor for view in _read(store, folder).keys})
    if vendor not in vendors:
        hint = choose(vendor, vendors) if vendors else "nothing was checked yet"
        refuse(f"--acknowledge: the log has no vendor {vendor}", hint)
    names = [each.name for each in NAMED]
    if signal and signal not in names:
        refuse(f"--signal: {signal} is not known here", choose(signal, names))
    Store.ask_acknowledge(folder, vendor, signal, remark, at_s=time.time())
    what = signal or "every signal"
    when = "the running scorer takes it within seconds" if Store.is_written(folder) else "taken at the next start"
    answer(f"asked to accept {vendor} as it is now, for {what}; {when}")
