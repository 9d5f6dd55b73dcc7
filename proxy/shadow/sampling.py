"""Which conversations are mirrored: a keyed hash of the conversation against the rate of the moment.

Not here: what else keeps a request from being mirrored (shadow.py). Invariants: the choice is made before the answer is
known and depends on the request alone; all requests of one conversation share it; one that is chosen at a rate is
chosen at every higher one.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from proxy.contract.envelope import Envelope

_HALF: Final = 256
"""Bytes hashed of each end of the first user message: it tells conversations apart, system prompts do not."""
_FARTHEST: Final = 256 * 1024
"""How far into the messages the first one of the user is looked for."""
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
"""A string of JSON, which may be cut off, or a bracket. Nothing is given back, so the time is that of one reading."""
_REST: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
"""A string from its first character on, up to its closing quote."""
_USER: Final = b'"user"'
_USUAL: Final = tuple(
    (opening, opening.index(_USER), len(opening))
    for opening in (b'{"role":"user","content":"', b'{"role": "user", "content": "')
)
"""How clients write a message of the user."""
_BACKSLASH: Final = ord("\\")
_QUOTE: Final = ord('"')
_OPENING: Final = b"[{"
_FULL: Final = 1 << 64


def chosen(salt: bytes, conversation: bytes, fraction: float) -> bool:
    """Whether a conversation belongs to the share `fraction` of all."""
    if fraction >= 1.0:
        return True
    digest = hashlib.blake2b(conversation, digest_size=8, key=salt).digest()
    return int.from_bytes(digest, "big") < fraction * _FULL


def conversation_of(envelope: Envelope, request_id: str) -> bytes:
    """What all requests of one conversation have in common: the client's cache key, else the first message of the
    user. Without either the request is a conversation of its own.
    """
    named = envelope.members.get("prompt_cache_key")
    if named is not None and len(named) > 2:
        return bytes(named)[: 2 * _HALF]
    if "messages" not in envelope.members:
        return request_id.encode()
    text, start, end = envelope.span("messages")
    place = _usual_user_message(text, start, end) or _first_user_message(text, start, end)
    if place is None:
        return request_id.encode()
    first, last = place
    if last - first <= 2 * _HALF:
        return text[first:last]
    return b"%d %b%b" % (last - first, text[first : first + _HALF], text[last - _HALF : last])


def _usual_user_message(text: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Where the first message of the user stands, when it is written as clients do; None: it has to be looked for.

    Within a string quotes are escaped, so neither `"user"` nor the end of the content is text of anybody.
    """
    user = text.find(_USER, start, end)
    if user < 0:
        return None
    for opening, before, length in _USUAL:
        begin = user - before
        if text.startswith(opening, begin):
            at = text.find(b'"', begin + length, end)
            if at > 0 and text[at - 1] == _BACKSLASH:
                rest = _REST.match(text, begin + length, end)
                at = -1 if rest is None else rest.end()
            return (begin, at + 2) if at > 0 and text.startswith(b'"}', at) else None
    return None


def _first_user_message(text: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Where it stands in an array of messages; None without one. Only strings and brackets are looked at: it is the
    object that has `role` as a name of its own, followed by `user`.
    """
    depth, begin, named, found = 0, start, False, False
    for token in _TOKEN.finditer(text, start, min(end, start + _FARTHEST)):
        first, last = token.span()
        byte = text[first]
        if byte == _QUOTE:
            if depth == 2 and last - first == 6:
                word = text[first:last]
                found = found or (named and word == b'"user"')
                named = word == b'"role"'
            else:
                named = False
        elif byte in _OPENING:
            depth += 1
            begin = first if depth == 2 else begin
        else:
            depth -= 1
            if depth == 1 and found:
                return begin, last
    return None
