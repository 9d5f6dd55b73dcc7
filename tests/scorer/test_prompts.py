"""Which mirrored requests have their prompt counted, and what becomes of a ranks file that is of no use."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.scorer.prompts import MAX_COUNTED, Prompts
from tests.contract.test_tokenizer import LINES
from tests.wire.client import until

HI = [{"role": "user", "content": "Hi"}]


async def loaded(path: Path, said: list[str]) -> Prompts:
    prompts = Prompts(said.append, said.append)
    prompts.use(str(path))
    await until(lambda: bool(said))
    return prompts


def members(**others: Any) -> dict[str, bytes]:  # noqa: ANN401  (any JSON)
    given = {"model": "kimi-k2.6", "messages": HI, "temperature": 1.0, **others}
    return {name: orjson.dumps(value) for name, value in given.items()}


COUNTED: list[dict[str, Any]] = [
    {},
    {"tools": None},
    {"thinking": {"type": "enabled"}},
    {"chat_template_kwargs": {"thinking": True, "enable_thinking": None}},
    {"reasoning_effort": "high"},
    {"max_tokens": 5, "stream": True},
]
UNCOUNTED: list[dict[str, Any]] = [
    {"tools": []},
    {"response_format": {"type": "json_object"}},
    {"chat_template": "{{ messages }}"},
    {"chat_template_kwargs": {"thinking": True, "now": "noon"}},
    {"thinking": {"type": "enabled", "keep": "all"}},
    {"messages": [{"role": "user", "content": "x" * MAX_COUNTED}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
]
SINGLES = len("user") + len("Hi") + len("assistant") + 3 + 2
"""Tokens where every byte is one: the texts, and the template's marks but for those of the mode."""


async def test_plain_conversations_are_counted_and_no_others(tmp_path: Path) -> None:
    ranks = tmp_path / "ranks"
    ranks.write_bytes(LINES)
    prompts = await loaded(ranks, [])
    for policy in ("kimi-k2.5", "kimi-k2.6"):
        assert [prompts.accepted(members(**each), policy, "thinking") for each in COUNTED] == [
            range(SINGLES, SINGLES + 5)
        ] * len(COUNTED)
    assert prompts.accepted(members(), "kimi-k2.6", "instant") == range(SINGLES, SINGLES + 6)
    assert [prompts.accepted(members(**each), "kimi-k2.6", "thinking") for each in UNCOUNTED] == [None] * len(UNCOUNTED)
    assert prompts.accepted(members(), "my-own", "thinking") is None
    prompts.use(None)
    assert prompts.accepted(members(), "kimi-k2.6", "thinking") is None
    await prompts.close()


@pytest.mark.parametrize(
    ("data", "seen"),
    [(b"no ranks", "line 1 of the ranks file is not 'base64 rank'"), (None, "No such file or directory")],
)
async def test_a_file_that_cannot_be_used_is_told_with_the_remedy(
    tmp_path: Path, data: bytes | None, seen: str
) -> None:
    path, said = tmp_path / "ranks", list[str]()
    if data is not None:
        path.write_bytes(data)
    prompts = await loaded(path, said)
    assert len(said) == 1
    assert said[0].startswith(f"signals.tokenizer_file: {path}: ")
    assert seen in said[0]
    assert "prompt tokens are not counted" in said[0]
    assert prompts.accepted(members(), "kimi-k2.6", "thinking") is None
    await prompts.close()


async def test_of_two_files_the_later_one_counts(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"none")
    (tmp_path / "b").write_bytes(LINES)
    said = list[str]()
    prompts = Prompts(said.append, said.append)
    prompts.use(str(tmp_path / "a"))
    await asyncio.sleep(0)
    prompts.use(str(tmp_path / "b"))
    await until(lambda: bool(said))
    assert said == [f"prompt tokens are counted by {tmp_path / 'b'}"]
    await prompts.close()
