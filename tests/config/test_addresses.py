"""Hosts that no vendor may have, in every spelling, and where plain http may go."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.addresses import as_ip, forbidden, is_host_name, is_loopback, is_private

METADATA = IPv4Address("169.254.169.254")


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
        "metadata",
        "metadata.google.internal",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
    ],
)
def test_forbidden(host: str) -> None:
    assert forbidden(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "10.0.0.1", "8.8.8.8", "api.moonshot.ai", "vllm", "2001:db8::1"])
def test_not_forbidden(host: str) -> None:
    assert forbidden(host) is None


@pytest.mark.parametrize(
    ("host", "loopback", "private"),
    [
        ("127.0.0.1", True, True),
        ("127.9.9.9", True, True),
        ("::1", True, True),
        ("::ffff:127.0.0.1", True, True),
        ("localhost", True, True),
        ("a.localhost", True, True),
        ("10.0.0.1", False, True),
        ("172.16.0.1", False, True),
        ("192.168.1.1", False, True),
        ("100.64.0.1", False, True),
        ("fd12::1", False, True),
        ("vllm", False, True),
        ("vllm.models.svc", False, True),
        ("vllm.models.svc.cluster.local", False, True),
        ("gpu.local", False, True),
        ("8.8.8.8", False, False),
        ("172.32.0.1", False, False),
        ("2600::1", False, False),
        ("vllm.example.com", False, False),
        ("local.example.com", False, False),
    ],
)
def test_where_a_host_is(host: str, loopback: bool, private: bool) -> None:
    assert (is_loopback(host), is_private(host)) == (loopback, private)


def _part(number: int, base: int) -> str:
    return {8: f"0{number:o}", 10: str(number), 16: f"0x{number:x}"}[base]


@settings(deadline=None)
@given(st.integers(1, 4), st.lists(st.sampled_from([8, 10, 16]), min_size=4, max_size=4))
def test_no_other_spelling_of_an_address_is_a_host(parts: int, bases: list[int]) -> None:
    """Whatever inet_aton reads as the metadata address is either the plain address, which is forbidden, or no host."""
    whole = int(METADATA)
    heads = [whole >> 24 & 255, whole >> 16 & 255, whole >> 8 & 255][: parts - 1]
    tail = whole & ((1 << 8 * (5 - parts)) - 1)
    spelling = ".".join(_part(number, base) for number, base in zip([*heads, tail], bases, strict=False))
    assert socket.inet_aton(spelling) == METADATA.packed
    assert forbidden(spelling) or not (as_ip(spelling) or is_host_name(spelling))


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_alike(address: IPv4Address) -> None:
    mapped = ip_address(f"::ffff:{address}")
    assert isinstance(mapped, IPv6Address)
    assert bool(forbidden(mapped)) == bool(forbidden(address))
    assert is_private(str(mapped)) == is_private(str(address))


@settings(deadline=None)
@given(st.text(max_size=80))
def test_a_host_name_is_never_read_as_a_number(host: str) -> None:
    if is_host_name(host):
        with pytest.raises(OSError, match="illegal IP address"):
            socket.inet_aton(host)
