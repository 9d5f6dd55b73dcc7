"""The channel between supervisor and worker, and a worker's log lines."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import threading
from pathlib import Path

import msgspec
import pytest

from proxy.child.channel import (
    Ask,
    Channel,
    Drain,
    OtherRelease,
    Ready,
    Report,
    Swapped,
    Word,
    decode_order,
    decode_word,
    encode_order,
    encode_word,
)
from proxy.child.lines import Lines
from proxy.child.snapshot import Family, Snapshot

REPORT = Report(3, 0.25, (float("inf"), 2.0), (Family("c", "counter", "Text.", ("vendor",), (), (("a",), ("b",))),))


@pytest.mark.parametrize("word", [Ready(), Swapped("why"), REPORT])
def test_a_word_comes_out_as_it_went_in(word: Word) -> None:
    assert decode_word(encode_word(word)) == word


@pytest.mark.parametrize("frame", [b"", b"\xff", pickle.dumps("x"), encode_word(Ready())[:-1], b"\x81\xa4type\xa4Nope"])
def test_anything_else_is_no_word(frame: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_word(frame)


@pytest.mark.parametrize("child", [[], ["a", "b"], [1], "a"])
def test_a_report_that_could_not_be_added_up_is_no_word(child: object) -> None:
    layout = [["c", "counter", "Text.", ["vendor"], [], [child]]]
    said = {"type": "Report", "in_flight": 0, "loop_lag_s": 0.0, "numbers": [1.0], "layout": layout}
    with pytest.raises(msgspec.MsgspecError):
        decode_word(msgspec.msgpack.encode(said))


def test_a_snapshot_has_a_number_for_each_place() -> None:
    assert REPORT.layout is not None
    assert Snapshot(REPORT.layout, REPORT.numbers)
    with pytest.raises(ValueError, match="1 numbers for 2 places"):
        Snapshot(REPORT.layout, REPORT.numbers[:1])


def test_an_order_is_one_of_the_four() -> None:
    assert decode_order(encode_order(Drain(1.0, 2.0))) == Drain(1.0, 2.0)
    release = encode_order(Drain(1.0, 2.0)).partition(b"\n")[0] + b"\n"
    with pytest.raises(TypeError, match="str, which is no order"):
        decode_order(release + pickle.dumps("x"))


@pytest.mark.parametrize("before", [b"99.0\n", b""])
def test_an_order_of_another_release_is_refused_before_it_is_read(before: bytes) -> None:
    _, _, order = encode_order(Drain(1.0, 2.0)).partition(b"\n")
    with pytest.raises(OtherRelease, match="restart the supervisor"):
        decode_order(before + order)


async def pair() -> tuple[Channel, socket.socket]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(5.0)
    return await Channel.over(ours), theirs


async def test_frames_survive_any_split() -> None:
    channel, other = await pair()
    frames = [b"", b"x", encode_order(Ask()), b"y" * 100_000]
    stream = b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)
    loop = asyncio.get_running_loop()
    other.setblocking(False)

    async def dribble() -> None:
        for at in range(1000):
            await loop.sock_sendall(other, stream[at : at + 1])
        await loop.sock_sendall(other, stream[1000:])

    dribbling = asyncio.create_task(dribble())
    assert [await channel.receive() for _ in frames] == frames
    await dribbling
    other.close()
    assert await channel.receive() is None
    channel.close()


@pytest.mark.parametrize("rest", [b"\x00\x00", b"\x00\x00\x00\x05abc", b"\xff\xff\xff\xff"])
async def test_a_broken_frame_is_the_end(rest: bytes) -> None:
    channel, other = await pair()
    with other:
        other.sendall(rest)
    assert await channel.receive() is None
    channel.close()


async def test_sending_to_nobody_is_no_error() -> None:
    channel, other = await pair()
    other.close()
    for _ in range(3):
        channel.send(b"x" * 1000)
        await channel.flush()
    assert await channel.receive() is None
    channel.send(b"x")
    channel.close()


class TestLines:
    def test_every_line_arrives_whole_and_in_order(self, tmp_path: Path) -> None:
        with (tmp_path / "log").open("wb") as file:
            lines = Lines(file.fileno())
            for number in range(5000):
                lines.put(b"line %d" % number + (b"\n" if number % 2 else b""))
            lines.close(timeout_s=10.0)
        assert (tmp_path / "log").read_bytes().splitlines() == [b"line %d" % number for number in range(5000)]

    def test_writers_that_share_a_pipe_do_not_mix_their_lines(self) -> None:
        reading, writing = os.pipe()
        whole: list[bytes] = []

        def read() -> None:
            with os.fdopen(reading, "rb") as file:
                whole.extend(file)

        reader = threading.Thread(target=read)
        reader.start()
        writers = [Lines(writing) for _ in range(3)]
        expected = [bytes([65 + who]) * 700 + b"\n" for who in range(3)]
        for _ in range(300):
            for who, lines in enumerate(writers):
                lines.put(expected[who])
        for lines in writers:
            lines.close(timeout_s=10.0)
        os.close(writing)
        reader.join(10.0)
        assert sorted(whole) == sorted(expected * 300)

    def test_a_stalled_reader_costs_lines_and_no_time(self) -> None:
        reading, writing = os.pipe()
        drops: list[None] = []
        lines = Lines(writing, lambda: drops.append(None), limit=50)
        for _ in range(2000):  # the pipe itself holds 64 KiB, about 64 of these
            lines.put(b"x" * 1000)
        assert len(drops) >= 2000 - 50 - 70
        os.close(reading)  # the writer meets a broken pipe and ends
        lines.close(timeout_s=10.0)
        lines.put(b"nobody reads")
        os.close(writing)

    def test_a_descriptor_that_somebody_made_non_blocking(self) -> None:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        lines = Lines(writing)
        for _ in range(200):
            lines.put(b"x" * 999)
        read = b""
        while len(read) < 200_000:
            read += os.read(reading, 65536)
        lines.close(timeout_s=10.0)
        os.close(writing)
        os.close(reading)
        assert read == (b"x" * 999 + b"\n") * 200
