"""Everything of aiohttp that is used beneath its public surface.

aiohttp's server parses requests and owns the client's connection; its request and response objects are stepped over,
because an answer is written straight from the vendor's read into the client's transport. Not here: anything else.
Invariant: no module but this and aiohttp_chunks.py touches a private attribute of aiohttp; aiohttp_check.py names them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, cast

from aiohttp import HttpVersion10, HttpVersion11, StreamReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import HttpParser, RawRequestMessage
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from proxy.wire.aiohttp_chunks import SLICE, Chunks
from proxy.wire.relay import reset

WRITE_HIGH_WATER: Final = 32 * 1024
"""Bytes waiting for a slow client before its vendor is no longer read. With the kernel's own buffers a reader that
never reads costs less than 256 KiB (bench: stuck readers)."""

_receive: Final = RequestHandler.data_received


class Reader(Protocol):
    """What stands behind a client's connection while an answer is on its way."""

    def pause(self) -> None:
        """The client is slow: stop reading from the vendor."""

    def resume(self) -> None:
        """The client caught up."""

    def client_gone(self) -> None:
        """The client's connection is lost: release the vendor now."""


class Request:
    """One request as aiohttp's parser read it. `content` is its body; `target` the request target as received."""

    __slots__ = ("chunked", "connection", "content", "fields", "http_1_0", "http_1_1", "keep_alive", "method", "target")

    def __init__(self, connection: Connection, message: RawRequestMessage, content: StreamReader) -> None:
        self.connection = connection
        self.content = content
        self.method = message.method
        self.target = message.path
        self.fields = message.raw_headers
        self.chunked = message.chunked
        version = message.version
        self.http_1_1 = version is HttpVersion11 or version == HttpVersion11
        self.http_1_0 = not self.http_1_1 and version == HttpVersion10
        # After an upgrade that is not taken up, aiohttp's parser reads no further request. After chunks it would give
        # the last trailer to the next request, as a field of its head, whoever sent that. And where a body ends whose
        # coding is empty (the parser lets it pass, before a length) is a matter of opinion.
        coded = hdrs.TRANSFER_ENCODING in message.headers
        self.keep_alive = not (message.should_close or message.upgrade or coded) and self.http_1_1

    def take_body(self) -> bytes | None:
        """The body if it is here already, all of it in one piece, as most are; None: read `content`."""
        content = self.content
        # The reader's own way to one piece takes five calls.
        if type(content) is StreamReader and content._eof and content._exception is None and len(content._buffer) == 1:
            return content._buffer.popleft() if not content._buffer_offset else None
        return None


