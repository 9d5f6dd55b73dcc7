"""Credentials are taken out, whatever they stand in; everything else stays as it is."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.scorer.redaction import REDACTED, Redactor

KEY = "sk-Zq81kLmP0vTr"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nabc=\n-----END RSA PRIVATE KEY-----"
R = f'"{REDACTED}"'


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"use {KEY}.", f"use {REDACTED}."),
        (f"KEY_{KEY}", f"KEY_{REDACTED}"),
        ("sk-ant-api03-AAAAbbbb_cc-DD", REDACTED),
        (f"Authorization: Bearer {'x' * 20}\nAccept: */*", f"Authorization: Bearer {R}\nAccept: */*"),
        ("proxy: basic dXNlcjpwYXNzd29yZA==", f"proxy: basic {R}"),
        (f"jwt {JWT} end", f"jwt {REDACTED} end"),
        (f"key:\n{PEM}\nend", f"key:\n{REDACTED}\nend"),
        (PEM[:40], REDACTED),
        ("ghp_0123456789abcdefghij AKIAIOSFODNN7EXAMPLE", f"{REDACTED} {REDACTED}"),
        ('{"password": "a\\"b", "n": 1}', f'{{"password": {R}, "n": 1}}'),
        ("{'api_key': 'abc', 'n': 1}", f"{{'api_key': {R}, 'n': 1}}"),
        (r'"{\"token\": \"a\\\"b\", \"n\": 1}"', rf'"{{\"token\": {R}, \"n\": 1}}"'),
        ('{"password": "ab\\', f'{{"password": {R}'),
        ('{"Client-Secret":"abc', f'{{"Client-Secret":{R}'),
        ("DB_PASSWORD=hunter22\nUSER=me", f"DB_PASSWORD={R}\nUSER=me"),
        ("export OPENAI_API_KEY='abc def' X=1", f"export OPENAI_API_KEY={R} X=1"),
    ],
)
def test_text(text: str, redacted: str) -> None:
    assert Redactor().text(text) == redacted
    assert Redactor().text(redacted) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a task-forced desk-bound risk-averse life",
        "The bearer of this letter; a basic rule; tokens = 5 words",
        '{"max_tokens": 5, "completion_tokens": "7", "tokenizer": "x", "secretary": "Ann"}',
        "max_tokens=100, the password is a secret",
        "eyJ is how a token begins",
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert Redactor().text(text) == text
    assert Redactor().body(text.encode()) == text.encode()


@pytest.mark.parametrize(
    "name", ["authorization", "API_KEY", "x-api-key", "apiKey", "password", "secret", "access_token"]
)
@pytest.mark.parametrize("held", ["hunter2", 12345, ["a", {"b": "hunter2"}], {"value": "hunter2"}])
def test_a_member_is_redacted_by_its_name_at_any_depth(name: str, held: object) -> None:
    body = {"model": "kimi-k2.6", "messages": [{"content": [{"deep": {name: held, "kept": "yes"}}]}]}
    found = json.loads(Redactor().body(json.dumps(body).encode()))
    assert found["messages"] == [{"content": [{"deep": {name: REDACTED, "kept": "yes"}}]}]


def test_tool_arguments_are_json_within_json() -> None:
    arguments = json.dumps({"path": "x", "password": 'hun"ter\\2'})
    for body in (json.dumps({"arguments": arguments}), json.dumps({"deeper": json.dumps({"arguments": arguments})})):
        for text in (body, f"{body}]"):  # the second is not JSON
            found = Redactor().body(text.encode())
            assert b"hun" not in found
            assert b"ter" not in found
            assert b"path" in found


def test_a_body_that_is_not_json_or_too_deep() -> None:
    assert Redactor().body(b'{"api_key": "abc", ' + b"\xff") == f'{{"api_key": {R}, \N{REPLACEMENT CHARACTER}'.encode()
    for depth in (400, 5000):
        body = b"[" * depth + b'{"api_key": "abc"}' + b"]" * depth
        assert b"abc" not in Redactor().body(body)


def test_patterns_of_the_configuration() -> None:
    redactor = Redactor([r"\b\d{3}-\d{2}-\d{4}\b", "Project Heron"])
    assert redactor.text("123-45-6789 in Project Heron") == f"{REDACTED} in {REDACTED}"
    with pytest.raises(re.error):
        Redactor(["("])


@given(st.text(alphabet="ab \n{}[]:,0.", max_size=60), st.text(alphabet="ab \n{}[]:,0.", max_size=60))
def test_a_key_anywhere(before: str, after: str) -> None:
    assert Redactor().text(f"{before} {KEY} {after}") == f"{before} {REDACTED} {after}"


@pytest.mark.parametrize(
    "unit", ["a", "a-", "token", '"', "\\", '\\"', "eyJ", "eyJ-", "-----BEGIN ", "secret=", '"token":', "sk-", " "]
)
def test_time_grows_with_the_text_only(unit: str) -> None:
    """A megabyte of the worst that a pattern can meet; anything quadratic takes hours."""
    started = time.process_time()
    Redactor().text(unit * (1_000_000 // len(unit)))
    assert time.process_time() - started < 5.0


@pytest.mark.parametrize("key", ["plain/key+of=no.form", "sk-held-Zq7XbW3n/+=tail"])
def test_keys_that_are_held_go_whatever_their_form(key: str) -> None:
    said = f"your key is {key}, and {key}s"
    assert Redactor(keys=[key]).text(said) == f"your key is {REDACTED}, and {REDACTED}s"
    assert Redactor().text(said) != Redactor(keys=[key]).text(said)
