"""What the scorer says when the evidence has spoken, in one honest sentence each.

Not here: deciding. Invariant: a sentence names the vendor, the signal, since when, by how much, and how sure it is.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from proxy.drift.report import Alarm, Event, Recovered, StateChanged


def sentence(event: Event) -> str:
    """One line for people."""
    match event:
        case Alarm():
            whom = "the reference seems to have changed" if event.suspect else f"vendor {event.key.vendor} changed"
            return (
                f"{whom}: {event.series} ({event.key.mode}), since about {_time(event.changepoint_s)}, "
                f"{_effect(event)}over {event.values} values; evidence {_odds(event.log_evidence)}, "
                f"alarm at {_odds(event.log_threshold)}"
            )
        case Recovered():
            return (
                f"vendor {event.key.vendor} recovered: {event.series} ({event.key.mode}), "
                f"alarmed at {_time(event.alarmed_at_s)}"
            )
        case StateChanged():
            return f"vendor {event.key.vendor} ({event.key.mode}): {event.before} -> {event.state}"


def _effect(alarm: Alarm) -> str:
    if alarm.effect is None or alarm.lower is None or alarm.upper is None:
        return ""
    return f"effect {alarm.effect * 100:+.1f} % ({alarm.lower * 100:+.1f} to {alarm.upper * 100:+.1f}) "


def _odds(log_evidence: float) -> str:
    return f"1e{log_evidence / math.log(10):.1f}"


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
