"""A configuration small enough to write in a test, and the loader for it.

The file is JSON: `{"name": "a", "workers": 2, ...}`. `name` becomes the vendor's name and the configuration's hash, so
a test sees which configuration answered; some names make the plane misbehave (tiny_worker.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from proxy.config.load import ConfigError, Loaded
from proxy.config.values import Address, Config, Secret, Vendor
from proxy.contract.mode import Mode
from proxy.contract.profile import Profile
from proxy.policy.document import PolicyDocument, Problem
from proxy.policy.plan import Plan, compile_plan

KEY = "sk-canary-of-the-supervisor-tests"

PROFILE = Profile(
    name="tiny-profile",
    title="Tiny",
    hosts=(),
    switches=(),
    default_mode=Mode.THINKING,
    reasoning_field="reasoning_content",
    usage="top",
    models={},
    max_output_tokens=None,
    source="made for the tests",
)


def plan(name: str) -> Plan:
    """A policy that asks for nothing."""
    document = {"version": 1, "name": f"policy-{name}", "models": ["m"], "mode": {"default": "thinking"}, "clauses": []}
    return compile_plan(PolicyDocument.model_validate(document), PROFILE)


def load(path: Path) -> Loaded:
    """Raises ConfigError when the file is no JSON object."""
    try:
        said: dict[str, Any] = json.loads(path.read_text())
    except ValueError as exc:
        raise ConfigError([Problem(path.name, 1, f"not JSON: {exc}", "write JSON")]) from exc
    name = said["name"]
    if name == "defect":
        raise RuntimeError("the loader is broken")
    vendor = Vendor(name, "https", "vendor.example", 443, "/v1", PROFILE, plan(name), api_key=Secret(KEY))
    return Loaded(
        Config(
            vendors=(vendor,),
            hash=name,
            listen=(Address("127.0.0.1", said.get("listen", 0)),),
            admin=Address("127.0.0.1", said.get("admin", 0)),
            workers=said.get("workers", 1),
            log_format=said.get("log_format", "console"),
            drain_s=said.get("drain_s", 20.0),
            drain_grace_s=said.get("drain_grace_s", 0.1),
            watched=(str(path),),
        ),
        warnings=tuple(said.get("warnings", ())),
        notices=tuple(said.get("notices", ())),
    )
