"""Whether the content keeps to `response_format`.

Not here: tool arguments. Invariant: only an answer in words that ended by itself is judged.
"""

from __future__ import annotations

from proxy.signals.features import Read
from proxy.signals.signal import PAIR_TOLERANCE, Group, Rate, Swap


def _bad(read: Read) -> bool | None:
    return read.format_bad


JSON_FORMAT = Rate(
    name="json-format",
    violated=_bad,
    unit="share of answers in JSON",
    group=Group.TOOLS,
    tolerance=0.002,
    finds="content that is not JSON or off the asked schema: no constrained decoding",
    source="vllm#51660; Kimi-Vendor-Verifier tests/k3_features",
)
JSON_FORMAT_PAIR = Swap(
    name="json-format-pair",
    has=_bad,
    unit="difference of shares",
    group=Group.TOOLS,
    tolerance=PAIR_TOLERANCE,
    finds="more of them than the reference gives",
    source="Kimi-Vendor-Verifier tests/k3_features",
)
