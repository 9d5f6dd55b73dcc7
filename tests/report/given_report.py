"""A report of all three kinds of sources, as the command makes it of files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from proxy.drift.rows import RequestsRow
from proxy.report.facts import Report, Vendor
from proxy.report.firewall import repaired
from proxy.report.gather import Gathered, report_of
from proxy.report.live import newest, read_log
from proxy.report.replayed import replayed
from proxy.report.verified import verified
from proxy.scorer.repairs import repairs_of
from proxy.store import Store
from tests.cli.logged import BEGAN_S, PAIRS, POLICY, write_log
from tests.report import given

_FACTS = '["chat","thinking","rewrite",[["temperature-off-contract","rewrite","temperature"]],{"temperature":0.3}]'
_LAWFUL = '["chat","thinking","pass",[],{"temperature":1.0}]'


def requests() -> Iterator[RequestsRow]:
    """What clients sent to one vendor, and what was done to it."""
    yield RequestsRow(
        BEGAN_S + (PAIRS + 1) * 60.0,
        "engine",
        POLICY,
        "repair",
        "vllm",
        "kimi-k2.6",
        ("temperature",),
        "0123",
        requests={_FACTS: 30, _LAWFUL: 90},
        unrecorded=4,
    )


def write_state(folder: Path) -> None:
    """The log of two vendors, with what the firewall did."""
    book = write_log(folder)
    rows = list(requests())
    for row in rows:
        book.fold(row)
    with Store.open(folder) as store:
        store.append(rows, book.state())


def whole(folder: Path, title: str = "Vendor report") -> Report:
    """A report of a live log, a verification and a replay, as of a fixed moment."""
    write_state(folder)
    found = Gathered()
    with Store.read(folder) as store:
        source, modes = read_log(store, "state", "L1", lambda _done, _all: None)
        done_to, gaps = repaired(repairs_of(store), "L1")
    kept, _ = newest(modes)
    live = (Vendor(vendor, modes=(mode,)) for (vendor, _), mode in kept.items())
    found.add(source, (*live, *done_to), gaps)
    source, vendor = verified(given.verification(), "verify.json", "V1")
    found.add(source, (vendor,))
    source, vendors = replayed(given.replay(), "replay/summary.json", "R1")
    found.add(source, vendors)
    return report_of(found, title, "0.1.0", given.MADE_S)
