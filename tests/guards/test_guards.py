"""The guards are reached whole by their own tests (long), and the faults put into them are faults."""

from __future__ import annotations

import pytest
import yaml

from tests.guards.covered import by_tests, measured
from tests.guards.mutants import EQUIVALENT, MUTATED
from tests.guards.operators import mutants
from tests.guards.own import OWN, ROOT

SOURCE = '''
"""Documented."""
__all__ = ["judged"]
LIMIT: int = 5
Alias: TypeAlias = int | str


def judged(number: int = 3) -> bool:
    """Documented too."""
    if number > LIMIT and not skip(number):
        raise ValueError("no")
    note(number)
    if number == 9:
        return False
    return number == 7
'''
FAULTS = {
    ("", "5 -> 6"), ("", "5 -> 4"),
    ("judged", "if number > LIMIT and (not skip(number)): -> if not (number > LIMIT and (not skip(number))):"),
    ("judged", "number > LIMIT and (not skip(number)) -> number > LIMIT or not skip(number)"),
    ("judged", "number > LIMIT and (not skip(number)) -> number > LIMIT"),
    ("judged", "number > LIMIT and (not skip(number)) -> not skip(number)"),
    ("judged", "number > LIMIT -> number >= LIMIT"),
    ("judged", "not skip(number) -> skip(number)"),
    ("judged", "raise ValueError('no') -> pass"), ("judged", "'no' -> 'no~'"),
    ("judged", "note(number) -> pass"),
    ("judged", "number == 9 -> number != 9"), ("judged", "9 -> 10"), ("judged", "9 -> 8"), ("judged", "False -> True"),
    ("judged", "return number == 7 -> return None"), ("judged", "number == 7 -> number != 7"),
    ("judged", "7 -> 8"), ("judged", "7 -> 6"),
}  # fmt: skip


def test_the_faults_of_a_module() -> None:
    found = list(mutants(SOURCE, "source.py"))
    assert {(mutant.where, f"{mutant.was} -> {mutant.now}") for mutant in found} == FAULTS
    assert len(found) == len(FAULTS)


def test_a_mutant_does_what_it_says() -> None:
    (mutant,) = [mutant for mutant in mutants("def one():\n    return 1\n", "x.py") if mutant.now == "2"]
    names: dict[str, object] = {}
    exec(mutant.code, names)
    assert names["one"]() == 2  # type: ignore[operator]


def test_what_is_listed_as_equivalent_is_a_mutant_and_has_a_reason() -> None:
    listed = yaml.safe_load(EQUIVALENT.read_text()) or {}
    assert listed.keys() <= set(MUTATED)
    for module, entries in listed.items():
        made = {(m.where, m.was, m.now) for m in mutants((ROOT / module).read_text(), module)}
        for entry in entries:
            assert (entry["where"], entry["was"], entry["now"]) in made, entry
            assert entry["why"]


def test_every_guard_and_its_tests_are_there() -> None:
    for module, tests in OWN.items():
        assert (ROOT / module).is_file()
        assert all((ROOT / test).exists() for test in tests if test.startswith("tests/"))


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("tests", by_tests(), ids=" ".join)
def test_a_guard_s_own_tests_reach_all_of_it(tests: tuple[str, ...]) -> None:
    missed = {reached.module: reached.missed for reached in measured(tests, by_tests()[tests]) if reached.missed}
    assert not missed
