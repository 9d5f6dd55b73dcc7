"""How a process treats its memory: what the allocator keeps, how rarely garbage is looked for, and that none of it is
written to a core file.

Not here: limits on what a request may hold (admission.py). Invariant: these settings change cost, never behaviour;
where one is not to be had, the process runs without it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Thrift:
    """How a process trades time for memory. Blocks of `block_bytes` and more go back to the system as soon as they are
    let go; `every_s` the free pages between what is held go back too, but for `pad_bytes` at the heap's end, and before
    that garbage is collected, if at most `blocks_per_s` came into use for each second since it last was. The youngest
    are looked through whenever `young` objects more were made than let go.
    """

    block_bytes: int
    pad_bytes: int
    every_s: float
    blocks_per_s: int
    young: int


PROMPT: Final = Thrift(4 * _MIB, 4 * _MIB, 30.0, 1_000, 10_000)
"""For who serves clients. By glibc's defaults the pages of a long body go back after each request and come again as
page faults: 72 to 100 faults for a body of 475 KB, a quarter of its system time. One image does not stay.
"""
SPARING: Final = Thrift(_MIB // 4, _MIB, 5.0, 20_000, 1_000)
"""For who has time: mirrored bodies seldom fit in what the last one left, and each gap that stays adds to the heap.
Each call that fails in aiohttp's client leaves garbage with the request's body in it; looked for this often, the most
blocks in use are 7,500 above the least and not 11,000, and pages that only a peak needs stay. It takes 2 ms a second.
"""

_TRIM_THRESHOLD: Final = (-1, 64 * _MIB)
"""This and what follows: mallopt(3)."""
_TOP_PAD: Final = (-2, _MIB)
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = (-8, 1)
"""One heap for all threads, who seldom allocate at once: each had its own, and kept what a burst left in it."""
_OLDER: Final = (20, 50)
"""This many collections of the younger to one of the older."""


def forbid_core_files() -> None:
    """For this process and all that it starts, since memory holds keys.

    The limit alone stops files; a kernel that pipes cores to a program (systemd-coredump, apport) passes it over, so no
    kind of memory is left to be dumped either: core(5). Not PR_SET_DUMPABLE, which ends at exec, and would hide the
    descriptors of workers from a supervisor that is not root.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # not Linux, or no /proc
        Path("/proc/self/coredump_filter").write_text("0")


def freeze() -> int:
    """Have no collection look through what is in use when the configuration has been read; the blocks of it, as
    sys.getallocatedblocks() counts them. Plans of 30 vendors would take 23 ms of each collection.
    """
    gc.freeze()
    return sys.getallocatedblocks()


def give_back(thrift: Thrift, settled_blocks: int, since_s: float) -> bool:
    """Give free pages back to the system, by glibc's malloc_trim(3); to be called every `thrift.every_s`. Returns
    whether garbage was collected; `since_s` is how long ago it last was, and `settled_blocks` are what `freeze` told.

    After a burst most pages are free, but between others that are not: of 250 MiB that were let go none went back by
    itself. Takes a millisecond, and one more for each 15 MiB that go back.

    Requests leave no garbage (every scenario of the wire checks that), yet a worker that never looked for any grew by
    2.6 MiB an hour under mixed load: only a full collection empties the interpreter's free lists, of up to 2,000 tuples
    of each size. That takes 0.3 us for each block: 3 ms in an idle worker, 12 ms beside 300 streams and 100 ms beside
    10,000 connections, which everybody's streams would feel; who has so much to look through does it seldom.
    """
    affordable = sys.getallocatedblocks() - settled_blocks <= thrift.blocks_per_s * since_s
    if affordable:
        gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(thrift.pad_bytes)
    return affordable


def settle(thrift: Thrift = PROMPT) -> None:
    """Apply the settings; to be called once, when everything is imported and before there is a second thread, whose
    heap would stay.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        mallopt = None  # not glibc
    if mallopt is not None:
        for parameter, value in (_ARENA_MAX, (_MMAP_THRESHOLD, thrift.block_bytes), _TRIM_THRESHOLD, _TOP_PAD):
            mallopt(parameter, value)
    # What was imported lives as long as the process, and a request leaves no cycles: there is little to look for.
    gc.collect()
    gc.freeze()
    gc.set_threshold(thrift.young, *_OLDER)
