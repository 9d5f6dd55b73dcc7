"""Reply: how one call to an endpoint ended.

Not here: making the call (endpoint.py) and whether to make it again (retry.py). Invariant: either there is an answer,
or `reason` says why there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy.contract.answer import Answer, Flaw

REASONS: Final = (
    "rate_limited",
    "refused",
    "server_error",
    "unreachable",
    "timeout",
    "cut",
    "oversized",
    "defect",
)
"""Why a call gave no answer: 429; another 4xx or a redirect; 5xx; no connection, or one that broke before the answer;
too late; broken off; too long; a fault of ours."""
CANCELLED: Final = "cancelled"
"""A call that we broke off ourselves: nobody wants its answer any more. It was made, and may be billed."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`answer` is there with `reason` "", and with "cut" as far as it came. `status` 0: no head of an answer came.

    `error` is the body of a refusal, at most MAX_ERROR_BYTES of it, without our key. `retry_after_s` is what
    the endpoint asked for. Times are seconds since the request was begun; None: it never came to that.
    """

    answer: Answer | None = None
    reason: str = ""
    status: int = 0
    error: bytes = b""
    retry_after_s: float | None = None
    first_byte_s: float | None = None
    first_token_s: float | None = None
    end_s: float | None = None

    @property
    def whole(self) -> Answer | None:
        """The answer, where all of it came."""
        answer = self.answer
        return None if answer is None or self.reason or Flaw.CUT in answer.flaws else answer
