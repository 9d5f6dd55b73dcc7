"""What only the garbage collector would free: nothing of the proxy's.

Not here: what was done before. Invariant: whatever the tests themselves leave does not count.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import proxy

_PROXY: Final = f"{Path(proxy.__file__).parent}/"


@contextmanager
def no_garbage() -> Iterator[None]:
    """What of the proxy's ended within the block was freed by counting references alone."""
    gc.freeze()  # what is there already is not looked through, which would take long
    gc.disable()
    try:
        yield
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = {_of_the_proxy(found) for found in gc.garbage} - {""}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.unfreeze()
    assert not left, f"left to the garbage collector: {', '.join(sorted(left))}"


def _of_the_proxy(found: Any) -> str:  # noqa: ANN401  (whatever there is)
    """What this is; "" for what is not the proxy's, nor aiohttp's, which no test here uses."""
    if isinstance(found, FrameType):
        return found.f_code.co_qualname if found.f_code.co_filename.startswith(_PROXY) else ""
    return type(found).__qualname__ if type(found).__module__.startswith(("proxy.", "aiohttp.")) else ""
