"""What is judged of one request: the body that reached the vendor, or the refusal that came instead.

Here: the lanes that a request may take, what is found wrong, and the figures. Not here: how a body was sent (bypass.py
over sockets, inprocess.py without them), what is lawful (lawful.py) and who reads (readers.py). Invariant: both ways of
sending are judged by the same rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tests.fuzz.bytes_kept import Unsplit, differences
from tests.fuzz.lawful import INSTANT, Host, View, faults
from tests.fuzz.readers import READERS, Node, Unreadable
from tests.fuzz.requests import CANARY, Request
from tests.fuzz.wire import Answer

_EXPECTED: Final = (400, 415)

HOSTS: Final[tuple[tuple[Host, str], ...]] = (
    (Host("moonshot", ("thinking", "type")), "repair"),
    (Host("moonshot", ("thinking", "type")), "strict"),
    (Host("openai-compatible", None), "repair"),
    (Host("vllm", ("chat_template_kwargs", "thinking")), "repair"),
    (Host("alibaba", ("enable_thinking",), unasked=INSTANT), "repair"),
    (Host("openrouter", ("reasoning", "enabled")), "strict"),
)
"""Vendors by profile, and how firmly the policy is enforced before them."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One way through a proxy: the prefix of its paths, the vendor behind it, how firmly the policy is enforced."""

    prefix: str
    host: Host
    enforcement: str


@dataclass(frozen=True, slots=True)
class Found:
    """Something that must not be."""

    kind: str
    what: str
    lane: Lane
    request: Request
    received: bytes

    def __str__(self) -> str:
        lane = f"{self.lane.host.name} {self.lane.enforcement} {self.lane.host.contract}"
        return f"{self.kind}: {self.what}\n  lane {lane}\n  sent {self.request!r}\n  received {self.received[:3000]!r}"


@dataclass(slots=True)
class Tally:
    """What came of all requests."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    edited: int = 0
    compared: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    found: list[Found] = field(default_factory=list)

    @property
    def forwarded(self) -> int:
        return self.statuses[200]

    def lines(self) -> Iterator[str]:
        """The figures, one a line."""
        yield f"requests {self.requests}"
        yield f"forwarded {self.forwarded} (of these edited {self.edited}; bytes compared {self.compared})"
        for status, count in sorted(self.statuses.items()):
            if status != 200:
                yield f"refused with {status}: {count}"
        for code, count in self.codes.most_common():
            yield f"  {code}: {count}"
        for reader, count in sorted(self.unread.items()):
            yield f"forwarded but unreadable to {reader}: {count}"
        for kind, count in sorted(Counter(each.kind for each in self.found).items()):
            yield f"{kind}: {count}"
        yield f"bypasses {sum(each.kind == 'bypass' for each in self.found)} of {self.requests}"


@dataclass(frozen=True, slots=True)
class Passage:
    """One request on one lane, and the tally that hears what is found."""

    lane: Lane
    sent: Request
    tally: Tally

    def found(self, kind: str, what: str, received: bytes = b"") -> None:
        """Something that must not be."""
        self.tally.found.append(Found(kind, what, self.lane, self.sent, received))

    def refused(self, answer: Answer) -> None:
        """Count the code of a refusal; what is wrong with its shape is found."""
        self.tally.codes[_refusal(answer, self.found)] += 1

    async def forwarded(self, body: bytes, actions: str, reader: Node | None) -> None:
        """Judge what reached the vendor as every reader understands it, and the bytes that changed on the way."""
        views = await self._views(body, reader)
        # Most readers agree on most bodies; what two of them read alike is judged once.
        for view in {(view.names, repr(view.members)): view for view in views}.values():
            for fault in faults(view, self.sent.route, self.lane.host):
                self.found("bypass", f"{view.reader} reads {fault}", body)
        if not views:
            self.found("bypass", "forwarded, and no reader makes anything of it", body)
        self.tally.edited += bool(actions)
        if self.sent.damage in ("", "bytes_changed", "content_type", "tail"):
            try:
                for difference in differences(self.sent.body, body, actions):
                    self.found("changed bytes", difference, body)
                self.tally.compared += 1
            except Unsplit:
                self.tally.unread["the splitter"] += 1

    async def _views(self, body: bytes, reader: Node | None) -> list[View]:
        views = []
        for read in READERS:
            try:
                views.append(read(body))
            except Unreadable:
                self.tally.unread[read.__name__.removeprefix("read_")] += 1
        if reader is not None:
            try:
                views.append(await reader.read(body))
            except Unreadable:
                self.tally.unread["node"] += 1
        return views


def _refusal(answer: Answer, found: Callable[[str, str], None]) -> str:
    """The code of a refusal; what is wrong with its shape is found."""
    if answer.status not in _EXPECTED:
        found("bad refusal", f"status {answer.status}")
    try:
        error: Any = orjson.loads(answer.body)["error"]
        message, kind, param, code = (error[name] for name in ("message", "type", "param", "code"))
    except (ValueError, KeyError, TypeError):
        found("bad refusal", f"no error object: {answer.body[:200]!r}")
        return "no code"
    if not (isinstance(message, str) and message and isinstance(code, str) and isinstance(param, str | None)):
        found("bad refusal", "members of the wrong type")
    if kind != "invalid_request_error" or answer.headers.get("x-paramwall-error-source") != "proxy":
        found("bad refusal", "not marked as ours")
    if CANARY.encode() in answer.body or CANARY in str(answer.headers):
        found("bad refusal", "repeats the client's text")
    return str(code)
