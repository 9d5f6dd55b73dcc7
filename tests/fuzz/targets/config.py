"""Fuzz target: paramwall.yaml.

Invariants: a text is a configuration or is refused with every problem told, each with where it stands; no problem and
no notice repeats a secret.
"""

from __future__ import annotations

from proxy.config.load import ConfigError
from tests.config.loading import loaded
from tests.fuzz.target import Target

_SECRET = "sk-canary-0123456789abcdef"
_ENVIRON = {"KEY": _SECRET, "OTHER_KEY": _SECRET + "x"}


def check(data: bytes) -> None:
    try:
        found = loaded(data.decode("utf-8", "replace"), _ENVIRON)
    except ConfigError as error:
        assert error.problems
        assert all(problem.source and problem.message for problem in error.problems)
        assert _SECRET not in str(error)
        return
    assert found.config.vendors
    assert _SECRET not in repr(found)


WORDS = (
    *(b"version: 1\n", b"vendors:\n", b"  a:\n", b"    url: https://127.0.0.1/v1\n", b"    api_key_env: KEY\n"),
    *(
        b"    profile: moonshot\n",
        b"clients:\n",
        b"limits:\n",
        b"timeouts:\n",
        b"policy: kimi-k2.6\n",
        b"enforcement: ",
    ),
    *(
        b"credentials: pass",
        b"${KEY}",
        b"1s",
        b"-1",
        b"10MiB",
        b"null",
        b"[]",
        b"{}",
        b"http://",
        b"@",
        b"[::1]",
        b"%00",
    ),
    *(b"\xf0\x9f\x98\x80", b"scoring:\n", b"listen: ", b"admin: ", b"0.0.0.0:99999", b"1e400", b"true", b"? ", b"- "),
)
TARGET = Target("config", check, WORDS, longest=2000)
