"""The Grafana dashboards as code; `python -m dashboards.generator` writes dashboards/grafana/*.json.

Here: the list of them, and which of their queries may rightly be empty. Not here: how a panel looks (panels.py).
Invariant: a query that is not in EMPTY_REASONS gives something on every running proxy that has traffic and a reference.
"""

from __future__ import annotations

from typing import Final

from dashboards.generator.drift import DRIFT
from dashboards.generator.fleet import FLEET
from dashboards.generator.internals import INTERNALS
from dashboards.generator.mirror import MIRROR
from dashboards.generator.policy import POLICY

BOARDS: Final = (FLEET, DRIFT, POLICY, MIRROR, INTERNALS)
EMPTY_REASONS: Final[dict[tuple[str, str, str], str]] = {
    place: reason for board in BOARDS for place, reason in board.empty_reasons()
}
"""(uid, panel title, refId) to why nothing may be there."""
