"""The fuzz targets, one a file; the order is that of the report."""

from __future__ import annotations

from typing import Final

from tests.fuzz.target import Target
from tests.fuzz.targets import assembly, config, evidence, gate, headers, policy, records, sse, vendor

TARGETS: Final[dict[str, Target]] = {
    each.TARGET.name: each.TARGET for each in (gate, policy, config, records, sse, assembly, headers, vendor, evidence)
}
