"""A row as bytes and back.

Not here: the file (log.py). Invariant: what is unpacked equals what was packed, integers and floats told apart, so that
a fold of either gives the same bits; a row of an unknown kind or shape is refused, never guessed at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from proxy.drift.rows import (
    AcknowledgedRow,
    AnswersRow,
    Key,
    LostRow,
    PairRow,
    ProbesRow,
    RequestsRow,
    Row,
    Series,
    Terms,
    TermsRow,
)

_KINDS: Final = {
    TermsRow: "terms",
    PairRow: "pair",
    LostRow: "lost",
    AnswersRow: "answers",
    ProbesRow: "probes",
    AcknowledgedRow: "ack",
    RequestsRow: "requests",
}

Members: TypeAlias = dict[str, Any]


class UnknownRow(ValueError):
    """Of a kind or a shape that this version does not know."""


def pack(row: Row) -> tuple[str, bytes]:
    """The row's kind and the MessagePack map of its fields."""
    return _KINDS[type(row)], msgspec.msgpack.encode(row)


def unpack(kind: str, body: bytes) -> Row:
    """The row again. Raises UnknownRow."""
    # The types are not msgspec's to check: it would make a float of an integer where a float is declared.
    if kind not in _MAKERS:
        raise UnknownRow(f"a row of kind {kind!r}")
    try:
        return _MAKERS[kind](msgspec.msgpack.decode(body))
    except (msgspec.DecodeError, TypeError, KeyError) as error:
        raise UnknownRow(f"a row of kind {kind!r} with other members: {error}") from error


def vendor_of(row: Row) -> str:
    """Whose row it is; "" for one that is about all."""
    match row:
        case TermsRow():
            return ""
        case AcknowledgedRow() | RequestsRow():
            return row.vendor
        case _:
            return row.key.vendor


def _terms(members: Members) -> Row:
    terms = members.pop("terms")
    series = tuple(Series(**each) for each in terms.pop("series"))
    return TermsRow(terms=Terms(series=series, **terms), **members)


def _pair(members: Members) -> Row:
    return PairRow(key=Key(**members.pop("key")), **members)


def _lost(members: Members) -> Row:
    return LostRow(key=Key(**members.pop("key")), **members)


def _answers(members: Members) -> Row:
    return AnswersRow(key=Key(**members.pop("key")), **members)


def _probes(members: Members) -> Row:
    return ProbesRow(key=Key(**members.pop("key")), **members)


def _acknowledged(members: Members) -> Row:
    return AcknowledgedRow(**members)


def _requests(members: Members) -> Row:
    return RequestsRow(names=tuple(members.pop("names")), **members)


_MAKERS: Final[dict[str, Callable[[Members], Row]]] = {
    "terms": _terms,
    "pair": _pair,
    "lost": _lost,
    "answers": _answers,
    "probes": _probes,
    "ack": _acknowledged,
    "requests": _requests,
}
