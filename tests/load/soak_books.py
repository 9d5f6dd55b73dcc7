"""Whether the books of a soak balance: clients, log lines, `/metrics` and vendors, request by request.

Here: one act's books and the sentences for what does not agree. Not here: how they were gathered. Invariant: a
tolerance is only for what a killed process took with it, and is bounded by the requests that the kill touched; the
rules are in soak.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.metrics.worker import code_label
from tests.load.soak_clients import Sent

Labels = tuple[str, str, str, str, str]
"""Route, vendor, stream, outcome, code."""
LATE_S: Final = 0.5
"""How long before its death a worker may have finished what it had not yet written into the log."""
_BEFORE_ANY_ANSWER: Final = ("reset", "timeout", "client_gone", "truncated")


@dataclass(frozen=True, slots=True)
class Kill:
    """A process killed. Times on the clients' clock: when `/metrics` was read last, and when the process was gone."""

    role: str
    counted_at: float
    gone_at: float


@dataclass(slots=True)
class Act:
    """What one act left behind. Counts are those of the act alone."""

    name: str
    sent: Sequence[Sent] = ()
    kills: Sequence[Kill] = ()
    lines: Sequence[Mapping[str, Any]] = ()
    requests: Counter[Labels] = field(default_factory=Counter)
    exchanges: Counter[str] = field(default_factory=Counter)
    arrived: Counter[str] = field(default_factory=Counter)
    dropped_lines: int = 0
    mirror: Counter[str] = field(default_factory=Counter)
    reference_calls: int = 0
    reference_unsent: int = 0
    reference_arrived: int = 0
    open_pairs: int = 0

    @property
    def killed(self) -> list[Kill]:
        return [kill for kill in self.kills if kill.role == "worker"]

    def words(self) -> Counter[str]:
        """What the clients saw."""
        return Counter(each.word for each in self.sent)

    def touched(self, sent: Sent) -> bool:
        """Whether a kill may have taken this request, its line or its count along."""
        return any(
            sent.connected_at <= kill.gone_at
            and sent.began_at <= kill.gone_at + LATE_S
            and sent.ended_at >= min(kill.counted_at, kill.gone_at - LATE_S)
            for kill in self.killed
        )


def differences(act: Act) -> list[str]:
    """Every sentence is something that does not balance."""
    return [
        f"{act.name}: {said}"
        for check in (_by_id, _lines_without_client, _gaps, _lines_and_metrics, _vendors, _mirror)
        for said in check(act)
    ]


def expected_outcomes(sent: Sent) -> tuple[str, ...]:
    """What the proxy may say of a request that its client saw like this."""
    match sent.word, sent.source:
        case "whole", "proxy":
            by_status = {502: "upstream_error", 504: "timeout", 429: "shed", 503: "shed"}
            return (by_status.get(sent.status, "rejected"),)
        case "whole", _:
            return ("ok" if sent.status < 400 else "client_error" if sent.status < 500 else "upstream_error",)
        case "cut", _:
            return ("upstream_error", "timeout", "client_gone")
        case "left", "vendor":
            return ("ok", "client_error", "upstream_error", "timeout", "client_gone")
        case "left", "proxy":
            return ("rejected", "shed", "upstream_error", "timeout", "client_gone")
        case "left", _:
            return ("ok", "upstream_error", "timeout", "client_gone")
    return ()


def _by_id(act: Act) -> Iterator[str]:
    """Every request whose client saw its number has one line, and both say the same."""
    lines = Counter(line["id"] for line in act.lines if "id" in line)
    by_id = {line["id"]: line for line in act.lines if "id" in line}
    yield from (f"{count} lines for {number}" for number, count in lines.items() if count > 1)
    for sent in act.sent:
        if sent.word in ("hung", "lost") and not act.touched(sent):
            yield f"{sent.marker} ({sent.kind}) was {sent.word}, and no kill explains it"
        if sent.word == "whole" and sent.has_id and not sent.request_id:
            yield f"{sent.marker} ({sent.kind}) has an answer {sent.status} without a number"
        if not sent.request_id:
            continue
        line = by_id.get(sent.request_id)
        if line is None:
            if not act.touched(sent):
                yield f"{sent.marker} ({sent.kind}, {sent.word} {sent.status}) has no line"
        elif line["outcome"] not in expected_outcomes(sent):
            yield f"{sent.marker} ({sent.kind}) was {sent.word} {sent.status} {sent.code}, its line says {shown(line)}"


