"""Hostile traffic through the real processes: after one period of what is finite, nothing new adds a series."""

from __future__ import annotations

from pathlib import Path

from bench.cardinality import besieged, series
from bench.cardinality_traffic import Traffic, sent

PERIOD = 1500


async def test_a_second_period_of_hostile_traffic_adds_no_series(tmp_path: Path) -> None:
    """Statuses, routes, broken clauses and ends repeat; models, paths, keys, members and answers are ever new."""
    with besieged(tmp_path, vendors=1, workers=2, scoring=False) as proxy:
        traffic = Traffic(["vendor-0"], PERIOD, repeatable=True)
        idle = series(proxy.admin)
        assert await sent(proxy.port, traffic, range(PERIOD), 32) == 0
        once = series(proxy.admin)
        assert await sent(proxy.port, traffic, range(PERIOD, 2 * PERIOD), 32) == 0
        twice = series(proxy.admin)
        counted = proxy.total("paramwall_requests_total")
    assert counted == 2 * PERIOD
    assert {name: once[name] for name in once if once[name] != idle[name]}.keys() == {
        "paramwall_requests_total",
        "paramwall_upstream_requests_total",
    }
    assert twice == once


def test_no_two_requests_are_alike() -> None:
    traffic = Traffic(["a", "b"], 50)
    messages = [traffic.request(number).message for number in range(200)]
    assert len(set(messages)) == 200
    assert messages == [traffic.request(number).message for number in range(200)]
    wanted = [next(line for line in message.split(b"\r\n") if line.startswith(b"X-Wanted")) for message in messages]
    assert wanted[:50] == wanted[50:100] == wanted[150:]
