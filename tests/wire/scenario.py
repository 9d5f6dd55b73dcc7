"""Wire scenarios as values: what each file of tests/cases/wire says, read with errors that name the place.

A scenario is a transcript: who sends which bytes, who gets which, in order, and what is counted at its end. Not here:
sockets (stage.py). Invariant: a scenario that cannot be played as written is refused, so that none passes unread.

Text is bytes, one character each; a list of lines is joined by CRLF. `<<...>>` stands for what is too long or cannot be
known: `<<9000*x>>`, `<<130 fields>>`, `<<300 members>>`, `<<size>>` (of what follows the head), `<<any>>` (in what is
expected), `<<pseudonym>>`, and the names in SHORT.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from proxy.metrics.worker import OUTCOMES, UPSTREAM_OUTCOMES

CASES: Final = Path(__file__).parent.parent / "cases/wire"
CANARY: Final = "sk-CANARY-7d1f9e"
PSEUDONYM: Final = b"<<pseudonym>>"
ANY: Final = b"<<any>>"
_CHAT: Final = '{"model":"other","messages":[]}'
_POST: Final = (
    "POST /v1/chat/completions HTTP/1.1\r\nHost: proxy.test\r\nContent-Type: application/json\r\n"
    f"X-Canary: {CANARY}\r\n"
)
SHORT: Final = {
    "canary": CANARY,
    "chat": _CHAT,
    "post": _POST,
    "ask": f"{_POST}Content-Length: {len(_CHAT)}\r\n\r\n{_CHAT}",
    "get": f"GET /v1/models HTTP/1.1\r\nHost: proxy.test\r\nX-Canary: {CANARY}\r\n\r\n",
    "ok": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    "json head": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
    "stream head": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    "any": ANY.decode(),
    "pseudonym": PSEUDONYM.decode(),
    "size": "<<size>>",
}
"""What most scenarios have in common: a request, its parts, and answers of a vendor."""


class ScenarioError(ValueError):
    """A scenario that cannot be played, with its place."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a client gets. None: not looked at. `cut`: it must not look complete."""

    status: int | None = None
    code: str | None = None
    body: bytes | None = None
    fields: tuple[bytes, ...] = ()
    lacks: tuple[str, ...] = ()
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """What a vendor receives. `whole`: every byte of it; else the parts that matter."""

    whole: bytes | None = None
    line: bytes | None = None
    body: bytes | None = None
    fields: tuple[bytes, ...] = ()
    lacks: tuple[str, ...] = ()


