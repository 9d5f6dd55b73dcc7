"""Requests that try to get a decoding parameter past the proxy.

Here: a whole request drawn from a Random: a chat request with lawful and unlawful members, their aliases and switches,
then perhaps damaged as text. Not here: spelling (spelling.py) and judging (lawful.py). Invariant: the same draws give
the same request. Every model named is one that the policy covers, however it is spelled.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.fuzz import spelling
from tests.fuzz.spelling import Pair

CANARY: Final = "canary-0f3a9c1e7d"
"""Stands in every request's text; an error that repeats it repeats what the client wrote."""

PATHS: Final = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "responses": "/responses",
    "messages": "/messages",
}
MODELS: Final = (
    *("kimi-k2.6", "kimi-k2.6", "kimi-k2.6", "moonshotai/Kimi-K2.6", "accounts/fireworks/models/kimi-k2p6"),
    *("KIMI-K2.6", "kimi-k2.6:free", "kimi-k2.6:thinking", "moonshotai/kimi-k2.6-TEE", " kimi-k2.6", "kimi-k2.6\u200b"),
    *("moonshotai/kimi-k2.6@preset/hot", "accounts/fireworks/models/kimi-k2p6#accounts/a/deployments/b"),
    *("\uff4bimi-k2.6", "\u212aimi-k2.6", "kimi-k2.6:nitro:free", "kimi-k2-6", "kimi-k2.6-turbo"),
)
ONE: Final = ("1", "1.0", "1e0")
ZERO: Final = ("0", "0.0", "-0", "0e0")
SAMPLING: Final = {
    "temperature": ("1.0", "1", "0.6", "0.60"),
    "top_p": ("0.95", "0.950"),
    "n": ONE,
    "best_of": ONE,
    "presence_penalty": ZERO,
    "frequency_penalty": ZERO,
}
ENGINE_VALUES: Final = {
    "top_k": ("-1", "0", "40", "1"),
    "min_p": ("0", "0.05"),
    "top_a": ("0", "0.2"),
    "repetition_penalty": ("1", "1.0", "1.3"),
    "length_penalty": ("1", "0.2"),
    "use_beam_search": ("false", "true", "1"),
    "watermarking": ("false", "true"),
    "logit_bias": ("{}", '{"163607":-100}', '{"1":1,"1":-100}'),
    "allowed_token_ids": ("[]", "[1,2]"),
    "bad_words": ("[]", '["</think>"]'),
    "custom_logit_processor": ('"x"', "null"),
    "ignore_eos": ("false", "true", '"true"'),
    "include_stop_str_in_output": ("false", "true"),
    "no_stop_trim": ("false", "true"),
    "min_tokens": ("0", "64"),
    "stop_token_ids": ("[]", "[163586]"),
    "stop_regex": ('"x"', "[]"),
    "skip_special_tokens": ("true", "false"),
    "spaces_between_special_tokens": ("true", "false"),
    "include_reasoning": ("true", "false"),
    "separate_reasoning": ("true", "false"),
    "stream_reasoning": ("true", "false"),
    "thinking_token_budget": ("-1", "16"),
    "structured_outputs": ("{}", '{"regex":"a*"}'),
    "guided_json": ('{"type":"object"}', "null"),
    "guided_regex": ('"a*"',),
    "guided_choice": ('["a"]',),
    "guided_grammar": ('"root ::= a"',),
    "structural_tag": ('"x"',),
    "regex": ('"a*"',),
    "ebnf": ('"root ::= a"',),
    "json_schema": ("{}", '"x"'),
    "chat_template": ('"{{ messages }}"', "null"),
    "input_ids": ("[1]", "[]"),
    "documents": ('[{"text":"x"}]', "[]"),
    "mm_processor_kwargs": ('{"x":1}', "{}"),
    "lora_path": ('"x"',),
    "truncate_prompt_tokens": ("-1", "8"),
    "api_base": ('"http://127.0.0.1:9"',),
    "base_url": ('"http://127.0.0.1:9"',),
    "api_key": ('"x"',),
    "user_config": ('{"api_base":"http://127.0.0.1:9"}',),
    "bootstrap_host": ('"127.0.0.1"',),
}
CONTAINERS: Final = (
    *("extra_body", "sampling_params", "sampling", "generation_config", "parameters", "vllm_xargs", "custom_params"),
)
ON_OFF: Final = (
    *('"enabled"', '"disabled"', '"disabled"', '"dis\\u0061bled"', "null"),
    *('"Disabled"', '"auto"', "true", '"disabled "'),
)
BOOLEAN: Final = ("true", "false", "false", "false", "null", '"false"', "0", "1", "False", "[false]")
EFFORT: Final = ('"none"', '"low"', '"high"', '"minimal"', "null", '"no\\u006ee"', '"None"', "0", "false")
SWITCHES: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("thinking", "type", ON_OFF),
    ("chat_template_kwargs", "thinking", BOOLEAN),
    ("chat_template_kwargs", "enable_thinking", BOOLEAN),
    ("chat_template_args", "enable_thinking", BOOLEAN),
    ("reasoning", "enabled", BOOLEAN),
    ("reasoning", "effort", EFFORT),
    ("reasoning", "enable", BOOLEAN),
    ("reasoning_effort", "", EFFORT),
    ("enable_thinking", "", BOOLEAN),
)
BYSTANDERS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("stream", ("true", "false")),
    ("seed", ("7", "18446744073709551617", "-1")),
    ("stop", ('"x"', "[]")),
    ("user", ('"u"',)),
    ("max_tokens", ("16", "32768", "0", "1.5", "-1", '"16"', "1e2", "null")),
    ("max_completion_tokens", ("16", "100", "0", "true")),
    ("tool_choice", ('"auto"', '"none"', '"required"', '{"type":"function","function":{"name":"f"}}')),
    ("response_format", ('{"type":"json_object"}',)),
    ("metadata", ('{"temperature":0.1,"long":0.123456789012345678901234567890}', "{}")),
    ("prompt_cache_key", ('"k\\/\\u00e9"',)),
    ("stream_options", ('{"include_usage":true}',)),
    ("logprobs", ("true",)),
    ("x_unknown", ("1", '{"top_p":0.1}')),
    ("provider", ('{"order":["a"]}',)),
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it goes out: a route's name, header lines beside the usual ones, the body, how it was damaged."""

    route: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    damage: str

    def __repr__(self) -> str:
        shown = self.body if len(self.body) < 3000 else self.body[:1500] + b" ... " + self.body[-500:]
        return f"{self.route} {dict(self.headers)} ({self.damage}) {shown!r}"


