"""results.jsonl: one line for each call that ended, in the order of records, epochs and targets.

Here: a line's form, and writing. Not here: what the lines add up to (scoring.py). Invariants: everything that depends
on when and how a call was made stands in `run`, so that the rest is the same however often a replay was interrupted; a
file is replaced whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from proxy.contract.answer import Answer
from proxy.replay.prepare import Destination
from proxy.replay.rounds import Round, Side

FORMAT: Final = "paramwall-result/1"
FILE: Final = "results.jsonl"

_encode: Final = msgspec.json.Encoder(order="deterministic").encode


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file in the place of one that may be there, once all of it is written; its owner alone can read it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def lines(round_: Round, targets: Sequence[Destination]) -> Iterator[bytes]:
    """The lines of one round."""
    for target, side in zip(targets, round_.sides, strict=True):
        if side is not None:
            yield _encode(_line(round_, target, side)) + b"\n"


def _line(round_: Round, target: Destination, side: Side) -> dict[str, Any]:
    record, call = round_.record, side.call
    line: dict[str, Any] = {
        "format": FORMAT,
        "data_index": record.line,
        "id": record.id,
        "epoch": round_.epoch,
        "target": target.name,
        "role": target.role,
        "mode": side.mode,
        "status": "failed" if call.whole is None else "success",
        "reason": call.reason,
        "http_status": call.status,
        "finish_reason": side.facts.finish,
        "tool_calls_valid": side.facts.kvv_valid,
        "answer": None if call.answer is None else _plain(call.answer),
        "run": {
            "at_s": call.at_s,
            "first_token_s": call.first_token_s,
            "total_s": call.total_s,
            "former": call.former,
        },
    }
    if record.task:
        line["task"] = record.task
    if call.error:
        line["error"] = call.error
    if side.mark is not None:
        line["scorer"], line["correct"], line["parsed"] = record.scorer, side.mark.correct, side.mark.parsed
    return line


def _plain(answer: Answer) -> dict[str, Any]:
    """Sets have no order of their own."""
    found: dict[str, Any] = msgspec.to_builtins(answer)
    return {**found, "flaws": sorted(found["flaws"])}
