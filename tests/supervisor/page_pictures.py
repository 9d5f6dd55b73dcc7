"""`python -m tests.supervisor.page_pictures FOLDER`: the pictures of the page in docs/, made of a live run.

The stage is that of `paramwall demo`: simulated vendors, one of which degrades, with the bodies of disagreements kept.
Invariant: the page is left as it is; only the window's size and the place are chosen.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from proxy.cli.demo_stage import Stage, staged
from proxy.cli.demo_watch import DEGRADING, acts, status, traffic
from tests.supervisor.browser import Tab, browsing

SIGNAL = "tool-arguments-pair"
"""An alarm of pairs, so that there are two answers to show."""
POINTS = 12
"""Of each chart, ten seconds apart."""


async def main(folder: Path) -> None:
    async with staged(lambda _: None) as stage:
        async for _ in acts(stage):
            pass
        async with traffic(stage):
            number = await alarm(stage)
            with tempfile.TemporaryDirectory() as profile:
                async with browsing(Path(profile, "profile")) as tab:
                    place = f"{stage.admin_url}/#alarm/{number}"
                    await picture(tab, place, (1100, 1270), folder / "page.png", dark=False, wanted="What was asked")
                    await picture(tab, stage.admin_url, (360, 740), folder / "page-phone.png", dark=True, wanted="#1")


async def alarm(stage: Stage) -> int:
    """The number of the alarm, once there is enough of its past."""
    url = f"{stage.admin_url}/history?vendor={DEGRADING}"
    while True:
        await asyncio.sleep(1.0)
        async with stage.session.get(url) as response:
            points = len((await response.json())["at_s"])
        numbers = [int(each["number"]) for each in (await status(stage))["alarms"] if each["series"] == SIGNAL]
        if numbers and points >= POINTS:
            return numbers[0]


async def picture(tab: Tab, url: str, size: tuple[int, int], file: Path, *, dark: bool, wanted: str) -> None:
    await tab.size(*size, dark=dark)
    await tab.open(url)
    await tab.until(
        f"(document.body?.innerText ?? '').includes('{wanted}') && document.querySelector('svg .line') !== null"
    )
    await asyncio.to_thread(file.write_bytes, await tab.picture())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
