"""Connections that send a head byte by byte and never end it: one process, one epoll, as cheap as it can be.

`slow_headers_drips.py PORT COUNT RAMP_S EVERY_S LIMIT_S` says when it starts, and at its end one line of JSON. Not
here: what is good enough (slow_headers.py). Invariant: every connection is counted once, by how the proxy ended it, and
its time runs from its first byte.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import Counter, deque
from typing import Final

_FIRST: Final = b"POST /v1/chat/completions HTTP/1.1\r\nHost: slow\r\nX-Slow: "
_ADDRESSES: Final = 8
"""Of this end: 127.0.0.2 and on, so that ports never run out."""
_NO_PORT_YET: Final = 24
"""IP_BIND_ADDRESS_NO_PORT: the port is chosen when it connects, and need be free only towards that peer."""


class Drips:
    """All connections. `due` holds who drips next, in order; `began` the moment of each one's first byte."""

    def __init__(self, port: int, every_s: float) -> None:
        self.port, self.every_s = port, every_s
        self.poll = select.epoll()
        self.open: dict[int, socket.socket] = {}
        self.began: dict[int, float] = {}
        self.heard: dict[int, bytes] = {}
        self.due: deque[tuple[float, int, socket.socket]] = deque()
        self.ended: Counter[str] = Counter()
        self.took_s: list[float] = []
        self.most_open = 0

    def connect(self, number: int) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, _NO_PORT_YET, 1)
        sock.bind((f"127.0.0.{2 + number % _ADDRESSES}", 0))
        sock.connect_ex(("127.0.0.1", self.port))
        self.open[sock.fileno()] = sock
        self.poll.register(sock.fileno(), select.EPOLLOUT)

    def happened(self, fd: int, event: int, now: float) -> None:
        sock = self.open[fd]
        if event & select.EPOLLOUT:
            sock.send(_FIRST)
            self.began[fd] = now
            self.most_open = max(self.most_open, len(self.began))
            self.due.append((now + self.every_s, fd, sock))
            self.poll.modify(fd, select.EPOLLIN)
            return
        try:
            received = sock.recv(4096)
        except ConnectionError:
            self._end(fd, "reset", now)
            return
        if received:
            self.heard[fd] = self.heard.get(fd, b"") + received
        else:
            self._end(fd, self.heard.get(fd, b"no answer")[9:12].decode(), now)

    def _end(self, fd: int, how: str, now: float) -> None:
        began = self.began.pop(fd, None)
        if began is not None:
            self.took_s.append(now - began)
        self.heard.pop(fd, None)
        self.ended[how] += 1
        self.poll.unregister(fd)
        self.open.pop(fd).close()

    def drip(self, now: float) -> None:
        """One byte of every connection whose turn it is."""
        while self.due and self.due[0][0] <= now:
            _, fd, sock = self.due.popleft()
            if self.open.get(fd) is sock:
                try:
                    sock.send(b"x")
                except OSError:
                    continue  # its end is heard by the poll
                self.due.append((now + self.every_s, fd, sock))


def main(port: int, count: int, ramp_s: float, every_s: float, limit_s: float) -> None:
    """Open them evenly, drip, and wait for the proxy to end each."""
    drips = Drips(port, every_s)
    sys.stdout.write("started\n")
    sys.stdout.flush()
    start = now = time.monotonic()
    opened = 0
    while (opened < count or drips.open) and now - start < limit_s:
        while opened < count and opened * ramp_s <= (now - start) * count:
            drips.connect(opened)
            opened += 1
        for fd, event in drips.poll.poll(0.005):
            drips.happened(fd, event, time.monotonic())
        now = time.monotonic()
        drips.drip(now)
    took = sorted(drips.took_s)
    told = {"ended": drips.ended, "open": len(drips.open), "most_open": drips.most_open, "took_s": took}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *map(float, sys.argv[3:6]))
