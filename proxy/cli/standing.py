"""How the vendors stand, asked of a running proxy or read from its log; and how such numbers are written.

Not here: what the log says (scorer/standing.py), the commands (status.py, evidence.py). Invariant: what cannot be read
ends the command with its remedy.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from math import e, log10
from pathlib import Path
from typing import Final

import aiohttp
import orjson

from proxy.cli.terminal import refuse
from proxy.drift.report import Alarm, SeriesView
from proxy.endpoint.documents import YEAR_10000_S
from proxy.scorer.standing import Standing
from proxy.store import Store, StoreError

_ANSWER_S: Final = 10.0


def ask_proxy(url: str) -> Standing:
    """What a running proxy says on its admin port. Ends with exit code 2 when it says nothing of use."""
    where = f"{url.rstrip('/')}/status"
    remedy = "give its --admin URL, or read the log it writes with --state-dir DIR"
    try:
        said = orjson.loads(asyncio.run(_get(where)))
        return Standing.told(url, said["drift"], said["alarms"])
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


# How numbers are written


def moment(unix_s: float | None) -> str:
    """A time in UTC, to the second; "-" for none."""
    if unix_s is None:
        return "-"
    if not 0 <= unix_s < YEAR_10000_S:
        return "no date"
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


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
