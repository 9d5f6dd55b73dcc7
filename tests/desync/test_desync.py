"""The desync command in small: no stream is misunderstood through the proxy, many are without it, and the judgement
notices what it must.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import uvloop

from tests.desync.judging import Told, faults
from tests.desync.origins import ORIGINS, missing
from tests.desync.play import probe_of
from tests.desync.reference import Framed, Reading, digest, read
from tests.desync.run import measure
from tests.desync.streams import stream

EVERYWHERE = ("node", "aiohttp", "stdlib")
"""Origins that are there wherever the tests are."""


def test_streams_through_the_proxy() -> None:
    origins = [one for one in ORIGINS if one.name in EVERYWHERE]
    assert [f"{one.name} is not here: {one.advice}" for one in missing(origins)] == []
    found = uvloop.run(measure(origins, 300, 1, each=2, direct=60))
    assert found.wrong == {}
    assert sum(counts["streams"] for counts in found.counts.values()) == 300
    assert all(counts["seen"] > 30 for counts in found.counts.values())
    assert sum(bitten for bitten, _ in found.bites.values()) > 5


def test_a_stream_is_made_by_its_seed_and_number_alone() -> None:
    assert stream(1, 7) == stream(1, 7)
    assert len({stream(seed, number).data for seed in (1, 2) for number in range(50)}) == 100


HOST = b"Host: a\r\n"
READ = {
    "two": (b"GET /a HTTP/1.1\r\n" + HOST + b"\r\nGET /b HTTP/1.1\r\n" + HOST + b"\r\n", "whole", ["/a", "/b"]),
    "length": (b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nGETX", "unfinished", ["/a"]),
    "chunks": (
        b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nGET\r\n0\r\nT: x\r\n\r\n",
        "whole",
        ["/a"],
    ),
    "both": (b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", "wrong", []),
    "no value": (b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: \r\nContent-Length: 3\r\n\r\n", "wrong", []),
    "repeated": (b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n", "wrong", []),
    "bare LF": (b"GET /a HTTP/1.1\n" + HOST + b"\r\n", "wrong", []),
    "folded": (b"GET /a HTTP/1.1\r\n" + HOST + b" b\r\n\r\n", "wrong", []),
    "space": (b"GET /a HTTP/1.1\r\nHost : a\r\n\r\n", "wrong", []),
    "no host": (b"GET /a HTTP/1.1\r\n\r\n", "wrong", []),
    "close": (b"GET /a HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\nGET /b HTTP/1.1\r\n", "closed", ["/a"]),
    "old": (b"GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n", "closed", ["/a"]),
    "size": (b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\n", "wrong", []),
}


@pytest.mark.parametrize("name", READ)
def test_the_strict_reading(name: str) -> None:
    data, end, targets = READ[name]
    reading = read(data)
    assert (reading.end, [one.target for one in reading.requests]) == (end, targets)


ONE, TWO = (Framed("POST", f"/{marker}", marker, 0, digest(b"")) for marker in ("s5.1", "s5.2"))
PROBE = probe_of(5)[1]
INNER = replace(ONE, marker="smuggled.5")
RIGHT = Told(heard=[ONE, TWO], sent=2, probe=PROBE)
MISTAKES = {
    "smuggled": (replace(RIGHT, sent=3), [ONE, INNER, TWO, PROBE], "nobody framed"),
    "other bytes": (RIGHT, [ONE, replace(TWO, length=1), PROBE], "nobody framed"),
    "unanswered": (replace(RIGHT, heard=[ONE]), [ONE, TWO, PROBE], "differ"),
    "swapped": (replace(RIGHT, heard=[TWO, ONE]), [ONE, TWO, PROBE], "is that of"),
    "not counted": (replace(RIGHT, sent=1), [ONE, TWO, PROBE], "says it sent"),
    "unasked": (replace(RIGHT, unsolicited=1), [ONE, TWO, PROBE], "more than it was asked"),
    "answered too much": (replace(RIGHT, more=True), [ONE, TWO, PROBE], "more than it was asked"),
    "one too many": (replace(RIGHT, heard=[ONE, TWO, 400], sent=3), [ONE, TWO, PROBE], "no request was framed there"),
    "probe": (replace(RIGHT, probe=TWO), [ONE, TWO, PROBE], "after the stream"),
    "probe unseen": (RIGHT, [ONE, TWO], "after the stream"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_a_desync(name: str) -> None:
    reading = Reading((ONE, TWO), "whole")
    assert faults(reading, RIGHT, [ONE, TWO, PROBE], PROBE) == []
    told, seen, word = MISTAKES[name]
    assert any(word in one for one in faults(reading, told, seen, PROBE))


def test_the_proxy_may_refuse_anything() -> None:
    reading = Reading((ONE, TWO), "wrong")
    told = Told(heard=[ONE, "http-malformed"], sent=1, probe=PROBE)
    assert faults(reading, told, [ONE, PROBE], PROBE) == []
