"""`paramwall replay`: what it says, what it writes, how it ends."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.simulator import Options, Simulator, parse_faults
from tests.cli.running import run
from tests.replay.datasets import write_dataset

NOWHERE = "http://127.0.0.1:9/v1"


@contextmanager
def simulating(*faults: str, seed: int = 1) -> Iterator[str]:
    """The URL of a simulator in a thread of its own: a command blocks this one."""
    loop = asyncio.new_event_loop()
    simulator = Simulator(Options(instant=True, seed=seed, faults=parse_faults(*faults)))
    loop.run_until_complete(simulator.start())
    url = simulator.url
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield url
    finally:
        asyncio.run_coroutine_threadsafe(simulator.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="module")
def vendor() -> Iterator[str]:
    with simulating() as url:
        yield url


@pytest.fixture(scope="module")
def reference() -> Iterator[str]:
    with simulating(seed=2) as url:
        yield url


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_dataset(tmp_path / "data.jsonl", 60, max_tokens=200).name


def table(text: str, head: str) -> list[list[str]]:
    """The lines below one that begins with a word, up to a blank one, by columns."""
    lines = text.splitlines()
    start = next(at for at, line in enumerate(lines) if re.match(rf"{head}\b", line))
    below = lines[start:]
    return [re.split(r"  +", line) for line in below[: below.index("") if "" in below else None]]


def test_a_replay_with_its_noise_floor(data: str, vendor: str, reference: str) -> None:
    words = ("replay", data, "--vendor", vendor, "--reference", reference, "--reference-twice", "--mode", "instant")
    ran = run(*words)
    assert ran.code == 0
    assert "60 records (60 instant), 1 epoch, 3 targets: 180 calls" in ran.err
    calls, metrics = ran.out.split("\n\n")[:2]
    assert [row[1:5] for row in table(calls, "target")[1:]] == [
        ["vendor", "60", "60", "0"],
        ["reference", "60", "60", "0"],
        ["reference-again", "60", "60", "0"],
    ]
    head, *rows = table(metrics, "instant")
    assert [re.sub(r"^[^ ]+", "", name) for name in head[1:]] == ["", " (reference)", " (noise floor)"]
    found = {row[0]: row[1:] for row in rows}
    assert found["state"] == ["ok", "-", "-"]
    assert re.fullmatch(r"0\.\d{4} \[0\.\d{4}, \d\.\d{4}\]", found["tool_call_f1"][0])
    assert found["tool_call_f1"][1] == "-", "the reference is compared with nothing"
    assert re.match(r"0\.\d{4}", found["tool_call_f1"][2])
    assert "no alarm" in ran.out
    written = json.loads(Path("data.replay/summary.json").read_text())
    assert written["noise_floor"]["instant"]["tool_call_f1"]["n"] == 60
    again = run(*words, "--json")
    assert "180 of them have ended in an earlier run and are not made again" in again.err
    assert again.json == written


def test_a_vendor_that_drifts_is_a_finding(data: str, reference: str) -> None:
    with simulating("finish-mismatch=1", seed=3) as faulty:
        ran = run("replay", data, "--vendor", faulty, "--reference", reference, "--mode", "instant")
    assert ran.code == 1
    assert "calls-with-stop" in {row[2] for row in table(ran.out, "target  +mode  +alarm")[1:]}
    assert "--reference-twice" in ran.err, "where there is no noise floor, it says how to get one"


def test_a_vendor_that_is_not_there_is_given_up(data: str) -> None:
    ran = run("replay", data, "--vendor", NOWHERE, "--attempts", "1", "--mode", "instant")
    assert ran.code == 1
    assert "paramwall: 127.0.0.1:9 was given up: unreachable\n" in ran.err
    assert "--retry-failed" in ran.err
    assert "nothing was answered" in ran.out
    assert re.search(r"\n *paramwall: 2\d of 60 calls have ended; the figures are of these", ran.err)


def test_a_vendor_that_has_the_model_by_another_name(data: str, vendor: str) -> None:
    ran = run("replay", data, "--vendor", vendor, "--model", "kimi-k9", "--mode", "instant")
    assert ran.code == 1
    assert "was given up: refused (status 404): " in ran.err
    assert "--model NAME" in ran.err


def test_one_of_two_vendors_that_is_not_there_is_a_finding(data: str, vendor: str) -> None:
    ran = run("replay", data, "--vendor", vendor, "--vendor", NOWHERE, "--attempts", "1", "--mode", "instant")
    assert ran.code == 1
    assert [row[3] for row in table(ran.out, "target")[1:]] == ["60", "0"]
    assert "no alarm" in ran.out


def test_a_dataset_with_bad_lines_is_not_begun(data: str) -> None:
    with Path(data).open("a") as file:
        file.write('{"messages": []}\nno JSON\n{"messages": [{"role": "user"}], "thinking": {"type": "perhaps"}}\n')
    ran = run("replay", data, "--vendor", NOWHERE)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines() == [
        "data.jsonl:61: messages is not a list with a message in it",
        '  hint: {"model": ..., "messages": [...]}',
        "data.jsonl:62: the line is not JSON: invalid character (byte 4)",
        '  hint: one JSON object a line, such as {"model": ..., "messages": [...]}',
        "data.jsonl:63: invalid thinking.type: it has no meaning as a thinking switch",
        '  hint: send thinking.type as "enabled" or "disabled" or "adaptive"',
        "paramwall: data.jsonl has 3 lines that cannot be used",
        "  hint: mend these lines or take them out; nothing was sent",
    ]
    assert not Path("data.replay").exists()


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        ([], "no DATASET is given", "--vendor"),
        (["data.jsonl"], "no --vendor is given", "--config"),
        (["none.jsonl", "--vendor", NOWHERE], "none.jsonl cannot be read: No such file", ".jsonl.gz"),
        (["data.jsonl", "--vendor", NOWHERE, "--preset", "kvv"], "--preset kvv: there is none", "kvv-aime2025"),
        (["data.jsonl", "--vendor", NOWHERE, "--mode", "off"], "--mode off", "leave it out"),
        (["data.jsonl", "--vendor", NOWHERE, "--vendor", NOWHERE], "named twice", "--epochs 2"),
        (["data.jsonl", "--vendor", NOWHERE, "--reference-twice"], "without a reference", "--reference URL"),
        (["data.jsonl", "--vendor", "http://127.0.0.1:9/v2"], "/v1", "/v1"),
        (["data.jsonl", "--vendor", "somebody"], "somebody", "base URL"),
    ],
)
@pytest.mark.usefixtures("data")
def test_what_cannot_be_carried_out(words: list[str], said: str, hint: str) -> None:
    ran = run("replay", *words)
    assert (ran.code, ran.out) == (2, "")
    head, _, remedy = ran.err.partition("hint: ")
    assert said in head
    assert hint in remedy


def test_another_replay_in_the_same_place(data: str, vendor: str) -> None:
    words = ("replay", data, "--vendor", vendor, "--limit", "3")
    assert run(*words, "--mode", "instant").code == 0
    ran = run(*words, "--mode", "thinking", "--temperature", "1")
    assert ran.code == 2
    assert ran.err.splitlines()[-4:] == [
        "  mode: instant there, thinking here",
        "  settings: none there, instant.temperature 1.0, thinking.temperature 1.0 here",
        "paramwall: data.replay holds another replay",
        "  hint: name another --output, or go on as it was begun",
    ]


def test_an_estimate_sends_nothing(data: str) -> None:
    ran = run(
        "replay", data, "--vendor", NOWHERE, "--reference", "http://127.0.0.1:10/v1", "--estimate", "--epochs", "2"
    )
    assert ran.code == 0
    assert [row[2] for row in table(ran.out, "target")[1:]] == ["120", "120"]
    found = run("replay", data, "--vendor", NOWHERE, "--estimate", "--json").json
    assert found["completion_tokens_limit_each"] == 60 * 200
    assert found["prompt_tokens_each"] == pytest.approx(60 * 60, rel=0.3)
    assert not Path("data.replay").exists()


def test_what_breaks_the_policy_is_told_before(tmp_path: Path, vendor: str) -> None:
    data = write_dataset(tmp_path / "cold.jsonl", 5, temperature=0.2)
    words = ("replay", str(data), "--vendor", vendor, "--mode", "instant", "--output")
    ran = run(*words, str(tmp_path / "as-it-is"))
    assert "5 records break the policy and are sent as they are: temperature-off-contract 5" in ran.err
    assert "refused 5" in ran.out
    assert ran.code == 1
    ran = run(*words, str(tmp_path / "repaired"), "--repair")
    assert "are sent as the proxy would repair them" in ran.err
    assert ran.code == 0


def test_a_preset_above_a_hosts_cap_is_told(data: str) -> None:
    ran = run("replay", data, "--vendor", NOWHERE, "--profile", "deepinfra", "--preset", "kvv-aime2025", "--limit", "1",
              "--attempts", "1", "--epochs", "1")  # fmt: skip
    assert "gives at most 16384 tokens, 98304 are asked for: length is then its cap" in ran.err


def test_two_recorded_files_are_compared(tmp_path: Path) -> None:
    def row(index: int, finish: str) -> str:
        return json.dumps({"data_index": index, "status": "success", "finish_reason": finish, "tool_calls_valid": True})

    write: Callable[[str, list[str]], str] = lambda name, rows: _written(tmp_path / name, rows)  # noqa: E731
    vendor = write("v.jsonl", [row(1, "tool_calls"), row(2, "tool_calls"), row(3, "stop"), row(9, "stop")])
    reference = write("r.jsonl", [row(1, "tool_calls"), row(2, "stop"), row(3, "stop")])
    ran = run("replay", "--compare", vendor, reference)
    assert ran.code == 0
    assert re.search(r"^tool_call_f1 +0\.6667 \[", ran.out, re.MULTILINE)
    assert "3 rows are in both files; 1 only in the vendor's and 0 only in the reference's" in ran.err
    found = run("replay", "--compare", vendor, reference, "--json").json
    assert found["format"] == "paramwall-compare/1"
    assert found["kvv"]["precision"]["value"] == 0.5
    bad = write("bad.jsonl", ["{}"])
    ran = run("replay", "--compare", vendor, bad)
    assert ran.code == 2
    assert "bad.jsonl:1: no result of K2-Vendor-Verifier" in ran.err


def _written(path: Path, rows: list[str]) -> str:
    path.write_text("\n".join(rows) + "\n")
    return str(path)
