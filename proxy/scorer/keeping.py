"""What is to be kept as evidence until it is written: bounded, and only what is wanted.

Not here: redaction and the file (bodies.py), and when it is written (journal.py). Invariant: what waits, also what was
taken and could not be written, is at most MOST exchanges and MOST_CHARACTERS of text; the oldest give way, and how many
did is counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from proxy.contract.answer import Answer
from proxy.scorer.bodies import Keep, Kept

MOST: Final = 1000
MOST_CHARACTERS: Final = 64 * 1024 * 1024


class Keeping:
    """Exchanges that wait. `wanted` is `evidence.bodies` of the configuration."""

    def __init__(self) -> None:
        self.wanted = Keep.OFF
        self.given_up = 0
        self._waiting: deque[Kept] = deque()
        self._characters = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def add(
        self,
        number: int,
        request_id: str,
        at_s: float,
        vendor: str,
        mode: str,
        why: Sequence[str],
        request: bytes,
        answers: Sequence[Answer | None],
    ) -> None:
        """One exchange, if such are wanted; the answers as Kept has them."""
        if self.wanted is Keep.OFF or (self.wanted is Keep.DISAGREEMENTS and not why):
            return
        vendors, *others = [None if answer is None else _plain(answer) for answer in answers]
        first, second = (*others, None, None)[:2]
        kept = Kept(number, request_id, at_s, vendor, mode, tuple(why), request, vendors, first, second)
        self._waiting.append(kept)
        self._characters += _size(kept)
        self._give_way()

    def take(self) -> deque[Kept]:
        """All that waits, the oldest first; it is the taker's, who can let go of each when it is written."""
        taken, self._waiting, self._characters = self._waiting, deque(), 0
        return taken

    def put_back(self, unwritten: deque[Kept]) -> None:
        """What was taken and not written waits again, before what came since."""
        if self.wanted is Keep.OFF:
            return
        self._waiting.extendleft(reversed(unwritten))
        self._characters += sum(map(_size, unwritten))
        self._give_way()

    def _give_way(self) -> None:
        while len(self._waiting) > MOST or self._characters > MOST_CHARACTERS:
            self._characters -= _size(self._waiting.popleft())
            self.given_up += 1


def _plain(answer: Answer) -> Answer:
    """The answer alone, without what the signals hold beside it."""
    return Answer(*(getattr(answer, name) for name in Answer.__struct_fields__))


def _size(kept: Kept) -> int:
    answers = (kept.vendor_answer, kept.reference_answer, kept.second_answer)
    return len(kept.request) + sum(map(_characters, answers))


def _characters(answer: Answer | None) -> int:
    if answer is None:
        return 0
    calls = sum(len(call.name or "") + len(call.arguments) for call in answer.tool_calls)
    return len(answer.content or "") + len(answer.reasoning or "") + calls
