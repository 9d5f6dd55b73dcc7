"""Credentials taken out of text before it is kept.

Not here: where it is kept (bodies.py). Invariants: text without anything that looks like a credential is unchanged,
byte for byte; no pattern takes more than time proportional to the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import orjson

REDACTED: Final = "[redacted]"

_NAMES: Final = (
    r"(?:proxy[-_]?)?authorization|(?:x[-_]?)?api[-_]?key|password|passwd|credentials?|private[-_]?key"
    r"|(?:client[-_]?)?secret|secret[-_]?key|(?:(?:access|refresh|auth|id|session|bearer)[-_]?)?token"
)
_MEMBER: Final = re.compile(_NAMES, re.IGNORECASE)

_SHAPES: Final = (
    r"(?<![A-Za-z0-9])sk-[\w-]{8,}",
    r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|hf_|AKIA|ASIA|AIza)[\w-]{12,}",
    r"(?<![\w-])eyJ[\w-]{8,}+\.[\w-]{8,}+\.[\w-]*+",
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|\Z)",
)
"""Keys by their form: OpenAI's and its likes, GitHub, GitLab, Slack, Hugging Face, AWS, Google, JWT, PEM."""

_AFTER: Final = (
    r"\b((?i:bearer)\s+)[\w.~+/=-]{8,}",
    r"\b((?i:basic)\s+)[A-Za-z0-9+/=]{16,}",
    # A member of JSON or of a Python dict within the text, and the same where the text is JSON within JSON.
    rf'((?i:["\'](?:{_NAMES})["\'])\s*:\s*)(?:"(?:[^"\\]|\\.)*(?:"|\\?\Z)|\'(?:[^\'\\]|\\.)*(?:\'|\\?\Z))',
    rf"((?i:\\{{1,31}}[\"'](?:{_NAMES})\\{{1,31}}[\"'])\s*:\s*)(\\{{1,31}}[\"']).*?(?:(?<!\\)\2|\Z)",
    # A line of an environment file.
    r"((?i:api[-_]?key|password|passwd|secret|token)\s*=\s*)(?:\"[^\"]*\"|'[^']*'|[^\s\"'&;]{4,})",
)
"""A credential by what stands before it; that is group 1, and stays."""


class Redactor:
    """`patterns` are regular expressions for whatever else must not be kept; the whole of a match is taken out. So is
    each of `keys`, whatever its form: those that the proxy holds. Raises re.error for what cannot be compiled.
    """

    def __init__(self, patterns: Iterable[str] = (), keys: Iterable[str] = ()) -> None:
        # A key goes as a whole before a form may take a part of it.
        self._whole = [re.compile(each, re.DOTALL) for each in (*map(re.escape, keys), *_SHAPES, *patterns)]
        self._after = [re.compile(pattern, re.DOTALL) for pattern in _AFTER]

    def text(self, text: str) -> str:
        """Any text."""
        for pattern in self._whole:
            text = pattern.sub(REDACTED, text)
        for pattern in self._after:
            text = pattern.sub(rf'\1"{REDACTED}"', text)
        return text

    def value(self, value: Any) -> Any:  # noqa: ANN401  (any JSON value)
        """A JSON value: every text in it, and whatever a member holds whose name says that it is a credential."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {
                    name: REDACTED if held and _MEMBER.fullmatch(name) else self.value(held)
                    for name, held in value.items()
                }
            case list() | tuple():
                return [self.value(each) for each in value]
            case _:
                return value

    def body(self, body: bytes) -> bytes:
        """A request's body; one that cannot be read as JSON is any text."""
        try:
            parsed = orjson.loads(body)
            redacted = self.value(parsed)
            return body if redacted == parsed else orjson.dumps(redacted)
        except (ValueError, TypeError, RecursionError):  # orjson encodes less deep than it reads
            return self.text(body.decode(errors="replace")).encode()
