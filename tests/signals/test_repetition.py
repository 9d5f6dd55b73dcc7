"""When a text loops or runs on one character."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.signals.repetition import MOST_CHARACTERS, RUN, degenerate, has_run, repeated
from tests.source import ROOT

PROSE: Final = (ROOT / "docs/operations.md").read_text()[:8000]
PHRASE: Final = "The tide came over the field. "


@pytest.mark.parametrize(
    "text",
    [
        "!" * 50,
        PROSE + "!" * 50,
        "!" * 50 + PROSE,
        PROSE[:313] + "!" * 50 + PROSE,
        "。" * 50,
        "\x00" * 50,
        "-" * 400,
        " " * 400,
        PROSE[:1000] + PHRASE * 60,
        PHRASE * 200 + "\n",
        "河流花园窗户市场桥梁" * 40,
        "abcdefghij" * 100,
        PROSE[:700] * 3,
        PROSE * 30,
    ],
)
def test_degenerate(text: str) -> None:
    assert degenerate(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!" * 49,
        PROSE,
        PROSE[:700] * 2,
        PROSE[:2000] + PROSE[:1500],
        "# " + "-" * 100 + "\n" + PROSE,
        "=" * 120 + "\n" + PROSE + "\n" + "=" * 120,
        PROSE[:1000] + " " * 200 + PROSE[1000:],
        PHRASE * 3,
        Path(re.__file__).read_text(),
        "\n".join(
            f"| {number} | {number * 7919 % 10007} | {PROSE[number * 9 : number * 9 + 9]!r} |" for number in range(200)
        ),
    ],
)
def test_not_degenerate(text: str) -> None:
    assert not degenerate(text)


def test_a_long_text_is_judged_by_its_end() -> None:
    lines = "".join(f"{number * 7919 % 100003} " for number in range(MOST_CHARACTERS // 4))
    assert len(lines) > MOST_CHARACTERS
    assert not degenerate("!" * 400 + lines)
    assert degenerate(lines + "!" * 400)


LETTERS = st.text("ab", max_size=120)


@given(LETTERS, st.sampled_from("abc"), st.integers(0, 2 * RUN), LETTERS)
def test_a_run_is_found_wherever_it_stands(before: str, letter: str, length: int, after: str) -> None:
    text = before + letter * length + after
    assert has_run(text) == (re.search(rf"(.)\1{{{RUN - 1}}}", text) is not None)


@given(st.text())
def test_any_text_can_be_judged(text: str) -> None:
    degenerate(text * 40)
    assert 0 <= repeated(text * 40) <= 1


@pytest.mark.parametrize("text", ["!" * 10**7, PHRASE * 10**5, "河流花园窗户" * 10**6, "ab " * 10**6, " " * 10**7])
def test_the_longest_text_is_judged_at_once(text: str) -> None:
    started = time.process_time()
    assert degenerate(text)
    assert time.process_time() - started < 0.5
