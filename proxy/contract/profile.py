"""How one vendor spells things: mode, reasoning, usage, model names, caps.

Here: the Profile and the pure translation of a client's mode switch into the vendor's. Not here: the profiles
themselves (policies/vendors/*.yaml). Invariant: after `switch_edits` the body holds at most one switch, in the vendor's
spelling, and it says what the client said; when the client already used only that spelling, nothing is edited.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from proxy.contract.mode import KEEP_SPELLINGS, Mode, ModeReading, Path

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
"""Numbers beside a switch were read as decimals; they leave as numbers."""


@dataclass(frozen=True, slots=True)
class Switch:
    """Where a vendor reads the mode, and the raw JSON it wants there; None: the vendor is told by leaving the member
    out.
    """

    path: Path
    on: bytes | None
    off: bytes | None

    def value(self, mode: Mode) -> bytes | None:
        """The raw JSON that says `mode`."""
        return self.on if mode is Mode.THINKING else self.off


@dataclass(frozen=True, slots=True)
class Profile:
    """One vendor's dialect. `models` maps a canonical name (kimi-k2.6) to the names this vendor uses for it, the
    preferred one first.

    `switches` is empty for a vendor that documents none: the client's switch is then forwarded as it came. More than
    one is written by vendors that are told in two spellings at once. `keep` is where earlier reasoning is asked for, if
    anywhere. `max_output_tokens` is the host's cap.
    """

    name: str
    title: str
    hosts: tuple[str, ...]
    switches: tuple[Switch, ...]
    default_mode: Mode
    reasoning_field: str
    usage: str
    models: Mapping[str, tuple[str, ...]]
    max_output_tokens: int | None
    source: str
    keep: Path | None = None


@dataclass(frozen=True, slots=True)
class Translation:
    """The edits that spell the mode as the vendor does, and how the receipt names the change ("" when nothing
    changes).
    """

    edits: Mapping[str, bytes | None]
    receipt: str = ""


NO_TRANSLATION = Translation({})


def switch_edits(reading: ModeReading, profile: Profile) -> Translation:
    """Translate what the client said into the vendor's spelling.

    Nothing to say (the client used no switch, and the wanted mode is what the vendor does unasked) gives no edit. A
    switch that already stands where the vendor reads it stays as it came.
    """
    if not profile.switches or (reading.mode is profile.default_mode and not reading.said and not reading.keep):
        return NO_TRANSLATION
    moves = _keep_moves(reading, profile)
    if reading.mode is profile.default_mode and not reading.said and not moves:
        return NO_TRANSLATION
    values = {switch.path: switch.value(reading.mode) for switch in profile.switches}
    wanted = {path: value for path, value in values.items() if value is not None}
    present = {path for path in reading.said if path in wanted or not _harmless(path, reading.mode)}
    if present == wanted.keys() and not moves:
        return NO_TRANSLATION
    return _rewritten(reading, profile, present, wanted)


def _harmless(path: Path, mode: Mode) -> bool:
    """A model's suffix is part of its name. An effort other than none only restates that thinking is on; hosts that do
    not know it ignore it (docs/vendors.md).
    """
    return path == ("model",) or (path[-1] in ("reasoning_effort", "effort") and mode is Mode.THINKING)


def _keep_moves(reading: ModeReading, profile: Profile) -> bool:
    if not reading.keep or profile.keep is None:
        return False
    member, name = profile.keep
    return reading.objects.get(member, {}).get(name) != KEEP_SPELLINGS[profile.keep]


def _rewritten(reading: ModeReading, profile: Profile, present: set[Path], wanted: Mapping[Path, bytes]) -> Translation:
    objects: dict[str, dict[str, Any]] = {name: dict(value) for name, value in reading.objects.items()}
    edits: dict[str, bytes | None] = {}
    moved: list[Path] = []
    for path in sorted(present - wanted.keys()):
        _remove(path, objects, edits)
    if reading.keep and profile.keep is not None:
        moved = [path for path in KEEP_SPELLINGS if path != profile.keep and path[1] in objects.get(path[0], {})]
        for path in KEEP_SPELLINGS:
            _remove(path, objects, edits)
        _put(profile.keep, _encode(KEEP_SPELLINGS[profile.keep]), objects, edits)
    for path in sorted(wanted.keys() - present):
        _put(path, wanted[path], objects, edits)
    said = _joined(sorted(present)) or "default"
    spelled = _joined(wanted) or "absent"
    kept = f";{_joined(moved)}->{_joined([profile.keep])}" if profile.keep is not None and moved else ""
    return Translation(edits, f"{said}->{spelled}({reading.mode}){kept}")


def _joined(paths: Iterable[Path]) -> str:
    return "+".join(".".join(path) for path in paths)


def _remove(path: Path, objects: dict[str, dict[str, Any]], edits: dict[str, bytes | None]) -> None:
    if len(path) == 1:
        edits[path[0]] = None
        return
    inner = objects.get(path[0])
    if inner is None or path[1] not in inner:
        return
    del inner[path[1]]
    # Moonshot's `thinking` admits nothing but type and keep, so without its type the rest has no meaning either.
    edits[path[0]] = _encode(inner) if inner and path[0] != "thinking" else None


def _put(path: Path, value: bytes, objects: dict[str, dict[str, Any]], edits: dict[str, bytes | None]) -> None:
    if len(path) == 1:
        edits[path[0]] = value
        return
    inner = objects.setdefault(path[0], {})
    inner[path[1]] = msgspec.Raw(value)
    edits[path[0]] = _encode(inner)
