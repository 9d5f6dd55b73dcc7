"""Addresses and URLs, taken apart and judged: where to listen, where a vendor is, which HTTP proxy leads there.

Not here: rules that need a second setting (relations.py). Invariant: a URL that may hold a password is never repeated
in a refusal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit

from proxy.config.addresses import as_ip, forbidden, is_host_name
from proxy.config.refusal import Refused
from proxy.config.tree import Text
from proxy.config.values import Address

ADDRESS_HINT: Final = "write HOST:PORT, as in 127.0.0.1:8080 or [::1]:8080"
URL_HINT: Final = "write the base URL, as in https://api.moonshot.ai/v1"
TUNNEL_HINT: Final = "write http://HOST:PORT, or environment to take HTTPS_PROXY"

ENVIRONMENT: Final = "environment"
"""The tunnel is the one that HTTPS_PROXY and NO_PROXY say."""

_OTHER_VERSION: Final = re.compile(r"/v[0-9][0-9a-z]*$")
_PLAIN_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_NOT_IN_URLS: Final = re.compile(r"[\x00-\x20\x7f\\]")
_DEFAULT_PORT: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class VendorUrl:
    """The base URL of a vendor or of the reference. `path` ends in /v1, without a slash after it."""

    scheme: str
    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class TunnelUrl:
    """An HTTP proxy. `place` is its host and port; `text` is the whole URL and may hold its password."""

    place: str
    text: str = field(repr=False)


def address(text: Text) -> Address:
    """`HOST:PORT`, with an IPv6 host in brackets. Raises Refused."""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    inner = host[1:-1].lower() if bracketed else host.lower()
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise Refused(f"{text.shown} is not HOST:PORT", ADDRESS_HINT)
    if text.startswith(":") and not inner:
        one, every = f"127.0.0.1:{port}", f"0.0.0.0:{port}"
        raise Refused(f"{text.shown} names no host", f"write {one} for this machine only, {every} for every network")
    if bracketed != (":" in inner) or not _is_host(inner):
        raise Refused(f"{text.shown} is not HOST:PORT", ADDRESS_HINT)
    return Address(inner, int(port))


def vendor_url(text: Text) -> VendorUrl:
    """The base URL of a vendor. Raises Refused."""
    parts = _split(text, ("https", "http"), URL_HINT)
    if "@" in parts.netloc:
        raise Refused("the URL holds a user name or a password", "put the credential into api_key_env or api_key_file")
    if "?" in text or "#" in text:
        raise Refused("the URL holds a query or a fragment", f"{URL_HINT}; a query is never sent")
    host = _host(parts, text, URL_HINT)
    why = forbidden(host)
    if why:
        raise Refused(f"the host of {text.shown} is {why}", URL_HINT)
    return VendorUrl(parts.scheme, host, parts.port or _DEFAULT_PORT[parts.scheme], _base_path(parts, text))


def tunnel_url(text: Text) -> TunnelUrl:
    """The URL of an HTTP proxy, with a user name and a password if it needs them. Raises Refused."""
    parts = _split(text, ("http",), TUNNEL_HINT)
    if parts.path.strip("/") or "?" in text or "#" in text:
        raise Refused("the URL of the HTTP proxy has a path or a query", TUNNEL_HINT)
    host = _host(parts, text, TUNNEL_HINT)
    if parts.port is None:
        raise Refused("the URL of the HTTP proxy names no port", TUNNEL_HINT)
    return TunnelUrl(f"{host}:{parts.port}", text.rstrip("/"))


def has_password(text: str) -> bool:
    """Whether a URL comes with credentials."""
    return "@" in text


def _split(text: Text, schemes: tuple[str, ...], hint: str) -> SplitResult:
    shown = "the value" if has_password(text) else text.shown
    if not text.isascii() or _NOT_IN_URLS.search(text):
        raise Refused(
            f"{shown} holds characters that no URL has", "write plain ASCII; a host in other letters is written xn--..."
        )
    parts: SplitResult | None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = None, 0
    if parts is None or port == 0:
        raise Refused(f"{shown} is not a URL with a valid host and port", hint)
    if parts.scheme not in schemes or not parts.hostname:
        begins = " or ".join(f"{name}://" for name in schemes)
        raise Refused(f"{shown} is not a URL that begins with {begins}", hint)
    return parts


def _host(parts: SplitResult, text: Text, hint: str) -> str:
    host = (parts.hostname or "").removesuffix(".")
    if not _is_host(host):
        shown = "the value" if has_password(text) else text.shown
        raise Refused(f"the host of {shown} is neither a name nor a plain address", hint)
    return host


def _is_host(host: str) -> bool:
    # A scope (fe80::1%eth0) only ever belongs to a link-local address, which is of no use here.
    return "%" not in host and (as_ip(host) is not None or is_host_name(host))


def _base_path(parts: SplitResult, text: Text) -> str:
    path = parts.path.rstrip("/")
    if not path.endswith("/v1"):
        before = path.partition("/v1/")[0] if "/v1/" in path else _OTHER_VERSION.sub("", path)
        remedy = URL_HINT if text.secret else f"write {parts.scheme}://{parts.netloc}{before}/v1"
        raise Refused(f"the path of {text.shown} does not end in /v1", remedy)
    if not _PLAIN_PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise Refused(
            f"the path of {text.shown} is not plain", "use letters, digits, '.', '_', '~' and '-' between slashes"
        )
    return path
