"""A headless Chromium, driven over its DevTools protocol, for tests of the page and for its pictures in docs/.

Not here: assertions on the page. Invariants: it has a profile folder of its own and is ended with the block; whatever
the console or the browser's own log complains of is in `complaints`.

`python -m tests.supervisor.browser URL#PLACE WIDTH HEIGHT light|dark FILE.png` makes a picture.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

DEADLINE_S = 90.0
PROGRAM = "chromium"
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"),
    *("--disable-default-apps", "--disable-extensions", "--mute-audio", "--remote-debugging-port=0"),
)


def program() -> str:
    """Where Chromium is. Without it the test is skipped, but fails where CI is set."""
    found = shutil.which(PROGRAM)
    if found is None:
        missing = f"needs {PROGRAM}: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


class Tab:
    """One page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        self._socket = socket
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listening = asyncio.create_task(self._listen())

    async def send(self, method: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        """One command of the protocol, and its result."""
        number = len(self._answers) + 1
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(DEADLINE_S):
            said = await self._answers[number]
        assert "error" not in said, f"{method}: {said}"
        result: dict[str, Any] = said["result"]
        return result

    async def run(self, expression: str) -> Any:  # noqa: ANN401  (JSON)
        """The value of an expression in the page."""
        found = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def until(self, expression: str) -> Any:  # noqa: ANN401  (JSON)
        """Wait until an expression is true."""
        end = asyncio.get_running_loop().time() + DEADLINE_S
        while not (found := await self.run(expression)):
            if asyncio.get_running_loop().time() > end:
                text = await self.run("document.body.innerText")
                raise AssertionError(f"not within {DEADLINE_S} s: {expression}; the page says:\n{text}")
            await asyncio.sleep(0.05)
        return found

    async def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """Be so large; `dark` as a system that prefers that."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def open(self, url: str) -> None:
        """Go there."""
        await self.send("Page.navigate", url=url)

    async def picture(self) -> bytes:
        """What is seen, as PNG."""
        return base64.b64decode((await self.send("Page.captureScreenshot", format="png"))["data"])

    async def _listen(self) -> None:
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                self._answers[said["id"]].set_result(said)
            elif said["method"] == "Runtime.exceptionThrown":
                self.complaints.append(str(said["params"]["exceptionDetails"]))
            elif said["method"] == "Runtime.consoleAPICalled":
                self.complaints.append(str(said["params"]["args"]))
            elif said["method"] == "Log.entryAdded":
                self.complaints.append(str(said["params"]["entry"]))


@asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[Tab]:
    """A browser with one empty page; `folder` is for its profile."""
    process = await asyncio.create_subprocess_exec(
        program(),
        *FLAGS,
        f"--user-data-dir={folder}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port = await _port(folder / "DevToolsActivePort", process)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                pages = [each for each in await response.json() if each["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=1 << 26) as socket:
                tab = Tab(socket)
                for room in ("Page", "Runtime", "Log"):
                    await tab.send(f"{room}.enable")
                yield tab
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _port(file: Path, process: asyncio.subprocess.Process) -> int:
    end = asyncio.get_running_loop().time() + DEADLINE_S
    while not (said := await asyncio.to_thread(_read, file)):
        assert process.returncode is None, f"{PROGRAM} ended with {process.returncode}"
        assert asyncio.get_running_loop().time() < end, f"{PROGRAM} does not start"
        await asyncio.sleep(0.05)
    return int(said.splitlines()[0])


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


async def _pictured(url: str, width: str, height: str, scheme: str, file: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with browsing(Path(folder, "profile")) as tab:
            await tab.size(int(width), int(height), dark=scheme == "dark")
            await tab.open(url)
            await asyncio.sleep(4.0)
            await asyncio.to_thread(Path(file).write_bytes, await tab.picture())
            sys.stderr.writelines(f"{each}\n" for each in tab.complaints)


if __name__ == "__main__":
    asyncio.run(_pictured(*sys.argv[1:]))
