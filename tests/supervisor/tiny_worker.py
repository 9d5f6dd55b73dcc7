"""A worker with a plane that proxies nothing: it answers with its pid and configuration, streams, and misbehaves.

`python -m tests.supervisor.tiny_worker`, started by a supervisor as any worker is. It speaks just enough HTTP/1.1 for
its client, so that a test does not wait for a web framework to be imported.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence

from proxy.child.process import Log, main
from proxy.config.values import Config
from proxy.metrics.worker import Metrics

CHUNK_EVERY_S = 0.02


class TinyPlane:
    """POST /hello answers `PID HASH`; POST /stream/N answers N such lines, one every 20 ms."""

    def __init__(self, config: Config, metrics: Metrics, log: Log) -> None:
        self._config = config
        self._metrics = metrics
        self._log = log
        self._open = 0
        self._draining = False
        self._servers: list[asyncio.Server] = []
        self._clients: set[asyncio.StreamWriter] = set()

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        name = self._config.vendors[0].name
        if name == "dies-at-start":
            raise RuntimeError("this plane never starts")
        if name == "hangs-at-start":
            await asyncio.Event().wait()
        self._servers = [await asyncio.start_server(self._serve, sock=sock) for sock in sockets]

    def swap(self, config: Config) -> None:
        if config.vendors[0].name == "cannot-swap":
            raise RuntimeError("this plane cannot swap")
        self._config = config

    async def drain(self, grace_s: float, deadline_s: float) -> None:
        if self._config.vendors[0].name == "cannot-drain":
            raise RuntimeError("this plane cannot drain")
        self._draining = True
        for server in self._servers:
            server.close()
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline_s
        await asyncio.sleep(min(grace_s, deadline_s))
        while self._open and loop.time() < end:  # noqa: ASYNC110  (what ends the wait is a count or a time)
            await asyncio.sleep(0.01)
        for client in self._clients:
            client.transport.abort()

    def in_flight(self) -> int:
        return self._open

    def detail(self) -> bytes:
        return b""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            keep = True
            while keep:
                head = await reader.readuntil(b"\r\n\r\n")
                keep = await self._answer(head.split(b" ", 2)[1].decode(), writer)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _answer(self, path: str, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays open."""
        self._open += 1
        try:
            self._metrics.requests("chat", "tiny", False, "ok", 200).inc()
            self._log(b"request " + path.encode())
            keep = not self._draining
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n")
            writer.write(b"\r\n" if keep else b"Connection: close\r\n\r\n")
            async for line in self._lines(path):
                writer.write(b"%x\r\n%b\r\n" % (len(line), line))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            await writer.drain()
            return keep
        finally:
            self._open -= 1

    async def _lines(self, path: str) -> AsyncIterator[bytes]:
        line = f"{os.getpid()} {self._config.hash}\n".encode()
        match path.split("/")[1:]:
            case ["hello"]:
                yield line
            case ["stream", chunks]:
                for _ in range(int(chunks)):
                    yield line
                    await asyncio.sleep(CHUNK_EVERY_S)
            case ["exit", code]:
                sys.stderr.write("the last words\n")
                sys.stderr.flush()
                os._exit(int(code))


if __name__ == "__main__":
    counted = Metrics()
    main(lambda config, log, _: TinyPlane(config, counted, log), counted)