def request(draw: Random) -> Request:
    """A whole request; one in five is damaged as text or in its head."""
    route = draw.choices(tuple(PATHS), (85, 5, 5, 5))[0]
    text = _document(draw, route)
    if draw.random() < 0.8:
        return Request(route, _JSON, text.encode("utf-8", "surrogatepass"), "")
    damage = draw.choice(DAMAGES)
    headers, body = damage(draw, text)
    return Request(route, headers, body, damage.__name__.strip("_"))


_JSON: Final = (("Content-Type", "application/json"),)


def _document(draw: Random, route: str) -> str:
    pairs = [*_model(draw), *_conversation(draw, route)]
    pairs += [_sampling(draw) for _ in range(draw.choice((0, 0, 1, 1, 2, 3)))]
    for _ in range(draw.choice((0, 0, 0, 1, 1, 2))):
        pairs += _switch(draw)
    pairs += [_engine(draw) for _ in range(draw.choice((0, 0, 0, 0, 1, 2)))]
    for _ in range(draw.choice((0, 0, 1, 2))):
        key, values = draw.choice(BYSTANDERS)
        pairs.append((spelling.name(draw, key), draw.choice(values)))
    if draw.random() < 0.12:
        pairs.append(_container(draw, draw.choice((1, 1, 2, 3))))
    pairs = _unusual(draw, pairs)
    if draw.random() < 0.5:
        draw.shuffle(pairs)
    return spelling.object_of(draw, _once(pairs) if draw.random() < 0.9 else pairs)


def _once(pairs: Sequence[Pair]) -> list[Pair]:
    """Most requests repeat no member, however it is spelled."""
    return list({json.loads(key): (key, value) for key, value in pairs}.values())


def _model(draw: Random) -> list[Pair]:
    chance = draw.random()
    if chance < 0.03:
        return []
    if chance < 0.06:
        return [('"model"', "null")]
    text = draw.choice(MODELS) if draw.random() < 0.4 else MODELS[0]
    return [('"model"', spelling.string(draw, text) if draw.random() < 0.2 else spelling.plain(text))]


