"""Summary: what a replay found, as the document that it writes and others read (`summary.json`).

Not here: how a figure comes about (scoring.py and its parts). Invariants: a figure without enough data is None, never 0
or 1; `n` is always the count it was made of; the document says its format, and a reader refuses another one.

Shares lie in [0, 1], times are seconds, bounds are of a 95 % interval.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from proxy.endpoint.documents import YEAR_10000_S, Amount, Count, Share, Total

FORMAT: Final = "paramwall-replay/1"


class Figure(msgspec.Struct, frozen=True):
    """An estimate between its bounds, made of `n` values. None: it has no meaning, or too few values."""

    value: Share | None = None
    lower: Share | None = None
    upper: Share | None = None
    n: Count = 0


class Quantiles(msgspec.Struct, frozen=True):
    """Of a time, over the answers that told it."""

    p50: Amount | None = None
    p95: Amount | None = None
    n: Count = 0


class Latency(msgspec.Struct, frozen=True):
    """Since a request was begun; of the attempt that was answered."""

    first_token: Quantiles = Quantiles()
    total: Quantiles = Quantiles()


class Tokens(msgspec.Struct, frozen=True):
    """As the target counts them; `untold` answers said nothing about them."""

    prompt: Total = 0
    completion: Total = 0
    untold: Count = 0


class KvvCounts(msgspec.Struct, frozen=True):
    """The counts of K2-Vendor-Verifier's summary, over all calls: those that failed count as failures there."""

    success_count: int = 0
    failure_count: int = 0
    finish_stop: int = 0
    finish_tool_calls: int = 0
    finish_others: int = 0
    finish_others_detail: dict[str, int] = {}
    schema_validation_error_count: int = 0
    count_finish_reason_tool_calls: int = 0
    count_successful_tool_call: int = 0


class Kvv(msgspec.Struct, frozen=True):
    """The Kimi Vendor Verifier's metrics, by its formulas. The first three need a reference."""

    tool_call_f1: Figure = Figure()
    precision: Figure = Figure()
    recall: Figure = Figure()
    schema_accuracy: Figure = Figure()
    counts: KvvCounts = KvvCounts()


class Agreement(msgspec.Struct, frozen=True):
    """The same questions without that verifier's pitfalls: calls count by their presence, whatever the finish reason
    says, and only pairs of whole answers count. The middle ones are over the pairs in which both sides call.
    """

    trigger_f1: Figure = Figure()
    trigger_agreement: Figure = Figure()
    tool_agreement: Figure = Figure()
    """Pairs with the same tools called, in any order."""
    arguments_agreement: Figure = Figure()
    """Pairs with the same tools and equal arguments, compared as JSON values."""
    valid_calls: Figure = Figure()
    """Answers whose calls are all declared and accepted by their schemas, among all answers with calls."""


class Signal(msgspec.Struct, frozen=True):
    """One series of the drift detectors, as live traffic has it. `alarm`: it drifted by the end; `suspect`: that speaks
    against the reference.
    """

    name: str
    kind: str
    unit: str
    effect: float | None
    lower: float | None
    upper: float | None
    tolerance: Amount
    n: Count
    alarm: bool
    suspect: bool = False


class Score(msgspec.Struct, frozen=True):
    """Answers against what was expected. `unparsed` of them held no answer that the scorer could find; they are wrong.
    `unanswered` requests are not among `n`.
    """

    task: str
    scorer: str
    value: float | None
    lower: float | None
    upper: float | None
    n: int
    unparsed: int = 0
    unanswered: int = 0


class ModeResult(msgspec.Struct, frozen=True):
    """One target in one mode. `state` is that of the drift detectors; None for a reference."""

    mode: str
    asked: int
    answered: int
    contract_pass_rate: Figure
    """Whole answers that break no contract (the rate signals of the contract group)."""
    kvv: Kvv
    agreement: Agreement
    signals: tuple[Signal, ...] = ()
    scores: tuple[Score, ...] = ()
    state: str | None = None


class Target(msgspec.Struct, frozen=True):
    """One endpoint. `role`: "vendor", "reference" or "reference-again". `asked` requests came to an end, `answered` of
    them with a whole answer; `failed` says why the others did not, `retried` how many further attempts it took.
    """

    name: str
    role: str
    url: str
    model: str
    asked: Count
    answered: Count
    failed: dict[str, Count]
    retried: Count
    latency: Latency
    tokens: Tokens
    modes: tuple[ModeResult, ...]


class Dataset(msgspec.Struct, frozen=True):
    """`modes` counts records; `would_reject` those that the policy would have refused, by clause id."""

    name: str
    sha256: str
    records: Count
    modes: dict[str, int]
    would_reject: dict[str, int] = {}


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """`settings` is what was laid over the records; `planned` is how many calls the replay is of, and `complete`
    whether all of them came to an end. `noise_floor` maps a mode to the metrics of the reference against itself, by the
    names of Kvv and Agreement; None: the reference was not asked twice.
    """

    format: str = FORMAT
    version: str
    at_s: float
    dataset: Dataset
    settings: dict[str, str | int | float | None]
    epochs: Count
    planned: Count
    complete: bool
    targets: tuple[Target, ...]
    noise_floor: dict[str, dict[str, Figure]] | None = None


class NotASummary(ValueError):
    """The text says what is wrong with the document."""


class _Head(msgspec.Struct):
    format: str = FORMAT


def read_summary(path: Path) -> Summary:
    """The summary in a file. Raises NotASummary, or OSError."""
    text = path.read_bytes()
    try:
        seen = msgspec.json.decode(text, type=_Head).format
        if seen != FORMAT:
            raise NotASummary(f"{path} has format {seen[:80]!r}; this paramwall reads {FORMAT}")
        found = msgspec.json.decode(text, type=Summary)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotASummary(f"{path} is no summary of a replay: {error}") from None
    if not 0 <= found.at_s < YEAR_10000_S:
        raise NotASummary(f"{path} is no summary of a replay: its at_s is no time")
    return found
