"""Content in a script nobody wrote in.

Not here: which letters belong to which script (contract/scripts.py). Invariant: judged only where the request's scripts
are known, that is, for pairs.
"""

from __future__ import annotations

from typing import Final

from proxy.contract.scripts import script_shares
from proxy.signals.features import Read
from proxy.signals.signal import PAIR_TOLERANCE, Group, Swap

MOST_CHARACTERS: Final = 4096
"""Of the content's beginning and as many of its end: what corrupts sampling does not stop again."""
LETTERS: Final = 0.05


def _mismatch(read: Read) -> bool | None:
    asked = read.asked.scripts
    if asked is None or not read.ended:
        return None
    content = read.content or ""
    if len(content) > 2 * MOST_CHARACTERS:
        content = content[:MOST_CHARACTERS] + content[-MOST_CHARACTERS:]
    return any(share > LETTERS and script not in asked for script, share in script_shares(content).items())


SCRIPT_MISMATCH = Swap(
    name="script-mismatch",
    has=_mismatch,
    unit="difference of shares",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="gibberish and the wrong language: more than 5 % of letters in a script absent from the request",
    source="reports on INT4 variants",
)
