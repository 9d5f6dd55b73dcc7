"""What clients ask, from real requests to the log, and back out of it by `paramwall policy backtest`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from proxy.scorer.repairs import Outcomes, repairs_of
from proxy.simulator import Options, Simulator
from proxy.store import Store
from tests.cli.running import Ran, run
from tests.shadow.watching import Watched, watching


def body(**members: Any) -> dict[str, Any]:  # noqa: ANN401  (any JSON)
    return {"model": "kimi-k2.6", "messages": [{"role": "user", "content": "Reeds?"}], **members}


@asynccontextmanager
async def logging(folder: Path, **settings: Any) -> AsyncIterator[Watched]:  # noqa: ANN401  (any setting)
    """A proxy with a scorer and a log in `folder`/state, without a reference."""
    async with (
        Simulator(Options(instant=True)) as vendor,
        watching(folder, vendor.url, None, state_dir=str(folder / "state"), **settings) as watched,
    ):
        yield watched


async def ask(watched: Watched, *bodies: bytes | dict[str, Any], path: str = "/chat/completions") -> list[int]:
    """Post each, one after the other."""
    statuses: list[int] = []
    async with aiohttp.ClientSession() as session:
        for each in bodies:
            data = each if isinstance(each, bytes) else orjson.dumps(each)
            headers = {"Content-Type": "application/json"}
            async with session.post(f"{watched.proxy.url}{path}", data=data, headers=headers) as response:
                await response.read()
                statuses.append(response.status)
    return statuses


def backtest(folder: Path, *words: str) -> Ran:
    return run("policy", "backtest", *words, "--state-dir", str(folder / "state"))


LAWFUL = body(temperature=1.0, top_p=0.95)


async def test_the_log_knows_what_was_asked_and_what_another_policy_would_do(tmp_path: Path) -> None:
    async with logging(tmp_path) as watched:
        statuses = await ask(
            watched,
            *[LAWFUL] * 5,
            *[body(temperature=0.3, top_p=0.95)] * 3,
            body(temperature="hot"),
            body(temperature=1.0, top_p=0.95, thinking={"type": "disabled"}),
            b'{"model": "kimi-k2.6", "n": 1, "n": 2}',
            body(model="gpt-5"),
        )
        assert statuses == [200] * 8 + [400, 200, 400, 404]
    with Store.read(tmp_path / "state") as store:
        found = repairs_of(store)
    label = found.outcomes[0].policy
    assert set(found.outcomes) == {
        Outcomes("sim", label, "repair", "", 0, 0, 1),
        Outcomes("sim", label, "repair", "thinking", 6, 3, 1),
        Outcomes("sim", label, "repair", "instant", 0, 1, 0),
    }
    same = backtest(tmp_path, "kimi-k2.6", "--json")
    assert (same.code, same.err) == (0, "")
    assert same.json["outcomes"] == {"reject": 2, "rewrite": 4, "pass": 6}
    assert not any(change["differs"] for change in same.json["changes"])
    strict = backtest(tmp_path, "kimi-k2.6", "--enforcement", "strict", "--json")
    assert strict.code == 1
    assert strict.json["outcomes"] == {"reject": 7, "rewrite": 0, "pass": 5}
    print(strict.out)
    print(backtest(tmp_path, "kimi-k2.6", "--enforcement", "strict").out)
