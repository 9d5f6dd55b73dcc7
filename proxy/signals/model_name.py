"""Whether the answer names the model that was asked for.

Not here: the names a vendor may give (its profile; Asked.models). Invariant: letter case does not matter.
"""

from __future__ import annotations

from proxy.signals.features import Read
from proxy.signals.signal import CONTRACT_TOLERANCE, Group, Rate


def _other(read: Read) -> bool | None:
    models = read.asked.models
    if not models or not read.proper:
        return None
    if read.model is None or read.model in models:
        return read.model is None
    return read.model.casefold() not in {name.casefold() for name in models}


MODEL_NAME = Rate(
    name="model-name",
    violated=_other,
    unit="share of answers",
    group=Group.CONTRACT,
    tolerance=CONTRACT_TOLERANCE,
    finds="another model than the asked one, or none, named in the answer",
    source="charmbracelet/fantasy, recorded exchanges",
)
