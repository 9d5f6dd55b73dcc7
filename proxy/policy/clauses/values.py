"""Judged values: which JSON values are the same, how a number is spelled, and what a value may be called in a message.

Not here: any rule. Invariant: numbers are compared exactly, as decimals, so 1, 1.0, 1e0 and 10e-1 are one value and
0.9500000001 is not 0.95; a number is never the same as a boolean or a string.
"""

from __future__ import annotations

from collections.abc import Hashable
from decimal import Decimal
from typing import Any, Final

import msgspec

from proxy.contract.envelope import Json
from proxy.policy.verdict import shown

_encoder: Final = msgspec.json.Encoder(decimal_format="number")


def identity(value: object) -> Hashable:
    """A key that is equal for two JSON values exactly when they are the same value, whatever their spelling."""
    if value is None or isinstance(value, bool | str):
        return (type(value).__name__, value)
    if isinstance(value, int | Decimal):
        return ("number", Decimal(value))
    if isinstance(value, list | tuple):
        return ("array", tuple(identity(item) for item in value))
    if isinstance(value, dict):
        return ("object", frozenset((name, identity(item)) for name, item in value.items()))
    raise TypeError(f"{type(value).__name__} is no JSON value")


def encoded(value: Any) -> bytes:  # noqa: ANN401  (any JSON value)
    """The JSON that is sent: a decimal keeps the spelling it was written in (1.0 stays 1.0)."""
    return _encoder.encode(value)


def item_count(raw: bytes) -> int:
    """How many items a list or object has at most, at all depths and itself: its commas and brackets are counted, also
    those in strings. No other value has any.
    """
    return raw.count(b",") + raw.count(b"{") + raw.count(b"[") if raw.startswith((b"{", b"[")) else 0


def official(number: Decimal) -> str:
    """A number as the vendor's own errors spell it: 1, 0.6, 0.95, 0."""
    return format(number.normalize() + 0, "f")


def official_value(value: object) -> str:
    """Any scalar as the vendor's own errors spell it."""
    return official(Decimal(value)) if _is_number(value) else encoded(value).decode()  # type: ignore[arg-type]


def spellings(value: object) -> frozenset[bytes]:
    """The usual ways clients write a value. A value missing here is only slower to accept, never refused."""
    if not _is_number(value):
        return frozenset((encoded(value),))
    plain = official(Decimal(value))  # type: ignore[arg-type]
    texts = {plain, str(value)}
    texts |= {f"{plain}0", f"{plain}00"} if "." in plain else {f"{plain}.0", f"{plain}.00", f"{plain}e0", f"{plain}E0"}
    if plain == "0":
        texts |= {"-0", "-0.0"}
    return frozenset(text.encode() for text in texts)


def named(value: Json, raw: bytes) -> str:
    """What was seen, safe to repeat to the client: the number or literal itself, else its type."""
    if value is None or isinstance(value, bool | Decimal):
        text = shown(raw)
        return text if text != "?" else "a longer number"
    return "a string" if isinstance(value, str) else "an array" if isinstance(value, list) else "an object"


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)
