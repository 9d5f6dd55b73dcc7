"""What the page shows of an alarm and of a pair: the JSON of `paramwall evidence`, read from the state directory.

Here: whether it may be shown, what it is cut to, and reading it beside the event loop. Not here: finding it
(scorer/evidence.py). Invariants: the files are only read, by one thread at a time and for READ_S at most, so neither
the admin port nor the scorer waits; no more than MOST_ASKED questions are held; a body leaves here only where the
configuration lets it (`bodies_hidden`), and only for a browser that was led here by an address (`refused_host`).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from proxy.config.addresses import as_ip, is_loopback
from proxy.config.values import Config
from proxy.scorer.bodies import Bodies
from proxy.scorer.book import KVV_CELL
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
from proxy.scorer.evidence_rows import sides
from proxy.scorer.standing import read_log
from proxy.store import Store, StoreError, StoreMissing

READ_S: Final = 5.0
MOST_ASKED: Final = 8
"""Questions at a time, with the one that is read. A browser that gave up does not take its question back."""
ROWS_SENT: Final = 500
KEPT_SENT: Final = 12
TEXTS_SENT: Final = (100_000, 10_000, 1000, 100)
"""Characters of one text; a smaller limit where the pair is still larger than PAIR_BYTES."""
ITEMS_SENT: Final = 100
"""Tool calls of one answer."""
PAIR_BYTES: Final = 2_000_000

_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::[0-9]+)?")
_QUESTIONS: Final = ({"alarm"}, {"vendor"}, {"vendor", "mode"}, {"vendor", "signal"}, {"vendor", "mode", "signal"})


class NotShown(Exception):
    """Nothing is shown; `status` is HTTP's."""

    def __init__(self, status: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint


def bodies_hidden(config: Config) -> str:
    """Why the page shows no kept bodies; "" where it does."""
    kept = config.evidence
    if config.state_dir is None or kept.bodies == "off":
        return f"none are kept; {HOW_TO_KEEP}"
    if kept.page == "false":
        return "`evidence: {page: false}` hides them; `paramwall evidence --pair` shows them"
    if kept.page == "auto" and not is_loopback(config.admin.host):
        return (
            f"the admin port listens on {config.admin.host}, and it asks nobody for a password; "
            "`paramwall evidence --pair` shows them, or `evidence: {page: true}`"
        )
    return ""


def refused_host(host: str, site: str, config: Config) -> str:
    """Why a request gets no evidence, by its `Host` and `Sec-Fetch-Site`; "" where it does.

    A foreign page can have its own name resolve to this machine, and so read what is here with the visitor's browser
    (DNS rebinding). It cannot do so with an address, nor with a name it does not own.
    """
    if site not in {"", "same-origin", "none"}:
        return "another web page asked for it"
    written = _HOST.fullmatch(host)
    name = (written[1] or written[2]).lower() if written else ""
    if name and (as_ip(name) is not None or name in {"localhost", config.admin.host.lower()}):
        return ""
    return f"the name {host[:100]!r} is not the admin port's own"


class EvidenceReader:
    """Reads for one question at a time; `config` is asked anew for each."""

    def __init__(self, config: Callable[[], Config]) -> None:
        self._config = config
        self._reading = asyncio.Lock()
        self._asked = 0

    async def answer(self, asked: Mapping[str, str], host: str, site: str) -> bytes:
        """JSON for `?alarm=N`, `?vendor=NAME` (with `mode`, `signal`), `?pair=ID` or nothing. Raises NotShown."""
        config = self._config()
        refused = refused_host(host, site, config)
        if refused:
            raise NotShown(403, refused, "open the page as http://127.0.0.1:PORT or by another address, not by a name")
        if config.state_dir is None:
            raise NotShown(404, "the log is kept in memory", "add state_dir to the configuration, and restart")
        what = (
            partial(_pair, asked=asked["pair"]) if set(asked) == {"pair"} else partial(_behind, asked=_question(asked))
        )
        if self._asked >= MOST_ASKED:
            raise NotShown(503, f"{MOST_ASKED} questions are being answered", "ask again in some seconds")
        self._asked += 1
        try:
            async with self._reading:
                return await asyncio.to_thread(_read, config, what)
        finally:
            self._asked -= 1


@dataclass(frozen=True, slots=True)
class _Files:
    """The state directory, open. `bodies` is None where they may not be shown, or there are none."""

    folder: Path
    store: Store
    bodies: Bodies | None


def _question(asked: Mapping[str, str]) -> Asked:
    if asked and set(asked) not in _QUESTIONS:
        raise NotShown(400, "that is no question", "ask ?alarm=N, ?vendor=NAME with &mode= and &signal=, or ?pair=ID")
    number = asked.get("alarm")
    if number is not None and not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise NotShown(400, "the alarm is no number", "ask ?alarm=1")
    alarm = None if number is None else int(number)
    return Asked(alarm, asked.get("vendor"), asked.get("mode"), asked.get("signal"))


def _read(config: Config, what: Callable[[_Files], dict[str, Any]]) -> bytes:
    """Open the files, read, close; in a thread."""
    folder, hidden = Path(config.state_dir or ""), bodies_hidden(config)
    try:
        with ExitStack() as opened:
            store = opened.enter_context(Store.read(folder, READ_S))
            files = _Files(folder, store, None if hidden else _bodies(opened, folder))
            return orjson.dumps({**what(files), "bodies_hidden": hidden or None})
    except StoreMissing as missing:
        raise NotShown(404, "nothing was logged yet", "send a request through the proxy") from missing
    except NoEvidence as nothing:
        raise NotShown(404, nothing.message, nothing.hint) from nothing
    except StoreError as error:
        raise NotShown(503, error.message, error.hint) from error


def _bodies(opened: ExitStack, folder: Path) -> Bodies | None:
    try:
        return opened.enter_context(Bodies.read(folder, READ_S))
    except StoreMissing:
        return None


def _behind(files: _Files, asked: Asked) -> dict[str, Any]:
    """As `paramwall evidence --json` has it, with the first ROWS_SENT rows and the count of all that were read."""
    with files.store.snapshot():
        standing = read_log(files.store, files.folder, time.time())
        subject = subject_of(standing, asked)
        rows = [] if subject is None else rows_of(files.store, files.bodies, subject)
    kept = [] if subject is None or files.bodies is None else _kept(files.bodies, subject)
    return {
        **evidence_as_json(standing, subject, rows[:ROWS_SENT]),
        "kept": kept,
        "count": {
            "rows": len(rows),
            "against": sum(row.against == 1 for row in rows),
            "contrary": sum(row.against == -1 for row in rows),
            "more": len(rows) == ROWS_READ,
        },
    }


def _kept(bodies: Bodies, subject: Subject) -> list[dict[str, Any]]:
    """The first exchanges that were kept because of this signal: where they are found."""
    found = bodies.about(subject.key.vendor, subject.series.name, subject.since_s, KEPT_SENT)
    return [
        {"number": each.number, "request_id": each.request_id, "at_s": each.at_s}
        for each in found
        if each.mode == subject.key.mode
    ]


def _pair(files: _Files, asked: str) -> dict[str, Any]:
    """As `paramwall evidence --pair ID --json` has it; `shortened` names what was cut for the page."""
    pair = pair_as_json(*pair_of(files.store, files.bodies, asked))
    kept = pair["kept"]
    if kept is None:
        return {**pair, "sides": _sides(pair), "shortened": []}
    cuts = ({name: _cut(value, most) for name, value in kept.items()} for most in TEXTS_SENT)
    short = next((short for short in cuts if len(orjson.dumps(short)) <= PAIR_BYTES), {})
    shortened = [name for name, value in kept.items() if short.get(name) != value]
    return {**pair, "kept": short, "sides": _sides(pair), "shortened": shortened}


def _sides(pair: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What each signal read, in words: its name, the vendor, the reference."""
    values = sorted((pair["row"] or {"values": {}})["values"].items())
    return [(name, *sides(name, value)[:2]) for name, value in values if name != KVV_CELL]


def _cut(value: Any, most: int) -> Any:  # noqa: ANN401  (any JSON value)
    """The value with its texts cut to `most` characters, its lists to ITEMS_SENT."""
    match value:
        case str():
            return value[:most]
        case dict():
            return {name: _cut(held, most) for name, held in value.items()}
        case list() | tuple():
            return type(value)(_cut(each, most) for each in value[:ITEMS_SENT])
        case _:
            return value
