"""How the tests ask a simulator: request bodies, and a client that sees the raw bytes of an answer.

Not here: assertions. Invariant: one Asker is one connection, so a second answer on it is seen as such.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from proxy.simulator import Simulator

DEADLINE_S: Final = 10.0
WEATHER: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def chat(text: str = "What grows by a quiet river?", **members: Any) -> dict[str, Any]:  # noqa: ANN401  (any JSON)
    """A chat request."""
    return {"model": "kimi-k2.6", "messages": [{"role": "user", "content": text}], **members}


def instant_chat(**members: Any) -> dict[str, Any]:  # noqa: ANN401
    """A chat request in instant mode, spelled for both kinds of host."""
    return chat(**members) | {"thinking": {"type": "disabled"}, "chat_template_kwargs": {"thinking": False}}


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came on the socket. `whole`: the body ended as its framing promised; `after`: bytes beyond that end."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool
    after: bytes = b""

    @property
    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.text)

    @property
    def text(self) -> str:
        coded = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if coded else self.body).decode()

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = self.json["choices"][0]["message"]
        return message

    @property
    def events(self) -> list[Any]:
        """The JSON of every event; [DONE] as the string."""
        payloads = [block.removeprefix("data: ") for block in self.text.split("\n\n") if block]
        return [payload if payload == "[DONE]" else json.loads(payload) for payload in payloads]

    @property
    def chunks(self) -> list[Any]:
        return [each for each in self.events if each != "[DONE]"]

    def joined(self, field: str) -> str:
        """The text of one delta field over all chunks."""
        deltas = (choice["delta"] for chunk in self.chunks for choice in chunk.get("choices", []))
        return "".join(delta.get(field) or "" for delta in deltas)


class Asker:
    """One keep-alive connection, read byte by byte as it comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, path: str, body: object, method: str = "POST", headers: tuple[str, ...] = ()) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = [f"{method} {path} HTTP/1.1", "Host: test", f"Content-Length: {len(data)}", *headers, "", ""]
        self.writer.write("\r\n".join(head).encode() + data)
        await self.writer.drain()

    async def answer(self) -> RawAnswer:
        """Raises ConnectionError when the connection ends before a status line."""
        async with asyncio.timeout(DEADLINE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode().strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body, whole = await self._body(headers)
        return RawAnswer(int(first.split()[1]), headers, body, whole)

    async def _body(self, headers: dict[str, str]) -> tuple[bytes, bool]:
        body = b""
        try:
            if "content-length" in headers:
                return await self.reader.readexactly(int(headers["content-length"])), True
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            return body, await self.reader.readexactly(2) == b"\r\n"
        except asyncio.IncompleteReadError as error:
            return body + error.partial, False
        except ConnectionResetError:
            return body, False


@asynccontextmanager
async def asker(vendor: Simulator) -> AsyncIterator[Asker]:
    """A connection to `vendor`."""
    parts = urlsplit(vendor.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield Asker(reader, writer)
    finally:
        writer.close()


async def ask(vendor: Simulator, body: object, path: str = "/v1/chat/completions", *headers: str) -> RawAnswer:
    """One question on a connection of its own."""
    async with asker(vendor) as client:
        await client.send(path, body, headers=headers)
        return await client.answer()


async def get(vendor: Simulator, path: str) -> RawAnswer:
    """One GET on a connection of its own."""
    async with asker(vendor) as client:
        await client.send(path, b"", "GET")
        return await client.answer()
