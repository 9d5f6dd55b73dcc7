"""What an alarm means under a configuration: which series there are, and how they share the budget.

Not here: folding. Invariant: the same configuration gives the same terms, so a restart changes nothing.
"""

from __future__ import annotations

from typing import Final

from proxy.config.values import Config
from proxy.contract.mode import Mode
from proxy.drift.rows import Series, Terms
from proxy.signals import PROBED, SELF_TESTS, SIGNALS
from proxy.signals.shares import shares
from proxy.signals.signal import Kind

_ALONE: Final = frozenset({Kind.RATE, Kind.BASELINE})
"""Read from the vendor's answer alone."""


def terms_of(config: Config) -> Terms:
    """Without a reference there are only the signals that need none, and they share the whole budget; without probes
    there are none of theirs.
    """
    mirrored = config.reference is not None
    signals = [signal for signal in SIGNALS if mirrored or signal.kind in _ALONE]
    if config.probes.every_s is not None:
        signals += PROBED
    tests = SELF_TESTS if mirrored else ()
    parts = shares(signals, tests)
    tolerance = config.drift.tolerance
    series = tuple(
        Series(
            signal.name,
            str(signal.kind),
            str(signal.group),
            tolerance.get(signal.name, signal.tolerance),
            parts.get(signal.name, 0.0),
            of_reference=signal in tests,
        )
        for signal in (*signals, *tests)
    )
    return Terms(
        series,
        clock=config.drift.budget.clock,
        budget=config.drift.budget.amount,
        families=len(config.vendors) * len(Mode),
        window_s=config.drift.window_s,
        enough=config.drift.enough,
        mirrored=mirrored,
    )
