"""Record: one line of a dataset as a request that can be asked, in whichever of the three formats it came.

Here: reading one line. Not here: files (dataset.py), and what is changed before a request is sent (prepare.py).
Invariants: a request's members keep their bytes; a line that cannot be replayed is refused with what is wrong and what
is allowed, and no text of it is echoed.

    {"model": ..., "messages": [...], "tools": [...], ...}                             K2-Vendor-Verifier's samples
    {"custom_id": ..., "method": "POST", "url": "/v1/chat/completions", "body": {...}}  OpenAI's batch format
    {"format": "paramwall-record/1", "id": ..., "body": {...}, "scorer": ..., ...}      ours
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from proxy.contract.envelope import Envelope, MalformedBody, members_of
from proxy.contract.mode import Mode
from proxy.replay.scorers import SCORERS, UnusableExpectation, check_expected

FORMAT: Final = "paramwall-record/1"
UNSCORED: Final = "none"
_KNOWN: Final = (
    "format", "id", "task", "mode", "body", "expected", "scorer", "answers", "why", "at_s",
)  # fmt: skip
_MOST_NAME: Final = 200
_MOST_SHOWN: Final = 24
_REQUEST: Final = '{"model": ..., "messages": [...]}'

_decode_any: Final = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Record:
    """`index` counts records from 0, `line` the file's lines from 1. `mode` None: the request itself says it."""

    index: int
    line: int
    id: str
    envelope: Envelope
    task: str = ""
    mode: Mode | None = None
    expected: Any = None
    scorer: str = UNSCORED


class BadLine(ValueError):
    """The text says what is wrong with a line, `hint` what is allowed."""

    def __init__(self, seen: str, hint: str) -> None:
        super().__init__(seen)
        self.hint = hint


def read_record(text: bytes, index: int, line: int) -> Record:
    """Read one line. Raises BadLine."""
    try:
        members = members_of(text)
    except MalformedBody as error:
        raise BadLine(str(error), error.hint) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _no_object(text, error) from None
    if "format" in members:
        return _ours(members, index, line)
    if "custom_id" in members or "body" in members:
        return _batched(members, index, line)
    if "messages" in members:
        return Record(index, line, str(line), _envelope(bytes(text)))
    raise BadLine(
        "the object has no messages", f"a request body {_REQUEST}, a line of OpenAI's batch format, or a {FORMAT}"
    )


def _ours(members: Mapping[str, msgspec.Raw], index: int, line: int) -> Record:
    said = _decode(members["format"])
    if said != FORMAT:
        raise BadLine(f"format is {_shown(said)}", f'"{FORMAT}"')
    unknown = [name for name in members if name not in _KNOWN]
    if unknown:
        raise BadLine(f"{_shown(unknown[0])} is no member of a record", f"allowed are {', '.join(_KNOWN)}")
    scorer = _text(members, "scorer", UNSCORED)
    if scorer not in SCORERS:
        raise BadLine(f"scorer is {_shown(scorer)}", f"allowed are {', '.join(SCORERS)}")
    expected = _decode(members["expected"]) if "expected" in members else None
    if scorer != UNSCORED:
        try:
            check_expected(scorer, expected)
        except UnusableExpectation as error:
            raise BadLine(f"expected cannot be used by scorer {scorer}", str(error)) from None
    elif expected is not None and "scorer" not in members:
        raise BadLine("expected is there without a scorer", f"add one of {', '.join(SCORERS)}")
    return Record(
        index,
        line,
        _text(members, "id", str(line)),
        _body(members),
        _text(members, "task", ""),
        _mode(members),
        expected,
        scorer,
    )


def _batched(members: Mapping[str, msgspec.Raw], index: int, line: int) -> Record:
    method, url = _text(members, "method", "POST"), _text(members, "url", "/v1/chat/completions")
    if method != "POST" or not url.endswith("/chat/completions"):
        raise BadLine(f"the batch line asks for {_shown(method)} {_shown(url)}", "POST /v1/chat/completions")
    return Record(index, line, _text(members, "custom_id", str(line)), _body(members))


def _body(members: Mapping[str, msgspec.Raw]) -> Envelope:
    if "body" not in members:
        raise BadLine("there is no body", f'"body": {_REQUEST}')
    return _envelope(bytes(members["body"]))


def _envelope(body: bytes) -> Envelope:
    try:
        envelope = Envelope.parse(body)
    except MalformedBody as error:
        raise BadLine(str(error).replace("the body", "the request"), error.hint) from None
    messages = _decode(envelope.members["messages"]) if "messages" in envelope.members else None
    if not isinstance(messages, list) or not messages:
        raise BadLine("messages is not a list with a message in it", _REQUEST)
    if not all(isinstance(message, dict) and isinstance(message.get("role"), str) for message in messages):
        raise BadLine("a message is not an object with a role", '{"role": "user", "content": ...}')
    return envelope


def _decode(value: msgspec.Raw) -> Any:  # noqa: ANN401  (any JSON value)
    """A member's value. Raises BadLine for what is JSON by its syntax alone."""
    try:
        return _decode_any(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadLine(
            "a member holds a number beyond a double, or text that is not UTF-8", "finite numbers, UTF-8"
        ) from None


def _mode(members: Mapping[str, msgspec.Raw]) -> Mode | None:
    said = _decode(members["mode"]) if "mode" in members else None
    if said is None:
        return None
    if said not in tuple(Mode):
        raise BadLine(f"mode is {_shown(said)}", f"allowed are {' and '.join(Mode)}, or none at all")
    return Mode(said)


def _text(members: Mapping[str, msgspec.Raw], name: str, absent: str) -> str:
    value = _decode(members[name]) if name in members else None
    if value is None:
        return absent
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_NAME:
        raise BadLine(f"{name} is not a text of 1 to {_MOST_NAME} characters", f'"{name}": "..."')
    return value


def _shown(value: object) -> str:
    """A name as it may be shown: short and printable."""
    return (
        f'"{value}"'
        if isinstance(value, str) and len(value) <= _MOST_SHOWN and value.isprintable()
        else "something else"
    )


def _no_object(text: bytes, error: Exception) -> BadLine:
    if isinstance(error, msgspec.ValidationError):
        return BadLine("the line is JSON but not an object", f"one JSON object a line, such as {_REQUEST}")
    if text.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return BadLine("the line begins with a byte order mark", "save the file as UTF-8 without one")
    said = str(error).removeprefix("JSON is malformed: ") if isinstance(error, msgspec.DecodeError) else "not UTF-8"
    return BadLine(f"the line is not JSON: {said}", f"one JSON object a line, such as {_REQUEST}")
