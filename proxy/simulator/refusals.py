"""What an honest host refuses, in its own wording and shape.

Here: the errors of Moonshot's API and of vLLM, and the two judges that look at a chat request. Not here: errors that
are defects (faults/status.py). Invariant: an error never holds a key, nor more of the client's text than a short name.

Sources: platform.kimi.ai API reference (errors) and MoonshotAI/kimi-help-center error-codes.md for types and statuses;
the wordings as seen live are quoted in the public issues new-api#5372, cline#10620 (temperature), kimi-agent-sdk#169
(reasoning_content), oh-my-pi#827 (tool_choice).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from proxy.contract.mode import Mode
from proxy.simulator.request import CONTEXT_TOKENS, ChatRequest, is_number
from proxy.simulator.shapes import Shape

FIXED: Final[Mapping[str, Mapping[Mode, float]]] = {
    "temperature": {Mode.THINKING: 1.0, Mode.INSTANT: 0.6},
    "top_p": {Mode.THINKING: 0.95, Mode.INSTANT: 0.95},
    "n": {Mode.THINKING: 1, Mode.INSTANT: 1},
    "presence_penalty": {Mode.THINKING: 0, Mode.INSTANT: 0},
    "frequency_penalty": {Mode.THINKING: 0, Mode.INSTANT: 0},
}
"""Kimi K2.6's fixed parameters (Moonshot API reference, models overview; Kimi Vendor Verifier, verify_params.py)."""
TOOL_NAME: Final = re.compile(r"\$?[a-zA-Z_][a-zA-Z0-9-_]{2,63}")
"""Moonshot's OpenAPI file; built-in functions start with a dollar sign."""
MAX_TOOLS: Final = 128
SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer: status, JSON body, extra headers."""

    status: int
    body: Mapping[str, Any]
    headers: tuple[tuple[str, str], ...] = ()


Judge = Callable[[ChatRequest], Refusal | None]


def official(status: int, kind: str, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Refusal:
    """Moonshot's error object: message and type, no code, no param."""
    return Refusal(status, {"error": {"message": message, "type": kind}}, headers)


def invalid(message: str) -> Refusal:
    """Moonshot's 400."""
    return official(400, "invalid_request_error", message)


def engine(status: int, kind: str, message: str, param: str | None = None) -> Refusal:
    """The error object of vLLM (entrypoints/openai ErrorResponse, nested since 0.10)."""
    return Refusal(status, {"error": {"message": message, "type": kind, "param": param, "code": status}})


def not_an_object(shape: Shape) -> Refusal:
    """The body is not a JSON object."""
    if shape.checks_contract:
        return invalid("Invalid request: the body must be one JSON object")
    return engine(400, "BadRequestError", "the body must be one JSON object")


def wrong_key(shape: Shape, *, missing: bool) -> Refusal:
    """The key is missing or not the one demanded; it is never repeated."""
    if not shape.checks_contract:
        return Refusal(401, {"error": "Unauthorized"})
    if missing:
        return official(401, "invalid_authentication_error", "Invalid Authentication")
    return official(401, "incorrect_api_key_error", "Incorrect API key provided")


def unknown_model(shape: Shape, model: str) -> Refusal:
    """The host has no such model."""
    shown = model[:SHOWN]
    if shape.checks_contract:
        return official(404, "resource_not_found_error", f"Not found the model {shown} or Permission denied")
    return engine(404, "NotFoundError", f"The model `{shown}` does not exist.", "model")


def unusable_schema(shape: Shape) -> Refusal:
    """A tool's parameters, or a response format, are not a JSON schema that can be decoded by."""
    if shape.checks_contract:
        return invalid("Invalid request: a tool's parameters or the response format is not a valid JSON schema")
    return engine(400, "BadRequestError", "Invalid JSON schema")


def unknown_path(shape: Shape) -> Refusal:
    """The host has no such route."""
    if shape.checks_contract:
        return official(404, "resource_not_found_error", "The requested resource was not found")
    return Refusal(404, {"detail": "Not Found"})


def judge(request: ChatRequest, shape: Shape, model: str) -> Refusal | None:
    """The first thing this host would refuse in a chat request; None: it answers."""
    if request.members.get("model") != model:
        return unknown_model(shape, request.model)
    if request.accepts_anything:
        return None
    return next(_official_faults(request) if shape.checks_contract else _engine_faults(request), None)


def _official_faults(request: ChatRequest) -> Iterator[Refusal]:
    yield from _thinking_object(request.members.get("thinking"))
    yield from _fixed_parameters(request)
    yield from _limits(request)
    yield from _tools(request)
    yield from _history(request)


def _thinking_object(thinking: Any) -> Iterator[Refusal]:  # noqa: ANN401  (JSON as it came)
    if thinking is None:
        return
    if not isinstance(thinking, dict) or thinking.get("type") not in ("enabled", "disabled"):
        yield invalid("invalid thinking: only type=enabled or type=disabled is allowed for this model")
    elif thinking.get("keep") not in (None, "all"):
        yield invalid("invalid thinking.keep: only all is allowed for this model")
    elif not thinking.keys() <= {"type", "keep"}:
        yield invalid("invalid thinking: only type and keep are allowed for this model")


