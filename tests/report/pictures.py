"""`python -m tests.report.pictures FOLDER`: the picture of the report in docs/, made of a live run.

The stage is that of `paramwall demo`: simulated vendors, one of which degrades. Both are verified and asked the same
questions meanwhile. Invariant: the report is what the commands make of it; only the window's size is chosen.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

import yaml

from proxy.cli.demo_stage import Stage, staged
from proxy.cli.demo_story import MODEL
from proxy.cli.demo_watch import DEGRADING, HONEST, acts, traffic
from tests.supervisor.browser import browsing

QUESTIONS = 150
SOME_S = 70.0
"""Of traffic, so that the log holds what the firewall did: it is told once a minute."""
LAYERS = tuple(word for layer in ("reasoning", "tools", "schema", "accounting") for word in ("--only", layer))
"""An engine takes any parameters: with those, the honest one would fail as well."""
TOOL = {
    "type": "function",
    "function": {
        "name": "forecast",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        made = Path(place)
        async with staged(lambda _: None) as stage:
            async for _ in acts(stage):
                pass
            async with traffic(stage):
                await asyncio.gather(asked(stage, made), asyncio.sleep(SOME_S))
            sources = ["--state-dir", str(stage.state), "--replay", str(made / "replay")]
            sources += [word for name in (HONEST, DEGRADING) for word in ("--verify", str(made / f"{name}.json"))]
            title = "Kimi K2.6: two vendors"
            await paramwall("report", *sources, "--html", str(made / "report.html"), "--title", title)
        async with browsing(made / "profile") as tab:
            await tab.size(1100, 1930)
            await tab.open((made / "report.html").as_uri())
            await tab.until("document.readyState === 'complete' && document.querySelector('#sources') !== null")
            (folder / "report.png").write_bytes(await tab.picture())


async def asked(stage: Stage, made: Path) -> None:
    """Verify both vendors, and replay questions against them and the reference."""
    reference = yaml.safe_load(stage.config.read_text())["reference"]["url"]
    bodies = (
        {"model": MODEL, "messages": [{"role": "user", "content": f"Will it rain in {n} days?"}], "tools": [TOOL]}
        for n in range(QUESTIONS)
    )
    (made / "questions.jsonl").write_text("".join(f"{json.dumps(body)}\n" for body in bodies))
    config = ("--config", str(stage.config))
    for name in (HONEST, DEGRADING):
        files = ("--output", str(made / f"{name}.json"), "--state", str(made / f"{name}.state"))
        await paramwall("verify", name, "--model", MODEL, *LAYERS, *config, *files)
    vendors = ("--vendor", HONEST, "--vendor", DEGRADING, "--reference", reference, "--reference-twice")
    await paramwall(
        "replay", str(made / "questions.jsonl"), *vendors, *config, "--output", str(made / "replay"), "--model", MODEL
    )


async def paramwall(*words: str) -> None:
    """Run a command; 0 is fine and 1 a finding."""
    keys = {"PARAMWALL_VENDOR_KEY": "sk-demo", "PARAMWALL_REFERENCE_KEY": "sk-demo"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "proxy", *words, env={**os.environ, **keys})
    assert await process.wait() in (0, 1), words[0]


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
