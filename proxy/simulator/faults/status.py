"""Faults that answer with an error or a redirect in place of what was asked.

Not here: the errors of an honest host (refusals.py). Invariant: only echo-key repeats a credential.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from proxy.contract.mode import Mode
from proxy.simulator.faults.defects import Defect
from proxy.simulator.faults.fault import Number, Occasion, StatusFault
from proxy.simulator.refusals import Refusal, engine, invalid, official
from proxy.simulator.request import ChatRequest

NOBODY: Final = 9
"""The port of the discard service (RFC 863): nothing listens there."""


def _always(answer: Callable[[Occasion], Refusal]) -> Callable[[ChatRequest | None, Occasion], Refusal]:
    return lambda _request, on: answer(on)


def _error(on: Occasion, status: int, kind: str, message: str, *, retry: bool = False) -> Refusal:
    headers = (("Retry-After", str(on.whole())),) if retry else ()
    if on.shape.checks_contract:
        return official(status, kind, message, headers)
    return Refusal(status, engine(status, kind, message).body, headers)


def _rate_limited(on: Occasion) -> Refusal:
    refusal = _error(
        on,
        429,
        "rate_limit_reached_error",
        "Your account reached max request rate, please try again after 1 seconds",
        retry=True,
    )
    limits = (("X-RateLimit-Limit", "60"), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", str(on.whole())))
    return Refusal(refusal.status, refusal.body, (*refusal.headers, *limits))


def _overloaded(on: Occasion) -> Refusal:
    return _error(
        on, 429, "engine_overloaded_error", "The engine is currently overloaded, please try again later", retry=True
    )


def _quota_used_up(on: Occasion) -> Refusal:
    return _error(
        on, 429, "exceeded_current_quota_error", "You exceeded your current token quota, please check your balance"
    )


def _server_error(on: Occasion) -> Refusal:
    return _error(on, 500, "server_error", "The server had an error while processing your request")


def _unavailable(on: Occasion) -> Refusal:
    return _error(on, 503, "server_unavailable", "The server is currently unavailable")


def _echo_key(on: Occasion) -> Refusal:
    return official(401, "incorrect_api_key_error", f"Incorrect API key provided: {on.credential}")


def _redirect(on: Occasion) -> Refusal:
    location = f"http://127.0.0.1:{on.whole()}/v1/chat/completions"
    return Refusal(307, {"error": {"message": "Temporary Redirect", "type": "redirect"}}, (("Location", location),))


def _refuse_reasoning(request: ChatRequest | None, _on: Occasion) -> Refusal | None:
    messages = request.messages if request is not None else ()
    for index, message in enumerate(messages):
        for name in ("reasoning_content", "reasoning"):
            if isinstance(message, dict) and name in message:
                where = f"messages[{index}].{name}"
                return invalid(f"Extra inputs are not permitted, field: '{where}'")
    return None


def _crash_on_structure(request: ChatRequest | None, on: Occasion) -> Refusal | None:
    if request is None or request.json_schema is None or request.mode is not Mode.THINKING:
        return None
    return _error(on, 500, "server_error", "EngineCore encountered an issue")


STATUS_FAULTS: Final = (
    StatusFault(
        name="redirect",
        does="answers 307 with a Location on another port",
        defect=Defect.REDIRECTED,
        number=Number("that port of 127.0.0.1", NOBODY),
        act=_always(_redirect),
    ),
    StatusFault(
        name="echo-key",
        does="answers 401 and repeats the Authorization value in the message",
        defect=Defect.KEY_ECHOED,
        act=_always(_echo_key),
    ),
    StatusFault(
        name="rate-limited",
        does="answers 429 rate_limit_reached_error with Retry-After",
        defect=Defect.OVERLOAD,
        number=Number("Retry-After in seconds", 1),
        act=_always(_rate_limited),
    ),
    StatusFault(
        name="overloaded",
        does="answers 429 engine_overloaded_error with Retry-After",
        defect=Defect.OVERLOAD,
        number=Number("Retry-After in seconds", 1),
        act=_always(_overloaded),
    ),
    StatusFault(
        name="quota-used-up",
        does="answers 429 exceeded_current_quota_error, without Retry-After",
        defect=Defect.OVERLOAD,
        act=_always(_quota_used_up),
    ),
    StatusFault(
        name="server-error",
        does="answers 500 server_error",
        defect=Defect.OVERLOAD,
        act=_always(_server_error),
    ),
    StatusFault(
        name="service-unavailable",
        does="answers 503 server_unavailable",
        defect=Defect.OVERLOAD,
        act=_always(_unavailable),
    ),
    StatusFault(
        name="refuse-reasoning-history",
        does="answers 400 to a message that holds its reasoning",
        defect=Defect.LEGAL_FIELD_REFUSED,
        act=_refuse_reasoning,
    ),
    StatusFault(
        name="structured-output-crash",
        does="answers 500 to response_format json in thinking mode",
        defect=Defect.STRUCTURED_CRASH,
        act=_crash_on_structure,
    ),
)
