"""What of a client's may be repeated in a header: a short number or literal, and a plain name."""

from __future__ import annotations

import pytest

from proxy.policy.verdict import shown, shown_name


@pytest.mark.parametrize(
    "raw", ["0", "-1", "0.3", "1e-5", "-1.5E+10", "true", "false", "null", "1" * 24, "-" + "1" * 23]
)
def test_short_numbers_and_literals_are_shown(raw: str) -> None:
    assert shown(raw.encode()) == raw


@pytest.mark.parametrize(
    "raw",
    [
        '"0.3"', '"sk-secret"', "[1]", "{}", "1" * 25, "-" + "1" * 24, "", "true ", "1\r\nx: y", "1;2", "truefalse",
        "nan", '"é"', "é",
    ],
)  # fmt: skip
def test_anything_else_is_a_question_mark(raw: str) -> None:
    assert shown(raw.encode()) == "?"


@pytest.mark.parametrize("name", ["temperature", "x-tag", "a.b_C-9", "x" * 64])
def test_plain_names_are_shown(name: str) -> None:
    assert shown_name(name) == name


@pytest.mark.parametrize("name", ["", "a b", "a;b", "a=b", "é", "a\r\n", "x" * 65, "a\n"])
def test_other_names_are_a_question_mark(name: str) -> None:
    assert shown_name(name) == "?"
