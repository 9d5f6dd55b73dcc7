"""What several fuzz tests need."""

from __future__ import annotations

import os

import pytest

from tests.fuzz.readers import NODE


@pytest.fixture
def needs_node() -> None:
    """Node is one of the readers: without it CI fails, and others are told what was left out."""
    if NODE is None:
        if os.environ.get("CI") == "true":
            pytest.fail("node is not installed, and CI must run every reader")
        pytest.skip("node is not installed: the reader JSON.parse is left out")
