"""Writes a Sending to the client: the only place that waits and touches the transport.

Here: the interpretation of Sending, its broken ends included. Not here: what is sent. Invariant: an end other than
WHOLE leaves no terminator behind, so that a client that reads carefully can tell.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from aiohttp import web

from proxy.simulator.sending import BEFORE_HEADERS, End, Sending, Step

Sleep = Callable[[float], Awaitable[None]]
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on with zero seconds: close() sends RST (POSIX.1-2017, 2.10.10)."""


async def transmit(sending: Sending, request: web.Request, sleep: Sleep) -> web.StreamResponse:
    """Write the answer, its end included."""
    if sending.instead is not None:
        return await _raw(request, sending.instead)
    if sending.end is not End.WHOLE and sending.end_at == BEFORE_HEADERS:
        return await _break_off(request, sending.end)
    response = web.StreamResponse(status=sending.status)
    response.headers.extend(sending.headers)
    steps = sending.steps
    if not sending.streamed:
        steps = (Step(sum(step.after_s for step in steps), sending.body),)
        response.content_length = len(steps[0].data)
        await _wait(steps[0].after_s, sleep)
        steps = (Step(0.0, steps[0].data),)
    await response.prepare(request)
    left = sending.end_at if sending.end is not End.WHOLE else None
    for step in joined(steps):
        await _wait(step.after_s, sleep)
        data = step.data if left is None else step.data[:left]
        if data:
            await response.write(data)
        if left is not None:
            left -= len(data)
            if left <= 0:
                return await _break_off(request, sending.end, response)
    if sending.end is not End.WHOLE:
        return await _break_off(request, sending.end, response)
    await response.write_eof()
    if sending.unasked is not None:
        await _wait(sending.unasked.after_s, sleep)
        if request.transport is not None:
            request.transport.write(sending.unasked.data)
    return response


def joined(steps: Sequence[Step]) -> Iterator[Step]:
    """The same bytes at the same times with fewer writes: what waits for nothing goes with what is before it."""
    after_s, parts = 0.0, list[bytes]()
    for step in steps:
        if step.after_s > 0 and parts:
            yield Step(after_s, b"".join(parts))
            parts.clear()
        after_s = after_s if parts else step.after_s
        parts.append(step.data)
    if parts:
        yield Step(after_s, b"".join(parts))


async def _wait(seconds: float, sleep: Sleep) -> None:
    if seconds > 0:
        await sleep(seconds)


async def _raw(request: web.Request, data: bytes) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.write(data)
        request.transport.close()
    return web.Response()


async def _break_off(request: web.Request, end: End, response: web.StreamResponse | None = None) -> web.StreamResponse:
    if end is End.STALLED:
        await asyncio.Event().wait()  # cancelled when the client leaves or the simulator stops
    transport = request.transport
    if transport is not None:
        if end is End.RESET:
            raw: socket.socket | None = transport.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    return response or web.Response()
