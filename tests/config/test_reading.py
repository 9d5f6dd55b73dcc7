"""Whatever a file holds, the answer is a configuration or a list of problems; and the schema documents itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.document import SECTIONS
from proxy.config.kinds import kind_of
from proxy.config.load import ConfigError
from proxy.config.reference import reference, renewed
from proxy.config.refusal import choose, closest
from proxy.config.section import Section
from proxy.config.tree import Place, Text, read_tree
from proxy.policy.document import Problem
from tests.config.loading import loaded

NAMES = sorted({name for _, section in SECTIONS for name in section.model_fields})
SCALARS = st.sampled_from(
    ["", "1", "true", "10s", "64KiB", "x", "https://a.example/v1", "127.0.0.1:1", "${X}", "${", "none", "held", "'\"'"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from([*NAMES, "nme"]), inner, max_size=4).map(
            lambda entries: "{" + ", ".join(f"{name}: {value}" for name, value in entries.items()) + "}"
        ),
    ),
    max_leaves=12,
)
FILES = st.dictionaries(st.sampled_from([*NAMES, "nme"]), VALUES, max_size=8).map(
    lambda entries: "".join(f"{name}: {value}\n" for name, value in entries.items())
)


@settings(deadline=None)
@given(st.one_of(FILES, st.text(max_size=100)))
def test_any_file_gives_a_configuration_or_problems(text: str) -> None:
    problems = _problems(text)
    assert all(problem.message and problem.hint for problem in problems)
    lines = len(re.split("[\n\r\x85\u2028\u2029]", text))  # YAML 1.1, section 4.2: line breaks
    assert all(1 <= (problem.line or 1) <= lines for problem in problems)


def _problems(text: str) -> tuple[Problem, ...]:
    try:
        loaded(text)
    except ConfigError as error:
        return error.problems
    return ()


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["a", "b"]), st.text(st.characters(codec="ascii", min_codepoint=32), max_size=20))
)
def test_a_variables_value_is_the_text_and_never_shown(environ: dict[str, str]) -> None:
    problems: list[Problem] = []
    tree, _ = read_tree("x: '${a}-${b:-c}'\n", Place("f"), environ, problems)
    text = tree["x"]
    assert isinstance(text, Text)
    if environ.get("a"):
        assert text == f"{environ['a']}-{environ.get('b') or 'c'}"
        assert text.shown == "the value"
        assert not problems
    else:
        assert text.unreadable
        assert [problem.line for problem in problems] == [1]


def test_a_long_value_is_shown_in_part() -> None:
    assert Text("x" * 100).shown == f'"{"x" * 60}…"'


@pytest.mark.parametrize(
    ("word", "meant"), [("api-key-env", "api_key_env"), ("API_KEY_ENV", "api_key_env"), ("apikey_env", "api_key_env")]
)
def test_the_closest_name(word: str, meant: str) -> None:
    assert closest(word, NAMES) == meant
    assert choose(word, NAMES) == f"did you mean {meant}?"


@pytest.mark.parametrize(("path", "section"), SECTIONS, ids=str)
def test_every_setting_says_what_it_is(path: str, section: type[Section]) -> None:
    assert section.__doc__
    sections = [name for name, _ in SECTIONS]
    for name, field in section.model_fields.items():
        assert field.description, name
        assert kind_of(field) or f"{path}.{name}".lstrip(".") in sections, name
        assert f"| `{name}` |" in reference()


PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_reference_is_fresh() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == renewed(page), "run: .venv/bin/python -m proxy.config.reference docs/configuration.md"


def test_a_page_without_a_place_for_the_reference_is_left_alone() -> None:
    with pytest.raises(ValueError, match="the page lacks"):
        renewed("text")