def _lines_without_client(act: Act) -> Iterator[str]:
    """A line whose number no client saw is of a client that left before an answer, or of one that a kill cut off."""
    seen = {sent.request_id for sent in act.sent if sent.request_id}
    strange = [line for line in act.lines if line.get("id", "") not in seen]
    malformed = [line for line in strange if "id" not in line]
    said = sum(sent.kind == "malformed" and sent.word == "whole" for sent in act.sent)
    touched = sum(act.touched(sent) for sent in act.sent)
    if not said <= len(malformed) + touched <= said + 2 * touched:
        yield f"{said} malformed heads were answered, {len(malformed)} have a line"
    unseen = sum(not sent.request_id and (sent.word == "left" or act.touched(sent)) for sent in act.sent)
    if len(strange) - len(malformed) > unseen:
        yield f"{len(strange) - len(malformed)} lines are of nobody; {unseen} clients left before they saw a number"


def _gaps(act: Act) -> Iterator[str]:
    """A worker numbers its requests 1, 2, 3, ...: every one that it began has a line, unless it was killed.

    Lines of a worker that lived before this act begin later; so gaps are counted between its first and last line here.
    """
    numbers: dict[str, list[int]] = {}
    for line in act.lines:
        if "id" in line:
            worker, _, number = line["id"].rpartition("-")
            numbers.setdefault(worker, []).append(int(number, 16))
    gaps = {worker: max(seen) - min(seen) + 1 - len(set(seen)) for worker, seen in numbers.items()}
    holed = [worker for worker, gap in gaps.items() if gap]
    touched = sum(act.touched(sent) for sent in act.sent)
    if len(holed) > len(act.killed):
        yield f"{len(holed)} workers have requests without a line, {len(act.killed)} were killed: {gaps}"
    if sum(gaps.values()) > touched:
        yield f"{sum(gaps.values())} requests have no line, the kills touched {touched}"


def _lines_and_metrics(act: Act) -> Iterator[str]:
    """Both count the same, label by label; where a worker was killed up to the requests that the kill touched."""
    said = Counter(
        (
            line.get("route", "none"),
            line.get("vendor", "none"),
            "true" if line.get("stream") else "false",
            line["outcome"],
            code_label(line.get("status") or 0),
        )
        for line in act.lines
    )
    apart = {labels: act.requests[labels] - said[labels] for labels in {*said, *act.requests}}
    apart = {labels: count for labels, count in apart.items() if count}
    touched = sum(act.touched(sent) for sent in act.sent)
    if sum(map(abs, apart.values())) > touched:
        yield f"/metrics less the lines: {apart}; the kills touched {touched}"
    if act.dropped_lines:
        yield f"{act.dropped_lines} lines were dropped"


def _vendors(act: Act) -> Iterator[str]:
    """What reached a vendor reached it once, and all that was answered by a vendor had reached it."""
    twice = [marker for marker, count in act.arrived.items() if count > 1]
    if twice:
        yield f"{len(twice)} requests reached a vendor twice, such as {twice[0]}"
    sent = {each.marker: each for each in act.sent}
    strangers = [marker for marker in act.arrived if marker not in sent]
    if strangers:
        yield f"{len(strangers)} requests reached a vendor that nobody sent, such as {strangers[0]}"
    for each in act.sent:
        by_vendor = each.word in ("whole", "cut") and each.source != "proxy"
        if by_vendor and each.has_id and each.marker not in act.arrived:
            yield f"{each.marker} ({each.kind}) was answered {each.status} and reached no vendor"
        if each.word == "whole" and each.source == "proxy" and each.status < 500 and each.marker in act.arrived:
            yield f"{each.marker} ({each.kind}) was refused with {each.code} and reached a vendor"
    touched = sum(act.touched(each) for each in act.sent)
    exchanges = sum(act.exchanges.values())
    answered = exchanges - sum(act.exchanges[outcome] for outcome in _BEFORE_ANY_ANSWER)
    if not answered - touched <= len(act.arrived) <= exchanges + touched:
        yield f"{len(act.arrived)} reached a vendor; {exchanges} exchanges, {answered} of them answered"


def _mirror(act: Act) -> Iterator[str]:
    """What was selected has a fate, once nothing is open; and the reference counts what was asked of it."""
    if act.kills:
        return  # what a killed scorer had open has no fate, and the reference may have heard it
    selected = act.mirror["selected"]
    fates = sum(count for name, count in act.mirror.items() if name != "selected")
    if selected != fates + act.open_pairs:
        yield f"{selected} were selected for the mirror, {fates} have a fate, {act.open_pairs} are open"
    if not act.reference_calls - act.reference_unsent <= act.reference_arrived <= act.reference_calls:
        yield (
            f"{act.reference_arrived} reached the reference; {act.reference_calls} calls, {act.reference_unsent} of "
            "which may not have"
        )


def shown(line: Mapping[str, Any]) -> str:
    """What matters of a line."""
    return " ".join(f"{name}={line[name]}" for name in ("outcome", "status", "code", "failure") if line.get(name))
