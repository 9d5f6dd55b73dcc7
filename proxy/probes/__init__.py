"""What a vendor is asked in order to be tested, and what its answers say about it. Pure.

PROBES is all of them, layer by layer from the outside inwards; a new probe is one entry in its family's file. Not here:
asking (verify/, scorer/). Invariant: a probe that got no answer says nothing about the vendor: it is neither passed nor
failed.
"""

from __future__ import annotations

from typing import Final

from proxy.probes.accounting import ACCOUNTING
from proxy.probes.connection import CONNECTION
from proxy.probes.generation import GENERATION
from proxy.probes.limits import LIMITS
from proxy.probes.parameters import PARAMETERS
from proxy.probes.probe import Probe
from proxy.probes.reasoning import REASONING
from proxy.probes.schema import SCHEMA
from proxy.probes.template import TEMPLATE
from proxy.probes.tools import TOOL_CALLS

PROBES: Final[tuple[Probe, ...]] = (
    *CONNECTION,
    *PARAMETERS,
    *TEMPLATE,
    *REASONING,
    *TOOL_CALLS,
    *SCHEMA,
    *ACCOUNTING,
    *LIMITS,
    *GENERATION,
)

SCHEDULED: Final = (
    "prompt-nothing-added",
    "limit-obeyed",
    "mode-switch",
    "system-prompt-kept",
    "tool-called",
    "prompt-constant",
    "usage-within-limit",
    "reasoning-present",
    "null-content",
    "reasoning-history-lawful",
)
"""Ids of those that may be asked all day long, cheap ones and dearer ones by turns: one costs some 550 tokens on
average. None tests what an engine is not made to do, such as refusing a wrong value: it would fail for ever.
"""
