"""The form of tool calls: their ids and, in a stream, their indexes.

K2 was trained on ids `functions.NAME:COUNT`; other ids in the history poison later turns (vLLM blog 2025-10-28,
kimchi#1063: 1 of 10 calls right, 12 of 12 after rewriting). Not here: names and arguments. Invariant: only answers with
tool calls are judged.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.contract.answer import Flaw
from proxy.signals.features import Read
from proxy.signals.signal import CONTRACT_TOLERANCE, Group, Rate

_ID: Final = re.compile(r"functions\.[\w.-]+:(\d+)")


def _other_form(read: Read) -> bool | None:
    if not read.tool_calls or not read.whole:
        return None
    found = [_ID.fullmatch(call.id or "") for call in read.tool_calls]
    return len({match[1] for match in found if match}) != len(found)


def _index_missing(read: Read) -> bool | None:
    return Flaw.INDEX_MISSING in read.flaws if read.stream and read.tool_calls and read.whole else None


TOOL_ID_FORM = Rate(
    name="tool-id-form",
    violated=_other_form,
    unit="share of answers with calls",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="ids not of the form functions.NAME:COUNT, or with one count twice",
    source="vLLM blog 2025-10-28; kimchi#1063, vllm#50782, #46344, mlx-lm#821",
)
TOOL_INDEX_MISSING = Rate(
    name="tool-index-missing",
    violated=_index_missing,
    unit="share of streams with calls",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="streamed calls without an index: clients merge parallel ones",
    source="K2-Vendor-Verifier tool_calls_eval.py",
)
