"""Which bytes of a body may differ between what a client sent and what the vendor received.

Here: a splitter of bodies into members, and the comparison. Not here: whether a change was right (lawful.py).
Invariant: a member that no receipt names has the same bytes on both sides, and a compact body without a receipt is
byte-identical. Nothing of proxy/ is imported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_decoder = json.JSONDecoder(parse_float=str, parse_int=str)
_SPACE = " \t\n\r"


class Unsplit(ValueError):
    """No object that this splitter can read."""


def split(body: bytes) -> list[tuple[str, bytes]]:
    """The members of an object in order: decoded name, and the value's bytes. Raises Unsplit."""
    try:
        text = body.decode()
        at = _skip(text, 0)
        if text[at] != "{":
            raise Unsplit("no object")
        return list(_members(text, at + 1))
    except (ValueError, IndexError, RecursionError) as error:
        raise Unsplit(type(error).__name__) from None


def _members(text: str, at: int) -> Iterator[tuple[str, bytes]]:
    at = _skip(text, at)
    while text[at] != "}":
        name, at = _decoder.raw_decode(text, at)
        at = _skip(text, at)
        start = _skip(text, at + 1)
        _, end = _decoder.raw_decode(text, start)
        yield name, text[start:end].encode()
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at


def compact(body: bytes) -> bool:
    """Whether no white space stands between the outermost tokens and every name is spelled as encoders do."""
    pieces = (json.dumps(name, ensure_ascii=False).encode() + b":" + value for name, value in split(body))
    return body == b"{" + b",".join(pieces) + b"}"


def touched(actions: str) -> set[str]:
    """The top-level members that a receipt of actions names, e.g. `temperature=0.3->1.0;thinking.type->absent(...)`."""
    named: set[str] = set()
    for action in filter(None, actions.split(";")):
        member, equals, _ = action.partition("=")
        paths = [member] if equals else re.split(r"->|\+", action.partition("(")[0])
        named |= {re.split(r"[.\[]", path)[0] for path in paths}
    return named


def differences(sent: bytes, received: bytes, actions: str) -> Iterator[str]:
    """Every change that no receipt tells."""
    if not actions and compact(sent) and sent != received:
        yield "a compact body without a receipt was changed"
    allowed = touched(actions)
    before, after = dict(split(sent)), dict(split(received))
    for name, value in before.items():
        if name not in allowed and after.get(name) != value:
            yield f"{name!r} was {value[:60]!r} and is {after.get(name, b'nothing')[:60]!r}"
    for name in after.keys() - before.keys() - allowed:
        yield f"{name!r} was added"
    kept = [name for name in before if name not in allowed]
    if kept != [name for name in after if name not in allowed]:
        yield "the order of members changed"
