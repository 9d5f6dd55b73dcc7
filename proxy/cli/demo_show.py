"""How `paramwall demo` prints: headings, and rows of a label with a text wrapped beneath itself.

Not here: what is true (demo_story.py). Invariant: nothing is said by colour alone, and no line of prose is longer than
the terminal, or than 80 columns where there is none.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import orjson
from rich.console import Console

from proxy.cli.demo_stage import Stage
from proxy.cli.demo_story import MESSAGES, MODEL, Door, Seen, Totals, added, said
from proxy.cli.demo_table import LiveTable
from proxy.cli.demo_watch import ALARM_S, DEGRADING, FAULTS, Act
from proxy.scorer.sentences import sentence

WIDTH: Final = 80
WIDEST: Final = 100
_MARGIN: Final = 3
_TEXT_AT: Final = 15
_EXCERPT: Final = 50
"""Characters shown of the beginning of what the model said."""
_WATCH: Final = (
    "Every answer is checked, and every request is asked of a reference as well.",
    "Evidence grows only while a vendor differs; the chance of a false alarm was",
    "fixed beforehand: one in 90 days over all vendors.",
)
_EVIDENCE_LINES: Final = 14
_CUT: Final = " >"
"""At the end of a line that goes on."""


class Show:
    """Prints to one console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(console.width, WIDEST) if console.is_terminal else WIDTH
        self._column = 0
        self._speaking = ""
        self._number = 0
        self._table = LiveTable(console)
        self._broken = False

    def cast(self, stage: Stage) -> None:
        """Who takes part."""
        self._line("Paramwall before a vendor that accepts anything", "bold")
        self._line("")
        self._row("vendor", f"{stage.url(Door.VENDOR)}, simulated; its words mean nothing")
        self._row("proxy", f"{stage.url(Door.PROXY)}, policy {stage.policy}, repair")
        self._row("", f"{stage.url(Door.STRICT)}, the same vendor, strict")
        self._row("[...] is", MESSAGES)

    def opening(self, title: str, *shows: str) -> None:
        """The heading of the next step."""
        self._number += 1
        self._line("")
        self._line(f"{self._number:<{_MARGIN}}{title}", "bold")
        for line in shows:
            self._line(f"{'':{_MARGIN}}{line}", "dim")
        self._line("")

    def sent(self, url: str, body: bytes) -> None:
        """The request."""
        self._row("sent", f"POST {url}/chat/completions")
        self._row("", _shortened(body))

    def event(self, event: bytes) -> None:
        """One event of a stream, at the moment it arrives."""
        for speaking, text in added(event):
            if speaking != self._speaking:
                self._end_line()
                self._begin_line("" if self._speaking else "streaming", f"{speaking}: ")
                self._speaking = speaking
            if self._column + len(text) > self._width:
                self._end_line()
                self._begin_line("", text.lstrip())
            else:
                self._write(text)

    def outcome(self, seen: Seen) -> None:
        """What came back, and what the vendor saw."""
        self._end_line()
        self._speaking = ""
        self._row("answer", f"{seen.status}  {_beginning(seen)}")
        label = "receipts"
        for name, value in sorted(seen.headers.items()):
            if name.startswith("x-paramwall-"):
                self._row(label, f"{name}: {value}")
                label = ""
        self._row("vendor got", "nothing" if seen.received is None else _shortened(seen.received))

    def claims(self, claims: Iterable[tuple[str, bool]]) -> list[bool]:
        """What was claimed and whether it holds; returned as well."""
        results = []
        for text, holds in claims:
            self._row("ok" if holds else "FAILED", text, "green" if holds else "bold red")
            results.append(holds)
        return results

    def metrics(self, admin_url: str, counted: Totals) -> None:
        """The step that shows what was counted meanwhile."""
        self.opening("The metrics", f"What Prometheus reads at {admin_url}/metrics, summed.")
        for label, counts in (
            ("requests", counted.requests),
            ("policy", counted.verdicts),
            ("translated", counted.translations),
        ):
            self._counts(label, counts)
        self._row("own time", f"{counted.own_s * 1000:.2f} ms a request, mean, until it leaves for the vendor")
        self._row("first token", f"{counted.first_token_s * 1000:.0f} ms, mean, the vendor's own")

    def watch_opening(self) -> None:
        """The heading of the second act."""
        self.opening("Watching two vendors, one of which degrades", *_WATCH)

    def watched(self, act: Act) -> None:
        """How both vendors stand; once, that one of them has been spoiled."""
        if act.broken_s is not None and not self._broken:
            self._broken = True
            self._table.close()
            self._row("now", f"{DEGRADING} starts to degrade: {', '.join(FAULTS)}", "bold")
        self._table.show(act)

    def alarm(self, act: Act) -> None:
        """What changed, since when, by how much and how sure that is: the sentence that the proxy logs."""
        self._table.close()
        self._line("")
        if act.alarm is None:
            self._row("no alarm", f"{DEGRADING} should have had one within {ALARM_S:.0f} s", "bold red")
        else:
            self._row("ALARM", sentence(act.alarm), "bold red")

    def evidence(self, act: Act) -> None:
        """What the alarm rests on: the beginning of what the command prints, as it prints it."""
        if act.alarm is None:
            return
        self.opening("The evidence", f"paramwall evidence {act.number} --state-dir DIR")
        lines = act.evidence.splitlines()
        for line in lines[:_EVIDENCE_LINES]:
            self._line(cut(line.rstrip(), self._width))
        if len(lines) > _EVIDENCE_LINES:
            self._line(f"... lines left out: {len(lines) - _EVIDENCE_LINES}", "dim")
        self._line("")

    def verdict(self, failed: int, claims: int, elapsed_s: float) -> None:
        """The last word."""
        self._line("")
        if failed:
            self._line(f"{failed} of {claims} claims FAILED, in {elapsed_s:.1f} s.", "bold red")
        else:
            self._line(f"All {claims} claims hold, in {elapsed_s:.1f} s.", "bold")

    def next_steps(self, program: str) -> None:
        """How to go on with a real vendor."""
        name = _called(program)
        self._line("")
        self._line("With your own vendor:")
        self._line(f"   {name} serve --vendor URL --reference URL --state-dir DIR")
        self._line('   client = OpenAI(base_url="http://127.0.0.1:8080/v1")')
        self._line(f"   {name} status")
        self._line(f"   {name} evidence --state-dir DIR")

    def doors(self, stage: Stage, program: str) -> None:
        """Where to play while it stays up."""
        url = stage.url(Door.PROXY)
        body = f'{{"model":"{MODEL}","temperature":0.3,"messages":[{{"role":"user","content":"Hi"}}]}}'
        self._line("")
        self._line("Still running, until Ctrl-C. Try, in another terminal:", "bold")
        self._line(f"   curl -i {url}/chat/completions -H 'Content-Type: application/json' -d '{body}'")
        self._line(f"   curl '{stage.url(Door.VENDOR).removesuffix('/v1')}/simulator/received?last=1'")
        self._line(f"   {_called(program)} status --admin {stage.admin_url}")
        self._line(f"   {_called(program)} evidence --state-dir {stage.state}")
        self._line(f"A change of {stage.config} is loaded within seconds.")
        self._line("The proxy's log follows.")
        self._line("")

    # Rows

    def _counts(self, label: str, counts: Mapping[tuple[str, ...], float]) -> None:
        for labels, count in sorted(counts.items()):
            self._row(label, f"{'  '.join(labels):40}{count:4.0f}")
            label = ""

    def _row(self, label: str, text: str, style: str = "") -> None:
        for line in folded(text, self._width - _TEXT_AT):
            self._line(f"{'':{_MARGIN}}{label:{_TEXT_AT - _MARGIN}}{line}", style)
            label = ""

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(text, style=style, soft_wrap=True)

    def _begin_line(self, label: str, text: str) -> None:
        self._column = 0
        self._write(f"{'':{_MARGIN}}{label:{_TEXT_AT - _MARGIN}}{text}")

    def _write(self, text: str) -> None:
        self._column += len(text)
        self._console.print(text, end="", soft_wrap=True)
        self._console.file.flush()

    def _end_line(self) -> None:
        if self._column:
            self._console.print()
            self._column = 0


