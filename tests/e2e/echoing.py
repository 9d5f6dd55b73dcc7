"""A vendor that repeats the key it is given wherever an answer has room for it: in status lines, fields, errors, JSON,
events of a stream and the arguments of tool calls.

Not here: assertions. Invariants: it has a thread of its own, so a command may have the event loop; which of its answers
comes follows from how many came before, so each comes about equally often.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}


@dataclass(slots=True)
class Echoing:
    """Where it is, and the credentials it was sent."""

    url: str
    credentials: list[str] = field(default_factory=list)


def error(key: str) -> bytes:
    return json.dumps({"error": {"message": f"Incorrect API key provided: {key}", "type": key, "code": key}}).encode()


def answer(key: str, **message: Any) -> bytes:  # noqa: ANN401  (any JSON)
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return json.dumps({"id": key, "model": key, "choices": [choice], "usage": USAGE}).encode()


def stream(*deltas: dict[str, Any], more: bytes = b"") -> bytes:
    chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE})
    events = [b"data: " + json.dumps({"id": "c", "model": "kimi-k2.6", **chunk}).encode() for chunk in chunks]
    return b"\n\n".join([*events, *([more] if more else []), b"data: [DONE]", b""])


def answers(key: str) -> list[tuple[int, str, bytes]]:
    """Status, type and body of each."""
    call = {"index": 0, "id": key, "type": "function", "function": {"name": key, "arguments": json.dumps({"k": key})}}
    half = len(key) // 2
    as_json, as_events = "application/json", "text/event-stream"
    return [
        (200, as_json, answer(key, content=f"Your key is {key}.", reasoning_content=key)),
        (200, as_json, answer(key, content=f"Your key is {key}.").replace(b"/", b"\\/")),
        (200, as_json, answer(key, content=None, tool_calls=[call])),
        (200, as_events, stream({"content": f"Your key is {key[:half]}"}, {"content": f"{key[half:]}."})),
        (200, as_events, stream({"tool_calls": [call]}, more=b"data: " + error(key))),
        (200, as_json, error(key)),
        (200, "text/html", b"<html>" + key.encode()),
        (401, as_json, error(key)),
        (400, "text/plain", key.encode()),
        (503, as_json, error(key)),
    ]


@contextmanager
def echoing(*, refuses: bool = False) -> Iterator[Echoing]:
    """`refuses`: with 401 and nothing else."""
    numbers = count()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            credential = self.headers.get("Authorization", "")
            found.credentials.append(credential)
            key = credential.removeprefix("Bearer ")
            told = answers(key)
            status, kind, body = told[7] if refuses else told[next(numbers) % len(told)]
            self.send_response(status, key)
            for name, value in (("Content-Type", kind), ("X-Key", key), ("X-Request-Id", key), ("Retry-After", key)):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name there)
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Echoing(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
