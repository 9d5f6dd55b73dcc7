"""Which modules guard, and which tests are each one's own.

Here: the table of what pytest is told, quick tests first. Not here: how they are measured (covered.py, mutants.py).
Invariant: every module of the guard is listed once, and its own tests alone reach every line and branch of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_POLICY: Final = ("tests/policy/test_decide.py", "tests/policy/test_cases.py")

_CLAUSES: Final = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "proxy" / "policy" / "clauses").glob("*.py"))
_WIRE: Final = [
    f"proxy/wire/{name}.py"
    for name in (
        *("admission", "aiohttp_check", "aiohttp_chunks", "aiohttp_hooks", "body", "capture", "deadlines", "dial"),
        *("forward", "headers", "judge", "pool", "problems", "relay", "server", "vendor_leg"),
    )
]
_DRAIN: Final = ("proxy/child/process.py", "proxy/supervisor/worker.py")
"""How a process obeys the order to leave; how the wire drains is in server.py."""

OWN: Final[dict[str, tuple[str, ...]]] = {
    "proxy/contract/envelope.py": ("tests/contract/test_envelope.py",),
    "proxy/contract/mode.py": ("tests/contract/test_mode.py",),
    "proxy/policy/decide.py": _POLICY,
    "proxy/policy/plan.py": _POLICY,
    "proxy/policy/verdict.py": ("tests/policy/test_verdict.py",),
    "proxy/policy/decision.py": _POLICY,
    "proxy/config/credentials.py": ("tests/config",),
    "proxy/config/values.py": ("tests/config",),
    "proxy/scorer/redaction.py": ("tests/scorer/test_redaction.py",),
    **dict.fromkeys(_DRAIN, ("tests/supervisor/test_obedience.py",)),
    **dict.fromkeys(_WIRE, ("tests/wire", "-k", "not pieces")),
    **dict.fromkeys(_CLAUSES, ("tests/policy/test_clauses.py",)),
}
