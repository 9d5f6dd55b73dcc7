"""JSON schemas of clients as judges of values: compiled when the first value comes, and the latest of them kept.

A compiled schema takes a hundred times the bytes of its text, and most tools that a request declares are never called.
Not here: what a schema may cost (schema_cost.py), and whose it is (asking.py). Invariants: nothing here raises on any
bytes or value; no schema makes anything be fetched, or takes longer or more room than schema_cost.py allows; all that
are kept take at most ROOM_BYTES.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeAlias

import jsonschema_rs
import msgspec

from proxy.contract.schema_cost import MAX_BYTES, MAX_DEPTH, Cost, cost_of, size_of

Judge: TypeAlias = Callable[[object], bool]
ROOM_BYTES: Final = 64 * 1024 * 1024
"""For compiled schemas, by the estimate of schema_cost.py: those of a few hundred tools of usual size."""
_LEAST_ROOM: Final = 1024
"""For one that is remembered as no schema."""
_LINEAR: Final = jsonschema_rs.RegexOptions(size_limit=64 * 1024)
"""Patterns without backtracking; one of this size may take 10 microseconds a character."""
_decode: Final = msgspec.json.Decoder().decode


class Schemas:
    """Compiled schemas by their text; `room` is what they take by estimate, in bytes."""

    def __init__(self) -> None:
        self.room = 0
        self._known: dict[bytes, tuple[Judge | None, int]] = {}

    def judge(self, text: bytes, value: object) -> bool | None:
        """Whether the schema accepts a parsed value. None: the text is no schema with anything in it, or none to judge
        by in bounded time and room. A value that would take too long is accepted.
        """
        if len(text) > MAX_BYTES:
            return None
        found = self._known.pop(text, None) or self._compiled(text)
        self._known[text] = found  # the latest asked for is the last
        judge, _ = found
        return None if judge is None else judge(value)

    def _compiled(self, text: bytes) -> tuple[Judge | None, int]:
        schema = _parsed(text)
        cost = cost_of(schema) if isinstance(schema, dict) and schema else None
        judge = None if cost is None else _compile(schema, cost)
        room = len(text) + (_LEAST_ROOM if cost is None or judge is None else cost.room)
        self.room += room
        while self.room > ROOM_BYTES:
            _, dropped = self._known.pop(next(iter(self._known)))
            self.room -= dropped
        return judge, room


def _compile(schema: dict[str, Any], cost: Cost) -> Judge | None:
    """Draft 2020-12 unless the schema says another; None: it is none, or refers elsewhere. `format` is not judged, and
    a pattern that needs backtracking or much room makes it no schema.
    """
    try:
        validator = jsonschema_rs.validator_for(
            schema, retriever=_refuse, pattern_options=_LINEAR, validate_formats=False
        )
    except Exception:  # whatever the library raises, the schema or the value is none it can judge
        return None

    def accepts(value: object) -> bool:
        depth, values, characters = size_of(value)
        if depth > MAX_DEPTH:
            return False
        if not cost.affords(depth, values, characters):
            return True
        try:
            return bool(validator.is_valid(value))
        except Exception:  # whatever the library raises, the schema or the value is none it can judge
            return False

    return accepts


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"a schema refers to {uri}, which is not fetched")


def _parsed(text: bytes) -> Any:  # noqa: ANN401  (JSON as it came)
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


SCHEMAS: Final = Schemas()
"""Of this process: a schema means the same to whoever asks."""
