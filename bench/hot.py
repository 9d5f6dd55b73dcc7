"""The costliest functions of a py-spy recording (`--format raw`), as text: `python -m bench.hot FILE`.

Here: adding up samples by function. Not here: recording. Invariant: `own` counts a sample once for the function that
ran, `total` once for every function on the stack, however often it stands there.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_ROWS: Final = 40


def shares(lines: Iterable[str]) -> list[tuple[str, float, float]]:
    """(function, own, total) with the last two as shares of all samples, the costliest own first.

    A line is a stack, frames joined by `;` from the outside in, a space and the number of samples.
    """
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    samples = 0
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = [re.sub(r":\d+\)$", ")", frame) for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        total.update(dict.fromkeys(frames, int(count)))
        samples += int(count)
    return [(name, own[name] / samples, total[name] / samples) for name, _ in own.most_common()]


def main() -> None:
    """Print the table."""
    print("  own  total  function")
    for name, own, total in shares(Path(sys.argv[1]).read_text().splitlines())[:_ROWS]:
        print(f"{own:5.1%}  {total:5.1%}  {name}")


if __name__ == "__main__":
    main()
