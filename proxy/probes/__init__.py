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
    "temperature-unlawful",
    "top-p-unlawful",
    "prompt-nothing-added",
    "system-prompt-kept",
    "prompt-constant",
    "null-content",
    "usage-within-limit",
    "limit-obeyed",
    "reasoning-history-lawful",
)
"""Ids of those that cost a few hundred tokens at most in each mode: what may be asked all day long."""
