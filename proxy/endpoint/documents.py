"""Numbers in the documents that commands write and others read: which there can be.

Not here: the documents (verify/result.py, replay/summary.py). Invariant: what is within these ranges can be written and
drawn; a document is checked when it is read.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

YEAR_10000_S: Final = 253_402_300_800
"""Unix time from which on there is no date."""
_EXACT: Final = 1 << 53
"""Up to here every whole number is a float, too."""

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=_EXACT)]
Total: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
"""Summed up from what vendors state, so that no bound is sure to hold."""
Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Amount: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0, le=float(_EXACT))]
