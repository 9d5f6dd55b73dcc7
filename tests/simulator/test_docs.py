"""docs/simulator.md says what the simulator does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from proxy.simulator.faults.parse import parse_fault
from proxy.simulator.faults.table import BEGIN, END, with_tables
from proxy.simulator.options import Lengths, Pacing
from proxy.simulator.routes import ROUTES
from proxy.simulator.shapes import SHAPES
from proxy.simulator.toxics import TOXICS
from proxy.simulator.toxics import table as toxics_table
from proxy.simulator.toxics.parse import example, parse_toxic

PAGE: Final = Path(__file__).parents[2] / "docs" / "simulator.md"
TEXT: Final = PAGE.read_text(encoding="utf-8")


def test_tables_are_fresh() -> None:
    assert with_tables(TEXT) == TEXT, "hint: python -m proxy.simulator.faults.table docs/simulator.md"


def test_a_page_without_marks_is_refused() -> None:
    for page in ("", BEGIN, END, END + BEGIN):
        with pytest.raises(ValueError, match="hint:"):
            with_tables(page)


def test_table_of_toxics_is_fresh() -> None:
    assert toxics_table.with_table(TEXT) == TEXT, "hint: python -m proxy.simulator.toxics.table docs/simulator.md"


def test_every_toxic_in_an_example_can_be_read() -> None:
    examples = re.findall(r"--toxic ([a-z][^\s`]+)", TEXT) + re.findall(r'parse_toxics\("([^"]+)"\)', TEXT)
    examples += [example(toxic) for toxic in TOXICS]
    assert len(examples) >= 12
    for each in examples:
        parse_toxic(each)


def test_every_route_and_profile_is_named() -> None:
    for _, path in ROUTES:
        assert f"`{path}`" in TEXT or f" {path}`" in TEXT
    for shape in SHAPES:
        assert f"`{shape.name}`" in TEXT


def test_every_fault_in_an_example_can_be_read() -> None:
    examples = re.findall(r"--fault ([a-z][^\s]+)", TEXT) + re.findall(r'\{"faults": \["([^"]+)"\]\}', TEXT)
    assert len(examples) >= 2
    for each in examples:
        parse_fault(each)


def test_defaults_are_those_of_the_code() -> None:
    assert (
        f"median {Lengths().reasoning.median:g} tokens of reasoning and {Lengths().content.median:g} of content" in TEXT
    )
    assert f"median {Pacing().first_token_s.median:g} s" in TEXT
    assert f"{Pacing().per_thousand_prompt_tokens_s:g} s more" in TEXT
