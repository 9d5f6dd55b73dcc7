"""cases/*.yaml: a configuration, its surroundings, and everything that is said about it, word for word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.config.load import ConfigError
from tests.config.loading import loaded

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_problem_is_reported_in_these_words(path: Path) -> None:
    case: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    with pytest.raises(ConfigError) as raised:
        loaded(case.get("file"), case.get("environ"), case.get("files"), flags=case.get("flags"))
    assert str(raised.value) == case["error"].rstrip("\n")
    assert "canary" not in str(raised.value)


def test_cases_are_found() -> None:
    assert len(CASES) > 20
