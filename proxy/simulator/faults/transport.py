"""Faults on the connection itself.

Not here: the socket (transmit.py). Invariant: what was sent before the break is a true beginning of the honest answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import orjson

from proxy.simulator.faults.defects import Defect
from proxy.simulator.faults.fault import Number, Occasion, TransportFault
from proxy.simulator.sending import BEFORE_HEADERS, End, Sending, Step

UNASKED_TEXT: Final = "this answer was not asked for"
GARBAGE: Final = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is not HTTP \x00\xff\xfe\r\n\r\n"
"""Begins as a TLS handshake record does: what a client sees that speaks HTTP to the wrong port."""
_BYTE: Final = Number("bytes of the body sent before the cut; drawn if not given", None)


def _cut_before_headers(sending: Sending, _on: Occasion) -> Sending:
    return replace(sending, end=End.CLOSED, end_at=BEFORE_HEADERS)


def _cut(sending: Sending, on: Occasion, end: End) -> Sending:
    size = len(sending.body)
    at = on.draw.randrange(max(size, 1)) if on.number is None else min(on.whole(), size)
    return replace(sending, end=end, end_at=at)


def _unsolicited(sending: Sending, on: Occasion) -> Sending:
    body = orjson.dumps(
        {
            "id": "chatcmpl-unasked",
            "object": "chat.completion",
            "created": 0,
            "model": "unasked",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": UNASKED_TEXT}, "finish_reason": "stop"}
            ],
        }
    )
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return replace(sending, unasked=Step(on.number or 0.0, head.encode() + body))


def _garbage(sending: Sending, _on: Occasion) -> Sending:
    return replace(sending, instead=GARBAGE)


TRANSPORT_FAULTS: Final = (
    TransportFault(
        name="unsolicited-bytes",
        does="after a complete answer, writes a second one on the same connection",
        defect=Defect.UNASKED_BYTES,
        number=Number("seconds after the first", 0),
        act=_unsolicited,
    ),
    TransportFault(
        name="cut-stream",
        does="closes the connection inside the body, without a terminator",
        defect=Defect.CONNECTION_CUT,
        number=_BYTE,
        act=lambda sending, on: _cut(sending, on, End.CLOSED),
    ),
    TransportFault(
        name="reset-stream",
        does="resets the connection (RST) inside the body",
        defect=Defect.CONNECTION_CUT,
        number=_BYTE,
        act=lambda sending, on: _cut(sending, on, End.RESET),
    ),
    TransportFault(
        name="cut-before-headers",
        does="closes the connection before the status line",
        defect=Defect.CONNECTION_CUT,
        act=_cut_before_headers,
    ),
    TransportFault(
        name="garbage-response",
        does="answers with bytes that are not HTTP, and closes",
        defect=Defect.NOT_HTTP,
        act=_garbage,
    ),
)
