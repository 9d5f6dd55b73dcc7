"""`paramwall replay --compare`: two recorded result files of K2-Vendor-Verifier, scored by its formulas and by ours.

Not here: the formulas (replay/figures.py), reading the files (replay/recorded.py). Invariant: nothing is sent.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

import msgspec

from proxy.cli.replay_print import figure_shown, show_flaws
from proxy.cli.terminal import answer, answer_json, answer_table, note, refuse
from proxy.replay.dataset import UnusableDataset
from proxy.replay.figures import AGREEMENT, KVV
from proxy.replay.recorded import Comparison, Recorded, compare, read_results

_COUNTS: Final = (
    "success_count",
    "failure_count",
    "finish_stop",
    "finish_tool_calls",
    "finish_others",
    "schema_validation_error_count",
    "count_successful_tool_call",
)


def show_comparison(vendor: Path, reference: Path, *, json: bool) -> None:
    """Print the metrics of a pair of files."""
    found = compare(_read(vendor), _read(reference), random.Random(0))  # noqa: S311  (a bootstrap's dice)
    if json:
        answer_json(msgspec.to_builtins(found))
        return
    rows = [(name, figure_shown(getattr(found.kvv, name)), str(getattr(found.kvv, name).n)) for name in KVV]
    rows += [
        (name, figure_shown(getattr(found.agreement, name)), str(getattr(found.agreement, name).n))
        for name in AGREEMENT
    ]
    answer_table(("metric", "value and 95 % bounds", "values"), rows)
    answer("")
    counts = [(name, str(getattr(found.kvv.counts, name)), str(getattr(found.reference, name))) for name in _COUNTS]
    answer_table(("count", "vendor", "reference"), counts)
    _tell_missing(found)


def _tell_missing(found: Comparison) -> None:
    if found.only_vendor or found.only_reference:
        note(
            f"{found.pairs} rows are in both files; {found.only_vendor} only in the vendor's and"
            f" {found.only_reference} only in the reference's are in no comparison"
        )


def _read(path: Path) -> Recorded:
    try:
        return read_results(path)
    except UnusableDataset as error:
        show_flaws(path, error)
        refuse(str(error), error.hint)
