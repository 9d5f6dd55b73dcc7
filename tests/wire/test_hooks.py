"""What is used of aiohttp beneath its surface is there, and a start says so when it is not."""

from __future__ import annotations

import aiohttp
import pytest

from proxy.wire import aiohttp_check


def test_the_installed_aiohttp_is_the_right_one() -> None:
    aiohttp_check.verify()


@pytest.mark.parametrize("version", ["3.14.4", "3.13.9", "3.15.0", "4.0.0"])
def test_another_version(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp, "__version__", version)
    with pytest.raises(RuntimeError, match=rf"aiohttp {version} is installed; allowed: .*hint: reinstall"):
        aiohttp_check.verify()


def test_a_parser_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    class HttpRequestParser:
        pass

    monkeypatch.setattr(aiohttp_check, "HttpRequestParser", HttpRequestParser)
    with pytest.raises(RuntimeError, match=r"C parser is missing .*hint: reinstall"):
        aiohttp_check.verify()


def test_a_name_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    class RequestHandler:
        _messages = None

    monkeypatch.setattr(aiohttp_check, "RequestHandler", RequestHandler)
    with pytest.raises(RuntimeError, match=r"has no _buffer_paused, _close, .*hint: reinstall"):
        aiohttp_check.verify()
