"""What is served: exact paths, their methods and what happens to their bodies.

Not here: vendors (config) and policy. Invariant: a request target is matched as received, never decoded or normalised,
so there is one view of it and nothing to confuse; the upstream path is built from the match, never copied whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from proxy.policy.verdict import Route


@dataclass(frozen=True, slots=True)
class Served:
    """One kind of path. `policy` is the route whose clauses apply; None: the body passes as it came."""

    label: str
    methods: frozenset[str]
    policy: Route | None


@dataclass(frozen=True, slots=True)
class Match:
    """A matched target. `vendor` "" means the first; `path` follows the vendor's base path and starts with a slash."""

    served: Served
    vendor: str
    path: str
    query: str


_POST, _GET = frozenset({"POST"}), frozenset({"GET"})
METHODS: Final = frozenset({"GET", "POST", "DELETE"})

_EXACT: Final = {
    "/chat/completions": Served("chat", _POST, Route.CHAT),
    "/completions": Served("completions", _POST, Route.COMPLETIONS),
    "/responses": Served("responses", _POST, Route.RESPONSES),
    "/messages": Served("messages", _POST, Route.MESSAGES),
    "/embeddings": Served("embeddings", _POST, None),
    "/models": Served("models", _GET, None),
}
_BELOW: Final = (
    ("/models/", Served("models", _GET, None)),
    ("/files", Served("files", METHODS, None)),
    ("/batches", Served("batches", METHODS, None)),
    ("/tokenizers/", Served("tokenizers", _POST, None)),
    ("/users/me/", Served("users", _GET, None)),
)
PATHS: Final = tuple(_EXACT)
_KINDS: Final = (*_EXACT.values(), *(kind for _, kind in _BELOW))
LABELS: Final = tuple(dict.fromkeys(kind.label for kind in _KINDS))
STREAMS: Final = tuple(dict.fromkeys(kind.label for kind in _KINDS if kind.policy is not None))
"""The routes on which a stream can be asked for: those whose bodies are read."""

_TARGET: Final = re.compile(
    r"(?:/vendors/(?P<vendor>[a-z0-9-]{1,32}))?/v1(?P<path>(?:/[A-Za-z0-9._~:@+-]+)+)(?:\?(?P<query>[!-~]*))?"
)
"""Segments hold no percent escape, backslash or empty part, so `..` is the only thing left to refuse."""


def match(target: str) -> Match | None:
    """The route of a request target, or None.

    A query is kept only where the body is passed as it came; on the routes a policy judges it is dropped.
    """
    found = _TARGET.fullmatch(target)
    if found is None or "/.." in target or "/./" in target or target.endswith("/."):
        return None
    path = found["path"]
    served = _EXACT.get(path) or _below(path)
    if served is None:
        return None
    query = found["query"] or "" if served.policy is None else ""
    return Match(served, found["vendor"] or "", path, query)


def _below(path: str) -> Served | None:
    for prefix, served in _BELOW:
        if path.startswith(prefix) and (prefix.endswith("/") or len(path) == len(prefix) or path[len(prefix)] == "/"):
            return served
    return None
