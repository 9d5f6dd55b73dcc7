"""The result of a verification, as it is printed, written to a file and read again by a report.

Not here: making it (runner.py, judge.py). Invariant: a document of another format, or of a later version of this one,
is refused with what was seen; members that are not known here are passed over.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from proxy.endpoint.documents import YEAR_10000_S, Amount, Count, Share, Total

FORMAT: Final = "paramwall-verify/1"


class Verdict(StrEnum):
    """Of a layer and of the whole: a finding, none, or too few answers to say."""

    PASS = "pass"  # noqa: S105  (no password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class VendorSeen(msgspec.Struct, frozen=True):
    """Whom the probes were sent to. `profile` names the dialect they were spelled in, `model` what was asked for."""

    name: str
    url: str
    profile: str
    model: str


class ReferenceSeen(msgspec.Struct, frozen=True):
    """What prompt-token counts were compared with."""

    name: str
    url: str
    model: str


class LayerResult(msgspec.Struct, frozen=True):
    """A layer of the vendor's stack. `verdict` is fail when a probe failed, else inconclusive when one was not
    answered.
    """

    layer: str
    verdict: str
    passed: Count
    failed: Count
    unanswered: Count


class ProbeResult(msgspec.Struct, frozen=True):
    """One probe in one mode. `verdict` is pass, fail, no-answer or skipped; `seen` and `allowed` are sentences.

    `asked` counts the requests that were to be answered, `unanswered` those that were not. Times are seconds, the
    median of its answers; None: no answer, or none that was streamed.
    """

    id: str
    layer: str
    mode: str
    title: str
    verdict: str
    seen: str
    allowed: str
    hint: str
    asked: Count
    unanswered: Count
    first_token_s: Amount | None = None
    total_s: Amount | None = None


class Spent(msgspec.Struct, frozen=True):
    """Requests sent, repeats included, and the tokens the vendor says they were."""

    requests: Count
    prompt_tokens: Total
    completion_tokens: Total


class VerifyResult(msgspec.Struct, frozen=True, kw_only=True):
    """One run of `paramwall verify`. `at_s` is Unix time at its end. `contract` is "exact" or "range".

    `no_answer_share` is of the probes' requests, 0 when none was sent.
    """

    format: str = FORMAT
    version: str
    at_s: float
    vendor: VendorSeen
    reference: ReferenceSeen | None
    contract: str
    verdict: str
    layers: tuple[LayerResult, ...]
    probes: tuple[ProbeResult, ...]
    spent: Spent
    no_answer_share: Share


class ResultError(ValueError):
    """A document that is no result of `paramwall verify`; the text says what it is and the remedy."""


class _Head(msgspec.Struct):
    format: str = ""


_head: Final = msgspec.json.Decoder(_Head)
_result: Final = msgspec.json.Decoder(VerifyResult)


def encode_result(result: VerifyResult) -> bytes:
    """The document, indented, with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"


def decode_result(text: bytes) -> VerifyResult:
    """Raises ResultError."""
    try:
        seen = _head.decode(text).format
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ResultError(f"it is not a result of paramwall verify: {error}") from None
    if seen != FORMAT:
        said = f"its format is {seen[:80]!r}" if seen else "it has no member format"
        raise ResultError(f"it is not a result of this version's paramwall verify: {said}, {FORMAT!r} is read")
    try:
        result = _result.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ResultError(f"it is {FORMAT} but cannot be read: {error}") from None
    if not 0 <= result.at_s < YEAR_10000_S:
        raise ResultError(f"it is {FORMAT} but cannot be read: its at_s is no time")
    if result.verdict not in {*Verdict}:
        raise ResultError(f"it is {FORMAT} but cannot be read: its verdict {result.verdict[:80]!r} is none")
    return result
