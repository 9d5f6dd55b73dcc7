"""The open pairs: every mirrored exchange from its admission until it is folded, in the order of admission.

Not here: asking the reference and scoring. Invariants: pairs leave in the order in which they were admitted, however
long each took, since the time an answer takes says something about it; what is lost bears no evidence and leaves at
once; each leaves exactly once, scored or lost; none stays longer than its deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from proxy.contract.answer import Answer
from proxy.contract.asked import Asked
from proxy.drift.rows import Key, Value

MOST: Final = 50_000
"""Open pairs; beyond them nothing is admitted."""


@dataclass(slots=True, eq=False)
class Entry:
    """One mirrored exchange. `lost` is (side, reason) once it is known that there will be no pair. `second_due`: a
    second reference answer is still awaited; `tripled`: it came. `violated` are the rate signals that the vendor's
    answer violates. `values` are there once it is scored. `body` is what was asked, kept only for evidence.
    `line` is where the vendor's answer comes from, `calls` are those to the reference.
    """

    number: int
    id: str
    key: Key
    admitted_s: float
    asked: Asked
    reference_name: str = ""
    line: object = None
    calls: list[asyncio.Task[None]] = field(default_factory=list)
    body: bytes = field(default=b"", repr=False)
    kept_bytes: int = 0
    vendor: Answer | None = None
    reference: Answer | None = None
    second: Answer | None = None
    second_due: bool = False
    tripled: bool = False
    violated: tuple[str, ...] = ()
    lost: tuple[str, str] | None = None
    values: dict[str, Value] | None = None
    vendor_over: bool = False
    reference_over: bool = False

    @property
    def complete(self) -> bool:
        """Whether all answers that will come have come."""
        return self.vendor_over and self.reference_over and not self.second_due

    def forget_texts(self) -> None:
        """Let go of what nobody keeps."""
        self.vendor = self.reference = self.second = None
        self.body = b""


class Ledger:
    """Entries by number and by request id. `deadline_s` is on the clock of `admitted_s`."""

    def __init__(self, deadline_s: float, first_number: int) -> None:
        self.deadline_s = deadline_s
        self._next_number = first_number
        self._entries: dict[int, Entry] = {}
        self._by_id: dict[str, Entry] = {}
        self._lost: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def full(self) -> bool:
        """Whether there is no room for another one."""
        return len(self._entries) + len(self._lost) >= MOST

    def admit(self, request_id: str, key: Key, now_s: float, asked: Asked, reference_name: str) -> Entry:
        """Give the next number."""
        entry = Entry(self._next_number, request_id, key, now_s, asked, reference_name)
        self._next_number += 1
        self._entries[entry.number] = self._by_id[request_id] = entry
        return entry

    def open(self) -> list[Entry]:
        """All that are open."""
        return list(self._entries.values())

    def find(self, request_id: str) -> Entry | None:
        """The open entry of a request; None when it has left already, or never was."""
        return self._by_id.get(request_id)

    def lose(self, entry: Entry, side: str, reason: str) -> None:
        """There will be no pair. The first reason stays."""
        if entry.lost is None and self._entries.pop(entry.number, None) is not None:
            entry.lost = (side, reason)
            entry.forget_texts()
            self._forget(entry)
            self._lost.append(entry)

    def lose_all(self, side: str, reason: str) -> None:
        """Nothing more will be awaited."""
        for entry in list(self._entries.values()):
            self.lose(entry, side, reason)

    def leaving(self, now_s: float) -> Iterator[Entry]:
        """Entries that are lost, and those whose turn has come."""
        while self._entries:
            entry = next(iter(self._entries.values()))
            if entry.complete:
                del self._entries[entry.number]
                self._forget(entry)
                yield entry
            elif now_s - entry.admitted_s > self.deadline_s:
                self.lose(entry, "proxy", "expired")
            else:
                break
        lost, self._lost = self._lost, []
        yield from lost

    def _forget(self, entry: Entry) -> None:
        if self._by_id.get(entry.id) is entry:
            del self._by_id[entry.id]
