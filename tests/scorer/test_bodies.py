"""Kept bodies: only those asked for, redacted, cut, private, and within their limits."""

from __future__ import annotations

import random
import stat
from pathlib import Path

import pytest

from proxy.contract.answer import Answer, Flaw, ToolCall, Usage
from proxy.scorer.bodies import FILE, Bodies, Keep, Kept, Limits
from proxy.scorer.redaction import REDACTED, Redactor
from proxy.store import StoreError, StoreMissing

ANSWER = Answer(
    content="Reeds.",
    reasoning="",
    tool_calls=(ToolCall("functions.look:0", "look", '{"where": "river"}'),),
    finish_reason="stop",
    usage=Usage(5, 7, 12, places=("top",)),
    logprobs=(-0.25,),
    choices=1,
    flaws=frozenset({Flaw.NO_DONE}),
)
LIMITS = Limits()
SECRET = "sk-Zq81kLmP0vTr"


def exchange(
    number: int = 1, at_s: float = 100.0, why: tuple[str, ...] = ("empty-answer",), request: bytes = b"{}"
) -> Kept:
    return Kept(number, f"req-{number}", at_s, "engine", "thinking", why, request, ANSWER, Answer("Grass."), None)


def opened(folder: Path, keep: Keep = Keep.ALL, limits: Limits = LIMITS) -> Bodies:
    return Bodies.open(folder, keep, limits, Redactor())


