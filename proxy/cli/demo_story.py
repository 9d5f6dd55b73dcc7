"""The steps of `paramwall demo`: what is sent, what each step shows, and what must turn out to be true.

Here: data, and the claims that are checked against what happened. Not here: processes, sockets and printing. Invariant:
a claim looks at what the vendor and the client received, never at what was intended.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

import orjson
from prometheus_client import Metric

from proxy.contract.sse import EventDecoder

MODEL: Final = "kimi-k2.6"
MESSAGES: Final = '[{"role":"user","content":"What grows by a quiet river?"}]'
LAWFUL: Final = '"temperature":1.0,"top_p":0.95'


class Door(StrEnum):
    """Where a step knocks."""

    VENDOR = "the vendor itself"
    PROXY = "the proxy"
    STRICT = "the proxy, a vendor with enforcement strict"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one step brought about. `received` is the body that reached the vendor, None when nothing did. `reads` are
    the times, in seconds from the request, at which the client got a piece of the answer.
    """

    sent: bytes
    received: bytes | None
    status: int
    headers: Mapping[str, str]
    answer: bytes
    reads: tuple[float, ...] = ()

    @property
    def actions(self) -> str:
        """The receipt of what was done."""
        return self.headers.get("x-paramwall-actions", "")

    def vendor_got(self, **changes: object) -> bool:
        """Whether the vendor received what was sent with just these changes; None stands for a member that is gone."""
        if self.received is None:
            return False
        wanted = {**json.loads(self.sent), **changes}
        return bool(json.loads(self.received) == {name: value for name, value in wanted.items() if value is not None})

    def refused_as(self, code: str, wording: str) -> bool:
        """Whether the answer is the proxy's own 400 with this code and wording."""
        if self.status != 400 or self.headers.get("x-paramwall-error-source") != "proxy":
            return False
        error = json.loads(self.answer)["error"]
        return error["code"] == code and wording in error["message"]


class Claim(NamedTuple):
    """One sentence, and how to see whether it is true."""

    text: str
    test: Callable[[Seen], bool]

    def holds(self, seen: Seen) -> bool:
        """Whether it is true of what happened; of an answer in another shape it is not."""
        try:
            return self.test(seen)
        except (KeyError, TypeError, ValueError):
            return False


@dataclass(frozen=True, slots=True)
class Step:
    """One request. `shows` says in one line what it is for; `members` is what the body holds after the messages."""

    title: str
    shows: str
    members: str
    claims: tuple[Claim, ...]
    door: Door = Door.PROXY
    stream: bool = False
    body: bytes = field(init=False)

    def __post_init__(self) -> None:
        """The body as the OpenAI SDK writes it: compact, in this order."""
        stream = '"stream":true,' if self.stream else ""
        text = f'{{"model":"{MODEL}",{stream}"messages":{MESSAGES},{self.members}}}'
        object.__setattr__(self, "body", text.encode())


def said(answer: bytes) -> tuple[str, str]:
    """(reasoning, content) of an answer, from JSON or from a stream."""
    texts = [_texts(_part(choice)) for chunk in _chunks(answer) for choice in chunk.get("choices", ())]
    return "".join(reasoning for reasoning, _ in texts), "".join(content for _, content in texts)


def added(event: bytes) -> Iterator[tuple[str, str]]:
    """What one event of a stream adds: (thinking or saying, text)."""
    if event != b"[DONE]":
        for speaking, text in zip(("thinking", "saying"), said(b"data: %b\n\n" % event), strict=True):
            if text:
                yield speaking, text


def counted_tokens(answer: bytes) -> tuple[int, int]:
    """(the tokens that the vendor says it wrote, the pieces that arrived) in a stream."""
    chunks = _chunks(answer)
    arrived = sum(any(_texts(_part(choice))) for chunk in chunks for choice in chunk.get("choices", ()))
    told = sum(chunk["usage"]["completion_tokens"] for chunk in chunks if chunk.get("usage"))
    return told, arrived


def repairs(actions: str) -> int:
    """How many findings a receipt tells of; a switch that was only spelled anew is none."""
    return sum("(" not in entry for entry in actions.split(";") if entry)


class Totals(NamedTuple):
    """Sums of counters over the labels that nobody asked for, and means of histograms in seconds."""

    requests: Mapping[tuple[str, ...], float]
    verdicts: Mapping[tuple[str, ...], float]
    translations: Mapping[tuple[str, ...], float]
    own_s: float
    first_token_s: float


def totals(metrics: Iterable[Metric]) -> Totals:
    """Read the merged metrics. Families are known by their names without the prefix."""
    samples = [(sample.name.partition("_")[2], sample) for metric in metrics for sample in metric.samples]

    def summed(name: str, *labels: str) -> dict[tuple[str, ...], float]:
        sums: dict[tuple[str, ...], float] = defaultdict(float)
        for known, sample in samples:
            if known == name and sample.value:
                sums[tuple(sample.labels[label] for label in labels)] += sample.value
        return sums

    def mean(name: str) -> float:
        return summed(f"{name}_sum")[()] / (summed(f"{name}_count")[()] or 1.0)

    return Totals(
        summed("requests_total", "vendor", "outcome", "code"),
        summed("policy_verdicts_total", "clause", "action"),
        summed("mode_translations_total", "vendor"),
        mean("overhead_seconds"),
        mean("upstream_time_to_first_token_seconds"),
    )


