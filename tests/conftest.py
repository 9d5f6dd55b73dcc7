"""What every test is subject to. Not here: fixtures, which stand beside the tests that need them."""

from __future__ import annotations

from tests.canary_sweep import pytest_configure, pytest_unconfigure

__all__ = ["pytest_configure", "pytest_unconfigure"]
