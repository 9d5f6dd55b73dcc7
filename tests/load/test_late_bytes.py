"""The late bytes command in small."""

from __future__ import annotations

import uvloop

from tests.load.late_bytes import WHEN, measure


def test_nobody_gets_what_the_vendor_sent_unasked() -> None:
    found = uvloop.run(measure(1000, 1, clients=10))
    assert found.answers == {"own": 1000}
    assert all(found.sent[when] for when in WHEN)
    assert found.opened >= found.covered - 10  # none of these connections was used again
