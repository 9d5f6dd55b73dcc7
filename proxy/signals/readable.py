"""Whether the body is a chat completion at all.

Not here: what it says. Invariant: an answer of which a part is missing is not called unreadable, since the cut explains
it, nor one whose error says why there is no more; an error is one even in a part.
"""

from __future__ import annotations

from proxy.contract.answer import Flaw
from proxy.signals.features import MALFORMED, Read
from proxy.signals.signal import CONTRACT_TOLERANCE, Group, Rate


def _unreadable(read: Read) -> bool | None:
    if not read.whole or Flaw.ERROR_INSIDE in read.flaws:
        return None
    return not MALFORMED.isdisjoint(read.flaws)


def _error_inside(read: Read) -> bool:
    return Flaw.ERROR_INSIDE in read.flaws


UNREADABLE_ANSWER = Rate(
    name="unreadable-answer",
    violated=_unreadable,
    unit="share of answers",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="status 200 with an empty body, with what is not JSON, without choices or with members of other types",
    source="Fireworks blog on Kimi K2.5; reports on gateways",
)
ERROR_INSIDE = Rate(
    name="error-inside-200",
    violated=_error_inside,
    unit="share of answers",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="an error object under status 200 or within the stream",
    source="reports on gateways",
)
