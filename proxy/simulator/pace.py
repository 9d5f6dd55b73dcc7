"""How long the host waits before the first token and between tokens.

Here: draws from the lognormal distributions of options.Pacing. Not here: the waiting itself (transmit.py). Invariant:
an instant pace is all zeros and draws nothing, so it changes no other draw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from proxy.simulator.options import Lognormal, Pacing


@dataclass(frozen=True, slots=True)
class Pace:
    """A pacing with its speed; None: instant."""

    pacing: Pacing | None
    speed: float = 1.0

    def first_token_s(self, prompt_tokens: int, draw: Random) -> float:
        """Seconds until the first token of a prompt of that length."""
        if self.pacing is None:
            return 0.0
        prefill = self.pacing.per_thousand_prompt_tokens_s * prompt_tokens / 1000
        return (_drawn(self.pacing.first_token_s, draw) + prefill) / self.speed

    def gap_s(self, draw: Random) -> float:
        """Seconds between two tokens."""
        return _drawn(self.pacing.gap_s, draw) / self.speed if self.pacing is not None else 0.0


INSTANT = Pace(None)


def _drawn(distribution: Lognormal, draw: Random) -> float:
    return distribution.median * math.exp(distribution.sigma * draw.gauss())