def _conversation(draw: Random, route: str) -> list[Pair]:
    said = spelling.plain(CANARY + draw.choice(("", " \u00e9\u4e2d", " 0.30000000000000004", ' "temperature": 2')))
    if route == "responses":
        return [('"input"', said)]
    if route == "completions":
        return [('"prompt"', said)]
    message = f'{{"role":"user","content":{said}}}'
    if draw.random() < 0.08:
        call = '{"id":"f:0","type":"function","function":{"name":"f","arguments":"{}"}}'
        reasoning = draw.choice(("", ',"reasoning_content":"r"', ',"reasoning":"r"', ',"reasoning_content":null'))
        asked = f'{{"role":"assistant","tool_calls":[{call}]{reasoning}}}'
        message += f',{asked},{{"role":"tool","tool_call_id":"f:0","content":"1.10"}}'
    return [('"messages"', f"[{message}]")]


def _sampling(draw: Random) -> Pair:
    member = draw.choice(tuple(SAMPLING))
    if draw.random() < 0.4:
        member = "temperature"
    value = spelling.number(draw, SAMPLING[member])
    return spelling.name(draw, member), spelling.nested(draw, value) if draw.random() < 0.02 else value


def _engine(draw: Random) -> Pair:
    member = draw.choice(tuple(ENGINE_VALUES))
    value = draw.choice(ENGINE_VALUES[member])
    if draw.random() < 0.15:
        value = draw.choice((*spelling.NOT_NUMBERS, *spelling.ODD_NUMBERS))
    return spelling.name(draw, member), value


def _switch(draw: Random) -> list[Pair]:
    """One switch; sometimes with a second word beside it, which may contradict the first."""
    member, inner, values = draw.choice(SWITCHES)
    if not inner:
        return [(spelling.name(draw, member), draw.choice(values[: draw.choice((4, 4, 4, 9))]))]
    pairs = [(spelling.name(draw, inner), draw.choice(values[: draw.choice((4, 4, 4, 9))]))]
    if draw.random() < 0.15:
        pairs.append((spelling.name(draw, inner), draw.choice(values)))
    if draw.random() < 0.20:
        extra = ("keep", "preserve_thinking", "budget_tokens", "enable_thinking", "thinking", "temperature", "type")
        pairs.append((spelling.name(draw, draw.choice(extra)), draw.choice(("1024", "true", '"all"', "0.10", "null"))))
    value = spelling.object_of(draw, pairs)
    if draw.random() < 0.05:
        value = draw.choice((f"[{value}]", spelling.plain(value), "true", '"enabled"', "null", "{}"))
    return [(spelling.name(draw, member), value)]


def _container(draw: Random, depth: int) -> Pair:
    """Members where some gateway merges them into the body."""
    pairs: list[Pair] = []
    for _ in range(draw.choice((1, 1, 2))):
        kind = draw.random()
        if depth > 1 and kind < 0.5:
            pairs.append(_container(draw, depth - 1))
        elif kind < 0.75:
            pairs.append(_sampling(draw))
        elif kind < 0.85:
            pairs += _switch(draw)
        elif kind < 0.95:
            pairs.append(_engine(draw))
        else:
            pairs.append(draw.choice((('"model"', '"other"'), ('"harmless"', "1.10"), ('"MODEL"', '"other"'))))
    return spelling.name(draw, draw.choice(CONTAINERS)), spelling.object_of(draw, pairs)


def _unusual(draw: Random, pairs: list[Pair]) -> list[Pair]:
    """Rarely: a name given twice, a very deep or a very wide body."""
    chance = draw.random()
    if chance < 0.08:
        key, value = draw.choice(pairs)
        other = draw.choice((value, spelling.number(draw, ONE)))
        written = draw.choice((key, spelling.string(draw, key[1:-1].replace("\\", ""))))
        pairs = [*pairs, (written, other)] if draw.random() < 0.5 else [(written, other), *pairs]
    elif chance < 0.10:
        pairs = [*pairs, (draw.choice(('"metadata"', '"x"', '"tools"')), spelling.nested(draw, "1.10"))]
    elif chance < 0.105:
        pairs = [*pairs, *((f'"x{at}"', "1") for at in range(draw.choice((100, 240, 300))))]
    return pairs


# Damage: what happens to the text as a whole, or to what the head says about it.

Damage = Callable[[Random, str], tuple[tuple[tuple[str, str], ...], bytes]]


def _encoding(draw: Random, text: str) -> tuple[tuple[tuple[str, str], ...], bytes]:
    raw = text.encode("utf-8", "surrogatepass")
    kind = draw.choice(("bom", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "utf-7"))
    charset = draw.choice(("", "; charset=utf-8", f"; charset={kind}", '; charset="utf-8"', "; charset=utf-16"))
    body = b"\xef\xbb\xbf" + raw if kind == "bom" else text.encode(kind, "replace")
    return (("Content-Type", f"application/json{charset}"),), body


