"""What scheduled probes say: one signal for each layer of a vendor's stack that they test.

They are requests of our own, so no answer to a client is read here and nothing of the traffic moves them. Not here: the
probes and what they find (probes/). Invariant: the names are those of the layers with "probe-" before them.
"""

from __future__ import annotations

from typing import Final

from proxy.signals.signal import Group, Probed

_TOLERANCE: Final = 0.02
"""A probe judges one drawn answer, and an honest model thinks past a limit now and then."""
_FINDS: Final = {
    "parameters": "lawful requests that are refused",
    "template": "a mode switch that does nothing, a prompt that is not the messages",
    "reasoning": "reasoning that is missing, or in the content",
    "tools": "tool calls that are not made, or without their form",
    "accounting": "usage that is missing or cannot be true",
    "limits": "token limits that are not obeyed",
}

PROBED: Final = tuple(
    Probed(
        name=f"probe-{layer}",
        unit="share of probes",
        group=Group.CONTRACT,
        tolerance=_TOLERANCE,
        finds=finds,
        source="Kimi-Vendor-Verifier, what it asserts of a host (docs/verify.md)",
    )
    for layer, finds in _FINDS.items()
)
"""Only while probes are switched on do they take a part of the budget."""
