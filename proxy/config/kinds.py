"""The kinds of values a setting can have: how each is written and read.

Not here: which setting has which kind (document.py); addresses and URLs (urls.py). Invariant: a value is read from its
text alone, so what is accepted does not depend on what YAML would make of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias, TypeVar, get_args

from pydantic import BeforeValidator, Field, PlainValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from proxy.config.refusal import Refused, choose
from proxy.config.tree import Text
from proxy.config.urls import (
    ADDRESS_HINT,
    ENVIRONMENT,
    TUNNEL_HINT,
    URL_HINT,
    TunnelUrl,
    VendorUrl,
    address,
    has_password,
    tunnel_url,
    vendor_url,
)
from proxy.config.values import Address

T = TypeVar("T")

UNREADABLE: Final = "unreadable"
"""Error type of a value that was reported when it was read."""
REFUSED: Final = "refused"
"""Error type of a value refused here; the error's context holds `message` and `hint`."""

DURATION_HINT: Final = "write a number with its unit, as in 500ms, 30s, 10m or 2h"
SIZE_HINT: Final = "write a whole number with its unit, as in 64KiB, 100MiB or 1GiB"
RATE_HINT: Final = "write a size for each second, as in 1KiB/s"
VARIABLE_HINT: Final = (
    "write the variable's name in capitals (MOONSHOT_API_KEY); the secret itself is never in the file"
)

_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MAX_DURATION_S: Final = 7 * 24 * 3600.0
_SIZE: Final = re.compile(r"(\d{1,9})(B|KiB|MiB|GiB)")
_BYTES: Final = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


@dataclass(frozen=True, slots=True)
class Kind:
    """What the reference says about a kind: a noun, and how it is written."""

    noun: str
    example: str


def kind_of(field: FieldInfo) -> Kind | None:
    """The kind of a setting; None for a section."""
    notes = [*field.metadata, *(note for part in get_args(field.annotation) for note in get_args(part)[1:])]
    return next((note for note in notes if isinstance(note, Kind)), None)


def scalar(read: Callable[[Text], T], hint: str) -> PlainValidator:
    """Reads one text with `read`, which may raise Refused; anything that is not one text is refused with `hint`."""

    def validate(value: object) -> T:
        try:
            if not isinstance(value, Text):
                seen = "a list" if isinstance(value, list) else "a section"
                raise Refused(f"one value is expected, {seen} was seen", hint)
            if value.unreadable:
                raise PydanticCustomError(UNREADABLE, UNREADABLE)
            if not value.strip():
                raise Refused("the value is empty", f"{hint}, or remove the line")
            return read(value)
        except Refused as refused:
            raise PydanticCustomError(
                REFUSED, "{message}", {"message": refused.message, "hint": refused.hint}
            ) from None

    return PlainValidator(validate)


def _duration(text: Text) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise Refused(f"{text.shown} is not a duration", DURATION_HINT)
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > _MAX_DURATION_S:
        raise Refused(f"{text.shown} is longer than a week", DURATION_HINT)
    return seconds


def _some_duration(text: Text) -> float:
    seconds = _duration(text)
    if not seconds:
        raise Refused(f"{text.shown} leaves no time at all", DURATION_HINT)
    return seconds


def _duration_or_none(text: Text) -> float | None:
    return None if text == "none" else _some_duration(text)


def _bytes(text: Text, written: str, hint: str, noun: str) -> int:
    match = _SIZE.fullmatch(written)
    if match is None:
        raise Refused(f"{text.shown} is not a {noun}", hint)
    return int(match[1]) * _BYTES[match[2]]


def _size(text: Text) -> int:
    size = _bytes(text, text, SIZE_HINT, "size")
    if not size:
        raise Refused(f"{text.shown} leaves no room at all", SIZE_HINT)
    return size


def _rate(text: Text) -> int:
    written = text.removesuffix("/s")
    return _bytes(text, written if written != text else "", RATE_HINT, "rate")


def _truth(text: Text) -> bool:
    if text not in ("true", "false"):
        raise Refused(f"{text.shown} is neither true nor false", "write true or false")
    return text == "true"


def _count(low: int, high: int) -> Callable[[Text], int]:
    def read(text: Text) -> int:
        hint = f"write a number from {low} to {high}" if low < high else f"write {low}"
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise Refused(f"{text.shown} is not a whole number", hint)
        if not low <= int(text) <= high:
            raise Refused(f"{text.shown} is out of range", hint)
        return int(text)

    return read


def _word(*allowed: str) -> Callable[[Text], str]:
    def read(text: Text) -> str:
        if text not in allowed:
            raise Refused(f"{text.shown} is not one of {', '.join(allowed)}", choose(text, allowed))
        return str(text)

    return read