def _fixed_parameters(request: ChatRequest) -> Iterator[Refusal]:
    for name, values in FIXED.items():
        value, lawful = request.members.get(name), values[request.asked]
        if value is not None and not (is_number(value) and value == lawful):
            yield invalid(f"invalid {name}: only {lawful:g} is allowed for this model")


def _limits(request: ChatRequest) -> Iterator[Refusal]:
    for name in ("max_completion_tokens", "max_tokens"):
        value = request.members.get(name)
        if value is not None and not (is_number(value) and value == int(value) and value >= 1):
            yield invalid(f"invalid {name}: it must be a positive integer")
    asked = request.members.get("max_completion_tokens") or request.members.get("max_tokens") or 0
    if request.prompt_tokens + int(asked) > CONTEXT_TOKENS:
        yield invalid(f"Invalid request: Your request exceeded model token limit: {CONTEXT_TOKENS}")


def _tools(request: ChatRequest) -> Iterator[Refusal]:
    if len(request.tools) > MAX_TOOLS:
        yield invalid(f"Invalid request: at most {MAX_TOOLS} tools are allowed")
    for tool in request.tools:
        if not TOOL_NAME.fullmatch(tool["function"]["name"]):
            yield invalid(
                "Invalid request: function name is invalid, must start with a letter and can contain letters, numbers, "
                "underscores, and dashes"
            )
    choice = request.members.get("tool_choice")
    forced = "specified" if isinstance(choice, dict) else "required" if choice == "required" else None
    if forced and request.asked is Mode.THINKING:
        yield invalid(f"tool_choice '{forced}' is incompatible with thinking enabled")
    elif forced and not request.tools:
        yield invalid(f"tool_choice '{forced}' needs tools")


def _history(request: ChatRequest) -> Iterator[Refusal]:
    if not request.messages:
        yield invalid("Invalid request: messages must not be empty")
    answered = {str(_member(each, "tool_call_id")) for each in request.messages if _member(each, "role") == "tool"}
    asked: set[str] = set()
    for index, message in enumerate(request.messages):
        if not isinstance(message, dict) or message.get("role") not in ("system", "user", "assistant", "tool"):
            yield invalid(f"Invalid request: role of the message at position {index} is not known")
            continue
        calls = message["tool_calls"] if isinstance(message.get("tool_calls"), list) else []
        yield from _content(index, message, calls)
        if calls and request.asked is Mode.THINKING and not isinstance(message.get("reasoning_content"), str):
            yield invalid(
                f"thinking is enabled but reasoning_content is missing in assistant tool call message at index {index}"
            )
        ids = [str(_member(call, "id")) for call in calls]
        if not answered.issuperset(ids):
            yield invalid(
                "Invalid request: an assistant message with 'tool_calls' must be followed by tool messages responding "
                "to each 'tool_call_id'"
            )
        if message["role"] == "tool" and str(message.get("tool_call_id")) not in asked:
            yield invalid("Invalid request: tool_call_id  is not found")
        asked.update(ids)


def _content(index: int, message: Mapping[str, Any], calls: Any) -> Iterator[Refusal]:  # noqa: ANN401
    content = message.get("content")
    if isinstance(content, list) and any(_member(part, "text") == "" for part in content):
        yield invalid("Invalid request: text content is empty")
    if not content and not calls and message["role"] != "tool" and message.get("partial") is not True:
        yield invalid(f"Invalid request: message at position {index} must not be empty")


def _engine_faults(request: ChatRequest) -> Iterator[Refusal]:
    """The range checks of vLLM's SamplingParams, and nothing about the model's contract."""
    bounds: tuple[tuple[str, float, float, str], ...] = (
        ("temperature", 0.0, float("inf"), "must be non-negative"),
        ("top_p", 1e-9, 1.0, "must be in (0, 1]"),
        ("presence_penalty", -2.0, 2.0, "must be in [-2, 2]"),
        ("frequency_penalty", -2.0, 2.0, "must be in [-2, 2]"),
        ("n", 1, float("inf"), "must be at least 1"),
        ("max_tokens", 1, float("inf"), "must be at least 1"),
        ("max_completion_tokens", 1, float("inf"), "must be at least 1"),
    )
    for name, low, high, rule in bounds:
        value = request.members.get(name)
        if value is not None and not (is_number(value) and low <= value <= high):
            yield engine(400, "BadRequestError", f"{name} {rule}, got {str(value)[:SHOWN]}.", name)
    if not request.messages:
        yield engine(400, "BadRequestError", "messages must be a non-empty list", "messages")


def _member(value: Any, name: str) -> Any:  # noqa: ANN401
    return value.get(name) if isinstance(value, dict) else None
