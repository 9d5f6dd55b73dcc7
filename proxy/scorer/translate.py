"""A request as the reference is asked it: its model's name, its spelling of the mode, always streamed with usage.

Not here: sending it (reference.py). Invariants: only what names or carries the request changes, so that both sides were
asked the same; a request that the reference would refuse, or that was not lawful, is not sent at all; members that name
the end user stay here.
"""

from __future__ import annotations

import json
from typing import Final

from proxy.config.values import Reference
from proxy.contract.envelope import Changes, Envelope, MalformedBody, Raw
from proxy.policy.decide import decide
from proxy.policy.verdict import Reject, Route

_STREAMED: Final = {"stream": Raw(b"true"), "stream_options": Raw(b'{"include_usage":true}')}
PERSONAL: Final = ("user", "safety_identifier", "metadata")
"""They say who asks, not what: the reference has no use for them."""


class NotToBeAsked(Exception):
    """The request is not for the reference; the text is the reason, a value of `paramwall_mirror_total`."""


def for_reference(envelope: Envelope, reference: Reference) -> bytes:
    """The body for the reference. Raises NotToBeAsked."""
    # The vendor has its own names for the model; that this is the model was decided before it was sent there.
    known = min(reference.plan.exact_models, default=bytes(envelope.members["model"]))
    asked = Envelope({**envelope.members, "model": Raw(known)}, envelope.body)
    try:
        decision = decide(reference.plan, Route.CHAT, asked)
    except MalformedBody:
        raise NotToBeAsked("would_be_refused") from None
    if isinstance(decision.verdict, Reject) or not decision.applies:
        raise NotToBeAsked("would_be_refused")
    drops: Changes = dict.fromkeys(name for name in PERSONAL if name in asked.members)
    model = {"model": Raw(json.dumps(reference.model).encode())}
    return asked.encode({**decision.changes, **drops, **model, **_STREAMED})
