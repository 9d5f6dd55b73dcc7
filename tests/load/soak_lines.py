"""Every line that the proxy's processes may log in a soak, and why it is expected.

Here: the declared lines, and what is left unexplained. Not here: whether the numbers agree (soak_books.py). Invariant:
a line is explained only by a pattern that stands here with its reason; a line of the event `fault`, a traceback or text
that is not JSON never is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import orjson

_NOTES: Final[tuple[tuple[str, str], ...]] = (
    (r"version \S+, configuration \w+", "start: what runs"),
    (r"listening on http://\S+", "start: where clients connect"),
    (r"admin on http://\S+ \(a page for people, .*\)", "start: the admin port"),
    (r"vendor (sim|other): http://127\.0\.0\.1:\d+/v1, profile \S+, credentials pass through", "start: a vendor"),
    (r"policy for (sim|other): \S+, repair", "start: its policy"),
    (r"reference: http://127\.0\.0\.1:\d+/v1, profile \S+, model \S+, no credential", "start: the reference"),
    (r"mirror: [\d.]+% of the traffic, .*", "start: the mirror's shares and budgets"),
    (r"checks: 100% of the answers, at most one false alarm in .*", "start: the checks"),
    (r"log of the checks: \S+", "start: where the log is"),
    (r"ready", "start: all workers accept"),
    (r"reloaded \((SIGHUP|file change)\): configuration \w+, before it \w+", "the soak changed the file"),
    (r"not reloaded \((SIGHUP|file change)\), \w+ stays in use: .*no_such_setting.*", "the soak wrote an invalid file"),
    (r"vendor (sim|other) \((thinking|instant)\): \S+ -> \S+", "the vendors' faults are drift, and it is seen"),
    (r"vendor (sim|other) (changed|recovered): .*", "the vendors' faults are drift, and it is seen"),
    (r"the reference seems to have changed: .*", "the reference's faults are seen"),
    (r"replacing workers", "the soak sent SIGUSR2"),
    (r"workers replaced; the former ones finish what they have under way", "the soak sent SIGUSR2"),
    (r"worker \d+ was killed by SIGKILL; another is started in [\d.]+ s", "the soak killed a worker"),
    (r"scorer \d+ was killed by SIGKILL; another is started in [\d.]+ s", "the soak killed the scorer"),
    (r"stopping; what is under way has up to \d+ s, a second SIGTERM ends it now", "the soak is over"),
    (r"stopped", "the soak is over"),
)
_REQUESTS: Final[dict[tuple[str, str], str]] = {
    ("ok", ""): "answered",
    ("client_error", ""): "the vendor's own 4xx: the faults rate-limited and overloaded",
    ("upstream_error", ""): "the vendor's own 5xx, or an answer that broke off",
    ("upstream_error", "vendor-unreachable"): "a toxic broke the connection while it was made",
    ("upstream_error", "vendor-reset"): "a toxic or a fault broke the connection before an answer",
    ("upstream_error", "vendor-truncated"): "a toxic or a fault broke the head of the answer",
    ("timeout", ""): "a toxic or a fault fell silent within an answer",
    ("timeout", "vendor-connect-timeout"): "a toxic fell silent",
    ("timeout", "vendor-first-byte-timeout"): "a toxic or a fault fell silent",
    ("timeout", "vendor-idle-timeout"): "a toxic fell silent within the head of the answer",
    ("timeout", "vendor-total-timeout"): "a toxic made the head of the answer too slow",
    ("client_gone", ""): "a client went away",
    ("rejected", "http-malformed"): "a client sent a head that cannot be read",
    ("rejected", "route-unknown"): "a client asked for a path that there is not",
    ("rejected", "content-type"): "a client sent no JSON type",
    ("rejected", "body-not-json"): "a client sent broken JSON",
    ("rejected", "member-repeated"): "a client named the model twice",
}
_DECLARED: Final = tuple((re.compile(pattern), reason) for pattern, reason in _NOTES)


def parsed(line: str) -> dict[str, Any] | None:
    """The members of a line; None when it is no JSON object."""
    try:
        found = orjson.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def reason_of(line: dict[str, Any] | None) -> str | None:
    """Why a line is expected; None when nothing explains it."""
    match line:
        case {"event": "supervisor", "message": str(message)}:
            return next((reason for pattern, reason in _DECLARED if pattern.fullmatch(message)), None)
        case {"event": "request", "outcome": str(outcome)}:
            return _REQUESTS.get((outcome, str((line or {}).get("code", ""))))
        case _:
            return None


def unexplained(lines: Iterable[str]) -> Counter[str]:
    """The lines that nothing explains, without what makes each of them different."""
    found: Counter[str] = Counter()
    for text in lines:
        line = parsed(text)
        if reason_of(line) is not None:
            continue
        if line is not None and line.get("event") == "request":
            said = f"request {line.get('outcome')} {line.get('code')} {line.get('failure')}"
        else:
            said = text if line is None else str(line.get("message", text))
        found[re.sub(r"\d+", "N", said)[:300]] += 1
    return found
