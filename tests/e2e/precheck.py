"""The parameter pre-check of the Kimi Vendor Verifier, expressed anew: `python -m tests.e2e.precheck URL`.

Here: the probes (tests/cases/e2e/precheck.yaml), asking them, and what counts. Not here: a proxy or a vendor; any base
URL can be checked. Invariant: only a 400 is a rejection and only a 200 with text in it is acceptance, so that a host
which is down, slow or out of quota passes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

CASES: Final = Path(__file__).parents[1] / "cases" / "e2e" / "precheck.yaml"
MODES: Final = ("thinking", "instant")
SWITCHES: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "kimi": {"thinking": {"thinking": {"type": "enabled"}}, "instant": {"thinking": {"type": "disabled"}}},
    "opensource": {
        "thinking": {"chat_template_kwargs": {"thinking": True}},
        "instant": {"chat_template_kwargs": {"thinking": False}},
    },
    "none": {"thinking": {}},
}
TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One request: what is added to the bare one, and whether it must be accepted. `member` "" is the bare one."""

    spelling: str
    mode: str
    member: str
    value: float | None
    accept: bool

    def body(self, model: str) -> dict[str, Any]:
        """The request's body; no limit of tokens and no stream, as the verifier sends it."""
        asked = {self.member: self.value} if self.member else {}
        message = {"role": "user", "content": "Reply with the word OK and nothing else."}
        return {"model": model, "messages": [message], **SWITCHES[self.spelling][self.mode], **asked}

    def __str__(self) -> str:
        what = f"{self.member}={self.value:g}" if self.value is not None else "nothing set"
        return f"{self.spelling}, {self.mode}: {what} must be {'accepted' if self.accept else 'rejected'}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a probe met: the status (0: no answer at all), and whether there was text in the answer."""

    probe: Probe
    status: int
    text: bool
    error: str = ""

    @property
    def passed(self) -> bool:
        return (self.status == 200 and self.text) if self.probe.accept else self.status == 400


def probes(suite: str) -> tuple[Probe, ...]:
    """Every probe of a suite: `april` or `range`."""
    with CASES.open(encoding="utf-8") as file:
        rules = yaml.safe_load(file)[suite]
    spellings = rules.pop("spellings")
    return tuple(
        probe
        for spelling in spellings
        for mode in MODES
        if mode in SWITCHES[spelling]
        for probe in _of_mode(rules, spelling, mode)
    )


def _of_mode(rules: Mapping[str, Any], spelling: str, mode: str) -> Iterator[Probe]:
    yield Probe(spelling, mode, "", None, accept=True)
    for member, rule in rules.items():
        for value in rule["accept"][mode]:
            yield Probe(spelling, mode, member, value, accept=True)
        for value in rule["reject"]:
            yield Probe(spelling, mode, member, value, accept=False)


async def check(url: str, suite: str, model: str = "kimi-k2.6", key: str = "none") -> list[Outcome]:
    """Ask every probe of `suite` at the base URL, one after another."""
    headers = {"Authorization": f"Bearer {key}"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        return [await _ask(session, f"{url.rstrip('/')}/chat/completions", probe, model) for probe in probes(suite)]


async def _ask(session: aiohttp.ClientSession, url: str, probe: Probe, model: str) -> Outcome:
    try:
        async with session.post(url, json=probe.body(model)) as answer:
            read = await answer.json(content_type=None)
            return Outcome(probe, answer.status, _has_text(read), _message(read))
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Outcome(probe, 0, text=False, error=type(error).__name__)


def _has_text(answer: Any) -> bool:  # noqa: ANN401  (JSON as it came)
    try:
        content = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return False
    return isinstance(content, str) and bool(content)


def _message(answer: Any) -> str:  # noqa: ANN401  (JSON as it came)
    error = answer.get("error") if isinstance(answer, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _write(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        said = f": {outcome.error}" if outcome.error else ""
        sys.stdout.write(f"{'ok  ' if outcome.passed else 'FAIL'} {outcome.probe}; {outcome.status}{said}\n")
    sys.stdout.write(f"{sum(outcome.passed for outcome in outcomes)} of {len(outcomes)}\n")


def main() -> int:
    """By hand: one line per probe, then the count; exit code 1 when one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.precheck", description=str(__doc__).partition("\n")[0])
    parser.add_argument("url", help="base URL, ending in /v1")
    parser.add_argument("--suite", choices=("april", "range"), default="april")
    parser.add_argument("--model", default="kimi-k2.6")
    parser.add_argument("--key-env", metavar="NAME", default="", help="environment variable that holds the key")
    given = parser.parse_args()
    outcomes = asyncio.run(check(given.url, given.suite, given.model, os.environ.get(given.key_env, "none")))
    _write(outcomes)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
