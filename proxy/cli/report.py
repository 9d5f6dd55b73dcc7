"""`paramwall report`: what is known of the vendors, as one HTML file, as Markdown or as JSON.

Not here: what is known and how it is written (report/). Invariants: a file that is no former report is not written
over; a report that is written is whole.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from proxy import __version__
from proxy.cli.standing import open_log
from proxy.cli.terminal import answer, note, refuse
from proxy.replay.summary import NotASummary, read_summary
from proxy.report.facts import Report, Unknown, Vendor
from proxy.report.firewall import repaired
from proxy.report.gather import Gathered, report_of
from proxy.report.html import html_of
from proxy.report.live import newest, read_log
from proxy.report.markdown import markdown_of
from proxy.report.replayed import replayed
from proxy.report.verified import verified
from proxy.report.writing import NotOurs, write
from proxy.scorer.repairs import repairs_of
from proxy.store import StoreError
from proxy.verify.result import ResultError, decode_result

SUMMARY: Final = "summary.json"


def report(
    state_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The proxy's --state-dir: the live log.")
    ] = None,
    verify: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A result of paramwall verify; may be repeated.")
    ] = None,
    replay: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR|FILE", help="Output of paramwall replay, or its summary.json; may be repeated."),
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write one HTML file.")] = None,
    markdown: Annotated[str | None, typer.Option(metavar="FILE|-", help="Write Markdown; - is stdout.")] = None,
    title: Annotated[str, typer.Option(metavar="T", help="What stands above it.")] = "Vendor report",
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is no former report.")] = False,
) -> None:
    """Report how vendors stand, from the live log, verifications and replays.

    Markdown on stdout unless a format is asked for. Exit code 0: written. 2: a file cannot be used, or nothing is
    known.
    """
    if json and markdown == "-":
        refuse("--json and --markdown - both want stdout", "give --markdown a file")
    if html is not None and markdown not in (None, "-") and html == Path(markdown):
        refuse(f"--html and --markdown are both to be {html}", "give each a file of its own")
    now_s = time.time()
    found = _gathered(state_dir, verify or (), replay or (), now_s)
    made = report_of(found, _written(title), __version__, now_s)
    if not made.vendors:
        refuse("nothing is known of any vendor", "send traffic through the proxy, or run paramwall verify or replay")
    if html is None and markdown is None and not json:
        markdown = "-"
    if json:
        answer(msgspec.json.format(msgspec.json.encode(made), indent=2).decode())
    if html is not None:
        _write(html, html_of(made), made, force=force)
    if markdown == "-":
        answer(markdown_of(made).rstrip("\n"))
    elif markdown is not None:
        _write(Path(markdown), markdown_of(made), made, force=force)


def _gathered(state_dir: Path | None, verify: Iterable[Path], replay: Iterable[Path], now_s: float) -> Gathered:
    """What all files say. Ends with exit code 2 when one cannot be used, or none is given."""
    found = Gathered()
    if state_dir is not None:
        _add_log(found, state_dir, now_s)
    for number, file in enumerate(verify, 1):
        try:
            source, vendor = verified(decode_result(file.read_bytes()), _written(file), f"V{number}")
        except (OSError, ResultError) as error:
            refuse(f"--verify {file}: {_why(error)}", "give the FILE that paramwall verify --output wrote")
        found.add(source, (vendor,))
    for number, place in enumerate(replay, 1):
        file = place / SUMMARY if place.is_dir() else place
        try:
            source, vendors = replayed(read_summary(file), _written(file), f"R{number}")
        except (OSError, NotASummary) as error:
            refuse(
                f"--replay {place}: {_why(error)}", "give the DIR that paramwall replay --output wrote, once it ended"
            )
        found.add(source, vendors)
    if not found.sources:
        refuse("no source is given", "add --state-dir DIR, --verify FILE or --replay DIR")
    return found


def _add_log(found: Gathered, folder: Path, now_s: float) -> None:
    with (
        open_log(folder) as store,
        Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress,
    ):
        task = progress.add_task("folding the log")
        try:
            with store.snapshot():
                done_to, gaps = repaired(repairs_of(store), "L1")
            source, modes = read_log(
                store, _written(folder), "L1", lambda done, total: progress.update(task, completed=done, total=total)
            )
        except StoreError as error:
            refuse(error.message, error.hint)
    if not source.at_s:
        source = replace(
            source, at_s=now_s, from_s=None
        )  # a log without rows says how things are now: nothing is known
    kept, former = newest(modes)
    vendors = [Vendor(vendor, modes=(mode,)) for (vendor, _), mode in kept.items()]
    left_out = [
        Unknown(
            vendor,
            mode.mode,
            f"what it did under policy {mode.policy}: its figures are those of the policy used last",
            "paramwall status --state-dir DIR shows both",
        )
        for vendor, mode in former
    ]
    found.add(source, (*vendors, *done_to), (*left_out, *gaps))


def _written(name: Path | str) -> str:
    """A name as text; bytes of it that are no characters as codes."""
    return str(name).encode(errors="backslashreplace").decode()


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _write(file: Path, text: str, made: Report, *, force: bool) -> None:
    try:
        write(file, text, force=force)
    except NotOurs:
        refuse(f"{file} exists and is no former report", "choose another name, or add --force")
    except OSError as error:
        refuse(f"{file} cannot be written: {_why(error)}", "choose a file in a directory that can be written")
    note(f"report of {len(made.vendors)} vendors written to {file}")
