"""The parts of docs/policies.md and docs/vendors.md that are made from the data they describe.

`python -m tests.policy.reference` writes them; test_reference.py fails while they are stale. What is not between a
`begin` and an `end` mark is written by hand and left alone.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from proxy.contract.profile import Profile, Switch
from proxy.policy.clauses import KINDS
from proxy.policy.clauses.clause import Clause, PerMode
from proxy.policy.document import PolicyDocument, Route
from tests.policy.shipped import POLICIES, PROFILES, ROOT

FIRST: Final = "kimi-k2.6"
_NOT_A_SETTING: Final = {"id", "kind", "source", "routes", "member", "members", "contract"}


def kinds() -> str:
    """Every clause kind, as its module describes it."""
    return "\n\n".join(_kind(name, kind) for name, kind in KINDS.items())


def packs() -> str:
    """Every shipped pack: the first in full, of the others what differs from it."""
    return "\n\n".join(_pack(POLICIES[name]) for name in sorted(POLICIES, key=lambda name: name != FIRST))


def vendors() -> str:
    """One row for each profile."""
    head = (
        "| profile | vendor and hosts | thinking on / off | without a switch | reasoning in | longest answer | source |"
    )
    rows = [_vendor(PROFILES[name]) for name in sorted(PROFILES)]
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows])


def names() -> str:
    """What each vendor calls each model."""
    policies = sorted(POLICIES)
    head = ["| profile |", *(f" {name} |" for name in policies)]
    rows = [
        f"| `{profile.name}` | "
        + " | ".join(", ".join(f"`{alias}`" for alias in profile.models.get(name, ())) for name in policies)
        + " |"
        for profile in (PROFILES[name] for name in sorted(PROFILES))
        if profile.models
    ]
    return "\n".join(["".join(head), "|---" * (len(policies) + 1) + "|", *rows])


BLOCKS: Final[dict[str, dict[str, Callable[[], str]]]] = {
    "docs/policies.md": {"kinds": kinds, "packs": packs},
    "docs/vendors.md": {"vendors": vendors, "names": names},
}


def filled(text: str, blocks: dict[str, Callable[[], str]]) -> str:
    """`text` with every marked block made anew. Raises KeyError for a mark that nothing fills."""

    def block(mark: re.Match[str]) -> str:
        return f"<!-- begin {mark[1]} -->\n\n{blocks[mark[1]]()}\n\n<!-- end {mark[1]} -->"

    return re.sub(r"<!-- begin (\w+) -->.*?<!-- end \1 -->", block, text, flags=re.DOTALL)


def _kind(name: str, kind: type[Clause]) -> str:
    told = importlib.import_module(kind.__module__).__doc__ or ""
    first, rest = told.strip().split("\n", 1)
    summary = first.removeprefix(f"{name}: ")
    return f"### `{name}`\n\n{summary[0].upper()}{summary[1:]}\n{rest}"


def _pack(document: PolicyDocument) -> str:
    known = {} if document.name == FIRST else {_shape(clause): clause.id for clause in POLICIES[FIRST].clauses}
    own = [clause for clause in document.clauses if _shape(clause) not in known]
    same = [clause.id for clause in document.clauses if _shape(clause) in known]
    mode = f"{document.mode.default} mode" + (" only" if document.mode.fixed else " unless told otherwise")
    lines = [
        f"### `{document.name}`",
        f"Models: {', '.join(f'`{model}`' for model in document.models)}. It answers in {mode}.",
    ]
    if own:
        head = ["| clause | members | rule | routes | source |", "|---|---|---|---|---|"]
        lines.append("\n".join([*head, *map(_row, own)]))
    if same:
        lines.append(f"{'And as' if own else 'As'} in `{FIRST}`: {', '.join(f'`{name}`' for name in same)}.")
    return "\n\n".join(lines)


def _shape(clause: Clause) -> str:
    """All that a clause does, without where it is published."""
    return repr(dataclasses.replace(clause, source=""))


def _row(clause: Clause) -> str:
    routes = "all" if set(clause.routes) == set(Route) else ", ".join(clause.routes)
    contract = f" (contract: {clause.contract})" if clause.contract else ""
    members = ", ".join(f"`{name}`" for name in clause.governed)
    cells = (f"`{clause.id}`{contract}", members, "; ".join(_settings(clause)), routes, clause.source)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"


def _settings(clause: Clause) -> Iterator[str]:
    yield next(name for name, kind in KINDS.items() if kind is type(clause))
    for field in dataclasses.fields(clause):
        value = getattr(clause, field.name)
        if field.name not in _NOT_A_SETTING and value != field.default:
            yield f"{field.name.replace('_', ' ')} {_shown(value)}"


def _shown(value: Any) -> str:  # noqa: ANN401  (any setting of any clause)
    if isinstance(value, PerMode):
        return f"{value.thinking} thinking, {value.instant} instant"
    if isinstance(value, tuple):
        return " or ".join(map(_shown, value))
    if isinstance(value, bool | dict | list):
        return str(value).lower()
    return str(value.value) if isinstance(value, Enum) else str(value) if isinstance(value, Decimal | int) else value


def _vendor(profile: Profile) -> str:
    hosts = ", ".join(f"`{host}`" for host in profile.hosts) or "a host of your own"
    cells = (
        f"`{profile.name}`",
        profile.title if profile.name == "openai-compatible" else f"{profile.title}: {hosts}",
        "; ".join(map(_switch, profile.switches)) or "none known: forwarded as it came",
        str(profile.default_mode),
        f"`{profile.reasoning_field}`",
        f"{profile.max_output_tokens:,}" if profile.max_output_tokens else "",
        profile.source,
    )
    return "| " + " | ".join(cells) + " |"


def _switch(switch: Switch) -> str:
    on, off = ("left out" if raw is None else f"`{raw.decode()}`" for raw in (switch.on, switch.off))
    return f"`{'.'.join(switch.path)}`: {on} / {off}"


def main() -> None:
    """Write every block anew."""
    for name, blocks in BLOCKS.items():
        path = ROOT / name
        path.write_text(filled(path.read_text(), blocks))


if __name__ == "__main__":
    main()
