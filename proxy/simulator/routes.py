"""The host's other routes: models, legacy and sibling endpoints, files, token estimate, balance.

Here: small, well-shaped answers. Not here: chat completions (server.py). Invariant: a route is a pure function of what
came in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import orjson

from proxy.simulator.refusals import not_an_object
from proxy.simulator.request import read_chat
from proxy.simulator.sampler import Sampling, draw_words, prompt_key
from proxy.simulator.sending import Sending, json_sending, refusal_sending
from proxy.simulator.shapes import Shape
from proxy.simulator.tokens import count_text

WORDS_PER_ANSWER: Final = 24


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request on a side route, with what the host is and the dice; `now` in Unix seconds."""

    body: bytes
    shape: Shape
    model: str
    now: int
    draw: Random

    def identity(self, prefix: str) -> str:
        """A fresh id."""
        return f"{prefix}{self.draw.getrandbits(96):024x}"


Route = Callable[[Arrival], Sending]


def members_of(body: bytes) -> Mapping[str, Any] | None:
    """The body as a JSON object; None if it is none."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _models(arrival: Arrival) -> Sending:
    model = {"id": arrival.model, "object": "model", "created": 1_776_700_000, "owned_by": arrival.shape.model_owner}
    return json_sending(200, {"object": "list", "data": [model]})


def _with_text(write: Callable[[Arrival, str, str, int, int], Any]) -> Route:
    """A route that answers a prompt of any shape with a short text: write(arrival, model, text, prompt and completion
    tokens).
    """

    def route(arrival: Arrival) -> Sending:
        members = members_of(arrival.body)
        if members is None:
            return refusal_sending(not_an_object(arrival.shape))
        prompt = orjson.dumps([members.get(name) for name in ("prompt", "input", "messages")])
        words = draw_words(prompt_key(prompt), WORDS_PER_ANSWER, Sampling(1.0, 0.95), arrival.draw)
        model = str(members.get("model", arrival.model))
        return json_sending(200, write(arrival, model, "".join(words), count_text(prompt.decode()), len(words)))

    return route


def _completion(arrival: Arrival, model: str, text: str, prompt: int, completion: int) -> Any:  # noqa: ANN401  (JSON)
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}
    head = {"id": arrival.identity("cmpl-"), "object": "text_completion", "created": arrival.now, "model": model}
    return head | {"choices": [choice], "usage": usage}


def _response(arrival: Arrival, model: str, text: str, prompt: int, completion: int) -> Any:  # noqa: ANN401
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"id": arrival.identity("msg_"), "type": "message", "role": "assistant", "status": "completed"}
    usage = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}
    head = {"id": arrival.identity("resp_"), "object": "response", "created_at": arrival.now, "model": model}
    return head | {"status": "completed", "output": [message | {"content": [part]}], "usage": usage}


def _message(arrival: Arrival, model: str, text: str, prompt: int, completion: int) -> Any:  # noqa: ANN401
    head = {"id": arrival.identity("msg_"), "type": "message", "role": "assistant", "model": model}
    body = {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": None}
    return head | body | {"usage": {"input_tokens": prompt, "output_tokens": completion}}


def _embeddings(arrival: Arrival) -> Sending:
    members = members_of(arrival.body)
    if members is None:
        return refusal_sending(not_an_object(arrival.shape))
    asked = members.get("input")
    texts = asked if isinstance(asked, list) else [asked]
    rows = []
    for index, text in enumerate(texts):
        dice = Random(prompt_key(orjson.dumps(text)))  # noqa: S311  (a simulator's dice, not a secret)
        rows.append({"object": "embedding", "index": index, "embedding": [round(dice.gauss(), 6) for _ in range(8)]})
    tokens = sum(count_text(str(text)) for text in texts)
    body = {"object": "list", "data": rows, "model": members.get("model", arrival.model)}
    return json_sending(200, body | {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}})


def _estimate(arrival: Arrival) -> Sending:
    members = members_of(arrival.body)
    if members is None:
        return refusal_sending(not_an_object(arrival.shape))
    tokens = read_chat(members, arrival.shape).prompt_tokens
    return json_sending(200, {"code": 0, "data": {"total_tokens": tokens}, "scode": "0x0", "status": True})


def _balance(_arrival: Arrival) -> Sending:
    balance = {"available_balance": 49.58, "voucher_balance": 46.58, "cash_balance": 3.0}
    return json_sending(200, {"code": 0, "data": balance, "scode": "0x0", "status": True})


def _file(arrival: Arrival) -> Sending:
    size = len(arrival.body)
    head = {"id": arrival.identity("file-"), "object": "file", "bytes": size, "created_at": arrival.now}
    return json_sending(200, head | {"filename": "upload", "purpose": "file-extract", "status": "ok"})


def _batch(arrival: Arrival) -> Sending:
    head = {"id": arrival.identity("batch_"), "object": "batch", "created_at": arrival.now}
    return json_sending(200, head | {"endpoint": "/v1/chat/completions", "status": "validating"})


def _empty_list(_arrival: Arrival) -> Sending:
    return json_sending(200, {"object": "list", "data": []})


ROUTES: Final[Mapping[tuple[str, str], Route]] = {
    ("GET", "/v1/models"): _models,
    ("POST", "/v1/completions"): _with_text(_completion),
    ("POST", "/v1/responses"): _with_text(_response),
    ("POST", "/v1/messages"): _with_text(_message),
    ("POST", "/v1/embeddings"): _embeddings,
    ("POST", "/v1/tokenizers/estimate-token-count"): _estimate,
    ("GET", "/v1/users/me/balance"): _balance,
    ("POST", "/v1/files"): _file,
    ("GET", "/v1/files"): _empty_list,
    ("POST", "/v1/batches"): _batch,
    ("GET", "/v1/batches"): _empty_list,
}
