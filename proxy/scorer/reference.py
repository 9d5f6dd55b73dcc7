"""The reference leg: one request to the reference, its answer assembled, whatever comes back.

Not here: which requests (ledger.py, scorer.py) and what may be spent (budget.py). Invariants: only the reference's own
key goes there, under a User-Agent of its own; a call is made once more only when the connection it was sent on turned
out to be closed; a 429 stops all calls for as long as it says; every call ends in an Answer or in one reason, within
its timeouts and in bounded memory.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from proxy import __version__
from proxy.config.values import Reference
from proxy.contract.answer import Answer
from proxy.contract.assemble import Assembler

USER_AGENT: Final = f"paramwall-mirror/{__version__}"
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 600.0
_KEPT_S: Final = 2.0
"""How long an idle connection is used again: well below the 5 s after which llama.cpp's server and others close one,
since a request that meets the closing would be lost.
"""
_IDLE_POLL_S: Final = 1.0
REASONS: Final = (
    "rate_limited",
    "refused",
    "server_error",
    "unreachable",
    "timeout",
    "cut",
    "oversized",
    "defect",
)
"""Why a call gave no answer: 429; another 4xx; 5xx; no connection; too late; broken off; too long; ours."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Either an answer, or the reason why there is none."""

    answer: Answer | None = None
    reason: str = ""
    status: int = 0


class ReferenceLeg:
    """Calls to one reference. Make it inside a running event loop; `clock` is in seconds."""

    def __init__(self, reference: Reference, clock: Callable[[], float]) -> None:
        self.reference = reference
        self.in_flight = 0
        self._clock = clock
        self._paused_until = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._room = asyncio.Semaphore(reference.max_in_flight)
        times = reference.timeouts
        self._timeout = aiohttp.ClientTimeout(total=times.total_s, sock_connect=times.connect_s)
        self._url = _url(reference)
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream", "User-Agent": USER_AGENT}
        self._headers["Accept-Encoding"] = "identity"  # what comes is read as it is
        if reference.api_key is not None:
            self._headers["Authorization"] = f"Bearer {reference.api_key.reveal()}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_S, ssl=_tls(reference)),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    @property
    def paused(self) -> bool:
        """Whether the reference asked for a rest."""
        return self._clock() < self._paused_until

    async def ask(self, body: bytes) -> Reply:
        """One call."""
        async with self._room:
            if self.paused:
                return Reply(reason="rate_limited")
            self.in_flight += 1
            try:
                try:
                    return await self._call(body)
                except aiohttp.ServerDisconnectedError:  # an idle connection was closed as the request was sent on it
                    return await self._call(body)
            except TimeoutError:
                return Reply(reason="timeout")
            except aiohttp.ClientPayloadError:
                return Reply(reason="cut")
            except (aiohttp.ClientError, OSError):
                return Reply(reason="unreachable")
            finally:
                self.in_flight -= 1

    async def close_when_idle(self) -> None:
        """End all connections once nothing is under way."""
        while self.in_flight:  # noqa: ASYNC110  (what ends the wait is a count)
            await asyncio.sleep(_IDLE_POLL_S)
        await self.close()

    async def close(self) -> None:
        """End all connections."""
        await self._session.close()

    async def _call(self, body: bytes) -> Reply:
        first_byte_s = self.reference.timeouts.first_byte_s
        async with asyncio.timeout(first_byte_s) as waiting:
            response = await self._session.post(
                self._url,
                data=body,
                headers=self._headers,
                timeout=self._timeout,
                proxy=self.reference.tunnel,
                allow_redirects=False,
            )
            waiting.reschedule(None)
        async with response:
            if response.status == 200:
                return await self._read(response)
            if response.status == 429:
                self._rest(response.headers.get("Retry-After", ""))
                return Reply(reason="rate_limited", status=429)
            return Reply(reason="server_error" if response.status >= 500 else "refused", status=response.status)

    async def _read(self, response: aiohttp.ClientResponse) -> Reply:
        self._pause_s = FIRST_PAUSE_S
        assembler, size = Assembler(response.headers.get("Content-Type", "")), 0
        while True:
            async with asyncio.timeout(self.reference.timeouts.idle_s):
                piece = await response.content.readany()
            if not piece:
                break
            size += len(piece)
            if size > MAX_ANSWER_BYTES:
                return Reply(reason="oversized", status=200)
            assembler.feed(piece)
        return Reply(assembler.answer(complete=True), status=200)

    def _rest(self, retry_after: str) -> None:
        """Stop for as long as the reference says, or twice as long as the last time. Calls that were under way
        together are refused together, which counts once.
        """
        said = float(retry_after) if retry_after.isdecimal() and len(retry_after) < 6 else 0.0
        if not self.paused:
            said = said or self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._paused_until = max(self._paused_until, self._clock() + min(said, LONGEST_PAUSE_S))


def _url(reference: Reference) -> str:
    host = f"[{reference.host}]" if ":" in reference.host else reference.host
    return f"{reference.scheme}://{host}:{reference.port}{reference.path}/chat/completions"


def _tls(reference: Reference) -> ssl.SSLContext | bool:
    if reference.ca_file is None:
        return True
    return ssl.create_default_context(cafile=reference.ca_file)
