"""The verifier's metrics on hand-worked pairs, and each of its pitfalls: by live answers and by its result files."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from proxy.contract.answer import Answer, Flaw, ToolCall
from proxy.contract.asked import Asked
from proxy.contract.asking import read_asked
from proxy.contract.assemble import Assembler
from proxy.contract.mode import Mode
from proxy.replay.dataset import UnusableDataset
from proxy.replay.facts import FAILED, Facts, counts_of, facts_of
from proxy.replay.figures import AGREEMENT, CORRECT, KVV, Vector, figures
from proxy.replay.recorded import compare, read_results
from proxy.replay.summary import Figure
from proxy.signals.features import read
from tests.source import ROOT

CASES = ROOT / "tests/cases/kvv"
PAIRS: list[dict[str, Any]] = yaml.safe_load((CASES / "pairs.yaml").read_text())["cases"]
STREAMS: list[dict[str, Any]] = yaml.safe_load((CASES / "streams.yaml").read_text())
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    },
    {
        "type": "function",
        "function": {"name": "search", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}},
    },
    {"type": "function", "function": {"name": "anything", "parameters": {}}},
]
RESAMPLES = 50


def asked() -> Asked:
    return read_asked({"tools": json.dumps(TOOLS).encode()}, Mode.INSTANT, frozenset(), whole=False)


def facts_of_row(row: dict[str, Any]) -> Facts:
    """As a replay sees the call."""
    if row.get("status") == "failed":
        return FAILED
    calls = tuple(
        ToolCall(f"functions.{name}:{at}", name, text) for at, (name, text) in enumerate(row.get("calls", []))
    )
    answer = Answer(content=None if calls else "x", tool_calls=calls, finish_reason=row["finish"], choices=1)
    return facts_of(read(answer, asked()), {})


def recorded_row(row: dict[str, Any], index: int, facts: Facts) -> str:
    """As the verifier's script writes it, with what it would have found."""
    calls = [
        {"id": f"functions.{name}:{at}", "type": "function", "function": {"name": name, "arguments": text}}
        for at, (name, text) in enumerate(row.get("calls", []))
    ]
    message = {"role": "assistant", "content": "", "tool_calls": calls or None}
    failed = row.get("status") == "failed"
    return json.dumps(
        {
            "data_index": index,
            "request": {"messages": [], "tools": TOOLS},
            "extra_body": {},
            "response": {"error": "503"}
            if failed
            else {"choices": [{"message": message, "finish_reason": row["finish"]}]},
            "status": "failed" if failed else "success",
            "finish_reason": row["finish"],
            "tool_calls_valid": facts.kvv_valid,
            "last_run_at": "2025-11-15T00:00:00",
        }
    )


def check(figure: Figure, expected: float | None) -> None:
    assert figure.value == (None if expected is None else pytest.approx(expected))
    if figure.lower is not None and figure.upper is not None:
        assert figure.value is not None
        assert 0.0 <= figure.lower <= figure.value <= figure.upper <= 1.0


@pytest.mark.parametrize("case", PAIRS, ids=lambda case: case["name"])
def test_hand_worked_pairs(case: dict[str, Any], tmp_path: Path) -> None:
    pairs = [(facts_of_row(one), facts_of_row(other)) for one, other in case["pairs"]]
    vectors: Counter[Vector] = Counter(counts_of(*pair) for pair in pairs)
    found = figures({**KVV, **AGREEMENT}, vectors, Random(1), RESAMPLES)
    for side in (0, 1):
        lines = [recorded_row(pair[side], at, pairs[at - 1][side]) for at, pair in enumerate(case["pairs"], 1)]
        (tmp_path / f"{side}.jsonl").write_text("\n".join(lines) + "\n")
    told = compare(read_results(tmp_path / "0.jsonl"), read_results(tmp_path / "1.jsonl"), Random(1))
    for name, value in case.get("kvv", {}).items():
        check(found[name], value)
        check(getattr(told.kvv, name), value)
    for name, value in case.get("agreement", {}).items():
        check(found[name], value)
        check(getattr(told.agreement, name), value)
    for name, value in case.get("counts", {}).items():
        assert getattr(told.kvv.counts, name) == value, name
    for name, value in case.get("values", {}).items():
        assert found[name].n == value
    for name in case.get("unbounded", ()):
        assert found[name].lower is found[name].upper is None


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case["name"])
def test_what_a_stream_says(case: dict[str, Any]) -> None:
    assembler = Assembler("text/event-stream")
    for chunk in case["chunks"]:
        assembler.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    assembler.feed(b"data: [DONE]\n\n")
    answer = assembler.answer(complete=True)
    facts = facts_of(read(answer, asked()), {})
    seen = {
        **facts._asdict(),
        "tools": list(facts.tools),
        "content": answer.content,
        "reasoning": answer.reasoning,
        "prompt": answer.usage.prompt if answer.usage else None,
        "completion": answer.usage.completion if answer.usage else None,
    }
    assert {name: seen[name] for name in case["expect"]} == case["expect"]


