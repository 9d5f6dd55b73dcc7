"""`paramwall verify` against a real engine that is no Kimi: it ends, and what the engine lacks is named.

pytest tests/real_model/test_verify.py -m real_model -n0 -s      # docs/real-model.md says what it needs

What it said is written to stdout. Not here: whether the probes judge rightly, which the simulator's faults show.
"""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path

import pytest

from proxy.verify.result import decode_result
from tests.cli.running import run
from tests.real_model.engine import Engine
from tests.real_model.models import kit

LAYERS = ("connection", "parameters", "template", "reasoning", "tools", "accounting", "limits", "generation")
FAMILIES = ("schema-types", "schema-references", "json-answer")
"""Of the schemas a part: a model that was never taught them takes an hour for all."""
pytestmark = [pytest.mark.real_model, pytest.mark.timeout(5400)]


def test_an_engine_that_is_no_kimi_is_told_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tools = kit()
    with Engine(tools.server, tools.shipped, slots=4, slot_tokens=4096, tools=True) as engine:
        ran = run(
            *("verify", engine.url, "--early-end", "4", "--timeout", "300", "--output", "r.json"),
            *chain.from_iterable(("--only", name) for name in (*LAYERS, *FAMILIES)),
        )
    sys.stdout.write(f"\n{ran.out}{ran.err}")
    result = decode_result((tmp_path / "r.json").read_bytes())
    assert ran.code == 1
    assert result.verdict == "fail"
    verdicts = {(probe.id, probe.mode): probe.verdict for probe in result.probes}
    assert verdicts["answers-whole", "instant"] == verdicts["answers-in-form", "instant"] == "pass"
    assert verdicts["stream-done", "instant"] == verdicts["usage-present", "instant"] == "pass"
    assert verdicts["limit-obeyed", "instant"] == "pass"
    assert verdicts["temperature-unlawful", "thinking"] == "fail", "an engine decodes by whatever is sent"
    assert verdicts["mode-switch", "thinking"] == "fail", "SmolLM2 does not think"
    assert verdicts["tool-ids", "instant"] != "pass", "the ids are llama.cpp's own"
    assert result.no_answer_share < 0.2
