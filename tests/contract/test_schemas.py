"""Compiled schemas are kept while there is room, the latest of them, and a schema means the same each time."""

from __future__ import annotations

import msgspec
import pytest

from proxy.contract.schema_cost import MAX_BYTES, MAX_ROOM
from proxy.contract.schemas import ROOM_BYTES, Schemas


def wide(number: int, properties: int = 900) -> bytes:
    """A schema of almost as much room as one may take; only `pN` is an integer."""
    members = {f"p{number}": {"type": "integer"}, **{f"x{i}": {"type": "string"} for i in range(properties)}}
    return msgspec.json.encode({"properties": members})


def test_what_is_kept_is_bounded_whatever_comes() -> None:
    schemas = Schemas()
    for number in (*range(40), 0, 39):
        text = wide(number)
        assert schemas.judge(text, {f"p{number}": 1}) is True
        assert schemas.judge(text, {f"p{number}": "1"}) is False
        assert schemas.room <= ROOM_BYTES
    assert schemas.room > ROOM_BYTES - MAX_ROOM - MAX_BYTES, "what there is room for is kept"


def test_what_is_no_schema_takes_room_as_well() -> None:
    schemas = Schemas()
    for number in range(300):
        assert schemas.judge(b'{"x":"%d%b"}' % (number, b"x" * (MAX_BYTES // 2)), {}) in (True, None)
        assert schemas.judge(b'["%d%b"]' % (number, b"x" * (MAX_BYTES // 2)), {}) is None
        assert schemas.room <= ROOM_BYTES


@pytest.mark.parametrize(
    ("text", "judged"),
    [
        (b'{"type":"object"}', True),
        (b"{}", None),
        (b"null", None),
        (b"", None),
        (b"{", None),
        (b'{"type":"\xff"}', None),
        (b"[" * 100_000, None),
        (wide(0), True),
        (wide(0, 2000), None),
        (b'{"title":"%b"}' % (b"x" * (MAX_BYTES - 12)), True),
        (b'{"title":"%b"}' % (b"x" * (MAX_BYTES - 11)), None),
    ],
)
def test_which_schemas_are_judged_by(text: bytes, judged: bool | None) -> None:
    schemas = Schemas()
    assert [schemas.judge(text, {}) for _ in range(2)] == [judged] * 2