def noise(size: int, seed: int) -> bytes:
    """JSON that does not compress."""
    return b'{"x":"' + random.Random(seed).randbytes(size // 2).hex().encode() + b'"}'


def on_disk(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.iterdir())


def test_what_is_kept_is_found_by_number_and_by_request_id(tmp_path: Path) -> None:
    first, second = exchange(1), exchange(2, why=())
    with opened(tmp_path) as bodies:
        assert bodies.keep(first)
        assert bodies.keep(second)
        assert bodies.find(number=1) == first
        assert bodies.find(request_id="req-2") == second
        assert bodies.find(number=3) is None
        assert bodies.find(request_id="") is None
        assert bodies.find() is None
        assert bodies.request_ids("engine") == {1: "req-1", 2: "req-2"}
        assert bodies.request_ids("another") == {}
        with Bodies.read(tmp_path) as reader:
            assert reader.find(number=2) == second
            assert not reader.keep(first)


def test_what_is_kept_because_of_a_signal(tmp_path: Path) -> None:
    with opened(tmp_path) as bodies:
        for number, why in enumerate([("empty",), (), ("sign", "empty"), ("empty-pair",), ("empty",)], 1):
            bodies.keep(exchange(number, at_s=float(number), why=why))

        def numbers(signal: str, vendor: str = "engine", after_s: float = 0.0, limit: int = 9) -> list[int]:
            return [kept.number for kept in bodies.about(vendor, signal, after_s, limit)]

        assert numbers("empty") == [1, 3, 5]
        assert numbers("empty", after_s=3.0) == [3, 5]
        assert numbers("empty", limit=1) == [1]
        assert numbers("empty-pair") == [4]
        assert numbers("empty", vendor="another") == numbers("pair") == []


@pytest.mark.parametrize(
    ("keep", "kept"), [(Keep.OFF, []), (Keep.DISAGREEMENTS, [1]), (Keep.ALL, [1, 2])], ids=list(Keep)
)
def test_only_what_is_asked_for_is_written(keep: Keep, kept: list[int], tmp_path: Path) -> None:
    with opened(tmp_path, keep) as bodies:
        assert [each.number for each in (exchange(1), exchange(2, why=())) if bodies.keep(each)] == kept
        assert list(bodies.request_ids("engine")) == kept
        bodies.retain(0.0)
    if keep is Keep.OFF:
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(StoreMissing):
            Bodies.read(tmp_path)


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    with opened(tmp_path) as bodies:
        bodies.keep(exchange())
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    assert modes == dict.fromkeys([FILE, f"{FILE}-wal", f"{FILE}-shm"], 0o600)


def test_no_credential_is_written_in_whatever_member(tmp_path: Path) -> None:
    said = Answer(
        SECRET, f"I use {SECRET}", (ToolCall(SECRET, SECRET, f'{{"password": "x", "k": "{SECRET}"}}'),), SECRET
    )
    request = f'{{"messages":[{{"content":"{SECRET}"}}],"api_key":"plain"}}'.encode()
    with opened(tmp_path) as bodies:
        bodies.keep(Kept(1, "req", 0.0, "engine", "thinking", (), request, said, said, said))
        found = bodies.find(number=1)
    assert found is not None
    assert SECRET not in repr(found)
    assert "plain" not in repr(found)
    assert found.request == f'{{"messages":[{{"content":"{REDACTED}"}}],"api_key":"{REDACTED}"}}'.encode()
    assert found.vendor_answer == found.reference_answer == found.second_answer
    assert found.vendor_answer is not None
    assert found.vendor_answer.reasoning == f"I use {REDACTED}"
    assert found.cut == ()


def test_what_is_too_long_is_cut_and_said(tmp_path: Path) -> None:
    long = Answer("r" * 300, "short", (ToolCall("id", "f", "x" * 100),))
    request = b'"' + b"q " * 45 + SECRET.encode() + b'"'
    limits = Limits(max_body_bytes=100)
    with opened(tmp_path, Keep.ALL, limits) as bodies:
        bodies.keep(Kept(1, "req", 0.0, "engine", "thinking", (), request, long, Answer("short")))
        found = bodies.find(number=1)
    assert found is not None
    assert found.cut == ("request", "vendor_answer")
    # The key, of which a cut would have left a piece without its form, was taken out before.
    assert found.request == (b'"' + b"q " * 45 + REDACTED.encode())[:100]
    assert found.vendor_answer == Answer("r" * 100, "short", (ToolCall("id", "f", "x" * 100),))


def test_the_oldest_go_when_the_file_is_full(tmp_path: Path) -> None:
    limits = Limits(max_bytes=400_000)
    with opened(tmp_path, Keep.ALL, limits) as bodies:
        for number in range(1, 61):
            bodies.keep(exchange(number, request=noise(40_000, number)))
            assert bodies.find(number=number) is not None
        left = list(bodies.request_ids("engine"))
        assert 5 < len(left) < 60
        assert left == list(range(61 - len(left), 61))
        bodies.retain(0.0)
        assert (tmp_path / FILE).stat().st_size <= limits.max_bytes
        assert list(bodies.request_ids("engine")) == left


def test_one_that_is_larger_than_all_may_be_is_not_left(tmp_path: Path) -> None:
    with opened(tmp_path, Keep.ALL, Limits(max_bytes=100_000)) as bodies:
        bodies.keep(exchange(1, request=noise(500_000, 1)))
        assert bodies.find(number=1) is None
        bodies.keep(exchange(2))
        assert bodies.find(number=2) is not None


@pytest.mark.parametrize("keep", list(Keep))
def test_the_old_go_and_leave_no_trace(keep: Keep, tmp_path: Path) -> None:
    """Also when bodies are no longer kept."""
    with opened(tmp_path, Keep.ALL) as bodies:
        for number, at_s in ((1, 100.0), (2, 200.0)):
            bodies.keep(Kept(number, f"request-{number}", at_s, "engine", "thinking", (), b"{}"))
    assert b"request-1" in on_disk(tmp_path)
    with opened(tmp_path, keep, Limits(max_age_s=50.0)) as bodies:
        bodies.retain(200.0)
        assert list(bodies.request_ids("engine")) == [2]
        assert b"request-1" not in on_disk(tmp_path)
        assert b"request-2" in on_disk(tmp_path)


def test_a_file_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database " * 100)
    said = r"bodies.db cannot be opened: .*\nhint: move the file away"
    with pytest.raises(StoreError, match=said):
        opened(tmp_path)
    with pytest.raises(StoreError, match=said):
        Bodies.read(tmp_path)
