"""The readers of one value: its text -> what the program uses, or Refused with the remedy.

Not here: which kinds of values there are (kinds.py); addresses and URLs (urls.py). Invariants: a value is read from its
text alone; the text of a variable is never repeated in a refusal.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Final

from proxy.config.refusal import Refused, choose
from proxy.config.tree import Text
from proxy.config.urls import ENVIRONMENT, TunnelUrl, has_password, tunnel_url
from proxy.config.values import Budget

DURATION_HINT: Final = "write a number with its unit, as in 500ms, 30s, 10m or 2h"
SPAN_HINT: Final = "write a number with its unit, as in 30m, 24h or 90d"
BUDGET_HINT: Final = "write a duration, as in 90d, or a number of pairs, as in 1000000 pairs"
SHARE_HINT: Final = "write a share, as in 1% or 0.01"
SIZE_HINT: Final = "write a whole number with its unit, as in 64KiB, 100MiB or 1GiB"
RATE_HINT: Final = "write a size for each second, as in 1KiB/s"
MODEL_HINT: Final = "write the name as the reference spells it, as in kimi-k2.6"
PATTERN_HINT: Final = r"write a regular expression of Python's re, as in 'sk-\w+'"
VARIABLE_HINT: Final = (
    "write the variable's name in capitals (MOONSHOT_API_KEY); the secret itself is never in the file"
)

_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MAX_DURATION_S: Final = 7 * 24 * 3600.0
_SPAN: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(s|m|h|d)")
_SPAN_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MAX_SPAN_S: Final = 3653 * 86400.0
_PAIRS: Final = re.compile(r"([1-9]\d{0,11}) pairs")
_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)(%?)")
_SIZE: Final = re.compile(r"(\d{1,9})(B|KiB|MiB|GiB)")
_BYTES: Final = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def duration(text: Text) -> float:
    """Seconds, at most a week; 0 is one."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise Refused(f"{text.shown} is not a duration", DURATION_HINT)
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > _MAX_DURATION_S:
        raise Refused(f"{text.shown} is longer than a week", DURATION_HINT)
    return seconds


def some_duration(text: Text) -> float:
    """Seconds, at most a week and more than 0."""
    seconds = duration(text)
    if not seconds:
        raise Refused(f"{text.shown} leaves no time at all", DURATION_HINT)
    return seconds


def duration_or_none(text: Text) -> float | None:
    """Seconds as in `some_duration`; None for the word none."""
    return None if text == "none" else some_duration(text)


def span(text: Text, hint: str = SPAN_HINT, noun: str = "a duration") -> float:
    """Seconds, at most ten years and more than 0; days may be written."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise Refused(f"{text.shown} is not {noun}", hint)
    seconds = float(match[1]) * _SPAN_SECONDS[match[2]]
    if not seconds:
        raise Refused(f"{text.shown} leaves no time at all", hint)
    if seconds > _MAX_SPAN_S:
        raise Refused(f"{text.shown} is longer than ten years", hint)
    return seconds


def budget(text: Text) -> Budget:
    """A duration as in `span`, or a number of pairs."""
    pairs = _PAIRS.fullmatch(text)
    if pairs:
        return Budget("pairs", float(pairs[1]))
    return Budget("hours", span(text, BUDGET_HINT, "a duration or a number of pairs") / 3600.0)


def share(text: Text) -> float:
    """0 to 1, written as a percentage or as a number."""
    match = _SHARE.fullmatch(text)
    if match is None:
        raise Refused(f"{text.shown} is not a share", SHARE_HINT)
    read = float(match[1]) / (100.0 if match[2] else 1.0)
    if read > 1.0:
        raise Refused(f"{text.shown} is more than all", f"{SHARE_HINT}; 100% is all")
    return read


def tolerance(text: Text) -> float:
    """A share that is neither 0 nor 1: no test can be made of those."""
    read = share(text)
    if not 0.0 < read < 1.0:
        raise Refused(f"{text.shown} is nothing or all", f"{SHARE_HINT}; it lies between")
    return read


def _bytes(text: Text, written: str, hint: str, noun: str) -> int:
    match = _SIZE.fullmatch(written)
    if match is None:
        raise Refused(f"{text.shown} is not a {noun}", hint)
    return int(match[1]) * _BYTES[match[2]]


def size(text: Text) -> int:
    """Bytes, more than 0."""
    read = _bytes(text, text, SIZE_HINT, "size")
    if not read:
        raise Refused(f"{text.shown} leaves no room at all", SIZE_HINT)
    return read


def rate(text: Text) -> int:
    """Bytes a second."""
    written = text.removesuffix("/s")
    return _bytes(text, written if written != text else "", RATE_HINT, "rate")


def truth(text: Text) -> bool:
    """`true` or `false` and no other word."""
    if text not in ("true", "false"):
        raise Refused(f"{text.shown} is neither true nor false", "write true or false")
    return text == "true"


def count(low: int, high: int) -> Callable[[Text], int]:
    """A reader of whole numbers from `low` to `high`."""

    def read(text: Text) -> int:
        hint = f"write a number from {low} to {high}" if low < high else f"write {low}"
        if not re.fullmatch(r"[0-9]{1,15}", text):
            raise Refused(f"{text.shown} is not a whole number", hint)
        if not low <= int(text) <= high:
            raise Refused(f"{text.shown} is out of range", hint)
        return int(text)

    return read


def word(*allowed: str) -> Callable[[Text], str]:
    """A reader of one of these words."""

    def read(text: Text) -> str:
        if text not in allowed:
            raise Refused(f"{text.shown} is not one of {', '.join(allowed)}", choose(text, allowed))
        return str(text)

    return read


def name(text: Text) -> str:
    """A name for paths, metrics and logs."""
    if not re.fullmatch(r"[a-z0-9-]{1,32}", text):
        raise Refused(f"{text.shown} cannot be a name", "use 1 to 32 of a-z, 0-9 and -")
    return str(text)


def model(text: Text) -> str:
    """A model's name as it is sent."""
    if not re.fullmatch(r"[\x21-\x7e]{1,128}", text):
        raise Refused(f"{text.shown} cannot be the name of a model", MODEL_HINT)
    return str(text)


def variable(text: Text) -> str:
    """The name of an environment variable. The text is not repeated: it may be the secret itself."""
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,127}", text):
        raise Refused("the value is not the name of an environment variable", VARIABLE_HINT)
    return str(text)


def digest(text: Text) -> bytes:
    """32 bytes. The text is not repeated."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise Refused("the value is not a SHA-256 of 64 hex digits", 'make it with: printf %s "$KEY" | sha256sum')
    return bytes.fromhex(text)


def tunnel(text: Text) -> TunnelUrl | str:
    """The URL of an HTTP proxy, or the word environment."""
    if text == ENVIRONMENT:
        return ENVIRONMENT
    if has_password(text) and not text.secret:
        raise Refused("the URL holds a user name or a password", "put the URL into a variable and write ${VARIABLE}")
    return tunnel_url(text)


def pattern(text: Text) -> str:
    """A regular expression that compiles without a warning and does not match the empty text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compiled = re.compile(text)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        # The reason may quote the text.
        why = "" if text.secret else f": {str(error).partition(' at position')[0]}"
        raise Refused(f"{text.shown} is not a regular expression{why}", PATTERN_HINT) from None
    if compiled.search(""):
        raise Refused(f"{text.shown} matches the empty text, so it would strike out everything", PATTERN_HINT)
    return str(text)


def verbatim(text: Text) -> Text:
    """The text as it is."""
    return text
