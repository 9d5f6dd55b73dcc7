"""The request body as ordered members of raw JSON bytes: strict parse, edit a member, encode.

Here: what makes a body acceptable as JSON, and the one form in which it leaves. Not here: what a member means (mode.py,
policy/).

Invariant: what was judged is what is sent. The body that leaves is always the encoding of the mapping that was judged,
so a repeated member cannot mean two things to two readers; the bytes of a value that no rule touches are never
re-written (long numbers, key order and escapes survive, and prompt caches depend on them); a compact body that no rule
touches leaves byte-identical.
"""

from __future__ import annotations

import codecs
import json
import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

Raw: TypeAlias = msgspec.Raw
Edits: TypeAlias = Mapping[str, bytes | None]
"""Member name to its new raw JSON value; None drops the member."""
Changes: TypeAlias = dict[str, Raw | None]
"""Edits, ready to be merged into an envelope's members."""
Json: TypeAlias = bool | Decimal | str | list[Any] | dict[str, Any] | None
"""A JSON value; every number is a Decimal, so that none is rounded before it is judged."""

MAX_MEMBERS = 256
"""Top-level members. The longest request known (vLLM's protocol.py) has about 90."""
MAX_STRICT_BYTES = 64 * 1024
"""Largest judged value. Judged members are numbers, short strings and small objects; tools and messages are read
elsewhere."""
MAX_NUMBER_CHARACTERS = 64
"""Longest judged number: a double needs 24."""
MAX_NAME_CHARACTERS = 256
"""Longest name worth folding: no known name is a tenth as long, and folding costs time for every character."""


_CHECKED_AT_ONCE: Final = 64 * 1024
"""Bytes of a body that are decoded together: one emoji makes four bytes of every character, which a body of many
megabytes must not become."""
_WORTH_FINDING: Final = 32 * 1024
"""Bytes of a value from which finding its place costs less than copying it."""
_SMALL: Final = 16 * 1024
"""Bytes of a text whose names are not counted while they are read: a dict of as many as it can hold is no burden, of a
million it takes forty times the bytes they came in."""
_MANY_NAMES: Final = 1024
"""Members of an object within the body, if it is not small."""
_utf8: Final = codecs.getincrementaldecoder("utf-8")


class MalformedBody(ValueError):
    """A body that two readers may read differently, or not at all. Refused, never passed on.

    `code` is stable and kebab-case; `param` names the member when one is at fault; `hint` is the exact remedy. No
    client text is echoed.
    """

    def __init__(self, code: str, seen: str, hint: str, param: str | None = None) -> None:
        super().__init__(seen)
        self.code = code
        self.hint = hint
        self.param = param


