"""Tables from figures, and figures from what wrk and the clock say."""

from __future__ import annotations

import pytest

from bench.cpu import CpuFigure, failures
from bench.hot import shares
from bench.latency import LatencyFigure, percentiles_ms
from bench.memory import MemoryFigure
from bench.report import Report, cpu_rows, fill, from_json, latency_rows, memory_rows, to_json, to_markdown

REPORT = Report(
    {"date": "2026-01-01"},
    [
        CpuFigure("small", "envoy", 80.0, 1.0, 9000.0, 0),
        CpuFigure("small", "litellm", 8000.0, 100.0, 90.0, 3),
        CpuFigure("small", "paramwall", 100.0, 1.25, 8000.0, 0),
    ],
    [
        MemoryFigure("open-300", "paramwall", 300, 300, 10240.0, 40_000_000),
        MemoryFigure("stuck", "envoy", 64, 100, 2048.0, 40_000_000, bounded=False),
        MemoryFigure("stuck", "litellm", 0, 100, 9e8, 40_000_000),
        MemoryFigure("body", "paramwall", 20_000_199, 20_000_199, 2.5, 40_000_000),
    ],
    [
        LatencyFigure("direct", 0.2, 0.9, 20.0, 21.0, None, None, None, None),
        LatencyFigure("paramwall", 0.4, 1.9, 20.0, 21.5, 0.2, 1.0, 0.0, 0.5),
    ],
)


def test_report_survives_its_json() -> None:
    assert from_json(to_json(REPORT)) == REPORT


def test_cpu_table_holds_costs_and_both_ratios() -> None:
    head, row = cpu_rows(REPORT)
    assert head == ["CPU µs per request", "envoy", "litellm", "paramwall", "paramwall / envoy", "litellm / paramwall"]
    assert row == ["small JSON", "80", "8,000 (3 failed)", "100", "1.25x", "80x"]


def test_memory_table_says_what_was_not_held_and_what_did_not_end() -> None:
    assert memory_rows(REPORT)[1:] == [
        ["per open stream, of 300", "10.0 KiB", "-", "-"],
        ["per stuck reader, of 100", "-", "2.0 KiB, 64 held, still growing", "none held"],
        ["peak for a 20 MB body", "2.50x the body", "-", "-"],
    ]


def test_latency_table_gives_what_was_added() -> None:
    assert latency_rows(REPORT)[1:] == [
        ["direct", "0.20 / 0.90", "20.00 / 21.00"],
        ["paramwall", "+0.20 / +1.00", "+0.00 / +0.50"],
    ]


def test_only_the_marked_part_of_a_document_changes() -> None:
    document = "before\n<!-- bench:cpu -->\nold\n<!-- /bench -->\nafter\n"
    filled = fill(document, REPORT)
    assert filled == f"before\n<!-- bench:cpu -->\n{to_markdown(cpu_rows(REPORT))}\n<!-- /bench -->\nafter\n"
    assert fill(filled, REPORT) == filled


def test_a_document_cannot_ask_for_an_unknown_table() -> None:
    with pytest.raises(ValueError, match="no table is called speed; there are machine, cpu, memory, latency"):
        fill("<!-- bench:speed -->\n<!-- /bench -->", REPORT)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("  1000 requests in 2.00s, 3.00MB read\n", 0),
        ("  Non-2xx or 3xx responses: 12\n", 12),
        ("  Socket errors: connect 1, read 2, write 0, timeout 4\n  Non-2xx or 3xx responses: 12\n", 19),
    ],
)
def test_failures_of_wrk(said: str, expected: int) -> None:
    assert failures(said) == expected


def test_percentiles() -> None:
    assert percentiles_ms([number / 1000 for number in range(101)]) == pytest.approx((50.0, 99.0))


def test_a_recording_adds_up_by_function() -> None:
    lines = ["main (a.py:1);read (b.py:7) 3", "main (a.py:2);read (b.py:9) 1", "main (a.py:2) 6"]
    assert shares(lines) == [("main (a.py)", 0.6, 1.0), ("read (b.py)", 0.4, 0.4)]
