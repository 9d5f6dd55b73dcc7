"""Whatever the threat model says stops a threat is there, and so is the test that shows it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.source import ROOT, none_of

MODEL = ROOT / "docs/threat-model.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")
PLACE = re.compile(r"`((?:proxy|tests)/[\w./]+)`")


def threats(text: str) -> Iterator[list[str]]:
    """The cells of every row that names a threat."""
    for table in re.split(r"^\| threat \|.*\n\|[-|]+\n", text, flags=re.MULTILINE)[1:]:
        for line in table.partition("\n\n")[0].splitlines():
            yield [cell.strip() for cell in line.strip().strip("|").split(" | ")]


@cache
def names_of(file: str) -> frozenset[str]:
    """`name` and `Class::name` of every test of a file; none when there is no such file."""
    if not (ROOT / file).is_file():
        return frozenset()
    found = set()
    for node in ast.parse((ROOT / file).read_text()).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        names = (each.name for each in inside if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
        found |= {prefix + name for name in names if name.startswith("test_")}
    return frozenset(found)


def unproven(text: str) -> list[str]:
    """Threats that name a test which is not there, or none though something stops them."""
    wrong = []
    for threat, _, stops, shown, *_ in threats(text):
        named = TEST.findall(shown)
        if not named and stops != "nothing here":
            wrong.append(f"{threat}: no test")
        wrong += [f"{threat}: {file}::{name}" for file, name in named if name not in names_of(file)]
    return wrong


def test_every_threat_that_something_stops_names_a_test_that_exists() -> None:
    text = MODEL.read_text()
    assert len(list(threats(text))) > 30
    none_of(unproven(text), "no such test")


def test_every_place_exists() -> None:
    none_of((place for place in PLACE.findall(MODEL.read_text()) if not (ROOT / place).exists()), "no such place")


@pytest.mark.parametrize(
    "row",
    [
        "| a | b | c | `tests/test_threat_model.py::test_of_nothing` | d |",
        "| a | b | c | `tests/test_of_nothing.py::test_a` | d |",
        "| a | b | c | everybody knows | d |",
    ],
)
def test_the_search_finds_what_it_is_for(row: str) -> None:
    assert unproven(f"| threat | x |\n|---|---|\n{row}\n")
