"""What an honest host refuses, and the parameter pre-check of the Kimi Vendor Verifier against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from proxy.simulator import Options, Simulator, parse_faults
from tests.simulator.asking import WEATHER, ask, chat

CASES: Final = yaml.safe_load((Path(__file__).parent / "cases" / "refusals.yaml").read_text())
CALL: Final = {"id": "functions.get_weather:0", "type": "function", "function": {"name": "get_weather"}}
ASKED: Final = {"role": "user", "content": "How is the weather?"}
RESULT: Final = {"role": "tool", "tool_call_id": CALL["id"], "content": "sunny"}
NAMED: Final = {
    "weather": [WEATHER],
    "history": [ASKED, {"role": "assistant", "reasoning_content": "", "tool_calls": [CALL]}, RESULT],
    "history_without_reasoning": [ASKED, {"role": "assistant", "tool_calls": [CALL]}, RESULT],
    "history_unanswered": [ASKED, {"role": "assistant", "reasoning_content": "", "tool_calls": [CALL]}],
}

PARAMETERS: Final = {  # name: (accepted thinking, accepted instant, rejected); verify_params.py
    "temperature": (1.0, 0.6, 0.5),
    "top_p": (0.95, 0.95, 0.8),
    "presence_penalty": (0, 0, 0.5),
    "frequency_penalty": (0, 0, 0.5),
    "n": (1, 1, 2),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
async def test_case(case: dict[str, Any]) -> None:
    body = chat() | {name: NAMED.get(value, value) if isinstance(value, str) else value
                     for name, value in case["body"].items()}  # fmt: skip
    async with Simulator(Options(instant=True, profile=case["profile"], tool_rate=1.0)) as vendor:
        answer = await ask(vendor, body)
    assert answer.status == case["status"], answer.text
    if case["status"] != 200:
        error = answer.json["error"]
        assert error["type"] == case["type"]
        assert error["message"].startswith(case["message"])


async def test_official_error_has_no_code_and_no_param() -> None:
    async with Simulator(Options(instant=True)) as vendor:
        answer = await ask(vendor, chat(n=2))
    assert answer.json["error"].keys() == {"message", "type"}


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'{"a": NaN}', b"\xff\xfe{}"])
@pytest.mark.parametrize("profile", ["moonshot", "vllm"])
async def test_a_body_that_is_no_object(body: bytes, profile: str) -> None:
    async with Simulator(Options(instant=True, profile=profile)) as vendor:
        assert (await ask(vendor, body)).status == 400


@pytest.mark.parametrize("instant", [False, True])
@pytest.mark.parametrize("name", PARAMETERS)
async def test_pre_check_honest_and_with_accept_any_parameters(name: str, instant: bool) -> None:
    thinking, off, rejected = PARAMETERS[name]
    switch = {"type": "disabled" if instant else "enabled"}
    async with Simulator(Options(instant=True)) as vendor:
        assert (await ask(vendor, chat(thinking=switch) | {name: off if instant else thinking})).status == 200
        assert (await ask(vendor, chat(thinking=switch) | {name: rejected})).status == 400
        vendor.set_faults(parse_faults("accept-any-parameters"))
        assert (await ask(vendor, chat(thinking=switch) | {name: rejected})).status == 200


async def test_keys_are_demanded_and_never_repeated() -> None:
    secret = "sk-canary-1234"
    for profile in ("moonshot", "vllm"):
        async with Simulator(Options(instant=True, profile=profile, api_key="sk-right")) as vendor:
            missing = await ask(vendor, chat())
            wrong = await ask(vendor, chat(), "/v1/chat/completions", f"Authorization: Bearer {secret}")
            right = await ask(vendor, chat(), "/v1/chat/completions", "Authorization: Bearer sk-right")
        assert (missing.status, wrong.status, right.status) == (401, 401, 200)
        assert secret not in wrong.text
        assert "sk-right" not in repr(vendor.options)
