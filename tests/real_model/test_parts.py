"""What of the real-model tier can be tested without a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real_model.engine import Engine, EngineFailed
from tests.real_model.models import BIN, MODEL, SHIPPED, STEM, NotInstalled, kit, variant
from tests.real_model.traffic import QUESTIONS, prompt, request


def installed(folder: Path, quantize: str = "exit 0") -> dict[str, str]:
    """An environment that names two programs and a model; `quantize` is what llama-quantize does."""
    for name, script in (("llama-server", "echo no such model >&2; exit 1"), ("llama-quantize", quantize)):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o700)
    (folder / f"{STEM}.{SHIPPED}.gguf").write_bytes(b"GGUF")
    return {BIN: str(folder), MODEL: str(folder)}


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match=f"{BIN} is not set"):
        kit({})
    with pytest.raises(NotInstalled, match="llama-server is missing"):
        kit({BIN: str(tmp_path)})
    environment = installed(tmp_path)
    (tmp_path / f"{STEM}.{SHIPPED}.gguf").unlink()
    with pytest.raises(NotInstalled, match=MODEL):
        kit(environment)


def test_a_variant_is_made_once_and_never_half(tmp_path: Path) -> None:
    tools = kit(installed(tmp_path, 'echo "$4" >> "$0.calls"; cp "$2" "$3"'))
    made = variant(tools, "Q8_0", tmp_path)
    assert made == variant(tools, "Q8_0", tmp_path)
    assert made.read_bytes() == b"GGUF"
    assert (tmp_path / "llama-quantize.calls").read_text() == "Q8_0\n"
    assert variant(tools, SHIPPED, tmp_path) == tools.shipped

    failing = kit(installed(tmp_path, 'touch "$3"; exit 3'))
    with pytest.raises(NotInstalled, match="failed with 3"):
        variant(failing, "Q2_K", tmp_path)
    assert not (tmp_path / f"{STEM}.Q2_K.gguf").exists()


def test_an_engine_that_does_not_start_says_why(tmp_path: Path) -> None:
    tools = kit(installed(tmp_path))
    with pytest.raises(EngineFailed, match="no such model"), Engine(tools.server, tools.shipped):
        pytest.fail("it started")


def test_no_question_comes_twice() -> None:
    assert len({prompt(number) for number in range(QUESTIONS)}) == QUESTIONS
    assert request(7) == request(7)
    with pytest.raises(ValueError, match=str(QUESTIONS)):
        prompt(QUESTIONS)
