"""The worst inputs known: what a client or a vendor may send that costs more than its bytes should.

Each is a function from a size to what is sent, so that it can be asked for at any size. Not here: sending and measuring
(amplification.py). Invariant: an input of a size is about that many bytes on the wire, and none of it is random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

_START: Final = b'{"model":"kimi-k2.6","messages":'
_HI: Final = b'[{"role":"user","content":"hi"}]'
_WORDS: Final = b"lorem ipsum dolor sit amet "
SMALL: Final = 16 * 1024
"""Of inputs that are many requests: each."""


def chat(more: bytes = b"", messages: bytes = _HI) -> bytes:
    """A body."""
    return _START + messages + more + b"}"


def ordinary(size: int) -> bytes:
    """The measure of all: a conversation of turns of 800 bytes."""
    turn = b'{"role":"user","content":"' + _WORDS * 30 + b'"}'
    rest = b'{"role":"user","content":"' + b"x" * max(size % len(turn) - 60, 2) + b'"}'
    return chat(messages=b"[" + b",".join([*[turn] * (size // (len(turn) + 1)), rest]) + b"]")


def _list(item: bytes, size: int) -> bytes:
    return b"[" + b",".join([item] * (size // (len(item) + 1))) + b"]"


def _object(size: int, value: bytes = b"0") -> bytes:
    return b"{" + b",".join(b'"%06x":%b' % (i, value) for i in range(size // (10 + len(value)))) + b"}"


def _string(piece: bytes, size: int) -> bytes:
    return b'"' + piece * (size // len(piece)) + b'"'


_LACKING: Final = b'{"role":"assistant","tool_calls":[{}]}'
_SPACED: Final = b'{"role": "assistant", "tool_\\u0063alls":[{}]}'
_NULL: Final = b'{"r\\u006fle": "assistant","tool_calls":[0],"reasoning_content":null}'
_DEEP: Final = b"[" * 800 + b"]" * 800
_TOOL: Final = b'{"type":"function","function":{"name":"a","parameters":{"type":"object"}}}'
_WIDE: Final = b",".join(b'"%06x":{"type":"string"}' % i for i in range(1000))
_WIDE_TOOL: Final = _TOOL[:-2].replace(b'"object"', b'"object","properties":{%b}' % _WIDE) + b"}}"
_DROPPED: Final = (b"top_k", b"min_p", b"repetition_penalty", b"logit_bias", b"min_tokens", b"stop_token_ids")
_JUDGED: Final = (b"thinking", b"chat_template_kwargs", *_DROPPED)

BODIES: Final[Mapping[str, Callable[[int], bytes]]] = {
    "deep lists": lambda size: chat(b',"metadata":' + _list(_DEEP, size)),
    "deep lists for messages": lambda size: chat(messages=_list(_DEEP, size)),
    "many keys in one object": lambda size: chat(b',"metadata":' + _object(size)),
    "many top-level members": lambda size: chat(b"," + _object(size)[1:-1]),
    "one name repeated": lambda size: chat(b',"k":0' * (size // 6)),
    "many short strings": lambda size: chat(messages=_list(b'"a"', size)),
    "one long name": lambda size: chat(b"," + _string(b"k", size) + b":1"),
    "one long name of escapes": lambda size: chat(b"," + _string(b"\\u0061", size) + b":1"),
    "text of escapes": lambda size: chat(messages=b'[{"role":"user","content":' + _string(b"\\u0061", size) + b"}]"),
    "text of emoji": lambda size: chat(
        messages=b'[{"role":"user","content":' + _string("\N{GRINNING FACE}".encode(), size) + b"}]"
    ),
    "one long number": lambda size: chat(b',"metadata":' + b"1" * size),
    "many numbers": lambda size: chat(messages=_list(b"0", size)),
    "many small messages": lambda size: chat(messages=_list(b'{"role":"user","content":"a"}', size)),
    "many empty messages": lambda size: chat(messages=_list(b"{}", size)),
    "tool calls without reasoning": lambda size: chat(messages=_list(_LACKING, size)),
    "tool calls without reasoning, spaced": lambda size: chat(messages=_list(_SPACED, size)),
    "empty messages behind one without reasoning": lambda size: chat(
        messages=b'[{"role":"assistant","tool_calls":[{}]},' + _list(b"{}", size)[1:]
    ),
    "a message of many members": lambda size: chat(
        messages=b'[{"role":"assistant","tool_calls":[{}],' + _object(size)[1:] + b"]"
    ),
    "many tools": lambda size: chat(b',"tools":' + _list(_TOOL, size)),
    "a tool of many properties": lambda size: chat(b',"tools":' + _list(_WIDE_TOOL, size)),
    "many empty tools": lambda size: chat(b',"tools":' + _list(b"{}", size)),
    "white space": lambda size: chat(b" " * size),
    "broken at its end": lambda size: chat(messages=_list(b"0", size))[:-1],
}
"""One body of the whole size."""


def _judged(filler: Callable[[int], bytes]) -> Callable[[int], bytes]:
    return lambda size: chat(b"".join(b',"%b":%b' % (name, filler(size // len(_JUDGED))) for name in _JUDGED))


SMALL_BODIES: Final[Mapping[str, Callable[[int], bytes]]] = {
    "judged members of numbers": _judged(lambda size: _list(b"0", size)),
    "judged members of objects": _judged(lambda size: _list(b"{}", size)),
    "judged members of names": _judged(_object),
    "one judged member of numbers": lambda size: chat(b',"logit_bias":' + _list(b"0", size)),
    "one judged member, all it may hold": lambda _: chat(b',"logit_bias":' + _list(b"0", 1000)),
    "judged members, all they may hold": lambda _: chat(
        b',"max_tokens":%b,"max_completion_tokens":%b' % (_object(11 * 500), _object(11 * 500))
    ),
    "judged text of escapes": lambda size: chat(b',"thinking":' + _string(b"\\u0061", size)),
    "names of wide letters": lambda size: chat(
        b"".join(b',"%03x%b":0' % (i, "\N{FULLWIDTH LATIN CAPITAL LETTER A}".encode() * 80) for i in range(size // 260))
    ),
    "tool calls without reasoning, few": BODIES["tool calls without reasoning"],
    "tool calls without reasoning, spaced, few": BODIES["tool calls without reasoning, spaced"],
    "as many without reasoning as are repaired": lambda _: chat(messages=_list(_LACKING, 4000 * len(_LACKING))),
    "the same, spaced": lambda _: chat(messages=_list(_SPACED, 4000 * len(_SPACED))),
    "as many that say null for it as are repaired": lambda _: chat(messages=_list(_NULL, 750 * len(_NULL))),
    "many top-level members, few": BODIES["many top-level members"],
}
"""Many bodies of SMALL bytes each, or of as many as are repaired."""
