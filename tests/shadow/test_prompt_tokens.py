"""A vendor whose prompt_tokens are not those of the model's tokenizer is told from its first answers on."""

from __future__ import annotations

from pathlib import Path

from tests.contract.test_tokenizer import LINES
from tests.shadow.test_mirror import ask, body, simulated
from tests.shadow.watching import watching
from tests.wire.client import until


async def test_another_count_than_our_own_alarms(tmp_path: Path) -> None:
    """The simulator counts words, these ranks bytes."""
    ranks = tmp_path / "ranks"
    ranks.write_bytes(LINES)
    async with simulated(1, profile="vllm") as vendor, simulated(2) as reference:
        watch = watching(
            tmp_path,
            vendor.url,
            reference.url,
            vendor={"profile": "vllm"},
            signals={"tokenizer_file": str(ranks)},
        )
        async with watch as watched:
            await until(lambda: any("counted by" in line for line in watched.said))
            await ask(watched, *(body(i) for i in range(20)))
            await until(lambda: watched.status()["alarms"])
            checked = {"vendor": "sim", "mode": "thinking", "signal": "prompt-token-count"}
            await until(lambda: watched.count("paramwall_signal_checked_total", **checked) == 20)
            assert any("prompt-token-count" in line and "sim" in line for line in watched.said), watched.said
