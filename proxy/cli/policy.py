"""`paramwall policy list` and `policy show`: the shipped policies, and what one says.

Not here: what a clause does (policy/clauses/), and `policy backtest` (policy_backtest.py). Invariant: everything shown
comes out of the parsed document, and a kind of clause needs no line here to be shown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from proxy.cli.policy_backtest import backtest_command
from proxy.cli.terminal import answer, answer_json, answer_table, refuse_problems
from proxy.config.documents import find_policy, is_file
from proxy.config.load import read_file
from proxy.config.shipped import OPEN_PROFILE, policy_names, policy_text, profile_named
from proxy.config.tree import Place, Text
from proxy.contract.mode import Mode
from proxy.policy.clauses.clause import Clause, PerMode
from proxy.policy.clauses.values import encoded
from proxy.policy.decide import compile_plan
from proxy.policy.document import DocumentError, PolicyDocument

app: Final = typer.Typer(no_args_is_help=True, help="The shipped policies, what one says, and what it would do.")
app.command("backtest")(backtest_command)

_OWN_COLUMN: Final = frozenset(
    ("id", "kind", "source", "routes", "enforcement", "contract", "member", "members", "absent")
)


@app.command("list")
def show_names(*, json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """List the shipped policies."""
    try:
        policies = [_policy(name) for name in policy_names()]
        labels = [compile_plan(policy, profile_named(OPEN_PROFILE)).label for policy in policies]
    except DocumentError as error:
        refuse_problems(error.problems)
    if json:
        answer_json(
            [
                {
                    "name": policy.name,
                    "label": label,
                    "models": list(policy.models),
                    "enforcement": policy.enforcement,
                    "clauses": len(policy.clauses),
                }
                for policy, label in zip(policies, labels, strict=True)
            ]
        )
        return
    answer_table(
        ("policy", "enforcement", "clauses", "models"),
        [
            (label, policy.enforcement, str(len(policy.clauses)), ", ".join(policy.models))
            for policy, label in zip(policies, labels, strict=True)
        ],
    )


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A shipped policy or a file.")],
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    yaml: Annotated[bool, typer.Option("--yaml", help="Print the file itself.")] = False,
) -> None:
    """Show what a policy says, clause by clause."""
    try:
        policy = _policy(name)
    except DocumentError as error:
        refuse_problems(error.problems)
    if yaml:
        answer((read_file(Path(name)) if is_file(name) else policy_text(name)).rstrip("\n"))
    elif json:
        answer_json(_as_json(policy))
    else:
        answer(_head(policy))
        answer_table(
            ("clause", "member", "kind", "thinking", "instant", "absent", "routes", "holds", "source"),
            [_row(clause) for clause in policy.clauses],
        )


def _policy(name: str) -> PolicyDocument:
    return find_policy(Text(name), Place("paramwall"), read_file).document


def _head(policy: PolicyDocument) -> str:
    mode = f"always {policy.mode.default}" if policy.mode.fixed else f"{policy.mode.default} unless switched"
    others = policy.other_models or "pass (refused in strict)"
    return (
        f"policy {policy.name}: {policy.enforcement}, {policy.contract} contract, {mode}\n"
        f"models: {', '.join(policy.models)}\nother models: {others}\n"
    )


def _row(clause: Clause) -> tuple[str, ...]:
    return (
        clause.id,
        ", ".join(clause.governed),
        str(getattr(clause, "kind", "")),
        "; ".join(_terms(clause, Mode.THINKING)),
        "; ".join(_terms(clause, Mode.INSTANT)),
        str(getattr(clause, "absent", "")),
        ", ".join(clause.routes),
        ", ".join(str(limit) for limit in (clause.contract, clause.enforcement) if limit) or "always",
        clause.source,
    )


def _said(clause: Clause) -> dict[str, Any]:
    """The fields of a clause that its document wrote, or that say what it is."""
    fields = {field.name: (getattr(clause, field.name), field.default) for field in dataclasses.fields(clause)}
    return {name: value for name, (value, default) in fields.items() if value != default or name in ("kind", "routes")}


def _terms(clause: Clause, mode: Mode) -> Iterator[str]:
    """What is lawful in a mode, in the document's own words."""
    for name, value in _said(clause).items():
        if name in _OWN_COLUMN:
            continue
        number = getattr(value, mode) if isinstance(value, PerMode) else value
        items = number if isinstance(number, tuple) else (number,)
        text = " or ".join(item if isinstance(item, str) else encoded(item).decode() for item in items)
        yield text if name in ("value", "values") else f"{name} {text}"


def _as_json(policy: PolicyDocument) -> dict[str, Any]:
    return {
        "name": policy.name,
        "models": list(policy.models),
        "mode": {"default": policy.mode.default, "fixed": policy.mode.fixed},
        "enforcement": policy.enforcement,
        "contract": policy.contract,
        "other_models": policy.other_models,
        "clauses": [_plain(_said(clause)) for clause in policy.clauses],
    }


def _plain(value: Any) -> Any:  # noqa: ANN401  (any value of a document)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, PerMode):
        return {"thinking": _plain(value.thinking), "instant": _plain(value.instant)}
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.value if isinstance(value, Enum) else value
