"""Refusals and failures as OpenAI error objects: one shape for everything the proxy itself has to say.

Not here: the vendor's own errors, which pass unchanged. Invariant: no text of the client, the vendor or a credential is
in a problem but what policy/verdict.py declares safe to show.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import orjson

from proxy.contract.envelope import MalformedBody
from proxy.policy.verdict import Finding

SERVER: Final = "paramwall"
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Problem:
    """One error as the client gets it. `code` is stable; `hint` is the exact remedy; `param` names a body member."""

    status: int
    code: str
    message: str
    hint: str
    type: str = "invalid_request_error"
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        """OpenAI's error object."""
        text = f"{self.message}. hint: {self.hint}" if self.hint else self.message
        error = {"message": text, "type": self.type, "param": self.param, "code": self.code}
        return orjson.dumps({"error": error})


class Refused(Exception):
    """Leaves the request path with a problem. `outcome` is a value of metrics.OUTCOMES."""

    def __init__(self, problem: Problem, outcome: str = "rejected") -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.outcome = outcome


def raw(problem: Problem, receipts: Mapping[str, str], *, close: bool) -> bytes:
    """The problem as an HTTP/1.1 response, never cached, marked as our own (RFC 9110 section 6.6.1 asks for Date)."""
    body = problem.body()
    own = "".join([f"{name}: {value}\r\n" for name, value in (*receipts.items(), *problem.headers.items())])
    end = "Connection: close\r\n" if close else ""
    head = (
        f"HTTP/1.1 {problem.status} {_PHRASES[problem.status]}\r\nDate: {_date(int(time.time()))}\r\n"
        f"Server: {SERVER}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"Cache-Control: no-store\r\nx-paramwall-error-source: proxy\r\n{own}{end}\r\n"
    )
    return head.encode("ascii") + body


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def from_findings(findings: tuple[Finding, ...], mode: str) -> Problem:
    """A rejection by policy: the first finding in the official wording, then every finding's remedy."""
    first = findings[0]
    said = f"{first.message} (seen: {first.seen}; allowed in {mode} mode: {first.allowed})"
    hint = "; ".join(dict.fromkeys(finding.hint for finding in findings))
    return Problem(400, first.clause, said, hint, param=first.member)


def from_malformed(error: MalformedBody) -> Problem:
    """A body that was not read at all."""
    return Problem(400, error.code, str(error), error.hint, param=error.param)


NOT_FOUND: Final = Problem(
    404,
    "route-unknown",
    "this path is not served",
    "use /v1/chat/completions or another path of docs/life-of-a-request.md; metrics and health are on the admin port",
)
LATE_HEAD: Final = Problem(408, "head-late", "the request's head did not arrive in time", "send the head at once")
MALFORMED_HEAD: Final = Problem(400, "http-malformed", "the request is not valid HTTP/1.1", "see RFC 9112")
HEAD_TOO_LARGE: Final = Problem(
    431, "head-too-large", "the request line or a header field is too long", "keep each below 8190 bytes, 128 fields"
)
INTERNAL: Final = Problem(
    500,
    "internal-error",
    "paramwall failed to handle this request; it was not forwarded twice",
    "report the request id with the proxy's log line",
    type="server_error",
)