def test_a_broken_contract_is_counted_once_for_an_answer() -> None:
    answer = read(Answer(content="x", finish_reason="stop", choices=1, flaws=frozenset({Flaw.NO_DONE})), asked())
    assert facts_of(answer, {"done-missing": False, "usage-missing": False}).lawful
    assert not facts_of(answer, {"done-missing": True, "usage-missing": True}).lawful
    assert facts_of(answer, {"finish-length": True}).lawful, "no contract"


# Result files


def test_the_latest_row_of_an_index_counts_and_others_are_told(tmp_path: Path) -> None:
    def row(index: int, finish: str, at: str) -> str:
        return json.dumps({"data_index": index, "finish_reason": finish, "status": "success", "last_run_at": at})

    vendor, reference = tmp_path / "vendor.jsonl", tmp_path / "reference.jsonl"
    vendor.write_text(
        "\n".join([row(1, "tool_calls", "2025-02"), row(1, "stop", "2025-01"), row(2, "stop", "2025-01")])
    )
    reference.write_text("\n".join([row(1, "tool_calls", "2025-01"), row(3, "stop", "2025-01")]))
    found = compare(read_results(vendor), read_results(reference), Random(1))
    assert (found.pairs, found.only_vendor, found.only_reference) == (1, 1, 1)
    assert (found.kvv.tool_call_f1.value, found.kvv.tool_call_f1.n) == (1.0, 1)
    assert found.kvv.counts.finish_stop == 1, "rows of one file count in its own summary"


def test_a_file_of_something_else_is_named_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"data_index": 1, "finish_reason": "stop"}\n{"messages": []}\n[]\n')
    with pytest.raises(UnusableDataset) as caught:
        read_results(file)
    assert [flaw.line for flaw in caught.value.flaws] == [2, 3]


# Bounds


def test_equal_seeds_give_equal_bounds_and_more_records_narrower_ones() -> None:
    def share(records: int, seed: int) -> Figure:
        vectors: Counter[Vector] = Counter({(1, 1): records * 3 // 4, (0, 1): records // 4})
        return figures({"share": lambda v: KVV["schema_accuracy"]((0,) * 10 + (v[1], v[0]))}, vectors, Random(seed))[
            "share"
        ]

    assert share(400, 1) == share(400, 1)
    few, many = share(40, 1), share(4000, 1)
    assert few.lower is not None
    assert few.upper is not None
    assert many.lower is not None
    assert many.upper is not None
    # The normal approximation: 1.96 * sqrt(0.75 * 0.25 / n) to either side.
    assert few.upper - few.lower == pytest.approx(2 * 1.96 * (0.1875 / 40) ** 0.5, rel=0.2)
    assert many.upper - many.lower == pytest.approx(2 * 1.96 * (0.1875 / 4000) ** 0.5, rel=0.2)


def test_epochs_of_a_record_are_one_draw() -> None:
    """Eight equal answers to one prompt tell no more than one of them."""
    metric = {"share": lambda v: KVV["schema_accuracy"]((0,) * 10 + (v[1], v[0]))}
    alone = figures(metric, Counter({(1, 1): 30, (0, 1): 10}), Random(1))["share"]
    eightfold = figures(metric, Counter({(8, 8): 30, (0, 8): 10}), Random(1))["share"]
    assert (eightfold.lower, eightfold.upper) == (alone.lower, alone.upper)
    assert eightfold.n == 8 * alone.n


def test_a_share_at_its_edge_has_the_exact_binomial_bound() -> None:
    found = figures({"accuracy": KVV["schema_accuracy"]}, Counter({(0,) * 10 + (1, 1, 0, 0, 0, 0): 20}), Random(1))
    # 0.025 ** (1 / 20), Clopper and Pearson for 20 of 20.
    assert (found["accuracy"].value, found["accuracy"].upper, found["accuracy"].n) == (1.0, 1.0, 20)
    assert found["accuracy"].lower == pytest.approx(0.8316, abs=1e-4)


@pytest.mark.parametrize(
    ("right", "of", "records", "lower", "upper"),
    [
        (16, 32, 1, None, None),
        (32, 32, 1, 0.025, 1.0),
        (1, 2, 10, 0.1871, 0.8129),  # Clopper and Pearson for 5 of 10
        (1, 3, 10, 0.0667, 0.7376),  # between 3 and 4 of 10: the lower bound of 3, the upper one of 4
        (1, 2, 4000, 0.4844, 0.5156),
    ],
)
def test_a_share_that_is_the_same_in_every_draw_has_exact_bounds(
    right: int, of: int, records: int, lower: float | None, upper: float | None
) -> None:
    found = figures(CORRECT, Counter({(right, of): records}), Random(1))["correct"]
    assert (found.value, found.n) == (right / of, of * records)
    expected = [None if bound is None else pytest.approx(bound, abs=1e-4) for bound in (lower, upper)]
    assert [found.lower, found.upper] == expected