def _bad_bytes(draw: Random, text: str) -> tuple[tuple[tuple[str, str], ...], bytes]:
    raw = bytearray(text.encode("utf-8", "surrogatepass"))
    piece = draw.choice((b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xe2\x82", b"\x00"))
    at = draw.randrange(len(raw) + 1)
    raw[at:at] = piece
    return _JSON, bytes(raw)


def _cut(draw: Random, text: str) -> tuple[tuple[tuple[str, str], ...], bytes]:
    raw = text.encode("utf-8", "surrogatepass")
    return _JSON, raw[: draw.randrange(len(raw))]


def _tail(draw: Random, text: str) -> tuple[tuple[tuple[str, str], ...], bytes]:
    tails = ('{"temperature":2}', "\x00", "}", " ", "\n\n", ',"temperature":2}', "//x", "\ufeff", "null", "\x1a")
    return _JSON, (text + draw.choice(tails)).encode("utf-8", "surrogatepass")


def _bytes_changed(draw: Random, text: str) -> tuple[tuple[tuple[str, str], ...], bytes]:
    raw = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(draw.choice((1, 1, 2, 5))):
        at = draw.randrange(len(raw))
        match draw.randrange(4):
            case 0:
                raw[at] ^= 1 << draw.randrange(8)
            case 1:
                del raw[at]
            case 2:
                raw[at:at] = draw.choice((b'"', b",", b"{", b"}", b":", b"\\", b"\\u0000", b"1", b"e", b"\n"))
            case _:
                end = draw.randrange(at, min(at + 40, len(raw)))
                raw[at:at] = raw[at:end]
        if not raw:
            break
    return _JSON, bytes(raw)


def _not_json(draw: Random, text: str) -> tuple[tuple[tuple[str, str], ...], bytes]:
    changed = draw.choice(
        (
            text.replace('"', "'"),
            text[:-1] + ",}",
            text.replace(",", ",,", 1),
            "[" + text + "]",
            spelling.plain(text),
            "/**/" + text,
            text.replace(":", "=", 1),
            "\ufeff" + text,
            text.replace('"model"', "model", 1),
            text.replace('"model"', '"\\ud800"', 1),
            text + text,
            "",
        )
    )
    return _JSON, changed.encode("utf-8", "surrogatepass")


def _content_coding(draw: Random, text: str) -> tuple[tuple[tuple[str, str], ...], bytes]:
    raw = text.encode("utf-8", "surrogatepass")
    coding = draw.choice(("gzip", "deflate", "br", "identity", "gzip, identity", "", "zstd", "x-gzip"))
    body = gzip.compress(raw, 1) if "gzip" in coding and draw.random() < 0.7 else raw
    return (*_JSON, ("Content-Encoding", coding)), body


def _content_type(draw: Random, text: str) -> tuple[tuple[tuple[str, str], ...], bytes]:
    kinds = (
        "text/plain",
        "application/x-ndjson",
        "APPLICATION/JSON",
        "application/json;charset=UTF-8",
        "multipart/form-data",
    )
    others = (
        "application/json; charset=utf-16",
        "application/json, text/plain",
        "application/x-www-form-urlencoded",
        "",
    )
    return (("Content-Type", draw.choice((*kinds, *others))),), text.encode("utf-8", "surrogatepass")


def _chunks(draw: Random, text: str) -> tuple[tuple[tuple[str, str], ...], bytes]:
    raw, out = text.encode("utf-8", "surrogatepass"), bytearray()
    while raw:
        size = draw.randrange(1, max(2, len(raw) // 2) + 1)
        out += b"%x%b\r\n%b\r\n" % (min(size, len(raw)), draw.choice((b"", b";a=b")), raw[:size])
        raw = raw[size:]
    trailer = draw.choice((b"", b"X-A: b\r\n", b"Authorization: Bearer x\r\n"))
    return (*_JSON, ("Transfer-Encoding", "chunked")), bytes(out) + b"0\r\n" + trailer + b"\r\n"


DAMAGES: Final[tuple[Damage, ...]] = (
    *(_encoding, _bad_bytes, _cut, _tail, _bytes_changed, _bytes_changed, _bytes_changed, _not_json, _content_coding),
    *(_content_type, _chunks),
)
