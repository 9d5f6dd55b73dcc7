"""docs/policies.md and docs/vendors.md say what the shipped data say."""

from __future__ import annotations

import re

import pytest

from proxy.contract.mode import SWITCHES
from tests.policy.reference import BLOCKS, filled
from tests.policy.shipped import ROOT


@pytest.mark.parametrize("name", BLOCKS)
def test_what_is_made_from_data_is_fresh(name: str) -> None:
    text = (ROOT / name).read_text()
    assert set(re.findall(r"<!-- begin (\w+) -->", text)) == BLOCKS[name].keys()
    assert filled(text, BLOCKS[name]) == text, "hint: python -m tests.policy.reference"


def test_every_spelling_of_the_switch_is_documented() -> None:
    text = (ROOT / "docs/vendors.md").read_text()
    assert [path for path in map(".".join, SWITCHES) if f"`{path}`" not in text] == []


def test_an_unknown_mark_is_an_error() -> None:
    with pytest.raises(KeyError):
        filled("<!-- begin nonsense -->\n<!-- end nonsense -->", BLOCKS["docs/vendors.md"])
