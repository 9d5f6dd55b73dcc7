"""The admin port in the test's own event loop, over a folder with a real log, for tests of the page.

Not here: processes, assertions. Invariant: what `/status` says is made of the same log that `/evidence` reads, in the
form in which the scorer tells it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from proxy.child.snapshot import snapshot
from proxy.config.values import Address, Config, Evidence, Vendor
from proxy.contract.answer import Answer, ToolCall, Usage
from proxy.drift.rows import PairRow
from proxy.metrics.supervisor import SupervisorMetrics
from proxy.scorer.bodies import Bodies, Keep, Kept, Limits
from proxy.scorer.book import Book, told
from proxy.scorer.redaction import Redactor
from proxy.supervisor import admin, sockets
from proxy.supervisor.browsing import Browsing
from proxy.supervisor.evidence import EvidenceReader
from proxy.supervisor.history import History
from tests.cli.logged import BEGAN_S, SWAP, rows
from tests.supervisor import tiny

HOSTILE = "<img src=x onerror=\"document.title='owned'\"></script><script>document.title='owned'</script>"
"""What a model may say to whoever reads its answers in a browser."""


def config(folder: Path | None, admin_host: str = "127.0.0.1", **evidence: Any) -> Config:  # noqa: ANN401  (any setting)
    """One vendor whose bodies are kept."""
    vendor = Vendor("engine", "https", "engine.example", 443, "/v1", tiny.PROFILE, tiny.plan("a"))
    kept = Evidence(**{"bodies": "disagreements", **evidence})
    state_dir = None if folder is None else str(folder)
    return Config((vendor,), "0a1b2c3d", admin=Address(admin_host, 0), evidence=kept, state_dir=state_dir)


def keep(folder: Path, number: int, vendor: Answer, reference: Answer | None = None, request: bytes = b"{}") -> None:
    """Keep the bodies of one pair of the log."""
    at_s = BEGAN_S + number * 60.0
    with Bodies.open(folder, Keep.ALL, Limits(max_body_bytes=32 * 1024**2), Redactor()) as bodies:
        bodies.keep(Kept(number, f"req-{number}", at_s, "engine", "thinking", (SWAP,), request, vendor, reference))


def keep_hostile(folder: Path, number: int) -> None:
    """Bodies in which every text is hostile."""
    call = ToolCall(HOSTILE, HOSTILE, HOSTILE)
    said = Answer(HOSTILE, f"\x1b[2J\u202e{HOSTILE}", (call,), HOSTILE, Usage(5, 7, 12), HOSTILE, HOSTILE, choices=1)
    request = orjson.dumps({"model": HOSTILE, "messages": [{"role": HOSTILE, "content": HOSTILE}, HOSTILE, None]})
    keep(folder, number, said, said, request)


def status_of(book: Book, **members: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    """What `/status` says when the scorer has folded this."""
    alarms = [{"number": number, **alarm} for number, alarm in enumerate(book.alarms, 1)]
    views = [told(view) for view in book.fleet.view(book.last_at_s)]
    vendor = {
        "name": "engine",
        "host": "engine.example",
        "url": "https://engine.example/v1",
        "profile": "vllm",
        "policy": "kimi-k2.6@0123abcd",
        "enforcement": "repair",
        "credentials": "pass",
        "requests": 1234,
    }
    process = {"state": "serving", "resident_bytes": 50 << 20, "restarts": 0, "loop_lag_s": 0.0}
    return {
        "version": "0",
        "phase": "serving",
        "not_ready": None,
        "uptime_s": 7200.0,
        "listen": ["http://127.0.0.1:8080"],
        "config": {
            "hash": "0a1b2c3d",
            "last_load": {"at": "2023-11-14T22:13:20Z", "cause": "start", "successful": True, "error": None},
        },
        "vendors": [vendor, {**vendor, "name": "honest", "requests": 0}],
        "in_flight": 3,
        "workers": [process],
        "scorer": process,
        "scoring": True,
        "evidence": {"state_dir": "state", "bodies": "disagreements"},
        "lost": {},
        "drift": views,
        "alarms": alarms,
        "mirror": {"reference": "official/kimi-k2.6", "fractions": {"engine": 0.01}, "open_pairs": 0, "paused": False},
        **members,
    }


def history_of(book_rows: int) -> History:
    """Some points of what a scorer would have told while the log was written, had it been written in seconds."""
    history, book = History(), Book()
    for index, row in enumerate(list(rows())[:book_rows]):
        book.fold(row)
        if isinstance(row, PairRow) and index % 15 == 0:
            history.note(BEGAN_S + index, orjson.dumps({"drift": [told(view) for view in book.fleet.view(row.at_s)]}))
    return history


@asynccontextmanager
async def admin_port(
    settings: Config, status: Callable[[], dict[str, Any]] = dict, history: History | None = None
) -> AsyncIterator[str]:
    """The URL of an admin port with this configuration."""

    async def refresh() -> None:
        await asyncio.sleep(0)

    registry = SupervisorMetrics().registry
    browsing = Browsing(history or History(), EvidenceReader(lambda: settings))
    views = admin.Views(lambda: snapshot(registry), refresh, lambda: "", status, browsing)
    (sock,) = sockets.listen((replace(settings.admin, host="127.0.0.1"),), "--admin")
    runner = await admin.serve(sock, views)
    try:
        yield f"http://{sockets.shown(sock)}"
    finally:
        await runner.cleanup()