class Name:
    """A member name that is equal only to itself: a mapping of these keeps every repetition of a name."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class _TooMany(Exception):
    """An object has more members than are read. No ValueError: msgspec would take that for its own."""


_decode = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_pairs = msgspec.json.Decoder(dict[Name, Raw], dec_hook=lambda _type, text: Name(text)).decode
_encode = msgspec.json.Encoder().encode


class Envelope(msgspec.Struct, frozen=True):
    """One parsed request body. `members` maps each top-level name, in the order received, to its raw JSON value.
    `compact`: there is no white space between members, and no name is escaped.
    """

    members: dict[str, Raw]
    body: bytes
    compact: bool = False

    @classmethod
    def parse(cls, body: bytes) -> Envelope:
        """Read `body` strictly.

        Raises MalformedBody unless the whole is valid UTF-8 without a byte order mark, one JSON object (RFC 8259),
        nested within the reader's bound (about 900 levels), with finite syntax (no NaN) and no repeated top-level name
        however it is escaped.
        """
        if not body.isascii():
            _require_utf8(body)
        try:
            members = members_of(body)
        except msgspec.ValidationError:
            raise MalformedBody(
                "body-not-object", "the body is JSON but not an object", "send one JSON object"
            ) from None
        except RecursionError:
            raise MalformedBody(
                "body-too-deep", "the body is nested too deeply", "nest fewer than 900 levels"
            ) from None
        except msgspec.DecodeError as error:
            raise _not_json(body, error) from None
        if len(members) > MAX_MEMBERS:
            raise MalformedBody("body-too-wide", f"the body has {len(members)} members", f"send at most {MAX_MEMBERS}")
        return cls(members, body, _is_compact(body, members))

    def span(self, name: str) -> tuple[bytes, int, int]:
        """A text that holds a member's raw value, with its start and end there: for looking into a long value without
        copying it.
        """
        value = self.members[name]
        if not self.compact or len(value) < _WORTH_FINDING:
            return bytes(value), 0, len(value)
        start = end = 0
        for each, raw in self.members.items():  # pragma: no branch  (the name is a member: it is found)
            start = end + len(each) + 4
            end = start + len(raw)
            if each == name:
                break
        return self.body, start, end

    def encode(self, changes: Changes) -> bytes:
        """The body that leaves: every member as received but for `changes`; added members come last."""
        if not changes:
            return _encode(self.members)
        members = self.members | changes
        if None in changes.values():
            members = {name: raw for name, raw in members.items() if raw is not None}
        return _encode(members)


def changes(edits: Edits) -> Changes:
    """The edits as `Envelope.encode` takes them; made once for a decision that is taken many times."""
    return {name: None if value is None else Raw(value) for name, value in edits.items()}


def fold(name: str) -> str:
    """The name as the laxest reader known would match it: NFKC, case folded, without control, format or space
    characters.

    Go's encoding/json matches names by Unicode case folding (golang/go src/encoding/json/fold.go), so a folded twin of
    a judged member would slip by.
    """
    kept = (c for c in unicodedata.normalize("NFKC", name).casefold() if unicodedata.category(c)[0] not in "CZ")
    return "".join(kept)


fold_short = lru_cache(maxsize=1024)(fold)
"""`fold` for names of at most MAX_NAME_CHARACTERS: clients send the same few names again and again."""


def members_of(text: bytes | Raw, param: str | None = None) -> dict[str, Raw]:
    """The members of one JSON object in order, each value as its raw bytes; `param` names it unless it is the body.

    Raises MalformedBody when a name is repeated, and what msgspec raises when the text is no JSON object.
    """
    small = len(text) <= _SMALL
    if small and (compact := _small_members(text)) is not None:
        return compact
    pairs = _decode_pairs(text) if small else _few_pairs(text, param)
    members = {name.text: raw for name, raw in pairs.items()}
    if len(members) != len(pairs):
        raise _repeated((name.text for name in pairs), param)
    return members


def _few_pairs(text: bytes | Raw, param: str | None) -> dict[Name, Raw]:
    """The pairs of an object that could have very many; the reading of names ends where there are too many."""
    most, names = MAX_MEMBERS if param is None else _MANY_NAMES, 0

    def named(_type: type, name: str) -> Name:
        nonlocal names
        names += 1
        if names > most:
            raise _TooMany
        return Name(name)

    try:
        return msgspec.json.Decoder(dict[Name, Raw], dec_hook=named).decode(text)
    except _TooMany:
        raise MalformedBody(
            "body-too-wide", f"{param or 'the body'} has more than {most} members", f"send at most {most}", param
        ) from None


def _small_members(text: bytes | Raw) -> dict[str, Raw] | None:
    """The members of a compact object, in a third of the time; None: it is to be read with care."""
    if bytes(text).find(b": ", 0, 32) >= 0:  # behind the first name: the guess saves time
        return None
    members = _decode(text)
    return members if _is_compact(text, members) else None


def _is_compact(text: bytes | Raw, members: dict[str, Raw]) -> bool:
    """Whether names, values and four bytes more for each member (quotes, colon, comma) are all there is: then no
    repeated name was dropped by the dict.
    """
    return len(text) == 1 + 4 * len(members) + sum(map(len, members)) + sum(map(len, members.values()))


def strict(raw: bytes | Raw, param: str) -> Json:
    """The value of a judged member: no repeated name at any depth, no infinity, numbers exact.

    Raises MalformedBody naming `param`. `raw` is a value as Envelope.parse gives it, its syntax checked; this adds what
    JSON readers disagree about.
    """
    text = bytes(raw)
    if len(text) > MAX_STRICT_BYTES:
        raise MalformedBody(
            "value-too-large", f"{param} is {len(text)} bytes long", f"send at most {MAX_STRICT_BYTES}", param
        )
    try:
        return _container(text.decode()) if text.startswith((b"{", b"[")) else _scalar(text)
    except _Ambiguous as error:
        raise MalformedBody(error.code, f"{param} {error}", error.hint, param) from None
    except RecursionError:
        raise MalformedBody(
            "body-too-deep", f"{param} is nested too deeply", "nest fewer than 900 levels", param
        ) from None


def twin(name: str, folded: Mapping[str, str]) -> str | None:
    """The known name that a lax reader would take `name` for; `folded` maps each known name's fold to the name.

    Raises MalformedBody for a name too long to be anyone's.
    """
    if len(name) > MAX_NAME_CHARACTERS:
        raise MalformedBody(
            "member-name-too-long",
            f"a member's name is {len(name)} characters long",
            f"use names of at most {MAX_NAME_CHARACTERS} characters",
        )
    return folded.get(fold_short(name))


def folds_to_known(known: str, param: str | None = None) -> MalformedBody:
    """The error for a name that is not `known` but may be read as it; `param` names the object it stands in, if any."""
    return MalformedBody(
        "member-folds-to-known",
        f"a member of {param or 'the body'} is spelled almost like {known}, and some readers would take it for that",
        f"spell it {known}, in plain lower-case ASCII, or leave it out",
        f"{param}.{known}" if param else known,
    )


def _require_utf8(body: bytes) -> None:
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise MalformedBody("body-not-utf8", "the body starts with a byte order mark", "send UTF-8 without one")
    decoder = _utf8()
    for start in range(0, len(body), _CHECKED_AT_ONCE):
        kept, _ = decoder.getstate()  # the beginning of a character that ends in this piece
        end = start + _CHECKED_AT_ONCE
        try:
            decoder.decode(body[start:end], final=end >= len(body))
        except UnicodeDecodeError as error:
            at = start - len(kept) + error.start
            raise MalformedBody(
                "body-not-utf8", f"the body is not UTF-8 at byte {at}", "encode the body as UTF-8"
            ) from None


def _not_json(body: bytes, error: msgspec.DecodeError) -> MalformedBody:
    if not body.strip():
        return MalformedBody("body-empty", "the body is empty", "send one JSON object")
    if b"\x00" in body[:4]:
        return MalformedBody("body-not-utf8", "the body looks like UTF-16 or UTF-32", "encode the body as UTF-8")
    detail = str(error).removeprefix("JSON is malformed: ")
    return MalformedBody(
        "body-not-json",
        f"the body is not JSON: {detail}",
        "send one JSON object (RFC 8259; no NaN, no lone surrogates)",
    )


def _repeated(names: Iterable[str], param: str | None) -> MalformedBody:
    seen: set[str] = set()
    position = next(i for i, name in enumerate(names) if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return MalformedBody(
        "member-repeated",
        f"member number {position + 1} of {param or 'the body'} repeats an earlier name",
        "send each member once",
        param,
    )


class _Ambiguous(ValueError):
    """What two readers may read differently, before it is known which member it stands in."""

    def __init__(self, code: str, seen: str, hint: str) -> None:
        super().__init__(seen)
        self.code = code
        self.hint = hint


def _scalar(text: bytes) -> Json:
    match text[:1]:
        case b'"':
            return msgspec.json.decode(text, type=str)
        case b"t" | b"f":
            return text == b"true"
        case b"n":
            return None
    return _number(text.decode())


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Ambiguous("member-repeated", "repeats a member", "send each member once")
    return value


def _number(text: str) -> Decimal:
    what = f"holds a number of more than {MAX_NUMBER_CHARACTERS} characters"
    if len(text) <= MAX_NUMBER_CHARACTERS:
        what = "holds a number outside the range of a double"
        with suppress(InvalidOperation):
            value = Decimal(text)
            if abs(value.adjusted()) <= 300:
                return value
    raise _Ambiguous("number-out-of-range", what, "send a finite number of usual length")


_container = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_number, parse_int=_number).decode
