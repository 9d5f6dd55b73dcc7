"""Probes of the connection: whether answers arrive, whole and as a chat completion.

Not here: what they say. Invariant: an answer that began and broke off is a failure; one that never began is none, only
missing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from proxy.contract.asked import Asked
from proxy.contract.mode import Mode
from proxy.endpoint.reply import Reply
from proxy.probes.asks import LONG_QUESTION, ROOM, STREAMED, Members, ask, call_ask, plain, streams, tool
from proxy.probes.judging import failed, listed, passed, unjudged
from proxy.probes.probe import Ask, Finding, Layer, Probe, Setting, Told, Verdict, unanswered
from proxy.signals.features import read
from proxy.signals.readable import ERROR_INSIDE, UNREADABLE_ANSWER
from proxy.signals.stream_end import DONE_MISSING

LEAVE_AFTER: Final = 400
"""Bytes of a stream after which the client leaves: in its first events."""


def _began(reply: Reply) -> bool:
    return reply.status == 200 and not reply.whole


def _whole(told: Told) -> Finding:
    broken = [reply for reply in told.replies if _began(reply)]
    if broken:
        reasons = listed(dict.fromkeys(unanswered(reply) for reply in broken))
        return failed(f"{len(broken)} of {len(told.replies)} answers began and did not end ({reasons})")
    arrived = sum(reply.whole is not None for reply in told.replies)
    return passed(f"{arrived} of {len(told.replies)} answers arrived whole") if arrived else unjudged(told, "")


def _in_form(told: Told) -> Finding:
    arrived = [reply.whole for reply in told.replies if reply.whole is not None]
    if not arrived:
        return unjudged(told, "")
    said = []
    for answer in arrived:
        one = read(answer, _nothing_asked(told))
        if ERROR_INSIDE.violated(one):
            said.append("an error under status 200")
        elif UNREADABLE_ANSWER.violated(one):
            said.append(" and ".join(sorted(map(str, answer.flaws))))
    if said:
        return failed(f"{len(said)} of {len(arrived)} answers of status 200: {listed(dict.fromkeys(said))}")
    return passed(f"{len(arrived)} answers are chat completions")


def _done(told: Told) -> Finding:
    ended = [value for one in told.answers if (value := DONE_MISSING.violated(one)) is not None]
    if not ended:
        return unjudged(told, "no stream to judge")
    if any(ended):
        return failed(f"{sum(ended)} of {len(ended)} streams end without [DONE]")
    return passed(f"{len(ended)} streams end with [DONE]")


def _marker(number: int) -> Members:
    fixed = {"type": "object", "properties": {"marker": {"type": "string", "const": f"k{number}"}}}
    closed = {**fixed, "required": ["marker"], "additionalProperties": False}
    return tool(f"report_marker_{number}", "Reports the marker.", closed)


def _leave(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    left = ask(setting, mode, LONG_QUESTION, limit=ROOM, expected=60, **STREAMED)
    after = [
        call_ask(setting, mode, [_marker(number)], wanted=f"report_marker_{number}", stream=number == 2)
        for number in (1, 2)
    ]
    return replace(left, stop_after_bytes=LEAVE_AFTER), *after


def _left(told: Told) -> Finding:
    """The first reply is the one that was left; the two after it must be answers to their own questions."""
    first, *after = told.replies
    if first.status != 200:
        return Finding(Verdict.NO_ANSWER, f"the stream to leave did not begin: {unanswered(first)}")
    for number, (reply, one) in enumerate(zip(after, told.reads[1:], strict=True), 1):
        if reply.status == 200 and one is None:
            return failed(f"request {number} after it: {unanswered(reply)}")
        if one is not None and any(call.name == f"report_marker_{3 - number}" for call in one.tool_calls):
            return failed(f"request {number} after it was answered with another request's calls")
        if one is not None and one.id is not None and first.answer is not None and one.id == first.answer.id:
            return failed(f"request {number} after it was answered under the id of the one that was left")
    return passed(f"the {len(after)} requests after it were answered with their own answers")


def _nothing_asked(told: Told) -> Asked:
    return Asked(told.mode)


CONNECTION: Final = (
    Probe(
        id="answers-whole",
        layer=Layer.CONNECTION,
        title="answers arrive whole",
        allowed="no answer breaks off, stalls or is cut once it has begun",
        hint="a gateway's timeout or a worker that dies; look for its limits on long answers",
        source="K2-Vendor-Verifier tool_calls_eval.py, which takes a cut stream for a whole one",
        asks=plain,
        judge=_whole,
    ),
    Probe(
        id="answers-in-form",
        layer=Layer.CONNECTION,
        title="status 200 means a chat completion",
        allowed="every body of status 200 is a chat completion: not empty, no error object, not compressed unasked",
        hint="a gateway that turns errors into 200; clients take them for answers",
        source="Fireworks blog on Kimi K2.5; reports on gateways",
        asks=plain,
        judge=_in_form,
    ),
    Probe(
        id="stream-done",
        layer=Layer.CONNECTION,
        title="streams end with [DONE]",
        allowed="[DONE] after the last event",
        hint="a gateway that ends the stream with the connection; clients cannot tell a whole answer from a cut one",
        source="OpenAI API reference, streaming",
        asks=streams,
        judge=_done,
    ),
    Probe(
        id="left-midway",
        layer=Layer.CONNECTION,
        title="a client that leaves disturbs nobody",
        allowed="after a stream was left, the next requests are answered with their own answers",
        hint="a gateway that puts the connection of a client that left back into its pool",
        source="paramwall docs/life-of-a-request.md, which is tested for the same",
        asks=_leave,
        judge=_left,
        modes=(Mode.INSTANT,),
        in_order=True,
    ),
)
