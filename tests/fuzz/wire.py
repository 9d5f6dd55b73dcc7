"""Both ends of the wire as plain sockets: a vendor that records bodies, and a client that sends any bytes.

Not here: what is sent and what it means. Invariant: nothing is decoded or repaired on either side; the vendor keeps the
bytes of every body that reached it under the number that the client gave it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

NUMBER: Final = "X-Number"
"""The header field by which a body is known again; the proxy forwards what it does not know."""
_ANSWER: Final = (
    b'{"id":"c","object":"chat.completion","created":0,"model":"kimi-k2.6","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}'
)
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_ANSWER)


class RecordingVendor:
    """Answers 200 to everything. `bodies` holds what came, by number."""

    def __init__(self) -> None:
        self.bodies: dict[int, list[bytes]] = {}
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._open.values():
            writer.close()
        if self._open:
            await asyncio.wait(self._open.keys())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                fields = _fields(head)
                body = await reader.readexactly(int(fields["content-length"]))
                self.bodies.setdefault(int(fields[NUMBER.lower()]), []).append(body)
                writer.write(_HEAD + _ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            del self._open[task]
            writer.close()


def _fields(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status 0 when the connection ended without an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class RawClient:
    """One connection that is kept as long as the other side keeps it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, fields: tuple[tuple[str, str], ...], body: bytes) -> Answer:
        """Send one request, with a Content-Length unless the fields frame it otherwise."""
        lines = [f"POST {path} HTTP/1.1", "Host: a", *(f"{name}: {value}" for name, value in fields)]
        if not any(name == "Transfer-Encoding" for name, _ in fields):
            lines.append(f"Content-Length: {len(body)}")
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            self._writer.write("\r\n".join((*lines, "", "")).encode() + body)
            return await self._read(self._reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            await self.close()
            return Answer(0, {}, b"")

    async def _read(self, reader: asyncio.StreamReader) -> Answer:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = _fields(head)
        body = await reader.readexactly(int(fields["content-length"]))
        if fields.get("connection") == "close":
            await self.close()
        return Answer(int(head[9:12]), fields, body)

    async def close(self) -> None:
        writer, self._writer, self._reader = self._writer, None, None
        if writer is not None:
            writer.close()
            try:
                await writer.wait_closed()
            except ConnectionError:
                return


@asynccontextmanager
async def clients(port: int, count: int) -> AsyncIterator[tuple[RawClient, ...]]:
    """Several connections, closed in the end."""
    opened = tuple(RawClient(port) for _ in range(count))
    try:
        yield opened
    finally:
        for client in opened:
            await client.close()
