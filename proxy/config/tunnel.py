"""The HTTP proxy that the environment names: HTTPS_PROXY and NO_PROXY, read only where `tunnel: environment` says so.

Not here: the tunnel itself (wire/dial.py). Invariant: a URL of the environment is never repeated in a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network

from proxy.config.addresses import as_ip
from proxy.config.tree import Text
from proxy.config.urls import TunnelUrl, VendorUrl, tunnel_url


def from_environment(environ: Mapping[str, str], vendor: VendorUrl) -> TunnelUrl | None:
    """The proxy for `vendor`; None: none is named, or NO_PROXY excepts the vendor. Raises Refused.

    The lower-case variables come first, and HTTP_PROXY counts only in lower case, as in curl (curl's manual,
    ENVIRONMENT: a CGI server sets HTTP_PROXY from a request header).
    """
    names = ("https_proxy", "HTTPS_PROXY") if vendor.scheme == "https" else ("http_proxy",)
    named = next((environ[name] for name in names if environ.get(name)), "").strip()
    excepted = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if not named or any(_excepts(entry.strip().lower(), vendor) for entry in excepted.split(",")):
        return None
    return tunnel_url(Text(named if "://" in named else f"http://{named}", secret=True))


def _excepts(entry: str, vendor: VendorUrl) -> bool:
    """Whether one entry of NO_PROXY covers the vendor: `*`, a name and all below it, an address, a network; a port
    limits a name.
    """
    if entry in ("", "*"):
        return entry == "*"
    address = as_ip(vendor.host)
    if address is not None:
        return _covers(entry.strip("[]"), vendor.host)
    name, colon, port = entry.partition(":")
    if colon and port != str(vendor.port):
        return False
    name = name.removeprefix("*").removeprefix(".")
    return vendor.host == name or vendor.host.endswith(f".{name}")


def _covers(network: str, host: str) -> bool:
    try:
        return as_ip(host) in ip_network(network, strict=False)
    except ValueError:
        return False
