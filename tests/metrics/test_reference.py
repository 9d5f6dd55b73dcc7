"""The page of metrics is fresh, and its prose names every value of the closed lists."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from proxy.drift.states import State
from proxy.endpoint.reply import REASONS
from proxy.metrics import scorer, shadow, supervisor, worker
from proxy.metrics.catalogue import catalogue
from proxy.metrics.reference import reference, renewed
from proxy.wire.routes import LABELS

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_reference_is_fresh() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == renewed(page), "run: .venv/bin/python -m proxy.metrics.reference docs/metrics.md"


def test_a_page_without_a_place_for_it_is_left_alone() -> None:
    with pytest.raises(ValueError, match="lacks"):
        renewed("# Metrics")


def test_every_family_is_in_it_once() -> None:
    names = [entry.name for entry in catalogue()]
    assert len(names) == len(set(names))
    text = reference()
    for name in names:
        assert text.count(f"| `{name}` |") == 1


def test_every_value_of_the_closed_lists_is_named() -> None:
    prose = PAGE.read_text(encoding="utf-8").partition("## Reference")[0]
    closed = chain(
        LABELS, worker.OUTCOMES, worker.UPSTREAM_OUTCOMES, worker.ACTIONS, worker.TOKEN_TYPES, worker.CONNECTION_EVENTS,
        scorer.STATES, scorer.CELLS, supervisor.RESTART_REASONS, supervisor.ROLES, REASONS,
    )  # fmt: skip
    missing = [value for value in closed if f"`{value}`" not in prose]
    assert not missing
    assert tuple(scorer.STATES) == tuple(State)
    assert shadow.SELECTED


def test_every_label_is_explained() -> None:
    prose = PAGE.read_text(encoding="utf-8").partition("## Reference")[0]
    first = [line.split("|")[1] for line in prose.splitlines() if line.startswith("| ")]
    named = {word.strip(",") for cell in first for word in cell.split()}
    assert {label for entry in catalogue() for label in entry.labels} <= named
