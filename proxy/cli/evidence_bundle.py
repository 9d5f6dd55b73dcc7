"""The bundle for a ticket with the vendor: a zip of summary.md, pairs.csv and, where bodies were kept, bodies/ and
requests.jsonl, which `paramwall replay` asks again.

Not here: what is in it (evidence.py). Invariants: a file that exists is never overwritten, and a new one can be read by
its owner alone; every line of requests.jsonl can be replayed.
"""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from proxy import __version__
from proxy.cli.standing import effect_of, evidence_of, moment
from proxy.drift.report import Alarm, KeyView, SeriesView
from proxy.replay.dataset import BUNDLED
from proxy.replay.records import FORMAT, BadLine, read_record
from proxy.scorer.bodies import Kept
from proxy.scorer.evidence import kept_as_json
from proxy.scorer.evidence_rows import Told
from proxy.signals import SELF_TESTS, SIGNALS


def write_bundle(
    file: Path,
    view: KeyView,
    series: SeriesView,
    shown: SeriesView | Alarm,
    since_s: float,
    fleet: Mapping[str, Any],
    rows: Sequence[Told],
    kept: Sequence[Kept],
) -> None:
    """Write it; `shown` is the alarm, where there is one, `fleet` the state of drift.fleet. Raises OSError, also for a
    file that exists.
    """
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened, zipfile.ZipFile(opened, "w", zipfile.ZIP_DEFLATED) as bundle:
        records = [record for each in kept if (record := _record(each)) is not None]
        summary = _summary(view, series, shown, since_s, fleet, rows, (file.name, len(kept), len(records)))
        bundle.writestr("summary.md", "\n".join(summary) + "\n")
        bundle.writestr("pairs.csv", _csv(rows))
        for index, each in enumerate(kept, 1):
            name = f"bodies/{index:05}-{each.number or 'answer'}.json"
            bundle.writestr(name, json.dumps(kept_as_json(each), indent=1, ensure_ascii=False))
        if records:
            bundle.writestr(BUNDLED, b"\n".join(records) + b"\n")


def _record(kept: Kept) -> bytes | None:
    """The exchange as a line of a dataset, with what was answered; None where its request was not kept whole."""
    if "request" in kept.cut:
        return None
    answers = {"vendor": kept.vendor_answer, "reference": kept.reference_answer, "second": kept.second_answer}
    try:
        members = {
            "format": FORMAT,
            "id": str(kept.number or kept.request_id),
            "mode": kept.mode,
            "body": msgspec.Raw(msgspec.json.format(kept.request, indent=-1)),
            "answers": {side: answer for side, answer in answers.items() if answer is not None},
            "why": kept.why,
            "at_s": kept.at_s,
        }
        line = msgspec.json.encode(members)
        read_record(line, 0, 1)
    except (msgspec.DecodeError, BadLine):
        return None
    return line


def _summary(
    view: KeyView,
    series: SeriesView,
    shown: SeriesView | Alarm,
    since_s: float,
    fleet: Mapping[str, Any],
    rows: Sequence[Told],
    bundled: tuple[str, int, int],
) -> Iterator[str]:
    key = view.key
    yield f"# {key.vendor}: {series.name}"
    yield ""
    yield f"Written by paramwall {__version__}. Times are UTC."
    yield ""
    yield f"- state: {view.state}, since {moment(view.at_s)}"
    yield f"- mode: {key.mode}; policy: {key.policy}"
    yield from _about(series.name)
    yield f"- effect: {effect_of(shown)}; up to {series.tolerance:.4g} is tolerated"
    yield f"- evidence against its threshold: {evidence_of(shown)}"
    if isinstance(shown, Alarm):
        yield f"- alarm: {moment(shown.at_s)}; {shown.values} values after the change began"
    yield f"- the change began: {moment(since_s) if since_s else 'no change point; all values are counted'}"
    against, contrary = (sum(row.against == sign for row in rows) for sign in (1, -1))
    yield f"- rows that are not neutral since then: {len(rows)}; {against} against the vendor, {contrary} for it"
    file, bodies, records = bundled
    yield f"- exchanges in bodies/: {bodies}" if bodies else "- bodies were not kept"
    if records:
        yield f"- requests in {BUNDLED}, with the answers of both sides: {records}; one JSON object a line ({FORMAT})"
        yield f"- to ask them again: paramwall replay {file} --vendor URL --output DIR"
    yield ""
    yield "## Why this is no chance"
    yield ""
    yield from _fixed_beforehand(series.name, fleet)
    yield ""
    yield "The bounds of the effect are those of a 95% confidence sequence: they hold at every count, however often one"
    yield "looks. Counted from a change point found in the same data, they describe it and prove nothing by themselves;"
    yield "the evidence does."


def _about(name: str) -> Iterator[str]:
    signal = next((each for each in (*SIGNALS, *SELF_TESTS) if each.name == name), None)
    if signal is None:
        yield f"- signal: {name}"
        return
    yield f"- signal: {name} ({signal.kind}, {signal.unit}); it finds {signal.finds}"
    yield f"- source of the signal: {signal.source}"


def _fixed_beforehand(name: str, fleet: Mapping[str, Any]) -> Iterator[str]:
    """How the false-alarm rate was chosen, which no answer can change."""
    terms = fleet["terms"]
    budget, hours = terms["budget"], terms["clock"] == "hours"
    much = f"{budget:.6g} hours ({budget / 24:.4g} days)" if hours else f"{budget:.6g} pairs or checked answers"
    weight = next((each[4] for each in terms["series"] if each[0] == name), 0.0)
    since = moment(fleet["terms_s"])
    yield "The rate of false alarms is set by the configuration, not by the answers."
    yield f"Since {since} it is at most one in {much}, on average,"
    yield f"over {terms['families']} keys (vendors and modes) and all signals together."
    yield f"This signal has {weight:.3%} of its key's share, whence its threshold."
    yield "The evidence is an e-process: while the vendor does what the reference does, or a rate stays below its"
    yield "tolerance, it grows no faster than that allows, at whatever moment one looks at it."


def _csv(rows: Sequence[Told]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("at_s", "at", "admission", "request_id", "vendor", "reference", "says"))
    for row in rows:
        number = row.number or ""
        writer.writerow((row.at_s, moment(row.at_s), number, row.request_id, row.vendor, row.reference, row.says))
    return text.getvalue()
