"""Clients that ask for an endless answer and never read it: one process, one epoll, as cheap as it can be.

`stuck_readers_hold.py PORT COUNT RAMP_S LIMIT_S` says when it starts, and at its end one line of JSON. Not here: what
is good enough (stuck_readers.py). Invariant: nothing is ever read, so an end of the connection is heard only as a
reset, and each is counted once; its time runs from its request.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from typing import Final

_BODY: Final = b'{"model":"other","stream":true,"messages":[{"role":"user","content":"all of it"}]}'
_REQUEST: Final = (
    b"POST /vendors/flood/v1/chat/completions HTTP/1.1\r\nHost: stuck\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer unused\r\nContent-Length: %d\r\n\r\n" % len(_BODY)
) + _BODY
_RECEIVE_BYTES: Final = 4096
"""A small window, so that it is full at once."""


def _asked(port: int, poll: select.epoll) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
    sock.connect(("127.0.0.1", port))
    sock.sendall(_REQUEST)
    poll.register(sock.fileno(), 0)  # an error and a reset are told unasked
    return sock


def main(port: int, count: int, ramp_s: float, limit_s: float) -> None:
    """Ask evenly, read nothing, and wait for the proxy to end each."""
    poll = select.epoll()
    open_since: dict[int, tuple[float, socket.socket]] = {}
    took: list[float] = []
    most = 0
    sys.stdout.write("started\n")
    sys.stdout.flush()
    start = now = time.monotonic()
    opened = 0
    while (opened < count or open_since) and now - start < limit_s:
        while opened < count and opened * ramp_s <= (now - start) * count:
            sock = _asked(port, poll)
            open_since[sock.fileno()] = (time.monotonic(), sock)
            opened += 1
        most = max(most, len(open_since))
        for fd, _ in poll.poll(0.01):
            since, sock = open_since.pop(fd)
            took.append(time.monotonic() - since)
            poll.unregister(fd)
            sock.close()
        now = time.monotonic()
    told = {"ended": len(took), "open": len(open_since), "most_open": most, "took_s": sorted(took)}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
