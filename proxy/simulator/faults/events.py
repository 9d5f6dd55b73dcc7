"""Faults in the events, headers and times of an answer.

Not here: what is said (answer.py) and the connection (transport.py). Invariant: an error the host would give anyway
stays an error.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from proxy.simulator.faults.defects import Defect
from proxy.simulator.faults.fault import EventsFault, Number, Occasion
from proxy.simulator.sending import DONE, End, Sending, Step, event, json_sending

_ERROR: Final = {"error": {"message": "The server had an error while processing your request", "type": "server_error"}}


def _no_done(sending: Sending, _on: Occasion) -> Sending:
    return replace(sending, steps=tuple(step for step in sending.steps if step.data != DONE))


def _error_in_stream(sending: Sending, on: Occasion) -> Sending:
    if not sending.streamed:
        return sending
    at = on.draw.randrange(1, max(len(sending.steps) - 1, 2))
    return replace(sending, steps=(*sending.steps[:at], Step(0.0, event(_ERROR))))


def _error_in_200(sending: Sending, _on: Occasion) -> Sending:
    return json_sending(200, _ERROR) if sending.status == 200 else sending


def _empty_body(sending: Sending, _on: Occasion) -> Sending:
    return replace(sending, steps=(Step(0.0, b""),)) if sending.status == 200 else sending


def _slow_first_token(sending: Sending, on: Occasion) -> Sending:
    first = sending.steps[0]
    return replace(sending, steps=(replace(first, after_s=first.after_s + (on.number or 0.0)), *sending.steps[1:]))


def _slow_tokens(sending: Sending, on: Occasion) -> Sending:
    wait_s = on.number or 0.0
    if not sending.streamed:
        return replace(sending, steps=tuple(replace(step, after_s=step.after_s + wait_s) for step in sending.steps))
    first, *rest = sending.steps
    return replace(sending, steps=(first, *(replace(step, after_s=step.after_s + wait_s) for step in rest)))


def _stall(sending: Sending, on: Occasion) -> Sending:
    sent = sum(len(step.data) for step in sending.steps[: on.whole()])
    # A JSON body stalls half way: it has no events to count.
    return replace(sending, end=End.STALLED, end_at=sent if sending.streamed else len(sending.body) // 2)


def _set_cookie(sending: Sending, on: Occasion) -> Sending:
    cookie = ("Set-Cookie", f"session={on.draw.getrandbits(64):016x}; Path=/; HttpOnly")
    return replace(sending, headers=(*sending.headers, cookie))


def _gzip(sending: Sending, _on: Occasion) -> Sending:
    headers = (*sending.headers, ("Content-Encoding", "gzip"))
    if not sending.streamed:
        body = gzip.compress(sending.body, mtime=0)
        return replace(sending, headers=headers, steps=(replace(sending.steps[0], data=body),))
    return replace(sending, headers=headers, steps=tuple(_compressed(sending.steps)))


def _compressed(steps: tuple[Step, ...]) -> Iterator[Step]:
    """Each step compressed and flushed, so that events keep their times (RFC 1952; zlib's Z_SYNC_FLUSH)."""
    coder = zlib.compressobj(wbits=31)
    for step in steps:
        yield replace(step, data=coder.compress(step.data) + coder.flush(zlib.Z_SYNC_FLUSH))
    yield Step(0.0, coder.flush())


EVENTS_FAULTS: Final = (
    EventsFault(
        name="no-done",
        does="ends a stream without [DONE]",
        defect=Defect.STREAM_UNFINISHED,
        act=_no_done,
    ),
    EventsFault(
        name="error-in-stream",
        does="sends an error object as an event and ends the stream",
        defect=Defect.BROKEN_200,
        act=_error_in_stream,
    ),
    EventsFault(
        name="error-in-200",
        does="answers 200 with a JSON error object",
        defect=Defect.BROKEN_200,
        act=_error_in_200,
    ),
    EventsFault(
        name="empty-body",
        does="answers 200 with no byte of body",
        defect=Defect.BROKEN_200,
        act=_empty_body,
    ),
    EventsFault(
        name="slow-first-token",
        does="waits before the first token, also when instant",
        defect=Defect.SLOW,
        number=Number("seconds", 20),
        act=_slow_first_token,
    ),
    EventsFault(
        name="slow-tokens",
        does="waits before each further event of a stream (before a JSON answer once), also when instant",
        defect=Defect.SLOW,
        number=Number("seconds", 0.1),
        act=_slow_tokens,
    ),
    EventsFault(
        name="stalled-stream",
        does="stops sending and keeps the connection open",
        defect=Defect.SLOW,
        number=Number("events sent before it stops", 3),
        act=_stall,
    ),
    EventsFault(
        name="set-cookie",
        does="sets a cookie",
        defect=Defect.UNASKED_HEADERS,
        act=_set_cookie,
    ),
    EventsFault(
        name="gzip-answer",
        does="compresses the answer although nobody asked",
        defect=Defect.UNASKED_HEADERS,
        act=_gzip,
    ),
)
