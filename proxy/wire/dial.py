"""Opening a connection to a vendor: addresses, TLS, and a tunnel where one is configured.

Not here: what is sent over it. Invariants: where to connect comes from configuration alone; certificates are verified,
always; an HTTP proxy of the environment is never used by itself.
"""

from __future__ import annotations

import asyncio
import base64
import resource
import socket
import ssl
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote, urlsplit

from proxy.config.addresses import as_ip, forbidden
from proxy.config.values import Vendor
from proxy.wire.vendor_leg import RECEIVE_BUFFER, VendorConnection

_MAX_TUNNEL_ANSWER: Final = 16 * 1024


RESERVED: Final = 64
"""File descriptors that no vendor gets, so that clients can still be accepted and told that there is no room."""


class NoDescriptor(OSError):
    """There are as many connections as there may be open files."""


class DialError(OSError):
    """No connection could be made. `reason` is fit to be shown: it names no credential."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def tls_context(vendor: Vendor) -> ssl.SSLContext | None:
    """The TLS settings of a vendor: verification on, TLS 1.2 or later, HTTP/1.1 by ALPN. None for plain http."""
    if vendor.scheme != "https":
        return None
    context = ssl.create_default_context(cafile=vendor.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


async def dial(
    vendor: Vendor, context: ssl.SSLContext | None, factory: Callable[[socket.socket], VendorConnection]
) -> VendorConnection:
    """A connected VendorConnection. Raises DialError or TimeoutError (`timeouts.connect_s`, all steps together)."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(vendor.timeouts.connect_s):
        sock = await _tunnelled(loop, vendor) if vendor.tunnel else await _connected(loop, vendor.host, vendor.port)
        try:
            _, connection = await loop.create_connection(
                lambda: factory(sock), sock=sock, ssl=context, server_hostname=vendor.host if context else None
            )
        except ssl.SSLCertVerificationError as error:
            sock.close()
            raise DialError(f"the certificate of {vendor.host} is not valid: {error.verify_message}") from None
        except (ssl.SSLError, OSError) as error:
            sock.close()
            raise DialError(f"TLS with {vendor.host} failed: {type(error).__name__}") from None
        except BaseException:
            sock.close()
            raise
    return connection


async def _connected(loop: asyncio.AbstractEventLoop, host: str, port: int) -> socket.socket:
    try:
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise DialError(f"the name {host} cannot be resolved ({error.strerror})") from None
    failure: OSError | None = None
    for family, kind, protocol, _, address in addresses:
        _refuse_forbidden(host, str(address[0]))
        sock = _socket(family, kind, protocol)
        try:
            sock.setblocking(False)  # noqa: FBT003  (socket's own signature)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise DialError(f"{host}:{port} cannot be reached ({failure.strerror if failure else 'no address'})")


def _socket(family: int, kind: int, protocol: int) -> socket.socket:
    """Raises NoDescriptor. The kernel gives out the lowest number that is free, so a high one tells that few are."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        sock = socket.socket(family, kind, protocol)
    except OSError:
        raise NoDescriptor from None
    if sock.fileno() >= most - min(RESERVED, most // 8):
        sock.close()
        raise NoDescriptor
    return sock


def _refuse_forbidden(host: str, address: str) -> None:
    """A name of the configuration must not lead to a cloud's metadata service, whatever its resolver says."""
    ip = as_ip(address)
    reason = None if ip is None else forbidden(ip)
    if reason is not None:
        raise DialError(f"the name {host} leads to {address}, {reason}")


async def _tunnelled(loop: asyncio.AbstractEventLoop, vendor: Vendor) -> socket.socket:
    """A socket through the configured HTTP proxy (CONNECT, RFC 9110 section 9.3.6)."""
    via = urlsplit(vendor.tunnel or "")
    sock = await _connected(loop, via.hostname or "", via.port or 8080)
    try:
        target = f"{vendor.host}:{vendor.port}"
        request = (
            f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{_proxy_authorization(via.username, via.password)}\r\n"
        )
        await loop.sock_sendall(sock, request.encode())
        answer = b""
        # Byte by byte at the end would be needed if the vendor spoke first; HTTP and TLS vendors never do.
        while b"\r\n\r\n" not in answer:
            received = await loop.sock_recv(sock, 4096)
            answer += received
            if not received or len(answer) > _MAX_TUNNEL_ANSWER:
                raise DialError(f"the HTTP proxy {via.hostname} closed the connection")
        status = answer.split(b" ", 2)[1:2]
        if status != [b"200"] or not answer.endswith(b"\r\n\r\n"):
            raise DialError(f"the HTTP proxy {via.hostname} refused the tunnel")
    except BaseException:
        sock.close()
        raise
    return sock


def _proxy_authorization(user: str | None, password: str | None) -> str:
    if user is None:
        return ""
    token = base64.b64encode(f"{unquote(user)}:{unquote(password or '')}".encode()).decode()
    return f"Proxy-Authorization: Basic {token}\r\n"
