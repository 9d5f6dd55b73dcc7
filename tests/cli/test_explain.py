"""`paramwall explain`: verdicts, findings, the difference, the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import Ran, run

LAWFUL = '{"model":"kimi-k2.6","temperature":1.0,"top_p":0.95,"messages":[]}'
BARE = '{"model":"kimi-k2.6","messages":[]}'
WRONG = '{"model":"kimi-k2.6","temperature":0.3,"top_p":0.95,"messages":[]}'
INSTANT = '{"model":"kimi-k2.6","temperature":0.6,"top_p":0.95,"thinking":{"type":"disabled"},"messages":[]}'
FORCED = '{"model":"kimi-k2.6","temperature":1,"top_p":0.95,"tool_choice":"required","messages":[]}'
ANOTHER = '{"model":"gpt-oss","temperature":0.3,"messages":[]}'


def explain(body: str, *flags: str) -> Ran:
    return run("explain", "-", *flags, stdin=body.encode())


@pytest.mark.parametrize(
    ("body", "flags", "verdict", "code"),
    [
        (LAWFUL, (), "allow", 0),
        (LAWFUL, ("--enforcement", "strict"), "allow", 0),
        (f" {LAWFUL.replace(':', ': ')}\n", (), "allow", 0),
        (INSTANT, (), "allow", 0),
        (BARE, (), "rewrite", 0),
        (BARE, ("--enforcement", "strict"), "rewrite", 0),
        (WRONG, (), "rewrite", 1),
        (WRONG, ("--enforcement", "strict"), "reject", 1),
        (WRONG, ("--enforcement", "observe"), "allow", 1),
        (FORCED, (), "reject", 1),
        (ANOTHER, (), "allow", 0),
        (ANOTHER, ("--enforcement", "strict"), "reject", 1),
        (LAWFUL, ("--policy", "kimi-k2-0905"), "allow", 0),
        (INSTANT, ("--profile", "vllm"), "rewrite", 0),
    ],
)
def test_verdict_and_exit_code(body: str, flags: tuple[str, ...], verdict: str, code: int) -> None:
    ran = explain(body, *flags)
    assert (ran.code, ran.err) == (code, "")
    assert ran.out.startswith(f"verdict: {verdict}")
    as_json = explain(body, *flags, "--json")
    assert (as_json.code, as_json.json["verdict"]) == (code, verdict)


def test_a_rewrite_in_full() -> None:
    label = explain(WRONG, "--json").json["policy"]
    source = explain(WRONG, "--json").json["findings"][0]["source"]
    assert "Moonshot API reference" in source
    assert explain(WRONG).out == (
        "verdict: rewrite\n"
        f"policy:  {label}, repair; profile openai-compatible\n"
        "mode:    thinking (the policy's default; the body has no switch)\n"
        "actions: temperature=0.3->1.0\n"
        "\n"
        "temperature-off-contract: repaired\n"
        "  invalid temperature: only 1 is allowed for this model\n"
        "  member:  temperature\n"
        "  seen:    0.3\n"
        "  allowed: 1\n"
        "  hint:    send temperature as 1, or leave it out\n"
        f"  source:  {source}\n"
        "\n"
        "--- received\n"
        "+++ sent\n"
        "@@ -1,6 +1,6 @@\n"
        " {\n"
        '   "model": "kimi-k2.6",\n'
        '-  "temperature": 0.3,\n'
        '+  "temperature": 1.0,\n'
        '   "top_p": 0.95,\n'
        '   "messages": []\n'
        " }\n"
    )


def test_a_rejection_shows_the_error_that_the_client_would_get() -> None:
    ran = explain(WRONG, "--enforcement", "strict")
    assert "temperature-off-contract: refused\n" in ran.out
    _, _, error = ran.out.partition("the client gets 400:\n")
    said = json.loads(error)["error"]
    assert said == explain(WRONG, "--enforcement", "strict", "--json").json["error"]
    assert said["message"].startswith("invalid temperature: only 1 is allowed for this model")
    assert (said["code"], said["param"], said["type"]) == (
        "temperature-off-contract",
        "temperature",
        "invalid_request_error",
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "body-empty"),
        ("[]", "body-not-object"),
        ('{"temperature":1,"temperature":2}', "member-repeated"),
        ('{"Temperature":1}', "member-folds-to-known"),
        ('{"thinking":{"type":"enabled"},"enable_thinking":false}', "mode-switches-contradict"),
    ],
)
def test_a_body_that_is_not_read_in_one_way_only(body: str, code: str) -> None:
    ran = explain(body)
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith("verdict: reject")
    assert "the client gets 400:" in ran.out
    as_json = explain(body, "--json").json
    assert (as_json["error"]["code"], as_json["sent"], as_json["mode"]) == (code, None, None)


@pytest.mark.parametrize(
    ("body", "mode", "switch"),
    [
        (BARE, "thinking", "the policy's default; the body has no switch"),
        (INSTANT, "instant", "thinking.type"),
        ('{"model":"kimi-k2.6","chat_template_kwargs":{"thinking":false}}', "instant", "chat_template_kwargs.thinking"),
    ],
)
def test_the_mode_and_what_says_it(body: str, mode: str, switch: str) -> None:
    said = explain(body, "--json").json
    assert (said["mode"], said["mode_from"]) == (mode, switch)


def test_a_policy_with_one_mode_says_so() -> None:
    said = explain('{"model":"kimi-k2-thinking"}', "--policy", "kimi-k2-thinking", "--json").json
    assert (said["mode"], said["mode_from"]) == ("thinking", "the model has no other")


def test_a_model_that_the_policy_does_not_cover() -> None:
    said = explain(ANOTHER, "--json").json
    assert (said["applies"], said["sent"]) == (False, ANOTHER)
    assert "the policy does not cover this model" in explain(ANOTHER).out
    strange = ANOTHER.replace("0.3", '0.3,"thinking":{"type":"perhaps"}')
    for flags in ((), ("--enforcement", "strict"), ("--enforcement", "observe")):
        said = explain(strange, "--json", *flags).json
        assert (said["applies"], said["mode"]) == (False, "thinking")


def test_the_vendors_spelling_of_the_mode() -> None:
    said = explain(INSTANT, "--profile", "vllm", "--json").json
    assert json.loads(said["sent"])["chat_template_kwargs"] == {"thinking": False}
    assert said["findings"] == []
    assert len(said["actions"]) == 1


def test_another_route_has_its_own_clauses() -> None:
    assert explain(FORCED, "--route", "chat").code == 1
    assert explain(FORCED, "--route", "completions").code == 0


def test_a_long_line_is_cut_and_a_long_body_is_no_trouble() -> None:
    text = "x" * 500_000
    out = explain(WRONG.replace("[]", f'[{{"role":"user","content":"{text}"}}]')).out
    assert '+  "temperature": 1.0,' in out
    assert len(out) < 3000


def test_as_a_configuration_says(tmp_path: Path) -> None:
    file = tmp_path / "paramwall.yaml"
    text = "version: 1\nenforcement: strict\n"
    text += "vendors:\n  a: {url: http://vllm:8000/v1, profile: vllm, api_key_env: NOT_SET}\n"
    file.write_text(text, encoding="utf-8")
    said = explain(WRONG, "--config", str(file), "--json")
    assert (said.code, said.json["verdict"], said.json["profile"]) == (1, "reject", "vllm")
    assert "Moonshot API reference" in said.json["findings"][0]["source"]
    assert explain(WRONG, "--config", str(file), "--enforcement", "repair", "--json").json["verdict"] == "rewrite"


def test_a_file_as_body(tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_text(LAWFUL, encoding="utf-8")
    assert run("explain", str(file)).code == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("none.json",), "none.json cannot be read: No such file or directory"),
        (("-", "--route", "chats"), "--route: chats is not known here\n  hint: did you mean chat?"),
        (("-", "--enforcement", "strickt"), "--enforcement: strickt is not known here\n  hint: did you mean strict?"),
        (("-", "--policy", "kimi-k2-6"), 'no policy "kimi-k2-6" is shipped\n  hint: did you mean kimi-k2.6?'),
        (("-", "--profile", "vlm"), 'no profile "vlm" is shipped\n  hint: did you mean vllm?'),
        (("-", "--config", "none.yaml"), "there is no file none.yaml"),
        (("-", "--config", "x.yaml", "--profile", "vllm"), "--profile and --config are both given"),
    ],
)
def test_what_cannot_be_carried_out(flags: tuple[str, ...], said: str) -> None:
    ran = run("explain", *flags)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "  hint: " in ran.err
