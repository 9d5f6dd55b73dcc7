"""Memory that is let go goes back to the system, although what is still held lies between."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

MIB = 1 << 20
BURST = """
import random
from pathlib import Path
from proxy.child import memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

memory.settle()
held = [bytes(20_000) for _ in range(5000)]
random.Random(1).shuffle(held)
del held[50:]
before = resident()
memory.give_back()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators give back by themselves")
def test_what_is_let_go_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", BURST], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 50 * MIB
