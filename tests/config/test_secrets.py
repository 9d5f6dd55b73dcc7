"""A secret shows itself only to `reveal()`: canaries in every place a secret may come from, and every way out."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import pprint
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest

from proxy.config.load import Loaded
from proxy.config.values import Secret
from tests.config.loading import loaded

CANARY = "canary-5f1c9e"
TEXT = """
version: 1
vendors:
  a: {url: https://a.example/v1, api_key_env: VENDOR_KEY, tunnel: "${TUNNEL}"}
  b: {url: https://b.example/v1, api_key_file: key}
  c: {url: https://c.example/v1, credentials: pass, tunnel: environment}
clients:
  one: {key_env: CLIENT_KEY}
  two: {key_file: client}
reference: {url: https://r.example/v1, api_key_env: REFERENCE, tunnel: "${TUNNEL_TO_REFERENCE}"}
"""


@pytest.fixture(scope="module")
def said() -> Loaded:
    environ = {
        "VENDOR_KEY": f"{CANARY}-1",
        "CLIENT_KEY": f"{CANARY}-2",
        "TUNNEL": f"http://u:{CANARY}-3@10.0.0.1:3128",
        "REFERENCE": f"{CANARY}-7",
        "TUNNEL_TO_REFERENCE": f"http://u:{CANARY}-8@10.0.0.1:3128",
        "HTTPS_PROXY": f"http://u:{CANARY}-4@10.0.0.2:3128",
    }
    return loaded(TEXT, environ, {"etc/key": f"{CANARY}-5", "etc/client": f"{CANARY}-6"})


def test_the_canaries_are_there(said: Loaded) -> None:
    a, b, c = said.config.vendors
    assert a.api_key is not None
    assert b.api_key is not None
    assert (a.api_key.reveal(), b.api_key.reveal()) == (f"{CANARY}-1", f"{CANARY}-5")
    assert a.tunnel is not None
    assert c.tunnel is not None
    assert (CANARY in a.tunnel, CANARY in c.tunnel) == (True, True)
    reference = said.config.reference
    assert reference is not None
    assert reference.api_key == Secret(f"{CANARY}-7")
    assert CANARY in (reference.tunnel or "")


@pytest.mark.parametrize("show", [repr, str, format, pprint.pformat, ascii, lambda said: f"{said!r:>10}"])
def test_no_text_of_a_configuration_holds_one(said: Loaded, show: Callable[[object], str]) -> None:
    assert CANARY not in show(said)
    assert CANARY not in show(said.config)
    assert all(CANARY not in show(vendor) for vendor in said.config.vendors)
    assert CANARY not in show(said.config.reference)


def test_what_is_said_at_start_holds_none(said: Loaded) -> None:
    assert CANARY not in "\n".join((*said.warnings, *said.notices, said.config.hash))
    assert "vendor c: the environment says to connect through 10.0.0.2:3128" in said.notices


SECRET = Secret(CANARY)


@pytest.mark.parametrize("show", [repr, str, format, lambda secret: f"{secret:>40}", ascii])
def test_a_secret_is_three_stars(show: Callable[[Secret], str]) -> None:
    assert show(SECRET) == "***"


@pytest.mark.parametrize("encode", [json.dumps, orjson.dumps, msgspec.json.encode, msgspec.msgpack.encode])
def test_no_serialiser_knows_a_secret(encode: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError) as raised:
        encode({"key": SECRET})
    assert CANARY not in str(raised.value)


def test_taking_a_dataclass_apart_leaves_the_secret_whole(said: Loaded) -> None:
    parts = dataclasses.asdict(dataclasses.replace(said.config.vendors[1], client_plans={}, plan=None))  # type: ignore[arg-type]
    assert CANARY not in repr(parts)
    assert not hasattr(SECRET, "__dict__")


def test_a_secret_crosses_to_a_worker_and_stays_equal() -> None:
    assert pickle.loads(pickle.dumps(SECRET)).reveal() == CANARY
    assert copy.deepcopy(SECRET) == SECRET
    assert hash(Secret(CANARY)) == hash(SECRET)
    assert Secret("other") != SECRET
    assert SECRET != CANARY
