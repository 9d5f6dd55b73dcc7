"""`paramwall serve` as real processes before a simulator, for tests that need processes.

Not here: assertions, and the in-process data plane (tests/proxying.py). Invariant: the file is written in one step, as
an editor does, so a reload never reads half of it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.supervisor.running import Running, running

QUESTION: Final = [{"role": "user", "content": "What grows by a quiet river?"}]


def write(folder: Path, **settings: object) -> Path:
    """paramwall.yaml in `folder`; JSON is YAML. Unless told otherwise the proxy ends without a grace."""
    file = folder / "paramwall.yaml"
    ending = {"timeout": "20s", "grace": "0s"}
    said = {"version": 1, "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "drain": ending, **settings}
    new = file.with_suffix(".new")
    new.write_text(json.dumps(said))
    new.replace(file)
    return file


@asynccontextmanager
async def serving(
    folder: Path,
    vendors: list[dict[str, Any]],
    environment: Mapping[str, str] | None = None,
    **settings: object,
) -> AsyncIterator[Running]:
    """The real command with the configuration of `write`."""
    write(folder, vendors=vendors, **settings)
    arguments = ("-P", "-m", "proxy", "serve")
    async with running(*arguments, cwd=folder, environment=dict(environment or {})) as supervisor:
        yield supervisor


def chat(**members: Any) -> dict[str, Any]:  # noqa: ANN401  (any JSON)
    """A request body."""
    return {"model": "kimi-k2.6", "messages": QUESTION, **members}
