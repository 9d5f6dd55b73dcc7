"""How a worker's process treats memory: what the allocator keeps, and how rarely garbage is looked for.

Not here: limits on what a request may hold (admission.py). Invariant: these settings change cost, never behaviour;
where one is not to be had, the worker runs without it.
"""

from __future__ import annotations

import ctypes
import gc
from typing import Final

_TRIM_THRESHOLD: Final = (-1, 64 * 1024 * 1024)
_TOP_PAD: Final = (-2, 1024 * 1024)
_MMAP_THRESHOLD: Final = (-3, 4 * 1024 * 1024)
"""glibc's mallopt(3). By default the pages of a long body go back to the system after each request and come again as
page faults: 72 to 100 faults for a body of 475 KB, a quarter of its system time. Blocks of 4 MiB and more still go back
at once, so one image does not stay.
"""
_GARBAGE_THRESHOLDS: Final = (10_000, 20, 50)


def settle() -> None:
    """Apply the settings; to be called once, when everything is imported."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        mallopt = None  # not glibc
    if mallopt is not None:
        for parameter, value in (_MMAP_THRESHOLD, _TRIM_THRESHOLD, _TOP_PAD):
            mallopt(parameter, value)
    # What was imported lives as long as the process, and a request leaves no cycles: there is little to look for.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
