"""Fuzz target: one line of a dataset to be replayed.

Invariants: a line is a record or is refused with what is wrong and what is allowed, and no long text of it is echoed.
"""

from __future__ import annotations

from proxy.replay.records import BadLine, read_record
from tests.fuzz.target import Target


def check(data: bytes) -> None:
    try:
        record = read_record(data, 0, 1)
    except BadLine as error:
        assert str(error)
        assert error.hint
        assert "canary" not in str(error) + error.hint, "repeats what the line holds"
        return
    assert record.id
    assert record.envelope.members


WORDS = (
    *(b'"format":"paramwall-record/1"', b'"body":{', b'"messages":[]', b'"model":"kimi-k2.6"', b'"custom_id":"a"'),
    *(b'"expected":', b'"scorer":"exact"', b'"mode":"instant"', b'"task":""', b'"id":""', b'"url":"/v1/completions"'),
    *(
        b'"method":"POST"',
        b"{",
        b"}",
        b",",
        b":",
        b'"',
        b"null",
        b"1e400",
        b"\\ud800",
        b"[" * 1100,
        b'"at_s":-1',
        b"NaN",
    ),
)
TARGET = Target("records", check, WORDS)
