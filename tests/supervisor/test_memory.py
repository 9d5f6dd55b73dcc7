"""Memory that is let go goes back to the system, although what is still held lies between; threads share one heap."""

from __future__ import annotations

import gc
import platform
import re
import subprocess
import sys
import weakref
from itertools import pairwise
from pathlib import Path

import pytest

from proxy.child.memory import PROMPT, SPARING, Thrift, give_back
from tests.e2e.serving import chat, serving
from tests.supervisor.running import until

MIB = 1 << 20
ARENA = 64 * MIB
"""What glibc reserves for the heap of a further thread, at a multiple of it."""
MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) \S+ 0+ 00:00 0 *$", re.MULTILINE)
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
memory.give_back(memory.PROMPT, 0, 0.0)
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators give back by themselves")
def test_what_is_let_go_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", BURST], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 50 * MIB


@pytest.mark.parametrize("thrift", [PROMPT, SPARING])
@pytest.mark.parametrize(
    ("budget_left", "looked"), [pytest.param(1000, True, id="little in use"), pytest.param(-1000, False, id="too much")]
)
def test_garbage_is_looked_for_when_there_is_little_to_look_through(
    thrift: Thrift, budget_left: int, looked: bool
) -> None:
    class Knot:
        itself: object

    def left_behind() -> weakref.ref[Knot]:
        knot = Knot()
        knot.itself = knot
        return weakref.ref(knot)

    gc.disable()
    try:
        knot = left_behind()
        settled = sys.getallocatedblocks() - 60 * thrift.blocks_per_s + budget_left
        assert give_back(thrift, settled, 60.0) is looked
        assert (knot() is None) is looked
    finally:
        gc.enable()


YOUNG = """
import weakref
from proxy.child import memory

class Knot:
    pass

memory.settle(memory.{thrift})
knot = Knot()
knot.itself = knot
found = weakref.ref(knot)
del knot
held = []
while found() is not None:
    held.append([])
print(len(held))
"""


@pytest.mark.parametrize(("name", "thrift"), [("PROMPT", PROMPT), ("SPARING", SPARING)])
def test_young_garbage_is_looked_for_as_often_as_there_is_time(name: str, thrift: Thrift) -> None:
    done = subprocess.run([sys.executable, "-c", YOUNG.format(thrift=name)], capture_output=True, text=True, check=True)
    assert 0.9 * thrift.young < int(done.stdout) <= thrift.young


FROZEN = """
import gc
from proxy.child.memory import freeze

held = [[number] for number in range(50_000)]
told = freeze()
print(told > 50_000, len(gc.get_objects()) < 1000)
"""


def test_what_a_process_began_with_is_not_looked_through() -> None:
    done = subprocess.run([sys.executable, "-c", FROZEN], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"


def heaps_of_threads(pid: int) -> list[int]:
    """Where they begin."""
    found = [(int(one, 16), int(two, 16)) for one, two in MAPPING.findall(Path(f"/proc/{pid}/maps").read_text())]
    return [
        one for (one, mid), (again, two) in pairwise(found) if mid == again and two - one == ARENA and not one % ARENA
    ]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have other heaps")
async def test_threads_have_no_heaps_of_their_own(tmp_path: Path) -> None:
    """Neither the one that writes the log's lines nor those that write evidence."""
    vendor = {"name": "deaf", "url": "http://127.0.0.1:9/v1", "profile": "vllm"}
    async with serving(tmp_path, [vendor], state_dir=str(tmp_path / "state")) as supervisor:
        async with supervisor.session.post(f"{supervisor.url}/v1/chat/completions", json=chat()) as answer:
            await answer.read()
        await until(lambda: any("request" in line for line in supervisor.lines), "a thread has written a line")
        children = set(supervisor.strays()) - {supervisor.process.pid}
        assert len(children) >= 2, "a worker, a scorer"
        assert [heap for pid in children for heap in heaps_of_threads(pid)] == []
