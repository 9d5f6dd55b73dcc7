"""What waits to be kept: only what is wanted, in its order, the oldest giving way to newer ones, and counted."""

from __future__ import annotations

from collections import deque

import pytest

from proxy.contract.answer import Answer
from proxy.scorer import keeping
from proxy.scorer.bodies import Keep, Kept
from proxy.scorer.keeping import Keeping

ANSWER = Answer(content="Reeds.", reasoning="")


def keeps(wanted: Keep, *numbers: int) -> Keeping:
    kept = Keeping()
    kept.wanted = wanted
    for number in numbers:
        add(kept, number)
    return kept


def add(kept: Keeping, number: int, why: tuple[str, ...] = ("empty-answer",), request: bytes = b"{}") -> None:
    kept.add(number, f"req-{number}", 100.0, "engine", "thinking", why, request, [ANSWER, None])


def numbers(taken: deque[Kept]) -> list[int]:
    return [each.number for each in taken]


@pytest.mark.parametrize(
    ("wanted", "why", "kept"),
    [(Keep.OFF, ("x",), 0), (Keep.DISAGREEMENTS, (), 0), (Keep.DISAGREEMENTS, ("x",), 1), (Keep.ALL, (), 1)],
)
def test_only_what_is_wanted_waits(wanted: Keep, why: tuple[str, ...], kept: int) -> None:
    waiting = keeps(wanted)
    add(waiting, 1, why)
    assert len(waiting) == kept


def test_what_is_put_back_is_older_than_what_came_since() -> None:
    waiting = keeps(Keep.ALL, 1, 2, 3)
    taken = waiting.take()
    assert len(waiting) == 0
    assert taken.popleft().number == 1
    add(waiting, 4)
    waiting.put_back(taken)
    assert numbers(waiting.take()) == [2, 3, 4]


def test_the_oldest_give_way_also_to_what_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MOST", 3)
    waiting = keeps(Keep.ALL, 1, 2, 3)
    taken = waiting.take()
    for number in (4, 5):
        add(waiting, number)
    waiting.put_back(taken)
    assert waiting.given_up == 2
    assert numbers(waiting.take()) == [3, 4, 5]


def test_texts_are_bounded_and_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MOST_CHARACTERS", 100)
    waiting = keeps(Keep.ALL)
    for _ in range(3):  # what was taken before no longer counts
        for number in (1, 2, 3):
            add(waiting, number, request=b"x" * 30)  # 36 with its answer
        waiting.put_back(waiting.take())
        assert numbers(waiting.take()) == [2, 3]
    assert waiting.given_up == 3


def test_nothing_is_put_back_that_is_no_longer_wanted() -> None:
    waiting = keeps(Keep.ALL, 1, 2)
    taken = waiting.take()
    waiting.wanted = Keep.OFF
    waiting.put_back(taken)
    assert (len(waiting), waiting.given_up) == (0, 0)
