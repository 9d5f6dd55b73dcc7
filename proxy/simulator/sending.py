"""An answer as it goes on the wire: status, headers, timed pieces of the body, and how it ends.

Here: values, and how a plan or a refusal is written in the host's shape, as JSON or as server-sent events. Not here:
sockets and waiting (transmit.py), defects (faults/). Invariant: an honest Sending is complete: all steps, then a proper
end.

Sources of the shapes: Moonshot API reference, chat completion (usage in choices[0].usage of the finish chunk; with
stream_options.include_usage a last chunk with empty choices); vllm-project/vllm, chat_completion/protocol.py;
charmbracelet/fantasy, recorded exchanges of Kimi hosts (order of the deltas).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, Final

import orjson

from proxy.simulator.pace import Pace
from proxy.simulator.plan import Choice, Plan, Usage
from proxy.simulator.refusals import Refusal
from proxy.simulator.request import ChatRequest
from proxy.simulator.shapes import Shape

Headers = tuple[tuple[str, str], ...]
JSON_HEADERS: Final[Headers] = (("Content-Type", "application/json; charset=utf-8"),)
SSE_HEADERS: Final[Headers] = (("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache"))
DONE: Final = b"data: [DONE]\n\n"
BEFORE_HEADERS: Final = -1


class End(StrEnum):
    """How an answer ends: as it should, by a closed or reset connection, or never."""

    WHOLE = "whole"
    CLOSED = "closed"
    RESET = "reset"
    STALLED = "stalled"


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of the body, written at once `after_s` seconds after the one before."""

    after_s: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Sending:
    """One answer. `streamed`: chunked coding; else Content-Length and the steps as one.

    `end_at` is the byte of the body before which an end other than WHOLE happens, or BEFORE_HEADERS. `instead`
    replaces the whole HTTP message with raw bytes; `unasked` follows a complete answer on the same connection.
    """

    status: int
    headers: Headers
    steps: tuple[Step, ...]
    streamed: bool
    end: End = End.WHOLE
    end_at: int = 0
    instead: bytes | None = None
    unasked: Step | None = None

    @property
    def body(self) -> bytes:
        """All of the body's bytes."""
        return b"".join(step.data for step in self.steps)


@dataclass(frozen=True, slots=True)
class Imprint:
    """What every answer of one exchange carries: the id, the time of creation (Unix seconds), the shape."""

    id: str
    created: int
    shape: Shape
    draw: Random = field(repr=False)


def json_sending(status: int, body: object, headers: Headers = (), after_s: float = 0.0) -> Sending:
    """A JSON answer."""
    return Sending(status, (*JSON_HEADERS, *headers), (Step(after_s, orjson.dumps(body)),), streamed=False)


def refusal_sending(refusal: Refusal) -> Sending:
    """An error answer."""
    return json_sending(refusal.status, refusal.body, refusal.headers)


def answer_sending(plan: Plan, request: ChatRequest, imprint: Imprint, pace: Pace) -> Sending:
    """A plan in the form the client asked for."""
    first_s = pace.first_token_s(request.prompt_tokens, imprint.draw)
    if not request.stream:
        tokens = plan.usage.completion if plan.usage else 0
        return json_sending(
            200, _completion(plan, imprint), after_s=first_s + sum(pace.gap_s(imprint.draw) for _ in range(tokens))
        )
    steps: list[Step] = []
    for data in _events(plan, request, imprint):
        after_s = pace.gap_s(imprint.draw) if steps else first_s
        steps.append(Step(after_s, data))
    return Sending(200, SSE_HEADERS, (*steps, Step(0.0, DONE)), streamed=True)


def event(chunk: object) -> bytes:
    """One server-sent event (WHATWG HTML, section 9.2) that holds JSON."""
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def usage_object(usage: Usage, shape: Shape) -> dict[str, Any]:
    """The usage as this host writes it."""
    counts: dict[str, Any] = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
    }
    cached = {"cached_tokens": usage.cached}
    on_top = shape.cached_on_top != usage.cached_misplaced
    return counts | (cached if on_top else {"prompt_tokens_details": cached})


def _completion(plan: Plan, imprint: Imprint) -> dict[str, Any]:
    choices = [
        {"index": index, "message": _message(choice, imprint.shape), "finish_reason": choice.finish}
        for index, choice in enumerate(plan.choices)
    ]
    body = _head(plan, imprint, "chat.completion") | {"choices": choices}
    return body if plan.usage is None else body | {"usage": usage_object(plan.usage, imprint.shape)}


def _head(plan: Plan, imprint: Imprint, kind: str) -> dict[str, Any]:
    head: dict[str, Any] = {"id": imprint.id, "object": kind, "created": imprint.created, "model": plan.model}
    return head if imprint.shape.fingerprint is None else head | {"system_fingerprint": imprint.shape.fingerprint}


def _message(choice: Choice, shape: Shape) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": _joined(choice.content)}
    if choice.reasoning is not None:
        message[shape.reasoning_field] = _joined(choice.reasoning)
    if choice.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": "".join(call.arguments)},
            }
            for call in choice.calls
        ]
    return message


def _joined(pieces: tuple[str, ...] | None) -> str | None:
    return None if pieces is None else "".join(pieces)


def _events(plan: Plan, request: ChatRequest, imprint: Imprint) -> Iterator[bytes]:
    head = _head(plan, imprint, "chat.completion.chunk")
    usage = None if plan.usage is None else usage_object(plan.usage, imprint.shape)
    tail: dict[str, Any] = {"usage": None} if request.include_usage and imprint.shape.null_usage else {}
    for index, choice in enumerate(plan.choices):
        # All that differs between the events of a choice is the delta: the rest is written once.
        frame = event(head | {"choices": [{"index": index, "delta": None, "finish_reason": None}]} | tail)
        before, mark, after = frame.partition(b'"delta":null')
        before += mark.removesuffix(b"null")
        for delta in _deltas(choice, imprint.shape):
            yield before + orjson.dumps(delta) + after
        if choice.finish is not None:
            last: dict[str, Any] = {"index": index, "delta": {}, "finish_reason": choice.finish}
            if usage is not None and imprint.shape.usage_in_choice:
                last["usage"] = usage
            yield event(head | {"choices": [last]} | tail)
    if request.include_usage and usage is not None:
        yield event(head | {"choices": [], "usage": usage})


def _deltas(choice: Choice, shape: Shape) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for piece in choice.reasoning or ():
        yield {shape.reasoning_field: piece}
    for piece in choice.content or ():
        yield {"content": piece}
    for index, call in enumerate(choice.calls):
        function = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
        for piece in call.arguments:
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
