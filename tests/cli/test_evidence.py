"""`paramwall evidence`: alarms, the rows behind one, two answers side by side, the bundle."""

from __future__ import annotations

import csv
import io
import json
import stat
import zipfile
from pathlib import Path

import pytest

from proxy.replay.dataset import Dataset
from proxy.scorer.bodies import Bodies, Keep, Kept, Limits
from proxy.scorer.redaction import Redactor
from proxy.store import Store
from tests.cli.logged import BEGAN_S, FIRST_BAD, PAIRS, RATE, SIZE, SWAP, VENDOR_SAID, keep_bodies, write_log
from tests.cli.running import Ran, run

BAD_PAIRS = [number for number in range(FIRST_BAD, PAIRS + 1) if number % 3 == 0 and number % 20]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("state")
    write_log(made)
    return made


@pytest.fixture(scope="module")
def with_bodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("state")
    write_log(made)
    keep_bodies(made)
    return made


def evidence(folder: Path, *words: str) -> Ran:
    return run("evidence", "--state-dir", str(folder), *words)


def test_the_newest_alarm_and_its_pairs(folder: Path) -> None:
    ran = evidence(folder)
    assert ran.code == 0
    alarms, told, pairs = ran.out.strip().split("\n\n")
    head, line = alarms.splitlines()
    assert head.split() == ["#", "at", "vendor", "mode", "signal", "effect", "evidence", "began", "recovered"]
    assert line.split()[0] == "1"
    assert f"engine  thinking  {SWAP}" in line
    assert line.endswith("-")
    assert told.startswith(f"{SWAP} of engine, thinking, since 2023-11-15 ")
    head, first, *others = pairs.splitlines()
    assert head.split() == ["at", "admission", "request", "id", "vendor", "reference", "says"]
    assert first.split()[2:] == [str(BAD_PAIRS[0]), "-", "yes", "no", "against"]
    assert len(others) == 19
    assert "more: --json or --bundle FILE.zip has them all" in ran.err


def test_json_has_every_row_in_which_the_signal_speaks(folder: Path) -> None:
    for words in ((), ("1",), ("--vendor", "engine"), ("--vendor", "engine", "--signal", SWAP)):
        said = evidence(folder, *words, "--json").json
        assert said["subject"]["series"]["name"] == SWAP
        assert said["subject"]["key"]["vendor"] == "engine"
        assert said["subject"]["alarm"]["series"] == SWAP
        assert [row["number"] for row in said["rows"] if row["against"] == 1] == BAD_PAIRS
        contrary = [row for row in said["rows"] if row["against"] == -1]
        assert {row["number"] % 20 for row in contrary} == {0}
        assert {(row["vendor"], row["reference"]) for row in contrary} == {("no", "yes")}


def test_a_vendor_without_an_alarm(folder: Path) -> None:
    said = evidence(folder, "--vendor", "honest", "--signal", SIZE, "--json").json
    assert (said["subject"]["key"]["vendor"], said["subject"]["alarm"]) == ("honest", None)
    assert len(said["rows"]) == len([n for n in range(1, PAIRS + 1) if 5.0 + n % 7 / 10 != 5.3])
    assert said["rows"][0]["vendor"] == "163"
    assert said["rows"][0]["reference"] == "199.3"
    assert evidence(folder, "--vendor", "engine", "--signal", RATE).out.endswith(
        "0 rows are not neutral: 0 against the vendor, 0 for it\n"
    )


