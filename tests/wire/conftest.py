"""Every test here runs on uvloop, as a worker does, and nothing may be logged to asyncio's or aiohttp's loggers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def _nothing_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An exception that nobody caught, or a traceback with a client's bytes, would appear here."""
    caplog.set_level(logging.WARNING)
    yield
    said = [record.getMessage() for when in ("setup", "call") for record in caplog.get_records(when)]
    assert not said