class Connection(RequestHandler):
    """One client connection: aiohttp's, with flow control towards the vendor and a deadline for the head."""

    __slots__ = ("body", "chunks", "front", "head_timer", "reader", "rest_timer")

    body: StreamReader | None
    front: Front
    reader: Reader | None
    head_timer: asyncio.TimerHandle | None
    rest_timer: asyncio.TimerHandle | None

    def __init__(self, front: Front, **options: Any) -> None:  # noqa: ANN401  (aiohttp's own options)
        super().__init__(front, **options)
        self.body = None
        self.front = front
        self.reader = None
        self.head_timer = self.rest_timer = None
        self.chunks = Chunks()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bound what may wait for a slow reader."""
        super().connection_made(transport)
        cast("asyncio.WriteTransport", transport).set_write_buffer_limits(high=WRITE_HIGH_WATER)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Release the vendor before anything else happens."""
        if self.reader is not None:
            self.reader.client_gone()
        for timer in (self.head_timer, self.rest_timer):
            if timer is not None:
                timer.cancel()
        self.transport = None
        super().connection_lost(exc)
        self.body = None  # a body knows its connection: neither would be freed
        self.chunks.forget()
        self._messages.clear()

    def eof_received(self) -> None:
        """A client that says no more has left. What waits to be sent to it is dropped: closing would wait for that."""
        if self.reader is not None and self.transport is not None:
            self.transport.abort()

    def pause_writing(self) -> None:
        """The client reads slower than the vendor writes."""
        super().pause_writing()
        if self.reader is not None:
            self.reader.pause()

    def resume_writing(self) -> None:
        """The client caught up."""
        super().resume_writing()
        if self.reader is not None:
            self.reader.resume()

    def data_received(self, data: bytes) -> None:
        """Parse; a head that stays unfinished gets a deadline (aiohttp has only its keep-alive timer for that), and a
        body that breaks off is told to whoever reads it (aiohttp only queues the error behind it).
        """
        chunks = self.chunks
        for some in chunks.slices(data) if len(data) > SLICE else (data,):
            if chunks.look():
                _receive(self, some)
                chunks.count(self._messages[-1][1] if self._messages else self.body)
            if self._messages and isinstance(self._messages[-1][0], _ErrInfo):
                self._broken(self._messages[-1][0].exc)
                break
        if self._messages or self._request_in_progress:
            self._stop_head_timer()
        elif self.head_timer is None and data:  # the first bytes may come before `start` waits for any
            self.head_timer = self._loop.call_later(self.front.head_timeout_s, self._head_late)

    def _broken(self, error: BaseException) -> None:
        """Nothing more can be read. A body that breaks off is told to whoever reads it."""
        _let_go(error)
        if self.body is not None and not self.body.is_eof():
            self.body.set_exception(web.RequestPayloadError("broken framing"))
        self.body = None

    async def start(self) -> None:
        """Serve requests in their order, in the one task of this connection.

        aiohttp's own loop makes a task, a request and a response object for each; an answer that is written by its
        relay needs none of them.
        """
        front = self.front
        try:
            while not self._force_close and not self._close:
                if not self._messages:
                    await self._arrival()
                    if not self._messages:  # woken because the head is late
                        await self._end_with(front.on_error(408, None))
                        break
                message, content = self._take_message()
                if isinstance(message, _ErrInfo):
                    await self._end_with(front.on_error(message.status, message.exc))
                    break
                self._request_in_progress = True
                self.body = content
                keep = await front.serve(Request(self, message, content))
                self._request_in_progress = False
                self.body = None
                if not content.is_eof():
                    _let_go(content.exception())
                    await self._linger()
                    break
                if self._paused:
                    await self._caught_up()
                if not keep:
                    break
                self._rest()
        except Exception as error:
            front.on_fault(error)
        finally:
            self._request_in_progress = False
            if self._handler_waiter is not None and not self._handler_waiter.done():
                self._handler_waiter.set_result(None)
        self.force_close()

    async def _arrival(self) -> None:
        """Until there is a message, whole up to its body, or its head is late."""
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    def _take_message(self) -> tuple[Any, StreamReader]:
        message, content = self._messages.popleft()
        if self._parser is not None:  # pragma: no branch  (aiohttp lets go of it when the client has left)
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        return message, content

    def _rest(self) -> None:
        """Wait for the next request, but not for ever."""
        close_at = self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        self._keepalive = True
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(close_at, self._process_keepalive)
        if self.rest_timer is None:
            self.rest_timer = self._loop.call_later(self.front.head_timeout_s, self._look_behind)

    def _look_behind(self) -> None:
        """A head that began in the read that ended the request before it is late too. Requests share this timer."""
        self.rest_timer = None
        idle_since = self.idle_since()
        if idle_since is not None:
            due = idle_since + self.front.head_timeout_s
            if due > self._loop.time():
                self.rest_timer = self._loop.call_at(due, self._look_behind)
            elif begun(self._parser):
                self._head_late()

    def idle_since(self) -> float | None:
        """Since when (on the loop's clock) this connection waits for a request; None while it serves one."""
        waiting = self._waiter is not None and not self._messages and self.head_timer is None
        return self._next_keepalive_close_time - self._keepalive_timeout if waiting else None

    async def _caught_up(self) -> None:
        """The answer is whole, its client slow: nothing more is written before it caught up, nor waited for ever."""
        try:
            async with asyncio.timeout(self.front.stall_s):
                await self._drain_helper()
        except TimeoutError:
            if self.transport is not None:  # pragma: no branch  (the wait ends otherwise when the client leaves)
                reset(self.transport)

    def force_close(self) -> None:
        """Close when all is sent; a client that does not take it in time is cut off."""
        transport = self.transport
        super().force_close()
        if transport is not None and transport.get_write_buffer_size():
            self._loop.call_later(self.front.stall_s, _cut_off, transport)

    async def _end_with(self, answer: bytes) -> None:
        """The last answer of this connection."""
        self.write(answer)
        await self._linger()

    async def _linger(self) -> None:
        """All is said; drop what the client still sends for a while. Closing at once would reset the answer away (RFC
        9112 section 9.6).
        """
        self._close = True  # from here on data_received looks at nothing
        transport = self.transport
        if transport is not None:
            transport.resume_reading()
            if transport.can_write_eof():
                transport.write_eof()
            await asyncio.sleep(self._lingering_time)

    def write(self, answer: bytes) -> None:
        """Send bytes of our own, if anybody is left to read them."""
        if self.transport is not None:
            self.transport.write(answer)

    def log_exception(self, *args: Any, **kw: Any) -> None:  # noqa: ANN401  (aiohttp's signature)
        """What aiohttp would log may hold the client's bytes, so only the exception itself is passed on."""
        exc = kw.get("exc_info")
        if isinstance(exc, BaseException):
            self.front.on_fault(exc)

    def _stop_head_timer(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def _head_late(self) -> None:
        self.head_timer = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _let_go(error: BaseException | None) -> None:
    """Of the frames that an error passed: they hold what was received, and the error, so nothing would be freed."""
    if error is not None:
        error.__traceback__ = None


def _cut_off(transport: asyncio.WriteTransport) -> None:
    """With a reset: the kernel would go on offering what a client does not read."""
    if transport.get_write_buffer_size():  # otherwise it is closed by now, and its descriptor may be another's
        reset(transport)


class Front(web.Server):
    """aiohttp's low-level server with our connections: no router, no middleware, no access log.

    `serve` handles one request and says whether its connection lives on. `on_error` gives the answer to a request that
    could not be read (408: not in time); `on_fault` is told of our own defects.
    """

    def __init__(
        self,
        serve: Callable[[Request], Awaitable[bool]],
        *,
        on_error: Callable[[int, BaseException | None], bytes],
        on_fault: Callable[[BaseException], None],
        **options: Any,  # noqa: ANN401  (aiohttp's own options)
    ) -> None:
        super().__init__(_never, handler_cancellation=True, **options)
        self.serve = serve
        self.on_error = on_error
        self.on_fault = on_fault
        self.head_timeout_s = self.stall_s = self._keepalive_s = 0.0

    def limit(self, *, head_timeout_s: float, keepalive_s: float, stall_s: float) -> None:
        """How long connections may take for a head, to send the next request (connections made from now on) and to read
        the last bytes of an answer.
        """
        self.head_timeout_s, self._keepalive_s, self.stall_s = head_timeout_s, keepalive_s, stall_s

    def open_connections(self) -> list[Connection]:
        """The connections there are."""
        return cast("list[Connection]", self.connections)

    def __call__(self) -> RequestHandler:
        """A new connection (a protocol factory for `loop.create_server`)."""
        return Connection(self, loop=self._loop, keepalive_timeout=self._keepalive_s, **self._kwargs)


def begun(parser: HttpParser[Any] | None) -> bool:
    """Whether a parser between requests has seen a part of the next head. If so, it is of no further use."""
    try:
        return parser is not None and parser.feed_eof() is not None
    except Exception:  # it tried to take the part for a whole
        return True


async def _never(request: web.BaseRequest) -> web.StreamResponse:  # pragma: no cover  (nobody calls it)
    """Aiohttp asks for a handler; Connection.start never calls it."""
    raise NotImplementedError


def too_long(exc: BaseException | None) -> bool:
    """Whether a head was refused for its size."""
    return isinstance(exc, LineTooLong) or (isinstance(exc, HttpProcessingError) and exc.message.startswith("Too many"))
