"""`paramwall replay --compare`: two recorded result files of K2-Vendor-Verifier, scored by its formulas and by ours.

Not here: the formulas (replay/figures.py), reading the files (replay/recorded.py). Invariant: nothing is sent.
"""

from __future__ import annotations

from pathlib import Path


def show_comparison(vendor: Path, reference: Path, *, json: bool) -> None:
    """Print the metrics of a pair of files."""
    raise NotImplementedError
