"""Log lines on their way to a descriptor: whole, in order, never in the event loop's way."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.child.lines import Lines


@contextmanager
def piped() -> Iterator[tuple[int, int]]:
    """(read end, write end)."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


def read_all(fd: int, size: int) -> bytes:
    text = b""
    while len(text) < size:
        assert select.select([fd], [], [], 10)[0], "nothing more came"
        text += os.read(fd, 1 << 20)
    return text


def test_lines_come_whole_and_in_order() -> None:
    with piped() as (read, write):
        lines = Lines(write)
        sent = [b'{"n":%d}' % number for number in range(500)]
        for number, line in enumerate(sent):
            lines.put(line + (b"\n" if number % 2 else b""))
        expected = b"".join(line + b"\n" for line in sent)
        assert read_all(read, len(expected)) == expected
        lines.close(5)


def test_a_full_queue_drops_and_counts_and_never_waits() -> None:
    dropped = 0

    def drop() -> None:
        nonlocal dropped
        dropped += 1

    with piped() as (read, write):
        lines = Lines(write, drop, limit=10)
        line = b"x" * 4000
        began = time.monotonic()
        for _ in range(1000):
            lines.put(line)
        assert time.monotonic() - began < 1
        assert dropped > 900
        kept = (1000 - dropped) * 4001
        assert read_all(read, kept) == (line + b"\n") * (1000 - dropped)
        lines.put(b"after")
        assert read_all(read, 6) == b"after\n"
        lines.close(5)


def test_lines_of_two_writers_do_not_mix() -> None:
    """A write to a pipe is no longer than what is written in one piece (POSIX, write())."""
    with piped() as (read, write):
        writers = [Lines(write), Lines(write)]
        for number in range(300):
            writers[0].put(b"a" * (number % 90 + 1))
            writers[1].put(b"b" * (number % 70 + 1))
        size = sum(number % 90 + number % 70 + 4 for number in range(300))
        got = read_all(read, size).split(b"\n")
        assert all(len(set(line)) <= 1 for line in got)
        for writer in writers:
            writer.close(5)


def test_a_descriptor_that_another_process_made_non_blocking() -> None:
    with piped() as (read, write):
        os.set_blocking(write, False)
        lines = Lines(write)
        line = b"x" * 3000
        for _ in range(100):
            lines.put(line)
        assert read_all(read, 300_100) == (line + b"\n") * 100
        lines.close(5)


def test_close_writes_what_waits(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with file.open("wb") as out:
        lines = Lines(out.fileno())
        for number in range(2000):
            lines.put(b"%d" % number)
        lines.close(10)
    assert file.read_bytes() == b"".join(b"%d\n" % number for number in range(2000))


def test_nobody_reads_any_more() -> None:
    """The thread ends; the lines are lost, and nothing else."""
    read, write = os.pipe()
    lines = Lines(write)
    os.close(read)
    before = threading.active_count()
    lines.put(b"x")
    end = time.monotonic() + 5
    while threading.active_count() >= before and time.monotonic() < end:
        time.sleep(0.01)
    for _ in range(100):
        lines.put(b"x")
    lines.close(0.1)
    os.close(write)


@pytest.mark.parametrize("size", [1, select.PIPE_BUF - 1, select.PIPE_BUF, select.PIPE_BUF + 1, 200_000])
def test_a_line_of_any_size(size: int) -> None:
    with piped() as (read, write):
        lines = Lines(write)
        lines.put(b"x" * size)
        lines.put(b"y")
        assert read_all(read, size + 3) == b"x" * size + b"\ny\n"
        lines.close(5)
