"""Files of strangers as input: datasets and bundles for replay, results for report. Each is used or refused."""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from proxy.replay import dataset as subject
from proxy.replay.dataset import BUNDLED
from proxy.replay.summary import Dataset, Latency, Summary, Target, Tokens
from proxy.verify.result import ProbeResult, Spent, VendorSeen, VerifyResult, encode_result
from tests.cli.running import Ran, run
from tests.report import given as written

LINE: Final = b'{"messages":[{"role":"user","content":"a"}]}\n'
OWNED: Final = '"><script>owned()</script><img src=x onerror=owned()>\u202e\x1b[2J</style>'


def bundle(path: Path, *entries: tuple[str, bytes]) -> bytearray:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries:
            archive.writestr(name, text)
    return bytearray(path.read_bytes())


def changed(path: Path, *changes: tuple[int, int, int]) -> None:
    """A bundle with bytes of its entry changed: the place in its local head and in the directory, and the byte."""
    found = bundle(path, (BUNDLED, LINE))
    local, directory = found.index(b"PK\x03\x04"), found.index(b"PK\x01\x02")
    for in_local, in_directory, byte in changes:
        found[local + in_local] = found[directory + in_directory] = byte
    path.write_bytes(found)


def bomb(path: Path) -> None:
    bundle(path, (BUNDLED, b"x" * 20_000_000))
    assert path.stat().st_size < 100_000


def cut(path: Path) -> None:
    path.write_bytes(bundle(path, (BUNDLED, LINE))[:-30])


BUNDLES: Final[dict[str, tuple[Callable[[Path], object], str]]] = {
    "bomb": (bomb, "the line is longer than"),
    "encrypted": (lambda path: changed(path, (6, 8, 1)), "encrypted"),
    "packed in an unknown way": (lambda path: changed(path, (8, 10, 99)), "not supported"),
    "wrong checksum": (lambda path: changed(path, (14, 16, 7)), "Bad CRC-32"),
    "cut": (cut, "not a zip file"),
    "no archive": (lambda path: path.write_bytes(b"\xff" * 100), "not a zip file"),
    "without requests": (lambda path: bundle(path, ("other", LINE)), f"has no {BUNDLED}"),
    "a folder": (Path.mkdir, "Is a directory"),
    "a link to itself": (lambda path: path.symlink_to(path), "symbolic link"),
}


