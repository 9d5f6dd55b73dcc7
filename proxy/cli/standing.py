"""How the vendors stand: from a running proxy or from its log; and how such numbers are written.

Not here: the commands (status.py, evidence.py). Invariant: both sources give the same values, since a proxy tells what
it folded from that log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import e, log10
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import orjson

from proxy.cli.terminal import refuse
from proxy.drift.report import Alarm, KeyView, SeriesView
from proxy.drift.rows import Key
from proxy.scorer.book import Book, told
from proxy.store import Store, StoreError

_ANSWER_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class PastAlarm(Alarm):
    """An alarm as it is remembered."""

    recovered_at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Every vendor in each mode, and the newest alarms, the last one last. `source` is where this was read."""

    source: str
    keys: tuple[KeyView, ...]
    alarms: tuple[PastAlarm, ...]

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        return {
            "source": self.source,
            "drift": [told(view) for view in self.keys],
            "alarms": [msgspec.to_builtins(alarm) for alarm in self.alarms],
        }


def ask_proxy(url: str) -> Standing:
    """What a running proxy says on its admin port. Ends with exit code 2 when it says nothing of use."""
    where = f"{url.rstrip('/')}/status"
    remedy = "give its --admin URL, or read the log it writes with --state-dir DIR"
    try:
        said = orjson.loads(asyncio.run(_get(where)))
        return Standing(url, *_converted(said["drift"], said["alarms"]))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        why = str(error) or type(error).__name__
        refuse(f"{where} does not answer as a running proxy does: {why}", remedy)
    except (KeyError, TypeError):
        refuse(f"{where} says nothing about drift", f"is it a proxy of this version? {remedy}")


async def _get(url: str) -> bytes:
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session, session.get(url) as response:
        return await response.read()


def open_log(folder: Path) -> Store:
    """The log, for reading. Ends with exit code 2 when there is none."""
    try:
        return Store.read(folder)
    except StoreError as error:
        refuse(error.message, error.hint)


def read_log(store: Store, folder: Path, now_s: float) -> Standing:
    """What the log's last checkpoint says. Raises StoreError."""
    found = store.checkpoint()
    return standing_of(Book() if found is None else restored(found[1]), str(folder), now_s)


def restored(state: dict[str, Any]) -> Book:
    """The book of a checkpoint. Ends with exit code 2 when another version wrote it."""
    try:
        return Book.restored(state)
    except ValueError as error:
        refuse(f"the log's state cannot be read: {error}", "use the paramwall that writes this log")


def standing_of(book: Book, source: str, now_s: float) -> Standing:
    """What a book says at a time."""
    return Standing(source, *_converted([told(view) for view in book.fleet.view(now_s)], book.alarms))


def _converted(drift: Any, alarms: Any) -> tuple[tuple[KeyView, ...], tuple[PastAlarm, ...]]:  # noqa: ANN401  (JSON)
    """Raises msgspec.ValidationError, a ValueError."""
    return msgspec.convert(drift, tuple[KeyView, ...]), msgspec.convert(alarms, tuple[PastAlarm, ...])


def series_of(view: KeyView, name: str) -> SeriesView | None:
    """A series of a key by its name."""
    return next((series for series in view.series if series.name == name), None)


def view_of(keys: Sequence[KeyView], key: Key) -> KeyView | None:
    """A key's view."""
    return next((view for view in keys if view.key == key), None)


# How numbers are written


def moment(unix_s: float | None) -> str:
    """A time in UTC, to the second; "-" for none."""
    return "-" if unix_s is None else datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def effect_of(series: SeriesView | Alarm) -> str:
    """The effect between its bounds: a rate of violations, or how much more (+) or less (-) than the reference."""
    if series.effect is None:
        return "too few values"
    write = _rate if series.kind in {"rate", "offset"} else _change
    bounds = "" if series.lower is None or series.upper is None else f" [{write(series.lower)}, {write(series.upper)}]"
    return f"{write(series.effect)}{bounds}"


def evidence_of(series: SeriesView | Alarm) -> str:
    """Evidence against its threshold, as powers of ten and as the share of the way."""
    share = max(0.0, series.log_evidence / series.log_threshold) if series.log_threshold > 0 else 1.0
    return f"{share:.0%} ({_power(series.log_evidence)} of {_power(series.log_threshold)})"


def _power(natural_log: float) -> str:
    return f"10^{natural_log * log10(e):.1f}"


def _rate(value: float) -> str:
    return f"{value * 100:.3g}%"


def _change(value: float) -> str:
    return f"{value * 100:+.3g}%"
