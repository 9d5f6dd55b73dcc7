"""Survey: one pass over a dataset before anything is sent: is every line usable, and what will the replay be.

Not here: sending (run.py). Invariants: a dataset with one bad line is not begun; the plan names everything that makes
one replay another, so that a checkpoint is never gone on with under other terms.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.contract.mode import Mode
from proxy.replay.dataset import Dataset
from proxy.replay.prepare import Destination, Prepared, Settings, prepare

BYTES_PER_TOKEN: Final = 4
USUAL_ANSWER: Final = 2000
"""Tokens an answer is taken to cost, as the mirror's budget has it."""
_DATA_URL: Final = b'"data:'


@dataclass(slots=True)
class Survey:
    """`broken` counts requests by clause of the policy that they break, `breaking` those requests. `prompt_bytes` are
    of the requests without images; `limits` sums the max_tokens of those that say one.
    """

    sha256: str = ""
    records: int = 0
    modes: Counter[Mode] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    breaking: int = 0
    prompt_bytes: int = 0
    images: int = 0
    limits: int = 0
    unlimited: int = 0


def survey(dataset: Dataset, target: Destination, settings: Settings) -> Survey:
    """By the first target. Raises UnusableDataset, with every line that cannot be sent."""
    found, digest = Survey(), hashlib.sha256()
    found.records = dataset.check(digest, lambda record: _add(found, prepare(record, target, settings)))
    found.sha256 = digest.hexdigest()
    return found


def plan_of(found: Survey, targets: Sequence[Destination], settings: Settings, limit: int | None) -> dict[str, Any]:
    """What a checkpoint is of."""
    return {
        "dataset": found.sha256,
        "records": found.records,
        "limit": limit,
        "epochs": settings.epochs,
        "mode": settings.mode,
        "repair": settings.repair,
        "settings": laid_over(settings),
        "targets": [
            f"{each.role} {each.name} {each.url} {each.model} {each.strict.profile.name} {each.strict.label}"
            for each in targets
        ],
    }


def laid_over(settings: Settings) -> dict[str, float | int]:
    """The settings that are laid over requests, by mode and member."""
    return {
        f"{mode}.{name}": value
        for mode, decoding in sorted(settings.decoding.items())
        for name in ("temperature", "top_p", "max_tokens")
        if (value := getattr(decoding, name)) is not None
    }


def _add(found: Survey, prepared: Prepared) -> None:
    found.modes[prepared.mode] += 1
    found.broken.update(set(prepared.broken))
    found.breaking += bool(prepared.broken)
    members = prepared.members
    messages = members.get("messages", b"")
    images = messages.count(_DATA_URL)
    found.images += images
    found.prompt_bytes += len(members.get("tools", b"")) + (_without_images(messages) if images else len(messages))
    limit = members.get("max_completion_tokens", members.get("max_tokens", b""))
    if limit.isdigit():
        found.limits += int(limit)
    else:
        found.unlimited += 1


def _without_images(messages: bytes) -> int:
    """Bytes of messages but for their data URLs."""
    size, place = len(messages), messages.find(_DATA_URL)
    while place >= 0:
        end = messages.find(b'"', place + len(_DATA_URL))
        if end < 0:
            break
        size -= end - place
        place = messages.find(_DATA_URL, end)
    return size