def replayed(path: Path) -> Ran:
    return run("replay", str(path), "--vendor", "http://127.0.0.1:9/v1", "--estimate")


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_that_cannot_be_used(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_LINE", 1_000_000)
    make, says = BUNDLES[name]
    make(tmp_path / "a.zip")
    ran = replayed(tmp_path / "a.zip")
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert "hint: " in ran.err


def test_nothing_of_a_bundle_is_unpacked(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    bundle(folder / "a.zip", ("../evil", b"x"), ("/evil", b"x"), (BUNDLED, LINE))
    assert replayed(folder / "a.zip").code == 0
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["a.zip", "inner"]


@pytest.mark.parametrize(
    "line", [b"[" * 100_000, b"\0" * 100, b"\xff\xfe{}", b'{"messages":' + b"[" * 100_000, b"x" * 2_000_000]
)
def test_a_line_that_cannot_be_used(line: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_LINE", 1_000_000)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(line + b"\n" + LINE))
    ran = replayed(tmp_path / "a.jsonl.gz")
    assert (ran.code, ran.out) == (2, "")
    assert "hint: " in ran.err
    assert len(ran.err) < 2000


# Results given to paramwall report


def verification(**members: Any) -> dict[str, Any]:  # noqa: ANN401  (any member)
    probe = ProbeResult(OWNED, OWNED, OWNED, OWNED, "fail", OWNED, OWNED, OWNED, 1, 0)
    made = VerifyResult(
        version=OWNED,
        at_s=1.7e9,
        vendor=VendorSeen(OWNED, f"https://a.example/{OWNED}", OWNED, OWNED),
        reference=None,
        contract=OWNED,
        verdict="fail",
        layers=(),
        probes=(probe,),
        spent=Spent(1, 1, 1),
        no_answer_share=0.0,
    )
    found: dict[str, Any] = json.loads(encode_result(made))
    return found | members


def replay_of(**members: Any) -> dict[str, Any]:  # noqa: ANN401  (any member)
    target = Target(OWNED, OWNED, f"https://a.example/{OWNED}", OWNED, 1, 1, {OWNED: 1}, 0, Latency(), Tokens(), ())
    made = Summary(
        version=OWNED,
        at_s=1.7e9,
        dataset=Dataset(OWNED, OWNED, 1, {OWNED: 1}, {OWNED: 1}),
        settings={OWNED: OWNED},
        epochs=1,
        planned=1,
        complete=True,
        targets=(target,),
    )
    found: dict[str, Any] = json.loads(msgspec.json.encode(made))
    return found | members


def reported(folder: Path, flag: str, text: str) -> Ran:
    (folder / "given.json").write_text(text)
    return run("report", flag, str(folder / "given.json"), "--html", str(folder / "r.html"), "--markdown", "-")


@pytest.mark.parametrize(("flag", "given"), [("--verify", verification), ("--replay", replay_of)])
def test_names_in_a_result_are_text(flag: str, given: Callable[[], dict[str, Any]], tmp_path: Path) -> None:
    ran = reported(tmp_path, flag, json.dumps(given()))
    assert ran.code == 0, ran.err
    page = (tmp_path / "r.html").read_text()
    assert "&lt;script&gt;owned()" in page
    outside_code = re.sub(r"`[^`\n]*`", "", ran.out)
    assert not re.search(r"(?<!\\)<(script|img)", page + outside_code)
    for text in (page, ran.out):
        assert not set("\u202e\x1b") & set(text)
    assert page.count("</style>") == 1


@pytest.mark.parametrize("at_s", [-1e300, 1e300, 253_402_300_800])
@pytest.mark.parametrize(("flag", "given"), [("--verify", verification), ("--replay", replay_of)])
def test_a_time_that_is_none(flag: str, given: Callable[..., dict[str, Any]], at_s: float, tmp_path: Path) -> None:
    ran = reported(tmp_path, flag, json.dumps(given(at_s=at_s)))
    assert ran.code == 2
    assert "its at_s is no time" in ran.err


def replaced(value: Any, place: tuple[str, ...], by: object) -> Any:  # noqa: ANN401  (any JSON value)
    """The document with one member changed; of a list, in each of its items."""
    if not place:
        return by
    if isinstance(value, list):
        return [replaced(each, place, by) for each in value]
    return {**value, place[0]: replaced(value[place[0]], place[1:], by)}


NUMBERS: Final = (
    ("--verify", "layers passed"),
    ("--verify", "probes first_token_s"),
    ("--verify", "spent requests"),
    ("--verify", "no_answer_share"),
    ("--replay", "targets asked"),
    ("--replay", "targets tokens prompt"),
    ("--replay", "targets latency total p95"),
    ("--replay", "targets modes contract_pass_rate value"),
    ("--replay", "targets modes contract_pass_rate n"),
    ("--replay", "noise_floor thinking tool_call_f1 upper"),
)


@pytest.mark.parametrize(("flag", "place"), NUMBERS)
@pytest.mark.parametrize("number", [-1, -0.5, 10**400], ids=["below 0", "part of one", "huge"])
def test_a_number_that_cannot_be(flag: str, place: str, number: float, tmp_path: Path) -> None:
    """Refused; but what vendors said of tokens sums up to anything, and is written."""
    text = encode_result(written.verification()) if flag == "--verify" else msgspec.json.encode(written.replay())
    ran = reported(tmp_path, flag, json.dumps(replaced(json.loads(text), tuple(place.split()), number)))
    if "tokens" in place and number > 0:
        assert ran.code == 0
        assert f"{number:,}" in ran.out
    else:
        assert (ran.code, ran.out) == (2, "")
        assert place.rsplit(maxsplit=1)[-1] in ran.err
    assert len(ran.err) < 1000


def test_bounds_that_cross_are_drawn_within_the_axis(tmp_path: Path) -> None:
    document = json.loads(msgspec.json.encode(written.replay()))
    crossed = replaced(document, ("noise_floor", "thinking", "tool_call_f1", "lower"), 1.0)
    assert reported(tmp_path, "--replay", json.dumps(crossed)).code == 0
    assert '="-' not in re.sub(r'content="[^"]*"| d="[^"]*"', "", (tmp_path / "r.html").read_text())


def test_a_verdict_that_is_none(tmp_path: Path) -> None:
    ran = reported(tmp_path, "--verify", json.dumps(verification(verdict="\x1b[2Jfine")))
    assert ran.code == 2
    assert "its verdict '\\x1b[2Jfine' is none" in ran.err


@pytest.mark.parametrize(("flag", "given"), [("--verify", verification), ("--replay", replay_of)])
def test_a_format_is_shown_without_its_control_characters(
    flag: str, given: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    ran = reported(tmp_path, flag, json.dumps(given(format="\x1b[2J" * 1000)))
    assert ran.code == 2
    assert "'\\x1b[2J" in ran.err
    assert "\x1b" not in ran.err
    assert len(ran.err) < 1000


@pytest.mark.parametrize("flag", ["--verify", "--replay"])
@pytest.mark.parametrize("text", ["[" * 100_000, '{"x":' * 100_000, '{"at_s":1e999}', "\0", ""])
def test_a_result_that_cannot_be_read(flag: str, text: str, tmp_path: Path) -> None:
    ran = reported(tmp_path, flag, text)
    assert (ran.code, ran.out) == (2, "")
    assert "hint: " in ran.err