def folded(text: str, width: int) -> list[str]:
    """The text in lines of at most `width`, broken after a comma, semicolon or space where there is one."""
    lines = re.findall(rf".{{1,{width}}}$|.{{1,{width}}}(?<=[,; ])|.{{1,{width}}}", text)
    return [line.rstrip() for line in lines] or [""]


def cut(line: str, width: int) -> str:
    """The line in at most `width`; where it is longer, its end says so."""
    return line if len(line) <= width else line[: width - len(_CUT)].rstrip() + _CUT


def _called(program: str) -> str:
    """How this command is called from here."""
    return program if Path(program).name == "paramwall" and shutil.which("paramwall") is None else "paramwall"


def _shortened(body: bytes) -> str:
    return body.decode(errors="replace").replace(MESSAGES, "[...]")


def _beginning(seen: Seen) -> str:
    if seen.status != 200:
        return _message(seen.answer)
    if len(seen.reads) > 1:
        first, last = seen.reads[0] * 1000, seen.reads[-1] * 1000
        return f"in {len(seen.reads)} reads, the first after {first:.0f} ms, the last after {last:.0f} ms"
    reasoning, content = said(seen.answer)
    thought = f'thinks "{_excerpt(reasoning)}"; ' if reasoning else ""
    return f'{thought}says "{_excerpt(content)}"'


def _message(answer: bytes) -> str:
    """What an error says; the whole of it when it is not in OpenAI's shape."""
    try:
        return str(orjson.loads(answer)["error"]["message"])
    except (KeyError, TypeError, ValueError):
        return answer.decode(errors="replace")


def _excerpt(text: str) -> str:
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT].rsplit(' ', 1)[0]} ..."