def tallied(played: Sequence[tuple[Step, Seen]], counted: Totals) -> Iterator[tuple[str, bool]]:
    """Whether the metrics say what was seen."""
    seen = [each for step, each in played if step.door is not Door.VENDOR]
    statuses = Counter(str(each.status) for each in seen)
    by_code: Counter[str] = Counter()
    for (_, _, code), count in counted.requests.items():
        by_code[code] += int(count)
    yield f"{len(seen)} requests are counted, by their outcome", by_code == statuses
    repaired = sum(count for (_, action), count in counted.verdicts.items() if action in ("rewrite", "fill", "drop"))
    told = sum(repairs(each.actions) for each in seen)
    yield f"so is each of the {told} repairs that the receipts tell of", repaired == told


def _chunks(answer: bytes) -> Sequence[Mapping[str, Any]]:
    if not answer.startswith(b"data:"):
        return [orjson.loads(answer)]
    return [orjson.loads(event.data) for event in EventDecoder().feed(answer) if event.data != b"[DONE]"]


def _part(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    part: Mapping[str, Any] = choice.get("message") or choice.get("delta") or {}
    return part


def _texts(part: Mapping[str, Any]) -> tuple[str, str]:
    return part.get("reasoning") or "", part.get("content") or ""


def _every_token_came(seen: Seen) -> bool:
    told, arrived = counted_tokens(seen.answer)
    return told == arrived > 0 and seen.answer.endswith(b"data: [DONE]\n\n")


_NOTHING_FORWARDED: Final = Claim("nothing of it reached the vendor", lambda seen: seen.received is None)

STEPS: Final = (
    Step(
        "Without the proxy: the vendor takes anything",
        "An engine decodes by what it is sent, and overlooks the official switch.",
        '"temperature":0.3,"thinking":{"type":"disabled"}',
        (
            Claim("it answers 200 to a temperature that the model is not made for", lambda s: s.status == 200),
            Claim("it thinks although thinking was switched off", lambda s: bool(said(s.answer)[0])),
        ),
        Door.VENDOR,
    ),
    Step(
        "A wrong temperature and no top_p: repaired",
        "Kimi K2.6 has one lawful temperature a mode; engines have other defaults.",
        '"temperature":0.3',
        (
            Claim(
                "the vendor received 1.0 and 0.95, all else as sent", lambda s: s.vendor_got(temperature=1, top_p=0.95)
            ),
            Claim("the receipt names both", lambda s: s.actions == "temperature=0.3->1.0;top_p=+0.95"),
        ),
    ),
    Step(
        "A lawful request: left alone",
        "What no rule touches leaves byte for byte, so prompt caches keep working.",
        LAWFUL,
        (
            Claim("the vendor received the same bytes", lambda s: s.received == s.sent),
            Claim("there is no receipt of an action", lambda s: s.status == 200 and not s.actions),
        ),
    ),
    Step(
        "A stream: passed on as it comes",
        "Each read from the vendor is written to the client at once and unchanged.",
        '"stream_options":{"include_usage":true}',
        (
            Claim(
                "the vendor received both values, which the client left out",
                lambda s: s.vendor_got(temperature=1, top_p=0.95),
            ),
            Claim("every token the vendor counted arrived, and the end", _every_token_came),
            Claim("they came one after another, not all at the end", lambda s: len(s.reads) >= 5),
        ),
        stream=True,
    ),
    Step(
        "Instant mode in the official spelling: translated",
        "This vendor reads another switch; the temperature of that mode is 0.6.",
        '"thinking":{"type":"disabled"}',
        (
            Claim(
                "the vendor received its own switch, 0.6 and 0.95",
                lambda s: s.vendor_got(
                    thinking=None, chat_template_kwargs={"thinking": False}, temperature=0.6, top_p=0.95
                ),
            ),
            Claim("it answered without thinking", lambda s: bool(said(s.answer)[1]) and not said(s.answer)[0]),
        ),
    ),
    Step(
        "Engine members: dropped",
        "top_k and repetition_penalty are not in the contract and damage the answers.",
        LAWFUL + ',"top_k":50,"repetition_penalty":1.1',
        (
            Claim("the vendor received neither", lambda s: s.vendor_got(top_k=None, repetition_penalty=None)),
            Claim(
                "the receipt names both",
                lambda s: s.actions == "top_k=50->dropped;repetition_penalty=1.1->dropped",
            ),
        ),
    ),
    Step(
        "The wrong temperature again, now under strict: refused",
        "strict answers as the official API does; a vendor or a client can have it.",
        '"temperature":0.3',
        (
            Claim(
                "400 in the official wording",
                lambda s: s.refused_as(
                    "temperature-off-contract", "invalid temperature: only 1 is allowed for this model"
                ),
            ),
            _NOTHING_FORWARDED,
        ),
        Door.STRICT,
    ),
    Step(
        "Smuggling: refused",
        "The same name twice, once escaped: one reader would take 1.0, another 0.2.",
        LAWFUL + r',"temp\u0065rature":0.2',
        (
            Claim("400 from the proxy", lambda s: s.refused_as("member-repeated", "repeats an earlier name")),
            _NOTHING_FORWARDED,
        ),
    ),
)
