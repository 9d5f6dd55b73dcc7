"""HTTPS_PROXY and NO_PROXY, where they count at all."""

from __future__ import annotations

import pytest

from proxy.config.refusal import Refused
from proxy.config.tree import Text
from proxy.config.tunnel import from_environment
from proxy.config.urls import vendor_url
from tests.config.loading import ONE_VENDOR, loaded

PROXY = "http://10.0.0.1:3128"


@pytest.mark.parametrize(
    ("environ", "url", "expected"),
    [
        ({}, "https://a.example/v1", None),
        ({"HTTPS_PROXY": PROXY}, "https://a.example/v1", "10.0.0.1:3128"),
        ({"HTTPS_PROXY": PROXY}, "http://a/v1", None),
        ({"HTTP_PROXY": PROXY}, "http://a/v1", None),
        ({"http_proxy": PROXY}, "http://a/v1", "10.0.0.1:3128"),
        ({"HTTPS_PROXY": PROXY, "https_proxy": "http://b:1"}, "https://a.example/v1", "b:1"),
        ({"HTTPS_PROXY": "10.0.0.1:3128"}, "https://a.example/v1", "10.0.0.1:3128"),
    ],
)
def test_which_proxy(environ: dict[str, str], url: str, expected: str | None) -> None:
    tunnel = from_environment(environ, vendor_url(Text(url)))
    assert (tunnel.place if tunnel else None) == expected


@pytest.mark.parametrize(
    ("excepted", "host", "direct"),
    [
        ("*", "a.example", True),
        ("a.example", "a.example", True),
        ("example", "a.example", True),
        (".example", "a.example", True),
        ("*.example", "a.example", True),
        (" x , A.Example ", "a.example", True),
        ("a.example:443", "a.example", True),
        ("a.example:80", "a.example", False),
        ("ample", "a.example", False),
        ("b.example", "a.example", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.4", "10.1.2.3", False),
        ("0.0.0/99", "10.1.2.3", False),
        ("[2001:db8::1]", "[2001:db8::1]", True),
        ("", "a.example", False),
    ],
)
def test_exceptions(excepted: str, host: str, direct: bool) -> None:
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": excepted}
    assert (from_environment(environ, vendor_url(Text(f"https://{host}/v1"))) is None) == direct


def test_a_proxy_of_another_kind_is_refused_without_repeating_it() -> None:
    with pytest.raises(Refused) as raised:
        from_environment({"HTTPS_PROXY": "socks5://u:canary@h:1"}, vendor_url(Text("https://a.example/v1")))
    assert "canary" not in f"{raised.value.message} {raised.value.hint}"


def test_the_environments_proxy_is_ignored_unless_configured() -> None:
    environ = {"HTTPS_PROXY": PROXY, "https_proxy": PROXY}
    assert loaded(ONE_VENDOR, environ).config.vendors[0].tunnel is None
    said = loaded(f"{ONE_VENDOR}    tunnel: environment\n", environ)
    assert said.config.vendors[0].tunnel == PROXY
    assert said.notices == ("vendor moonshot: the environment says to connect through 10.0.0.1:3128",)
