"""The kinds of values a setting can have: how each is written and read.

Not here: which setting has which kind (document.py); the readers (scalars.py, urls.py). Invariant: a value is read from
its text alone, so what is accepted does not depend on what YAML would make of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias, TypeVar, get_args

from pydantic import BeforeValidator, Field, PlainValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from proxy.config import scalars
from proxy.config.refusal import Refused
from proxy.config.tree import Text
from proxy.config.urls import ADDRESS_HINT, TUNNEL_HINT, URL_HINT, TunnelUrl, VendorUrl, address, vendor_url
from proxy.config.values import Address, Budget

T = TypeVar("T")

UNREADABLE: Final = "unreadable"
"""Error type of a value that was reported when it was read."""
REFUSED: Final = "refused"
"""Error type of a value refused here; the error's context holds `message` and `hint`."""


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


def _one_or_more(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _by_name(value: object) -> object:
    """A mapping of names to values; none is an empty one."""
    if isinstance(value, dict):
        return value
    if isinstance(value, Text) and not value:
        return {}
    context = {"message": "names with a value each are expected", "hint": "write them as NAME: VALUE, one a line"}
    raise PydanticCustomError(REFUSED, "{message}", context)


_NUMBER_HINT: Final = "write a whole number"

Duration: TypeAlias = Annotated[
    float, scalar(scalars.some_duration, scalars.DURATION_HINT), Kind("duration", "`500ms`, `30s`, `10m`, `2h`")
]
DurationOrZero: TypeAlias = Annotated[
    float, scalar(scalars.duration, scalars.DURATION_HINT), Kind("duration", "`0s`, `1s`")
]
DurationOrNone: TypeAlias = Annotated[
    float | None,
    scalar(scalars.duration_or_none, f"{scalars.DURATION_HINT}, or none"),
    Kind("duration, or `none`", "`30s`, `10m`, `none`"),
]
Size: TypeAlias = Annotated[int, scalar(scalars.size, scalars.SIZE_HINT), Kind("size", "`64KiB`, `100MiB`, `1GiB`")]
Span: TypeAlias = Annotated[
    float, scalar(scalars.span, scalars.SPAN_HINT), Kind("long duration", "`30m`, `24h`, `90d`")
]
FalseAlarms: TypeAlias = Annotated[
    Budget, scalar(scalars.budget, scalars.BUDGET_HINT), Kind("long duration, or pairs", "`90d`, `1000000 pairs`")
]
Share: TypeAlias = Annotated[float, scalar(scalars.share, scalars.SHARE_HINT), Kind("share", "`1%`, `0.01`")]
Tolerances: TypeAlias = Annotated[
    dict[str, Annotated[float, scalar(scalars.tolerance, scalars.SHARE_HINT)]],
    BeforeValidator(_by_name),
    Kind("shares by signal", "`{NAME: 3%}`"),
]
Patterns: TypeAlias = Annotated[
    tuple[Annotated[str, scalar(scalars.pattern, scalars.PATTERN_HINT)], ...],
    BeforeValidator(_one_or_more),
    Kind("regular expression, or list", r"`'sk-\w+'`"),
]
Rate: TypeAlias = Annotated[int, scalar(scalars.rate, scalars.RATE_HINT), Kind("rate", "`1KiB/s`, `0B/s`")]
Truth: TypeAlias = Annotated[bool, scalar(scalars.truth, "write true or false"), Kind("truth", "`true`, `false`")]
Count: TypeAlias = Annotated[int, scalar(scalars.count(1, 1_000_000), _NUMBER_HINT), Kind("number", "1 to 1000000")]
Tokens: TypeAlias = Annotated[
    int, scalar(scalars.count(1, 1_000_000_000_000), _NUMBER_HINT), Kind("number", "1 to 1000000000000")
]
Workers: TypeAlias = Annotated[int, scalar(scalars.count(1, 128), _NUMBER_HINT), Kind("number", "1 to 128")]
Version: TypeAlias = Annotated[int, scalar(scalars.count(1, 1), "write 1"), Kind("number", "`1`")]
Name: TypeAlias = Annotated[str, scalar(scalars.name, "write a name"), Kind("name", "1 to 32 of a-z, 0-9 and `-`")]
Model: TypeAlias = Annotated[str, scalar(scalars.model, scalars.MODEL_HINT), Kind("name of a model", "`kimi-k2.6`")]
Variable: TypeAlias = Annotated[
    str, scalar(scalars.variable, scalars.VARIABLE_HINT), Kind("name of a variable", "`MOONSHOT_API_KEY`")
]
Shipped: TypeAlias = Annotated[
    Text, scalar(scalars.verbatim, "write a name or a file"), Kind("name, or file", "`name`, `./mine.yaml`")
]
File: TypeAlias = Annotated[Text, scalar(scalars.verbatim, "write a path"), Kind("file", "`folder/file`")]
Folder: TypeAlias = Annotated[Text, scalar(scalars.verbatim, "write a path"), Kind("folder", "`folder/`")]
Digest: TypeAlias = Annotated[bytes, scalar(scalars.digest, "write 64 hex digits"), Kind("SHA-256", "64 hex digits")]
Admin: TypeAlias = Annotated[Address, scalar(address, ADDRESS_HINT), Kind("address", "`127.0.0.1:9090`")]
Listen: TypeAlias = Annotated[
    tuple[Admin, ...],
    BeforeValidator(_one_or_more),
    Field(min_length=1),
    Kind("address, or list", "`127.0.0.1:8080`, `[::1]:8080`"),
]
BaseUrl: TypeAlias = Annotated[VendorUrl, scalar(vendor_url, URL_HINT), Kind("URL", "`https://api.moonshot.ai/v1`")]
Tunnel: TypeAlias = Annotated[
    TunnelUrl | str, scalar(scalars.tunnel, TUNNEL_HINT), Kind("URL, or `environment`", "`http://10.0.0.1:3128`")
]
Enforcement: TypeAlias = Annotated[
    str,
    scalar(scalars.word("repair", "strict", "observe"), "write repair, strict or observe"),
    Kind("word", "`repair`, `strict`, `observe`"),
]
Contract: TypeAlias = Annotated[
    str, scalar(scalars.word("exact", "range"), "write exact or range"), Kind("word", "`exact`, `range`")
]
Credentials: TypeAlias = Annotated[
    str, scalar(scalars.word("pass", "held"), "write pass or held"), Kind("word", "`pass`, `held`")
]
Bodies: TypeAlias = Annotated[
    str,
    scalar(scalars.word("off", "disagreements", "all"), "write off, disagreements or all"),
    Kind("word", "`off`, `disagreements`, `all`"),
]
EvidencePage: TypeAlias = Annotated[
    str,
    scalar(scalars.word("auto", "true", "false"), "write auto, true or false"),
    Kind("word", "`auto`, `true`, `false`"),
]
LogFormat: TypeAlias = Annotated[
    str, scalar(scalars.word("json", "console"), "write json or console"), Kind("word", "`json`, `console`")
]
