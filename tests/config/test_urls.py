"""Addresses and URLs: what is made of them, and that nothing of a password comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.config.addresses import as_ip, forbidden, is_host_name
from proxy.config.refusal import Refused
from proxy.config.tree import Text
from proxy.config.urls import VendorUrl, address, tunnel_url, vendor_url
from proxy.config.values import Address

T = TypeVar("T")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://api.moonshot.ai/v1", VendorUrl("https", "api.moonshot.ai", 443, "/v1")),
        ("https://api.moonshot.ai/v1/", VendorUrl("https", "api.moonshot.ai", 443, "/v1")),
        ("HTTPS://API.Moonshot.AI.:8443/v1", VendorUrl("https", "api.moonshot.ai", 8443, "/v1")),
        ("http://[::1]:8000/v1", VendorUrl("http", "::1", 8000, "/v1")),
        ("https://api.fireworks.ai/inference/v1", VendorUrl("https", "api.fireworks.ai", 443, "/inference/v1")),
    ],
)
def test_a_vendors_url(text: str, expected: VendorUrl) -> None:
    assert vendor_url(Text(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::1]:8080", Address("::1", 8080)),
        ("Proxy.example:80", Address("proxy.example", 80)),
    ],
)
def test_an_address(text: str, expected: Address) -> None:
    assert address(Text(text)) == expected


@pytest.mark.parametrize("text", ["", ":", "127.0.0.1", "::1:80", "[::1]", "a b:80", "1.2.3:80", "h:080808", "[h]:80"])
def test_no_address(text: str) -> None:
    with pytest.raises(Refused):
        address(Text(text))


def _read(read: Callable[[Text], T], text: str) -> T | str:
    """What `read` makes of a text, or all that its refusal says."""
    try:
        return read(Text(text))
    except Refused as refused:
        return f"{refused.message}; {refused.hint}"


URLS = st.one_of(
    st.text(max_size=60),
    st.from_regex(r"(https?|ftp):[/\\]{0,3}[a-z0-9.:@\[\]%-]{0,20}[/?#a-z0-9.%]{0,20}/v1/?", fullmatch=True),
)


@settings(deadline=None)
@given(URLS)
@example("https://a.example\\@169.254.169.254/v1")
@example("https://a.example@169.254.169.254/v1")
@example("http://[::ffff:169.254.169.254]:80/v1")
@example("http://[fe80::1%25eth0]/v1")
@example("http://①⑥⑨.254.169.254/v1")
def test_whatever_is_accepted_is_plain_and_not_forbidden(text: str) -> None:
    url = _read(vendor_url, text)
    if isinstance(url, str):
        return
    assert forbidden(url.host) is None
    assert as_ip(url.host) or is_host_name(url.host)
    assert url.path.endswith("/v1")
    assert "//" not in url.path
    assert 0 < url.port < 65536


@settings(deadline=None)
@given(st.from_regex(r"[a-z]{0,6}:?/{0,2}u:canary[a-z]{0,4}@[a-z0-9.:\[]{0,9}[/?#]{0,2}[a-z0-9]{0,4}", fullmatch=True))
def test_no_refusal_repeats_a_password(text: str) -> None:
    for said in (_read(vendor_url, text), _read(tunnel_url, text)):
        assert not isinstance(said, str) or "canary" not in said


def test_a_tunnel_keeps_its_password_out_of_sight() -> None:
    tunnel = tunnel_url(Text("http://u:canary@10.0.0.1:3128/"))
    assert (tunnel.place, tunnel.text) == ("10.0.0.1:3128", "http://u:canary@10.0.0.1:3128")
    assert "canary" not in repr(tunnel)
