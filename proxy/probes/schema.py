"""Probes of constrained decoding: tool arguments and JSON answers keep to their schemas.

Not here: the schemas (schemas.py), and calls that are broken otherwise (tools.py). Invariant: a schema that the host
refuses is not judged, since the official API admits a subset of JSON Schema too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from proxy.contract.mode import Mode
from proxy.probes.asks import QUESTION, ROOM, STREAMED, ask, call_ask, plain_body, plain_stream, tool
from proxy.probes.judging import failed, passed, unjudged
from proxy.probes.probe import Ask, Finding, Layer, Probe, Setting, Told, Verdict, shown
from proxy.probes.schemas import FAMILIES
from proxy.signals.features import UNREADABLE, Read
from proxy.signals.markers import LEAKED_MARKERS, THINK_TAGS

_SHOWN: Final = 120


def _asks(family: str) -> Callable[[Setting, Mode], tuple[Ask, ...]]:
    def asks(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
        return tuple(
            call_ask(setting, mode, [tool(name, "Keeps a record.", schema)], wanted=name, stream=stream)
            for name, schema in _named(family)
            for stream in (True, False)
        )

    return asks


def _named(family: str) -> list[tuple[str, Any]]:
    """Each schema with its tool's name."""
    stem = f"record_{family.replace('-', '_')}"
    return [(f"{stem}_{number}", schema) for number, schema in enumerate(FAMILIES[family], 1)]


def _arguments(told: Told) -> Finding:
    """Refused schemas are told of; broken calls are other probes'."""
    refused = [reply for reply in told.replies if reply.status in (400, 422)]
    if len(refused) == len(told.asks):
        return Finding(Verdict.SKIPPED, f"all schemas were refused: {shown(refused[0])}")
    calls = [
        (name, value, tool)
        for one in told.answers
        if one.finish_reason != "length"
        for name, value in zip((call.name or "" for call in one.tool_calls), one.arguments, strict=True)
        if value is not UNREADABLE and (tool := one.asked.tools.get(name)) is not None
    ]
    if not calls:
        return unjudged(told, "no readable call of a declared tool")
    bad = [(name, value) for name, value, tool in calls if tool.judge(value) is False]
    if bad:
        name, value = bad[0]
        return failed(f"{len(bad)} of {len(calls)} calls are off their schema, as {name}({_brief(value)})")
    note = f"; {len(refused)} of {len(told.asks)} schemas were refused" if refused else ""
    return passed(f"{len(calls)} calls keep to their schema{note}")


def _brief(value: object) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


_PORT: Final = {
    "type": "object",
    "properties": {"minutes": {"type": "integer"}, "reason": {"type": "string"}},
    "required": ["minutes", "reason"],
    "additionalProperties": False,
}
_IN_JSON: Final = f"{QUESTION} Answer with one JSON object that has the members minutes and reason, and nothing else."
_FORMATS: Final = (
    {"type": "json_object"},
    {"type": "json_schema", "json_schema": {"name": "crossing", "strict": True, "schema": _PORT}},
)


def _formatted(setting: Setting, mode: Mode) -> tuple[Ask, ...]:
    """The plain question first: whether it is answered tells a crash from an outage."""
    control = plain_body(setting, mode, 0), plain_stream(setting, mode, 0)
    return *control, *(
        ask(setting, mode, _IN_JSON, limit=ROOM, expected=240, response_format=form, **streamed)
        for form in _FORMATS
        for streamed in ({}, STREAMED)
    )


def _json(told: Told) -> Finding:
    control, reads, replies = told.reads[:2], told.reads[2:], told.replies[2:]
    crashed = [reply for reply in replies if reply.reason == "server_error"]
    if crashed and all(one is not None for one in control):
        seen = f"{len(crashed)} of {len(replies)} requests for JSON end in status {crashed[0].status}, none without it"
        return failed(seen, "constrained decoding while thinking crashes the engine (vllm#51660)")
    bad = [value for one in reads if one is not None and _judged(one) and (value := one.format_bad) is not None]
    if not bad:
        return unjudged(told, "no answer that ends with stop")
    if any(bad):
        return failed(f"{sum(bad)} of {len(bad)} answers are not the JSON that was asked for: {_example(reads)}")
    return passed(f"{len(bad)} answers are the JSON that was asked for")


def _judged(one: Read) -> bool:
    """Empty content, and what a parser left in it, are other probes'."""
    return not one.blank and not THINK_TAGS.violated(one) and not LEAKED_MARKERS.violated(one)


def _example(reads: tuple[Read | None, ...]) -> str:
    text = next((one.content or "" for one in reads if one is not None and one.format_bad), "")
    return " ".join(text.split())[:_SHOWN] or "no content"


def _probe(family: str) -> Probe:
    return Probe(
        id=f"schema-{family}",
        layer=Layer.SCHEMA,
        title=f"arguments keep to schemas with {family.replace('-', ' ')}",
        allowed=f"arguments that JSON Schema 2020-12 accepts, in {len(FAMILIES[family])} schemas, streamed and not",
        hint="no constrained decoding of arguments: the official API is right every time, engines 72 to 100 %",
        source="Kimi-Vendor-Verifier tests/tool_call_json_schema; vLLM blog 2025-10-28",
        asks=_asks(family),
        judge=_arguments,
        reads_refusals=True,
    )


SCHEMA: Final = (
    *(_probe(family) for family in FAMILIES),
    Probe(
        id="json-answer",
        layer=Layer.SCHEMA,
        title="response_format is obeyed",
        allowed="content that is the JSON that response_format asks for, by json_object and by json_schema",
        hint="response_format is not passed on to the engine",
        source="vllm#51660; Kimi-Vendor-Verifier tests/k3_features",
        asks=_formatted,
        judge=_json,
    ),
)
"""The official API admits anyOf and $ref; of oneOf, allOf and prefixItems that is not known, hence the skipping."""
