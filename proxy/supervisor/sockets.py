"""The listening sockets, opened once and inherited by every worker, and the limits of the process.

Not here: accepting. Invariant: a socket that could not be opened is one clear message with the remedy, and nothing is
left open behind it.
"""

from __future__ import annotations

import contextlib
import errno
import resource
import socket
from collections.abc import Sequence
from typing import Final

from proxy.child.memory import forbid_core_files
from proxy.config.values import Address

BACKLOG: Final = 4096


class CannotStart(Exception):
    """The supervisor cannot start; the text says what was seen and the remedy."""


def raise_limits() -> None:
    """As many descriptors as the system allows, and no core files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # a system may call itself unlimited and then refuse
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    forbid_core_files()


def listen(addresses: Sequence[Address], flag: str) -> list[socket.socket]:
    """Listening sockets on every address; `flag` is the option that a message tells to change.

    Raises CannotStart. A name that stands for several addresses (localhost) gets one socket each, and with port 0 only
    the first.
    """
    opened: list[socket.socket] = []
    for address in addresses:
        try:
            opened.extend(_listen_on(address))
        except OSError as exc:
            for sock in opened:
                sock.close()
            raise CannotStart(_message(exc, address, flag)) from exc
    return opened


def shown(sock: socket.socket) -> str:
    """HOST:PORT as the socket is bound, with an IPv6 host in brackets."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listen_on(address: Address) -> list[socket.socket]:
    found = socket.getaddrinfo(
        address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
    )
    opened: list[socket.socket] = []
    absent: OSError | None = None
    for family, _, _, _, where in dict.fromkeys(found):
        try:
            opened.append(_bound(family, where))
        except OSError as exc:
            if exc.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):  # e.g. ::1 of localhost without IPv6
                absent = exc
                continue
            for sock in opened:
                sock.close()
            raise
        if address.port == 0:
            break
    if not opened and absent is not None:
        raise absent
    return opened


def _bound(family: int, where: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(0.0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(where)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _message(exc: OSError, address: Address, flag: str) -> str:
    where = f"cannot listen on {address.host}:{address.port}"
    if isinstance(exc, socket.gaierror):
        return f"{where}: no such host ({exc.strerror})\n  hint: give an address of this machine with {flag} HOST:PORT"
    if exc.errno == errno.EADDRINUSE:
        return (
            f"{where}: another process listens there\n"
            f"  hint: stop it (`ss -ltnp 'sport = :{address.port}'` names it) or choose another with {flag} HOST:PORT"
        )
    if exc.errno == errno.EACCES:
        return (
            f"{where}: permission denied\n"
            f"  hint: choose a port above 1023 with {flag} HOST:PORT, or grant CAP_NET_BIND_SERVICE"
        )
    if exc.errno == errno.EADDRNOTAVAIL:
        return f"{where}: this machine has no such address\n  hint: use 127.0.0.1 or 0.0.0.0 with {flag} HOST:PORT"
    return f"{where}: {exc.strerror}\n  hint: choose another address with {flag} HOST:PORT"
