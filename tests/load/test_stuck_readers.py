"""The command of stuck readers in small: each is cut off, so that its own kernel knows, and its vendor is released."""

from __future__ import annotations

import pytest

from tests.load.stuck_readers import measure, rows


@pytest.mark.long
def test_readers_that_read_nothing() -> None:
    counts = measure(10, turns=1, stall_s=1.0, rate=20.0, cpus=None)
    judged = {row.what: row.right for row in rows(*counts, 10, 1.0)}
    assert judged["cut off"]
    assert judged["counted by the proxy"]
    assert judged["left open"]
    assert judged["vendor connections kept"]
    assert judged["permits kept"]
    assert judged["good requests that failed"]
    assert counts[0].calm[0].good_s
