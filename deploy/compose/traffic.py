"""Clients of the compose demo: agents that talk to each vendor through the proxy, until they are told to stop.

Not here: what is checked about the answers; that is the proxy's. Invariant: whatever the proxy does, the next question
follows, at most PAUSE_S after the last answer.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

import aiohttp

PAUSE_S: Final = 0.5
HEADERS: Final = {"Authorization": "Bearer sk-demo", "User-Agent": "paramwall-compose-traffic"}
TOOLS: Final = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["place"],
            },
        },
    }
    for name in ("forecast", "tide", "warning")
]


def body(number: int) -> dict[str, Any]:
    """A request. One in ten has a wrong temperature and is repaired; one in fifty contradicts itself and is refused."""
    request: dict[str, Any] = {
        "model": "kimi-k2.6",
        "messages": [{"role": "user", "content": f"Question {number}: will the river rise in {number % 7} days?"}],
        "tools": TOOLS,
        "stream": number % 2 == 0,
    }
    if number % 3 == 0:
        request["thinking"] = {"type": "disabled"}
    if number % 10 == 0:
        request["temperature"] = 0.3
    if number % 50 == 0:
        request |= {"thinking": {"type": "disabled"}, "chat_template_kwargs": {"thinking": True}}
    return request


async def ask(session: aiohttp.ClientSession, url: str, numbers: Iterator[int]) -> None:
    """One client: a question, its whole answer, a pause."""
    while True:
        try:
            async with session.post(f"{url}/chat/completions", json=body(next(numbers))) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            sys.stderr.write(f"traffic: {type(error).__name__}: {error}\n")
        await asyncio.sleep(PAUSE_S)


async def talk(proxy: str, vendors: list[str], clients: int) -> None:
    """All clients of all vendors at once, for ever."""
    # A question that was asked before is not compared again, so a restart goes on with new ones.
    numbers = itertools.count(int(time.time()) * 10)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(headers=HEADERS, timeout=timeout) as session:
        urls = [f"{proxy}/vendors/{vendor}/v1" for vendor in vendors]
        await asyncio.gather(*(ask(session, url, numbers) for url in urls for _ in range(clients)))


def main() -> None:
    """Read the arguments and talk."""
    parser = argparse.ArgumentParser(description="Traffic for the compose demo.")
    parser.add_argument("--proxy", default="http://127.0.0.1:8080", help="where the proxy listens")
    parser.add_argument("--clients", type=int, default=4, help="clients for each vendor")
    parser.add_argument("vendors", nargs="+", help="names of vendors in the proxy's configuration")
    given = parser.parse_args()
    asyncio.run(talk(given.proxy, given.vendors, given.clients))


if __name__ == "__main__":
    main()
