"""Endpoint: one call to a vendor or a reference, its answer assembled, whatever comes back.

Not here: whether to call, and how often (retry.py; scorer/). Invariants: only the endpoint's own key goes there, under
a User-Agent that says who asks, and it is struck out of what the endpoint says; a call is made once more only when the
idle connection it was sent on turned out to be closed; no cookie is kept and no redirect followed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Final, TypeAlias

import aiohttp

from proxy.config.values import Reference, Vendor
from proxy.contract.assemble import Assembler
from proxy.contract.reading import carries_output
from proxy.contract.sse import EventDecoder
from proxy.endpoint.reply import Reply
from proxy.endpoint.striking import struck_from_answer, struck_from_refusal

Upstream: TypeAlias = Vendor | Reference

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
MAX_ERROR_BYTES: Final = 64 * 1024
_KEPT_S: Final = 2.0
"""How long an idle connection is used again: well below the 5 s after which llama.cpp's server and others close one,
since a request that meets the closing would be lost.
"""
_FIRST_TOKEN_BYTES: Final = 256 * 1024
"""How far into an answer its first token is looked for."""


class Endpoint:
    """Calls to one upstream. Make it inside a running event loop; `clock` is in seconds."""

    def __init__(self, upstream: Upstream, user_agent: str, clock: Callable[[], float]) -> None:
        self.upstream = upstream
        self.key = "" if upstream.api_key is None else upstream.api_key.reveal()
        self.clock = clock
        self._root = _root(upstream)
        times = upstream.timeouts
        self._timeout = aiohttp.ClientTimeout(total=times.total_s, sock_connect=times.connect_s)
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Accept-Encoding": "identity",  # what comes is read as it is
            "User-Agent": user_agent,
        }
        if self.key:
            self._headers["Authorization"] = f"Bearer {self.key}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_S, ssl=_tls(upstream)),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            trace_configs=[_noting_reuse()],
        )

    async def call(self, body: bytes, *, stop_after_bytes: int | None = None) -> Reply:
        """One chat completion. `stop_after_bytes`: leave, as a client does, once so much of the answer is there; what
        came is then the answer, cut.
        """
        began_s, way = self.clock(), _Way()
        try:
            try:
                return await self._call(body, began_s, stop_after_bytes, way)
            except aiohttp.ServerDisconnectedError:
                if not way.reused:
                    raise
                # An idle connection was closed as the request was sent on it.
                return await self._call(body, began_s, stop_after_bytes, way)
        except TimeoutError:
            return Reply(reason="timeout", end_s=self.clock() - began_s)
        except (aiohttp.ClientError, OSError):
            return Reply(reason="unreachable", end_s=self.clock() - began_s)

    async def close(self) -> None:
        """End all connections."""
        await self._session.close()

    async def _call(self, body: bytes, began_s: float, stop_after_bytes: int | None, way: _Way) -> Reply:
        async with asyncio.timeout(self.upstream.timeouts.first_byte_s) as waiting:
            response = await self._session.post(
                f"{self._root}/chat/completions",
                data=body,
                headers=self._headers,
                timeout=self._timeout,
                proxy=self.upstream.tunnel,
                allow_redirects=False,
                trace_request_ctx=way,
            )
            waiting.reschedule(None)
        async with response:
            if response.status == 200:
                return await _Reading(self, response, began_s, stop_after_bytes).reply()
            return await self._refusal(response, began_s)

    async def _refusal(self, response: aiohttp.ClientResponse, began_s: float) -> Reply:
        head_s, text = self.clock() - began_s, bytearray()
        try:
            async with asyncio.timeout(self.upstream.timeouts.idle_s):
                # A key that lies across the bound is read whole, so that no part of it is left.
                while len(text) < MAX_ERROR_BYTES + len(self.key) and (piece := await response.content.readany()):
                    text += piece
        except (TimeoutError, aiohttp.ClientError, OSError):
            pass  # the status alone says enough
        said = struck_from_refusal(bytes(text), self.key)
        status = response.status
        reason = "rate_limited" if status == 429 else "server_error" if status >= 500 else "refused"
        if not response.content.at_eof():
            response.close()
        return Reply(
            reason=reason,
            status=status,
            error=said[:MAX_ERROR_BYTES],
            retry_after_s=_seconds(response.headers.get("Retry-After", "")),
            first_byte_s=head_s,
            end_s=self.clock() - began_s,
        )


class _Reading:
    """The reading of one answer of status 200."""

    def __init__(
        self, endpoint: Endpoint, response: aiohttp.ClientResponse, began_s: float, stop_after_bytes: int | None
    ) -> None:
        self._response = response
        self._key = endpoint.key
        self._idle_s = endpoint.upstream.timeouts.idle_s
        self._clock = endpoint.clock
        self._began_s = began_s
        self._first_byte_s = self._clock() - began_s
        self._first_token_s: float | None = None
        self._stop_after = MAX_ANSWER_BYTES if stop_after_bytes is None else stop_after_bytes
        self._stops = stop_after_bytes is not None
        self._assembler = Assembler(response.headers.get("Content-Type", ""))
        self._events = EventDecoder()
        self._size = 0

    async def reply(self) -> Reply:
        """All of it, or as much as came."""
        try:
            while True:
                async with asyncio.timeout(self._idle_s):
                    piece = await self._response.content.readany()
                if not piece:
                    return self._ended("", complete=True)
                self._take(piece)
                if self._size >= self._stop_after:
                    self._response.close()
                    return self._ended("cut" if self._stops else "oversized", complete=False)
        except TimeoutError:
            return self._ended("timeout", complete=False)
        except (aiohttp.ClientError, OSError):
            return self._ended("cut", complete=False)

    def _take(self, piece: bytes) -> None:
        self._size += len(piece)
        self._assembler.feed(piece)
        looked_for = self._first_token_s is None and self._size <= _FIRST_TOKEN_BYTES
        if looked_for and any(map(carries_output, self._events.feed(piece))):
            self._first_token_s = self._clock() - self._began_s

    def _ended(self, reason: str, *, complete: bool) -> Reply:
        answer = self._assembler.answer(complete=complete)
        return Reply(
            answer=struck_from_answer(answer, self._key) if reason in ("", "cut") else None,
            reason=reason,
            status=200,
            first_byte_s=self._first_byte_s,
            first_token_s=self._first_token_s,
            end_s=self._clock() - self._began_s,
        )


@dataclass(slots=True)
class _Way:
    """Whether the request went out on a connection that had carried another."""

    reused: bool = False


def _noting_reuse() -> aiohttp.TraceConfig:
    async def note(_session: aiohttp.ClientSession, context: SimpleNamespace, _seen: object) -> None:
        context.trace_request_ctx.reused = True

    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(note)
    return tracing


def _seconds(retry_after: str) -> float | None:
    """Of a Retry-After in seconds; a date is not read."""
    return float(retry_after) if retry_after.isdecimal() and len(retry_after) < 6 else None


def _root(upstream: Upstream) -> str:
    host = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
    return f"{upstream.scheme}://{host}:{upstream.port}{upstream.path}"


def _tls(upstream: Upstream) -> ssl.SSLContext | bool:
    if upstream.ca_file is None:
        return True
    return ssl.create_default_context(cafile=upstream.ca_file)
