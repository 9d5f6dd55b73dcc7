"""Values that hold a key, however they are shown: in a traceback, a debug log, a JSON document."""

from __future__ import annotations

import json
from collections.abc import Callable
from pprint import pformat
from typing import Final

import pytest

from proxy.endpoint.endpoint import Endpoint
from proxy.metrics.worker import Metrics
from proxy.wire.plane import build
from tests.e2e.canaries import HELD_BY_ENVIRONMENT, traces
from tests.proxying import configured

SHOWN: Final[tuple[Callable[[object], str], ...]] = (
    repr,
    str,
    format,
    ascii,
    pformat,
    lambda value: f"{[value]}",
    lambda value: json.dumps(value, default=repr),
    lambda value: json.dumps(value, default=str),
)


@pytest.mark.parametrize("show", SHOWN)
async def test_no_value_that_holds_a_key_shows_it(show: Callable[[object], str]) -> None:
    """Those of the wire hold it as bytes, ready to be sent."""
    said = {"vendor": {"api_key_env": "KEY"}, "environ": {"KEY": HELD_BY_ENVIRONMENT}}
    config = configured("http://127.0.0.1:9/v1", **said)
    vendor = config.vendors[0]
    plane = build(config, Metrics(), lambda: 0.0, None)
    endpoint = Endpoint(vendor, "test", lambda: 0.0)
    try:
        lane, way = plane.lanes[vendor.name], plane.way("/v1/chat/completions")
        assert way is not None
        assert HELD_BY_ENVIRONMENT.encode() in way.start
        for value in (config, vendor, vendor.api_key, plane, lane, way, lane.pool, endpoint):
            assert not traces(show(value), HELD_BY_ENVIRONMENT), type(value)
    finally:
        await endpoint.close()