Said: TypeAlias = bytes | Answered | Received | str | float | None


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a transcript: `verb` as in VERBS, `number` of the client or the vendor's connection."""

    verb: str
    number: int
    said: Said

    def __str__(self) -> str:
        return f"{self.verb} ({self.number}): {str(self.said)[:200]}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One transcript. `requests` and `exchanges` are the outcomes counted at its end, `failures` the log's words.
    `whole_only`: what happens depends on how the bytes are cut, so they are sent as they are written.
    """

    name: str
    steps: tuple[Step, ...]
    requests: Mapping[str, int]
    exchanges: Mapping[str, int]
    failures: tuple[str, ...] | None = None
    whole_only: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)


def _expanded(found: re.Match[str]) -> str:
    inner = found[1]
    if inner in SHORT:
        return SHORT[inner]
    number, _, rest = inner.partition("*")
    if number.isdigit():
        return int(number) * rest
    number, _, rest = inner.partition(" ")
    if number.isdigit() and rest == "fields":
        return "\r\n".join(f"X-{each}: 1" for each in range(int(number)))
    if number.isdigit() and rest == "members":
        return "".join(f',"x{each}":1' for each in range(int(number)))
    raise ScenarioError(f"<<{inner}>> stands for nothing; known: {', '.join(SHORT)}, N*text, N fields, N members")


def as_bytes(value: object) -> bytes:
    """The bytes a text, or a list of lines, stands for."""
    if isinstance(value, list):
        value = "\r\n".join(map(str, value))
    if not isinstance(value, str):
        raise ScenarioError(f"{value!r} is neither a text nor a list of lines")
    text = re.sub(r"<<(.+?)>>", _expanded, value, flags=re.DOTALL)
    try:
        sent = text.encode("latin-1")
    except UnicodeEncodeError:
        raise ScenarioError("a character is one byte: write others as \\x escapes of their bytes") from None
    size = len(sent.partition(b"\r\n\r\n")[2]) if b"<<size>>" in sent else 0
    return sent.replace(b"<<size>>", b"%d" % size)


def _parts(value: object, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict) or not value.keys() <= set(known):
        raise ScenarioError(f"{value!r} is no mapping of {', '.join(known)}")
    parts: dict[str, Any] = dict(value)
    for name in ("line", "body"):
        if name in parts:
            parts[name] = as_bytes(parts[name])
    parts["fields"] = tuple(as_bytes(line) for line in parts.get("fields", ()))
    parts["lacks"] = tuple(parts.get("lacks", ()))
    return parts


def _answer(value: object) -> Said:
    if isinstance(value, str):
        return as_bytes(value)
    return Answered(**_parts(value, ("status", "code", "body", "fields", "lacks", "cut")))


def _request(value: object) -> Said:
    if value is None:
        return Received()
    if isinstance(value, str | list):
        return Received(whole=as_bytes(value))
    return Received(**_parts(value, ("line", "body", "fields", "lacks")))


def _nothing(value: object) -> Said:
    if value is not None:
        raise ScenarioError(f"nothing is said with it, not {value!r}")
    return None


def _number(value: object) -> Said:
    if not isinstance(value, int | float):
        raise ScenarioError(f"{value!r} is no number")
    return float(value)


def _fate(*allowed: str) -> Callable[[object], Said]:
    def read(value: object) -> Said:
        if value not in allowed:
            raise ScenarioError(f"{value!r} is none of {', '.join(allowed)}")
        return str(value)

    return read


VERBS: Final[Mapping[str, Callable[[object], Said]]] = {
    "client sends": as_bytes,
    "client gets": _answer,
    "client gets head": _answer,
    "client gets body": as_bytes,
    "client gets rest": _answer,
    "client connection": _fate("kept", "closed", "dropped"),
    "client stops reading": _nothing,
    "client is stuck": _nothing,
    "client reads on": _nothing,
    "client leaves": _nothing,
    "client closes": _nothing,
    "client half-closes": _nothing,
    "vendor reads only": _number,
    "vendor reads on": _nothing,
    "vendor hears": _nothing,
    "vendor receives": _request,
    "vendor sends": as_bytes,
    "vendor closes": _nothing,
    "vendor resets": _nothing,
    "vendor connection": _fate("kept", "closed"),
    "proxy has in flight": _number,
    "proxy hears": _nothing,
    "time passes": _number,
}
"""What can happen, and how what is said with it is read. `client 2`, `vendor 2`: the second connection. CONTRIBUTING.md
says what each means."""


def read_step(value: object) -> Step:
    """One step as a file has it: a text, or a mapping of one entry."""
    entry = {value: None} if isinstance(value, str) else value
    if not isinstance(entry, dict) or len(entry) != 1:
        raise ScenarioError(f"{value!r} is not one step")
    ((words, said),) = entry.items()
    found = re.fullmatch(r"(client|vendor) (\d+) (.+)", str(words))
    verb, number = (f"{found[1]} {found[3]}", int(found[2])) if found else (str(words), 1)
    if verb not in VERBS:
        raise ScenarioError(f"{words!r} is none of {', '.join(VERBS)}")
    return Step(verb, number, VERBS[verb](said))


def _outcomes(counted: object, name: str, known: tuple[str, ...]) -> dict[str, int]:
    found = counted.get(name, {}) if isinstance(counted, dict) else None
    if not isinstance(found, dict) or not found.keys() <= set(known):
        raise ScenarioError(f"counted {name} {found!r} is no mapping of {', '.join(known)}")
    return dict(found)


def read_scenario(value: object) -> Scenario:
    """One entry of a file. Raises ScenarioError."""
    known = {"name", "config", "steps", "counted", "failures", "whole_only"}
    if not isinstance(value, dict) or not {"name", "steps", "counted"} <= value.keys() <= known:
        raise ScenarioError(f"a scenario has name, steps and counted, and may have {', '.join(sorted(known))}")
    place = str(value["name"])
    try:
        steps = []
        for number, step in enumerate(value["steps"], 1):
            place = f"{value['name']}: step {number}"
            steps.append(read_step(step))
        place = str(value["name"])
        counted, failures = value["counted"], value.get("failures")
        return Scenario(
            place,
            tuple(steps),
            _outcomes(counted, "requests", OUTCOMES),
            _outcomes(counted, "exchanges", UPSTREAM_OUTCOMES),
            None if failures is None else tuple(failures),
            bool(value.get("whole_only")),
            value.get("config", {}),
        )
    except (ScenarioError, TypeError) as error:
        raise ScenarioError(f"{place}: {error}") from None


def read_file(path: Path) -> tuple[Scenario, ...]:
    """The scenarios of a file; each has a name of its own."""
    try:
        scenarios = tuple(read_scenario(value) for value in yaml.load(path.read_text(), yaml.CSafeLoader))
    except ScenarioError as error:
        raise ScenarioError(f"{path.name}: {error}") from None
    names = [scenario.name for scenario in scenarios]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ScenarioError(f"{path.name}: more than one is named {', '.join(sorted(repeated))}")
    return scenarios
