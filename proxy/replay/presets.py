"""Presets: the decoding settings under which the published benchmarks of Kimi's vendors are run.

Here: data only, with its sources. Not here: the data sets themselves, which their owners publish, and how settings get
into a request (prepare.py). Invariant: a value that no source states is None and stays as the record, or else the
contract, has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.contract.mode import Mode


@dataclass(frozen=True, slots=True)
class Decoding:
    """What is laid over a request; None: nothing."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Preset:
    """One benchmark: settings by mode, how often each record is asked, and where that is written."""

    decoding: Mapping[Mode, Decoding]
    epochs: int
    source: str


def _by_mode(thinking: Decoding, instant: Decoding) -> Mapping[Mode, Decoding]:
    return {Mode.THINKING: thinking, Mode.INSTANT: instant}


_KVV: Final = "Kimi-Vendor-Verifier README at b585acf (K2.5 and K2.6)"

PRESETS: Final[Mapping[str, Preset]] = {
    "kvv-ocrbench": Preset(
        _by_mode(Decoding(1.0, 0.95, 16384), Decoding(0.6, 0.95, 8192)),
        1,
        f"{_KVV}; at 3dad65a 16384 tokens in either mode",
    ),
    "kvv-mmmu-pro": Preset(
        _by_mode(Decoding(1.0, 0.95, 65536), Decoding(0.6, 0.95, 16384)),
        1,
        f"{_KVV}; at 3dad65a 65536 tokens in either mode",
    ),
    "kvv-aime2025": Preset(
        _by_mode(Decoding(1.0, 0.95, 98304), Decoding(0.6, 0.95, 16384)),
        32,
        f"{_KVV}; at 3dad65a 98304 tokens in either mode",
    ),
    "k2vv-tool-calls": Preset(
        _by_mode(Decoding(1.0, None, 64000), Decoding(0.6, None, 8192)),
        1,
        "K2-Vendor-Verifier README (K2-Thinking); instant by the name of the K2.6 reference set (t0.6_m8192_nothink)",
    ),
}
