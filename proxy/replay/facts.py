"""Facts: what the verifier's metrics need of one call, and of two calls side by side, as small counts.

Not here: shares, F1 and bounds (figures.py). Invariants: counts of different records add up; the verifier's own counts
follow its scripts to the letter, and ours beside them leave out what they overlook.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import orjson

from proxy.signals import SIGNALS, kvv
from proxy.signals.features import UNREADABLE, Read
from proxy.signals.signal import Group, Rate

_CONTRACTS: Final = frozenset(
    signal.name for signal in SIGNALS if isinstance(signal, Rate) and signal.group is Group.CONTRACT
)


class Facts(NamedTuple):
    """Of one call that ended. `finish` and `kvv_valid` are as the verifier sees them, None for a failure. The others
    are of whole answers only: `tools` and `arguments` what is called, in a fixed order; `lawful` whether no contract is
    broken.
    """

    whole: bool = False
    finish: str | None = None
    kvv_valid: bool | None = None
    calls: bool = False
    calls_valid: bool = False
    tools: tuple[str, ...] = ()
    arguments: tuple[bytes, ...] = ()
    lawful: bool = False

    @property
    def triggered(self) -> bool:
        """The verifier's trigger: by the finish reason alone."""
        return self.finish == "tool_calls"


FAILED: Final = Facts()


def facts_of(answer: Read, rates: dict[str, bool]) -> Facts:
    """Of a whole answer; `rates` is what its signals say."""
    calls = answer.tool_calls
    # A call of a tool that was declared without a schema is no fault of the vendor's.
    declared = all((call.name or "") in answer.asked.tools for call in calls)
    return Facts(
        whole=True,
        finish=answer.finish_reason,
        kvv_valid=kvv.tool_calls_valid(answer, answer.asked),
        calls=bool(calls),
        calls_valid=bool(calls) and declared and not answer.arguments_bad,
        tools=tuple(sorted(call.name or "" for call in calls)),
        arguments=tuple(sorted(_call(answer, at) for at in range(len(calls)))),
        lawful=not any(rates.get(name, False) for name in _CONTRACTS),
    )


def _call(answer: Read, at: int) -> bytes:
    """One call in a form in which equal calls are equal: neither the order of members nor white space counts."""
    call, value = answer.tool_calls[at], answer.arguments[at]
    arguments = call.arguments if value is UNREADABLE else value
    try:
        return orjson.dumps([call.name, arguments], option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a lone surrogate, or nested too deeply
        return ascii([call.name, call.arguments]).encode()


class Counts(NamedTuple):
    """Sums over calls and pairs of calls. The first four are the verifier's cells; the next four the same by the
    presence of calls in whole answers; then, among those where both call, the same tools, and with equal arguments.
    Then, of single answers: triggers and valid ones by the verifier; answers with calls, and valid ones; whole answers,
    and lawful ones.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0
    both: int = 0
    vendor_only: int = 0
    reference_only: int = 0
    neither: int = 0
    same_tools: int = 0
    same_arguments: int = 0
    triggers: int = 0
    valid_triggers: int = 0
    calling: int = 0
    valid_calling: int = 0
    whole: int = 0
    lawful: int = 0


NOTHING: Final = Counts()
_CELLS: Final = ((3, 2), (1, 0))
"""Places among the four cells, by [vendor][reference]."""


def counts_of(vendor: Facts, reference: Facts | None) -> Counts:
    """One call, beside the reference's; None: it was not asked, or its call has not ended."""
    counts = [0] * len(NOTHING)
    if reference is not None:
        counts[_CELLS[vendor.triggered][reference.triggered]] += 1
        if vendor.whole and reference.whole:
            counts[4 + _CELLS[vendor.calls][reference.calls]] += 1
            if vendor.calls and reference.calls:
                counts[8] += vendor.tools == reference.tools
                counts[9] += vendor.arguments == reference.arguments
    counts[10] += vendor.triggered
    counts[11] += vendor.triggered and vendor.kvv_valid is True
    counts[12] += vendor.calls
    counts[13] += vendor.calls_valid
    counts[14] += vendor.whole
    counts[15] += vendor.lawful
    return Counts(*counts)


def added(one: Counts, other: Counts) -> Counts:
    """Their sum."""
    return Counts(*map(int.__add__, one, other))