def _name(text: Text) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,32}", text):
        raise Refused(f"{text.shown} cannot be a name", "use 1 to 32 of a-z, 0-9 and -")
    return str(text)


def _variable(text: Text) -> str:
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,127}", text):
        raise Refused("the value is not the name of an environment variable", VARIABLE_HINT)
    return str(text)


def _digest(text: Text) -> bytes:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise Refused("the value is not a SHA-256 of 64 hex digits", 'make it with: printf %s "$KEY" | sha256sum')
    return bytes.fromhex(text)


def _tunnel(text: Text) -> TunnelUrl | str:
    if text == ENVIRONMENT:
        return ENVIRONMENT
    if has_password(text) and not text.secret:
        raise Refused("the URL holds a user name or a password", "put the URL into a variable and write ${VARIABLE}")
    return tunnel_url(text)


def _one_or_more(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _verbatim(text: Text) -> Text:
    return text


_NUMBER_HINT: Final = "write a whole number"

Duration: TypeAlias = Annotated[
    float, scalar(_some_duration, DURATION_HINT), Kind("duration", "`500ms`, `30s`, `10m`, `2h`")
]
DurationOrZero: TypeAlias = Annotated[float, scalar(_duration, DURATION_HINT), Kind("duration", "`0s`, `1s`")]
DurationOrNone: TypeAlias = Annotated[
    float | None,
    scalar(_duration_or_none, f"{DURATION_HINT}, or none"),
    Kind("duration, or `none`", "`30s`, `10m`, `none`"),
]
Size: TypeAlias = Annotated[int, scalar(_size, SIZE_HINT), Kind("size", "`64KiB`, `100MiB`, `1GiB`")]
Rate: TypeAlias = Annotated[int, scalar(_rate, RATE_HINT), Kind("rate", "`1KiB/s`, `0B/s`")]
Truth: TypeAlias = Annotated[bool, scalar(_truth, "write true or false"), Kind("truth", "`true`, `false`")]
Count: TypeAlias = Annotated[int, scalar(_count(1, 1_000_000), _NUMBER_HINT), Kind("number", "1 to 1000000")]
Workers: TypeAlias = Annotated[int, scalar(_count(1, 128), _NUMBER_HINT), Kind("number", "1 to 128")]
Version: TypeAlias = Annotated[int, scalar(_count(1, 1), "write 1"), Kind("number", "`1`")]
Name: TypeAlias = Annotated[str, scalar(_name, "write a name"), Kind("name", "1 to 32 of a-z, 0-9 and `-`")]
Variable: TypeAlias = Annotated[str, scalar(_variable, VARIABLE_HINT), Kind("name of a variable", "`MOONSHOT_API_KEY`")]
Shipped: TypeAlias = Annotated[
    Text, scalar(_verbatim, "write a name or a file"), Kind("name, or file", "`name`, `./mine.yaml`")
]
File: TypeAlias = Annotated[Text, scalar(_verbatim, "write a path"), Kind("file", "`folder/file`")]
Digest: TypeAlias = Annotated[bytes, scalar(_digest, "write 64 hex digits"), Kind("SHA-256", "64 hex digits")]
Admin: TypeAlias = Annotated[Address, scalar(address, ADDRESS_HINT), Kind("address", "`127.0.0.1:9090`")]
Listen: TypeAlias = Annotated[
    tuple[Admin, ...],
    BeforeValidator(_one_or_more),
    Field(min_length=1),
    Kind("address, or list", "`127.0.0.1:8080`, `[::1]:8080`"),
]
BaseUrl: TypeAlias = Annotated[VendorUrl, scalar(vendor_url, URL_HINT), Kind("URL", "`https://api.moonshot.ai/v1`")]
Tunnel: TypeAlias = Annotated[
    TunnelUrl | str, scalar(_tunnel, TUNNEL_HINT), Kind("URL, or `environment`", "`http://10.0.0.1:3128`")
]
Enforcement: TypeAlias = Annotated[
    str,
    scalar(_word("repair", "strict", "observe"), "write repair, strict or observe"),
    Kind("word", "`repair`, `strict`, `observe`"),
]
Contract: TypeAlias = Annotated[
    str, scalar(_word("exact", "range"), "write exact or range"), Kind("word", "`exact`, `range`")
]
Credentials: TypeAlias = Annotated[
    str, scalar(_word("pass", "held"), "write pass or held"), Kind("word", "`pass`, `held`")
]
LogFormat: TypeAlias = Annotated[
    str, scalar(_word("json", "console"), "write json or console"), Kind("word", "`json`, `console`")
]
