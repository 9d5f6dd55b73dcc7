"""Lines of a dataset, files of them, and the scorers of what is expected."""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.replay.dataset import MOST_PROBLEMS, Dataset, UnusableDataset
from proxy.replay.records import BadLine, Record, read_record
from proxy.replay.scorers import SCORERS, mark
from tests.source import ROOT

CASES = ROOT / "tests/cases/replay"
LINES: dict[str, list[dict[str, Any]]] = yaml.safe_load((CASES / "lines.yaml").read_text())
MARKS: list[dict[str, Any]] = yaml.safe_load((CASES / "scorers.yaml").read_text())
HELLO = b'{"messages":[{"role":"user","content":"Hi"}]}'


@pytest.mark.parametrize("case", LINES["good"], ids=lambda case: case["name"])
def test_a_line_that_can_be_replayed(case: dict[str, Any]) -> None:
    text = case["line"].encode()
    record = read_record(text, 3, 7)
    assert (record.index, record.line) == (3, 7)
    assert {name: getattr(record, name) for name in case["record"]} == case["record"]
    said = json.loads(text)
    assert json.loads(record.envelope.encode({})) == said.get("body", said), "the request is untouched"


@pytest.mark.parametrize("case", LINES["bad"], ids=lambda case: case["line"][:60])
def test_a_line_that_cannot_says_why_and_what_is_allowed(case: dict[str, Any]) -> None:
    with pytest.raises(BadLine) as caught:
        read_record(case["line"].encode(), 0, 1)
    assert case["seen"] in str(caught.value)
    assert case["allowed"] in caught.value.hint


@pytest.mark.parametrize("name", ["format", "id", "task", "mode", "scorer", "expected", "custom_id", "url", "messages"])
def test_a_member_that_is_not_utf8_is_a_bad_line(name: str) -> None:
    ours = {"format": '"paramwall-record/1"', "scorer": '"exact"', "expected": '"a"'}
    others = {"custom_id": {}, "url": {"custom_id": '"a"'}, "messages": {}}.get(name, ours)
    members = {"body": HELLO.decode(), **others, name: '"\xff"'}
    if name == "messages":
        del members["body"]
    text = ",".join(f'"{member}":{value}' for member, value in members.items())
    with pytest.raises(BadLine, match="not UTF-8"):
        read_record(f"{{{text}}}".encode("latin-1"), 0, 1)


def test_no_text_of_a_bad_line_is_echoed() -> None:
    mode = b"a secret thing that is long, and no mode"
    line = b'{"format":"paramwall-record/1","body":{"messages":[{"role":"user"}]},"mode":"' + mode + b'"}'
    with pytest.raises(BadLine) as caught:
        read_record(line, 0, 1)
    assert "secret" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("case", MARKS, ids=lambda case: f"{case['scorer']}: {case['content'][:40]!r}")
def test_marks(case: dict[str, Any]) -> None:
    found = mark(case["scorer"], case["content"], case["expected"])
    assert (found.correct, found.parsed) == (case["correct"], case.get("parsed", True))


@pytest.mark.parametrize("scorer", ["numeric", "letter"])
@pytest.mark.timeout(10)
def test_a_long_answer_is_scored_in_time(scorer: str) -> None:
    for part in (
        "answer" + " " * 50_000,
        "answer is " + "(" * 50_000,
        "1 " * 50_000,
        "1," * 50_000,
        "\\boxed{" * 10_000,
    ):
        mark(scorer, part + "x", {"numeric": 1, "letter": "A"}[scorer])


def test_every_scorer_has_marks_to_show() -> None:
    assert {case["scorer"] for case in MARKS} | {"none"} == set(SCORERS)


@pytest.mark.parametrize("scorer", [name for name in SCORERS if name != "none"])
def test_no_content_is_wrong_and_unparsed(scorer: str) -> None:
    expected = {"letter": "A", "numeric": 1, "schema": {"type": "object"}}.get(scorer, "a")
    found = mark(scorer, None, expected)
    assert (found.correct, found.parsed) == (False, False)


# Files


def records(path: Path) -> list[Record]:
    found: list[Record] = []
    Dataset(path).check(hashlib.sha256(), found.append)
    assert [record.envelope.body for record in Dataset(path).records()] == [record.envelope.body for record in found]
    return found


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".zip"])
def test_kinds_of_files(suffix: str, tmp_path: Path) -> None:
    text = HELLO + b"\n\n  \n" + HELLO.replace(b"Hi", b"Ho") + b"\r\n"
    path = tmp_path / f"data{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as bundle:
            bundle.writestr("summary.md", "# a vendor")
            bundle.writestr("requests.jsonl", text)
    else:
        path.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    assert [(record.index, record.line) for record in records(path)] == [(0, 1), (1, 4)]


def test_every_bad_line_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"\n".join([HELLO, b"{", HELLO, b"[]", *([b"7"] * 30)]))
    with pytest.raises(UnusableDataset) as caught:
        records(path)
    assert [flaw.line for flaw in caught.value.flaws][:3] == [2, 4, 5]
    assert (len(caught.value.flaws), caught.value.bad) == (MOST_PROBLEMS, 32)
    assert "32 lines" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.jsonl", None, "No such file"),
        ("empty.jsonl", b"\n\n", "has no line"),
        ("broken.jsonl.gz", b"\x1f\x8b\x08 nothing", "cannot be read"),
        ("cut.jsonl.gz", gzip.compress(HELLO * 100, mtime=0)[:-20], "cannot be read"),
        ("broken.zip", b"PK", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read(name: str, content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnusableDataset, match=said):
        records(path)


def test_a_bundle_without_requests_says_how_to_get_them(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("summary.md", "# a vendor")
    with pytest.raises(UnusableDataset, match=r"has no requests\.jsonl") as caught:
        records(path)
    assert "evidence.bodies" in caught.value.hint


def test_a_limit_leaves_the_rest_unread(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(HELLO + b"\n" + HELLO + b"\nno JSON\n")
    assert len(list(Dataset(path, 2).records())) == 2
