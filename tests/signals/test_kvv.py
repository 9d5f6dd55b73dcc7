"""The verifier's metrics, as its scripts compute them."""

from __future__ import annotations

import pytest

from proxy.contract.answer import Answer
from proxy.signals.kvv import Cell, cell, f1, schema_accuracy, tool_calls_valid, triggered
from tests.signals.answers import ASKED, CALLED, PLAIN, SAID, call, called, said


@pytest.mark.parametrize(
    ("answer", "valid"),
    [
        (CALLED, True),
        (called(call(), call("read_file", "{}", 1)), True),
        (called(call(), call(arguments="{", at=1)), False),
        (called(call(arguments="[]")), False),
        (called(call("undeclared", "{}")), False),
        (called(call(None)), False),
        (called(call("unknowable", "{}")), False),
        (called(finish_reason="stop"), None),
        (said(finish_reason="tool_calls"), None),
        (SAID, None),
        (said(finish_reason=None), None),
    ],
)
def test_validity(answer: Answer, valid: bool | None) -> None:
    assert tool_calls_valid(answer, ASKED) is valid


def test_a_call_where_nothing_is_declared_is_invalid() -> None:
    assert tool_calls_valid(CALLED, PLAIN) is False


@pytest.mark.parametrize(
    ("vendor", "reference", "expected"),
    [
        (CALLED, CALLED, Cell.TP),
        (called(call("read_file", "{}")), CALLED, Cell.TP),
        (said(finish_reason="tool_calls"), SAID, Cell.FP),
        (called(finish_reason="stop"), CALLED, Cell.FN),
        (said(finish_reason=None), CALLED, Cell.FN),
        (SAID, said(finish_reason="length"), Cell.TN),
    ],
)
def test_cells(vendor: Answer, reference: Answer, expected: Cell) -> None:
    assert cell(vendor, reference) is expected
    assert triggered(vendor) is (expected in (Cell.TP, Cell.FP))


@pytest.mark.parametrize(
    ("counts", "score"),
    [((0, 0, 0), 0.0), ((0, 5, 5), 0.0), ((5, 0, 0), 1.0), ((6, 2, 4), 2 * 0.75 * 0.6 / 1.35), ((1, 1, 0), 2 / 3)],
)
def test_f1(counts: tuple[int, int, int], score: float) -> None:
    assert f1(*counts) == pytest.approx(score)


def test_published_schema_accuracies() -> None:
    # K2-Vendor-Verifier README of 2025-11-15: vLLM and InfiniAI on K2-Thinking.
    assert schema_accuracy(1856, 2128) == pytest.approx(0.8722, abs=5e-5)
    assert schema_accuracy(1825, 1827) == pytest.approx(0.9989, abs=5e-5)
    assert schema_accuracy(0, 0) is None
