"""After every test: no key in anything that it printed, logged, left on the disk, or heard of a process or a port.

Here: which keys are in play, what there is to search, and the verdict, as hooks of pytest. Not here: how a key may be
spelled (tests/e2e/canaries.py), and what a client or a vendor is sent, which holds keys by right. Invariants: a key is
in play as soon as the proxy takes it for a secret or a child finds it in its environment; a file that a test gives with
a key in it is declared by `given_keys`; a failed test is not searched, for its report shows what it worked with.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from collections.abc import Callable, Generator, Iterator
from fnmatch import fnmatch
from functools import wraps
from pathlib import Path
from typing import Any, Final

import pytest

from proxy.config.values import Secret
from tests.e2e.canaries import KEYS, encodings, parts_of, windows

SHORTEST: Final = 12
"""Characters of a key that no text holds by accident. Shorter ones are found by their shape, or not at all."""
SHAPE: Final = re.compile(rb"(?<![a-z0-9])sk-[a-z0-9_-]{5,}|bearer\s+[a-z0-9.~+/=_-]{8,}")
"""What a key looks like, in lower case, whoever's it is."""
NAMED: Final = re.compile(r"KEY|SECRET|TOKEN|PASSWORD", re.IGNORECASE)
LABEL: Final = re.compile(r"\s|\.(?:api_)?key_(?:env|file)$")
"""What stands for a key that was not read: the setting that names it."""
MOST_KEYS: Final = 24
"""The latest ones are searched for, beside those that are in play all the time: a suite makes thousands."""
LITTLE: Final = 64 * 1024
"""Bytes of an output that is searched for parts of keys as well."""
VARIABLE: Final = "PARAMWALL_TEST_CANARY_KEY"
"""A key that is in every environment and that nobody may use: whoever repeats an environment repeats it."""

_said: list[tuple[str, bytes]] = []


def told(where: str, text: str | bytes) -> None:
    """Something that was said outside of pytest's sight, to be searched after this test."""
    _said.append((where, text.encode(errors="replace") if isinstance(text, str) else text))


class Keys:
    """The keys in play, as what to search for."""

    def __init__(self) -> None:
        self._always: dict[str, tuple[bytes, ...]] = {}
        self._latest: dict[str, tuple[bytes, ...]] = {}
        self._parts: list[bytes] = []

    def add(self, key: str) -> None:
        """One that must not be found from now on."""
        if key in self._always or len(key) < SHORTEST or LABEL.search(key):
            return
        self._latest[key] = self._latest.pop(key, ()) or tuple(each.encode() for each in encodings(key))
        if len(self._latest) > MOST_KEYS:
            del self._latest[next(iter(self._latest))]

    def add_random(self, key: str) -> None:
        """One of which no part may be found either, in any test."""
        self._always[key] = tuple(each.encode() for each in encodings(key))
        self._parts += [each.encode() for each in windows(key)]

    def found_in(self, data: bytes) -> str:
        """What was found, without repeating it; "" for nothing."""
        lower = data.lower()
        for key, spelled in (*self._always.items(), *self._latest.items()):
            if any(each in lower for each in spelled):
                return f"the key {key[:4]}***"
        if shaped := SHAPE.search(lower):
            return f"what looks like a key, {shaped[0][:6].decode('latin-1')}***"
        if len(lower) <= LITTLE:
            return next((f"a part of a key, {each[:2].decode()}***" for each in self._parts if each in lower), "")
        return ""


class Sweep:
    """The hooks of one session."""

    def __init__(self) -> None:
        self.keys = Keys()
        self._inherited = dict(os.environ)
        self._undo: list[Callable[[], None]] = []
        for key in KEYS:
            self.keys.add_random(key)

    def begin(self) -> None:
        """Learn of every secret, and of what children are given and say."""
        canary = f"nk-nobody-{secrets.token_hex(12)}"
        os.environ[VARIABLE] = canary
        self.keys.add_random(canary)
        self._before(Secret, "__init__", lambda _, text: self.keys.add(text))
        self._before(subprocess.Popen, "__init__", lambda *_, env=None, **__: self._given(env))
        self._after(subprocess.Popen, "communicate", "a process")
        self._after(pytest.CaptureFixture, "readouterr", "what was captured")

    def end(self) -> None:
        """Leave everything as it was."""
        os.environ.pop(VARIABLE, None)
        while self._undo:
            self._undo.pop()()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A test that is over and has not failed fails now if it left a key behind."""
        report = yield
        if report.when == "setup":
            item.stash[_FAILED] = False
        item.stash[_FAILED] |= report.failed
        if report.when == "teardown":
            outputs, _said[:] = list(_said), []
            if not item.stash[_FAILED]:
                found = [
                    f"{where}: {what}" for where, data in _outputs(item, outputs) if (what := self.keys.found_in(data))
                ]
                if found:
                    report.outcome = "failed"
                    report.longrepr = "a key was found in what this test left behind:\n" + "\n".join(sorted(set(found)))
        return report

    def _given(self, environment: dict[str, str] | None) -> None:
        for name, value in (os.environ if environment is None else environment).items():
            if NAMED.search(name) and self._inherited.get(name) != value:
                self.keys.add(value)

    def _before(self, owner: Any, name: str, look: Callable[..., None]) -> None:  # noqa: ANN401  (any class)
        original = getattr(owner, name)

        @wraps(original)
        def looked_at(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            look(*arguments, **named)
            return original(*arguments, **named)

        setattr(owner, name, looked_at)
        self._undo.append(lambda: setattr(owner, name, original))

    def _after(self, owner: Any, name: str, where: str) -> None:  # noqa: ANN401  (any class)
        original = getattr(owner, name)

        @wraps(original)
        def listened_to(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            said = original(*arguments, **named)
            for text in said:
                if text:
                    told(where, text)
            return said

        setattr(owner, name, listened_to)
        self._undo.append(lambda: setattr(owner, name, original))


_FAILED: Final = pytest.StashKey[bool]()


def _outputs(item: pytest.Item, said: list[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    yield from said
    for when, kind, text in item._report_sections:  # a report has only those up to its own phase
        yield f"{kind} of {when}", text.encode(errors="replace")
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    given = [glob for mark in item.iter_markers("given_keys") for glob in mark.args]
    if isinstance(folder, Path):
        for file in folder.rglob("*"):
            name = str(file.relative_to(folder))
            if file.is_file() and not file.is_symlink() and not any(fnmatch(name, glob) for glob in given):
                yield from parts_of(file, name)


_SWEEP: Final = pytest.StashKey[Sweep]()


def pytest_configure(config: pytest.Config) -> None:
    """Once in each process that runs tests."""
    config.addinivalue_line(
        "markers", "given_keys(*globs): files under tmp_path that the test gives with a key in them"
    )
    config.stash[_SWEEP] = sweep = Sweep()
    sweep.begin()
    config.pluginmanager.register(sweep, "canary-sweep")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Undo it."""
    config.stash[_SWEEP].end()
