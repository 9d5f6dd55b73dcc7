"""Writes the dashboards to dashboards/grafana. Nothing else is decided here.

Invariant: what is written ends with one newline and is the same on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dashboards.generator import BOARDS

FOLDER: Final = Path(__file__).parent.parent / "grafana"


def files() -> Iterator[tuple[Path, str]]:
    """Each file and its text."""
    for board in BOARDS:
        yield FOLDER / f"{board.name}.json", json.dumps(board.json(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for file, text in files():
        file.write_text(text, encoding="utf-8")
        print(file.relative_to(FOLDER.parent.parent))


if __name__ == "__main__":
    main()
