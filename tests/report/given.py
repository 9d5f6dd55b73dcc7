"""Results of verifications and replays as their commands write them: values for the tests of the report."""

from __future__ import annotations

from pathlib import Path

import msgspec

from proxy.replay import summary
from proxy.replay.summary import Figure, Kvv, Latency, ModeResult, Quantiles, Signal, Summary, Target, Tokens
from proxy.verify.result import LayerResult, ProbeResult, ReferenceSeen, Spent, VendorSeen, VerifyResult, encode_result

MADE_S = 1_700_020_000.0
"""Soon after the log of tests/cli/logged.py ends."""


def probe(number: int, verdict: str = "pass", mode: str = "thinking", layer: str = "parameters") -> ProbeResult:
    title = f"probe {number} of {layer}"
    return ProbeResult(
        f"{layer}-{number}",
        layer,
        mode,
        title,
        verdict,
        seen="status 200" if verdict == "fail" else "status 400",
        allowed="status 400",
        hint="put paramwall before it with enforcement strict",
        asked=1,
        unanswered=int(verdict == "no-answer"),
        first_token_s=0.2 + number / 100,
        total_s=0.6 + number / 50,
    )


def verification(vendor: str = "engine", *, failed: int = 2, unanswered: int = 1) -> VerifyResult:
    """Twenty-two probes of parameters and some of calls."""
    verdicts = ["fail"] * failed + ["no-answer"] * unanswered
    verdicts += ["pass"] * (22 - len(verdicts))
    probes = [probe(n, verdict, "thinking" if n < 11 else "instant") for n, verdict in enumerate(verdicts)]
    probes += [probe(n, layer="tools") for n in range(4)]
    layers = (
        LayerResult("parameters", "fail" if failed else "pass", 22 - failed - unanswered, failed, unanswered),
        LayerResult("tools", "pass", 4, 0, 0),
    )
    return VerifyResult(
        version="0.1.0",
        at_s=MADE_S - 3600,
        vendor=VendorSeen(vendor, f"https://user:secret@{vendor}.example/v1?key=hidden", "vllm", "kimi-k2.6"),
        reference=ReferenceSeen("official", "https://api.example/v1", "kimi-k2.6"),
        contract="exact",
        verdict="fail" if failed else "pass",
        layers=layers,
        probes=tuple(probes),
        spent=Spent(30, 4_200, 1_900),
        no_answer_share=unanswered / 26,
    )


def _mode(mode: str, contract: float, f1: float | None, *, alarm: bool = False) -> ModeResult:
    measured = Kvv(
        Figure() if f1 is None else Figure(f1, f1 - 0.03, f1 + 0.028, 1800),
        Figure(),
        Figure(),
        Figure(0.995, 0.985, 0.999, 900),
    )
    signals = (
        Signal("leaked-markers", "rate", "share of answers", 0.004 if alarm else 0.0, 0.001, 0.009, 0.001, 1990, alarm),
        Signal("content-length", "size", "ratio", -0.06, -0.09, -0.03, 0.02, 1100, alarm=False),
    )
    rate = Figure(contract, contract - 0.008, min(1.0, contract + 0.005), 1990)
    return ModeResult(mode, 2000, 1990, rate, measured, summary.Agreement(), signals if f1 is not None else ())


def _target(name: str, role: str, slow: float, *modes: ModeResult) -> Target:
    first = Quantiles(0.31 * slow, 0.92 * slow, 1990)
    return Target(
        name,
        role,
        f"https://{name}.example/v1",
        "kimi-k2.6",
        asked=2000,
        answered=1990,
        failed={"rate_limited": 8, "timeout": 2},
        retried=31,
        latency=Latency(first, Quantiles(6.4 * slow, 19.0 * slow, 1990)),
        tokens=Tokens(1_840_000, 912_000),
        modes=modes,
    )


def replay() -> Summary:
    """Three vendors and a reference that was asked twice."""
    return Summary(
        version="0.1.0",
        at_s=MADE_S - 86_400 * 3,
        dataset=summary.Dataset("samples.jsonl", "9f2c4d7712ab" * 5 + "9f2c", 2000, {"thinking": 2000}),
        settings={},
        epochs=1,
        planned=10_000,
        complete=True,
        targets=(
            _target("official", "reference", 1.0, _mode("thinking", 0.999, None)),
            _target("official-again", "reference-again", 1.0, _mode("thinking", 0.998, None)),
            _target("honest", "vendor", 1.1, _mode("thinking", 0.997, 0.832)),
            _target("engine", "vendor", 1.7, _mode("thinking", 0.981, 0.79, alarm=True)),
            _target("third", "vendor", 0.7, _mode("thinking", 0.995, 0.825)),
        ),
        noise_floor={"thinking": {"tool_call_f1": Figure(0.84, 0.815, 0.862, 1810)}},
    )


def write(folder: Path) -> tuple[Path, Path]:
    """The files of a verification and of a replay."""
    folder.mkdir(parents=True, exist_ok=True)
    verify, replayed = folder / "verify.json", folder / "replay"
    verify.write_bytes(encode_result(verification()))
    replayed.mkdir(exist_ok=True)
    (replayed / "summary.json").write_bytes(msgspec.json.encode(replay()))
    return verify, replayed
