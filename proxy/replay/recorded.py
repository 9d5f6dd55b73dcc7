"""Recorded results of K2-Vendor-Verifier: two of its result files, scored by its formulas and by ours.

A line of such a file is `{"data_index", "request", "response", "status", "finish_reason", "tool_calls_valid", ...}`
(its tool_calls_eval.py). Its finish reason and validity count as recorded; calls, tools and arguments are read from its
response. Not here: the formulas (figures.py). Invariants: a file keeps one row for each data_index, the latest; an
index that only one of the files has is in no comparison, and is told; memory is the facts of a row, not its texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from proxy.contract.answer import Answer
from proxy.contract.assemble import Assembler
from proxy.contract.envelope import MalformedBody, members_of
from proxy.contract.mode import Mode
from proxy.replay.dataset import MOST_PROBLEMS, Dataset, Flaw, UnusableDataset, unusable
from proxy.replay.facts import Facts, counts_of, facts_of
from proxy.replay.figures import AGREEMENT, KVV, Vector, agreement_of, figures, kvv_counts, kvv_of
from proxy.replay.summary import Agreement, Kvv, KvvCounts
from proxy.scorer.answers import KnownTools
from proxy.signals.features import read

FORMAT: Final = "paramwall-compare/1"
_ALLOWED: Final = '{"data_index": 1, "request": {...}, "response": {...}, "status": "success", "finish_reason": ...}'


class Row(msgspec.Struct, frozen=True):
    """A line of such a file, as far as it is read."""

    data_index: int
    status: str = "success"
    finish_reason: str | None = None
    tool_calls_valid: bool | msgspec.UnsetType | None = msgspec.UNSET
    last_run_at: str | None = None
    request: msgspec.Raw = msgspec.Raw(b"null")
    response: msgspec.Raw = msgspec.Raw(b"null")


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """`counts` are the vendor's. `only_vendor` and `only_reference`: rows of which the other file has none."""

    format: str = FORMAT
    pairs: int
    only_vendor: int
    only_reference: int
    kvv: Kvv
    agreement: Agreement
    reference: KvvCounts


@dataclass(frozen=True, slots=True)
class Recorded:
    """One file: the facts of each row by its index, and how many had status success."""

    facts: Mapping[int, Facts]
    succeeded: int


def read_results(path: Path) -> Recorded:
    """Raises UnusableDataset."""
    latest: dict[int, tuple[str, bool, Facts]] = {}
    flaws: list[Flaw] = []
    tools = KnownTools()
    for line, text in Dataset(path).lines():
        try:
            row = msgspec.json.decode(text, type=Row)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            flaws.append(Flaw(line, f"no result of K2-Vendor-Verifier: {error}", _ALLOWED))
            continue
        run_at = row.last_run_at or ""
        if row.data_index not in latest or run_at >= latest[row.data_index][0]:
            latest[row.data_index] = (run_at, row.status == "success", _facts(row, tools))
    if not flaws and not latest:
        raise UnusableDataset(f"{path} has no line", _ALLOWED)
    if flaws:
        raise unusable(path, flaws[:MOST_PROBLEMS], len(flaws))
    return Recorded(
        {index: facts for index, (_, _, facts) in sorted(latest.items())},
        sum(succeeded for _, succeeded, _ in latest.values()),
    )


def compare(vendor: Recorded, reference: Recorded, draw: Random) -> Comparison:
    """The vendor's metrics against the reference's."""
    pairs: Counter[Vector] = Counter()
    for index, facts in vendor.facts.items():
        pairs[counts_of(facts, reference.facts.get(index))] += 1
    both = len(vendor.facts.keys() & reference.facts.keys())
    found = figures({**KVV, **AGREEMENT}, pairs, draw)
    return Comparison(
        pairs=both,
        only_vendor=len(vendor.facts) - both,
        only_reference=len(reference.facts) - both,
        kvv=kvv_of(found, _counts(vendor)),
        agreement=agreement_of(found),
        reference=_counts(reference),
    )


def _counts(recorded: Recorded) -> KvvCounts:
    """The verifier's summary of one file."""
    finishes = Counter(facts.finish or "" for facts in recorded.facts.values())
    valid = sum(facts.triggered and facts.kvv_valid is True for facts in recorded.facts.values())
    return kvv_counts(finishes, valid, recorded.succeeded)


def _facts(row: Row, tools: KnownTools) -> Facts:
    answer = _answer(row)
    try:
        members = {name: bytes(raw) for name, raw in members_of(row.request).items()}
    except (MalformedBody, msgspec.DecodeError):
        members = {}
    asked = tools.asked(members, Mode.INSTANT, frozenset(), whole=False)
    facts = facts_of(read(answer, asked), {})
    valid = facts.kvv_valid if row.tool_calls_valid is msgspec.UNSET else row.tool_calls_valid
    if row.status != "success":
        return Facts(finish=row.finish_reason, kvv_valid=valid)
    return facts._replace(finish=row.finish_reason, kvv_valid=valid)


def _answer(row: Row) -> Answer:
    """The response, with the finish reason as it was recorded."""
    assembler = Assembler("application/json")
    assembler.feed(bytes(row.response))
    answer = assembler.answer(complete=True)
    return msgspec.structs.replace(answer, finish_reason=row.finish_reason)
