"""Which hosts a vendor may have: never a cloud's metadata service, and plain http only where nobody listens in.

Not here: resolving names; a name is judged as written. Invariant: a host in any spelling that a resolver would turn
into a number (0xa9fea9fe, 2852039166, 169.254.43518) is refused unless it is a plain dotted address, so no spelling
of a forbidden address gets by.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, TypeAlias

Ip: TypeAlias = IPv4Address | IPv6Address

_METADATA: Final = {
    ip_address("100.100.100.200"): "Alibaba Cloud's metadata service",
    ip_address("168.63.129.16"): "Azure's platform service",
    ip_address("fd00:ec2::254"): "the metadata service of Amazon EC2",
}
"""Metadata services outside the link-local ranges (the clouds' own documentation)."""
_METADATA_NAMES: Final = ("metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal")
_NAT64: Final = ip_network("64:ff9b::/96")
"""RFC 6052: the last four bytes are an IPv4 address."""
_SHARED: Final = ip_network("100.64.0.0/10")
"""RFC 6598: carrier-grade NAT, and what private overlay networks use."""
_PRIVATE_SUFFIXES: Final = (".localhost", ".local", ".internal", ".svc", ".cluster.local", ".home.arpa")
"""Names that are never in the public DNS: RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`, Kubernetes services."""
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")


def is_host_name(host: str) -> bool:
    """Whether `host` (lower case) is a name that no resolver reads as a number."""
    labels = host.split(".")
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels) and not _NUMERIC.fullmatch(labels[-1])


def as_ip(host: str) -> Ip | None:
    """The address `host` spells in the plain form; None for anything else."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def forbidden(host: str | Ip) -> str | None:
    """Why no vendor may be at `host` (lower case, no brackets); None when it may."""
    address = as_ip(host) if isinstance(host, str) else host
    if address is None:
        return "a metadata service" if host in _METADATA_NAMES else None
    address = _unwrapped(address)
    if address in _METADATA:
        return _METADATA[address]
    if address.is_link_local:
        return "a link-local address, where clouds keep their metadata services"
    if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
        return "not the address of one machine"
    return None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    address = as_ip(host)
    if address is None:
        return host == "localhost" or host.endswith(".localhost")
    return _unwrapped(address).is_loopback


def is_private(host: str) -> bool:
    """Whether `host` is by its form on this machine or on a private network; single-label names count as private."""
    address = as_ip(host)
    if address is None:
        return "." not in host or host.endswith(_PRIVATE_SUFFIXES)
    address = _unwrapped(address)
    return address.is_private or address in _SHARED


def _unwrapped(address: Ip) -> Ip:
    """The IPv4 address inside an IPv6 one, where there is one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