def test_no_alarm_so_far(tmp_path: Path) -> None:
    write_log(tmp_path, 200)
    ran = evidence(tmp_path)
    assert (ran.code, ran.out) == (0, "no alarm so far\n")
    assert "--vendor NAME" in ran.err
    empty = tmp_path / "empty"
    Store.open(empty).close()
    assert (evidence(empty).code, evidence(empty).out) == (0, "nothing was checked yet\n")
    assert evidence(empty, "--json").json == {"source": str(empty), "alarms": [], "subject": None, "rows": []}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["2"], "hint: give a number from 1 to 1"),
        (["0"], "hint: give a number from 1 to 1"),
        (["1", "--vendor", "engine"], "hint: leave one of them out"),
        (["--signal", SWAP], "hint: add --vendor NAME"),
        (["--pair", "1", "--bundle", "x.zip"], "hint: leave one of them out"),
        (["--mode", "instant"], "hint: add --vendor NAME"),
        (["--vendor", "engine", "--mode", "instan"], "hint: did you mean instant?"),
        (["--vendor", "engin"], "hint: did you mean engine?"),
        (["--vendor", "engine", "--signal", "leaked-marker"], f"hint: did you mean {RATE}?"),
        (["--pair", "9999"], "evidence: {bodies: disagreements}"),
        (["--pair", "req-1"], "neither the log nor the kept bodies have req-1"),
        (["--bundle", "/nowhere/at/all.zip"], "/nowhere/at/all.zip cannot be written"),
    ],
)
def test_what_cannot_be_shown_is_said(words: list[str], said: str, folder: Path) -> None:
    ran = evidence(folder, *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_no_log(tmp_path: Path) -> None:
    assert "add the proxy's --state-dir" in run("evidence").err
    ran = evidence(tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "does not exist" in ran.err
    write_log(tmp_path, 10)
    (tmp_path / "bodies.db").write_bytes(b"no database " * 99)
    ran = evidence(tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "bodies.db cannot be opened" in ran.err


# One pair


@pytest.mark.parametrize("asked", ["153", "req-153"])
def test_two_answers(asked: str, with_bodies: Path) -> None:
    ran = evidence(with_bodies, "--pair", asked)
    assert (ran.code, ran.err) == (0, "")
    assert "req-153: admission 153, engine, thinking" in ran.out
    assert f"kept for: {SWAP}\n" in ran.out
    assert "What grows by a river?" in ran.out
    assert 'vendor:\nreasoning: Hm.\\x1b[2J\ncontent: ""\nfinish_reason: stop\nusage: prompt 5, completion 7' in ran.out
    assert 'call 0: look({"at":"river"}) id functions.look:0\nfinish_reason: tool_calls\n' in ran.out
    assert f"{SWAP:19}yes     no\n" in ran.out
    assert "\x1b" not in ran.out


def test_two_answers_as_json(with_bodies: Path) -> None:
    said = evidence(with_bodies, "--pair", "156", "--json").json
    assert said["kept"]["reference_answer"]["content"] == "Reeds."
    assert json.loads(said["kept"]["request"])["model"] == "kimi-k2.6"
    assert said["row"]["values"][SWAP] == 1


def test_a_pair_without_bodies(folder: Path, with_bodies: Path) -> None:
    for each in (folder, with_bodies):
        ran = evidence(each, "--pair", "159")
        assert ran.code == 0
        assert "pair 159: " in ran.out
        assert SWAP in ran.out
        assert "its bodies were not kept; bodies are kept with `evidence: {bodies: disagreements}`" in ran.err


def test_request_ids_of_kept_bodies_are_listed(with_bodies: Path) -> None:
    rows = evidence(with_bodies, "--json").json["rows"]
    assert {row["number"]: row["request_id"] for row in rows if row["request_id"]} == {153: "req-153", 156: "req-156"}


# The bundle


def test_a_bundle_with_bodies(with_bodies: Path, tmp_path: Path) -> None:
    file = tmp_path / "ticket.zip"
    ran = evidence(with_bodies, "--bundle", str(file))
    assert (ran.code, ran.out) == (0, "")
    assert "look through it" in ran.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with zipfile.ZipFile(file) as bundle:
        names = bundle.namelist()
        summary = bundle.read("summary.md").decode()
        table = list(csv.DictReader(io.StringIO(bundle.read("pairs.csv").decode())))
        body = json.loads(bundle.read("bodies/00001-153.json"))
    bodies = ["bodies/00001-153.json", "bodies/00002-156.json"]
    assert names == ["summary.md", "pairs.csv", *bodies, "requests.jsonl"]
    assert body["vendor_answer"]["content"] == ""
    assert [int(row["admission"]) for row in table if row["says"] == "against"] == BAD_PAIRS
    assert table[0]["request_id"] == "req-153"
    for part in (
        f"# engine: {SWAP}\n",
        "- state: degraded, since 2023-11-1",
        "- mode: thinking; policy: kimi-k2.6@0123abcd\n",
        "Since 2023-11-14 22:13:20Z it is at most one in 100 hours (4.167 days), on average,\nover 4 keys",
        "This signal has 50.000% of its key's share",
        "- exchanges in bodies/: 2\n",
        "- requests in requests.jsonl, with the answers of both sides: 2; one JSON object a line (",
        "- to ask them again: paramwall replay ticket.zip --vendor URL --output DIR\n",
    ):
        assert part in summary


def test_the_requests_of_a_bundle_can_be_asked_again(tmp_path: Path) -> None:
    write_log(tmp_path)
    keep_bodies(tmp_path)
    with Bodies.open(tmp_path, Keep.ALL, Limits(max_body_bytes=64), Redactor()) as bodies:
        whole = b'{"messages": [{"role":"user",\n "content":"?"}]}'
        long = b'{"messages":[{"role":"user","content":"' + b"x" * 64 + b'"}]}'
        for number, request in ((0, b""), (159, whole), (162, long), (165, b"[]")):
            at_s = BEGAN_S + 165 * 60.0
            bodies.keep(Kept(number, f"req-{number}", at_s, "engine", "thinking", (SWAP,), request, VENDOR_SAID))
    file = tmp_path / "ticket.zip"
    assert evidence(tmp_path, "--bundle", str(file)).code == 0
    with zipfile.ZipFile(file) as bundle:
        assert len(bundle.namelist()) == 2 + 6 + 1
        lines = [json.loads(line) for line in bundle.read("requests.jsonl").splitlines()]
    assert [line["id"] for line in lines] == ["153", "156", "159"]
    assert lines[0]["answers"]["reference"]["tool_calls"][0]["name"] == "look"
    assert lines[0]["answers"]["vendor"]["content"] == ""
    assert (lines[0]["why"], lines[0]["mode"], lines[0]["at_s"]) == ([SWAP], "thinking", BEGAN_S + 153 * 60.0)
    records = list(Dataset(file).records())
    assert [record.id for record in records] == ["153", "156", "159"]
    assert bytes(records[2].envelope.members["messages"]) == b'[{"role":"user","content":"?"}]'


def test_one_mode_of_a_vendor(folder: Path) -> None:
    assert evidence(folder, "--vendor", "engine", "--mode", "thinking", "--json").json["subject"]["key"] == {
        "vendor": "engine",
        "policy": "kimi-k2.6@0123abcd",
        "mode": "thinking",
    }
    ran = evidence(folder, "--vendor", "engine", "--mode", "instant")
    assert (ran.code, ran.out) == (2, "")
    assert "engine has no value of any signal in instant mode yet" in ran.err


def test_a_bundle_without_bodies_and_never_over_another_file(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "ticket.zip"
    ran = evidence(folder, "--vendor", "honest", "--signal", SIZE, "--bundle", str(file), "--json")
    assert ran.code == 0
    assert ran.json["subject"]["key"]["vendor"] == "honest"
    with zipfile.ZipFile(file) as bundle:
        assert bundle.namelist() == ["summary.md", "pairs.csv"]
        summary = bundle.read("summary.md").decode()
    assert "- bodies were not kept\n" in summary
    assert "- the change began: no change point; all values are counted\n" in summary
    before = file.read_bytes()
    ran = evidence(folder, "--bundle", str(file))
    assert (ran.code, ran.out) == (2, "")
    assert "hint: name a new file" in ran.err
    assert file.read_bytes() == before
