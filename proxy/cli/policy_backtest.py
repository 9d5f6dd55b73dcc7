"""`paramwall policy backtest`: what a policy would have done with the requests that the log remembers.

Not here: the counting (scorer/backtest.py). Invariant: what is not known is counted and said, never left out.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from proxy.cli.standing import moment, open_log
from proxy.cli.terminal import FINDING, answer, answer_json, answer_table, refuse, refuse_problems
from proxy.config.documents import find_policy, find_profile
from proxy.config.load import read_file
from proxy.config.refusal import Refused, choose
from proxy.config.scalars import span
from proxy.config.shipped import OPEN_PROFILE, profile_named, profile_names
from proxy.config.tree import Place, Text
from proxy.policy.decide import Plan, compile_plan
from proxy.policy.document import DocumentError, Enforcement
from proxy.scorer.backtest import EXAMPLES, Act, Backtest, Change, backtest
from proxy.store import StoreError

_SINCE_HINT: Final = "write how long ago, as in 24h or 7d, or a date, as in 2026-11-22 or 2026-11-22T08:00"
_WHY: Final = {
    "models": "the policy in force covers other models; whether this one covers theirs cannot be told",
    "names": "members that only this policy names were not kept",
    "lists": "written by another version, whose lists of words and names differ",
    "thinking": "a thinking switch that was too long to be kept",
}


def backtest_command(
    policy: Annotated[str, typer.Argument(metavar="NAME|FILE", help="The policy to try: a shipped one or a file.")],
    state_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The proxy's --state-dir, where its log is.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only requests from then on: 24h, 7d, or a date in UTC.")
    ] = None,
    vendor: Annotated[str | None, typer.Option(metavar="NAME", help="Only requests to this vendor.")] = None,
    enforcement: Annotated[
        str | None, typer.Option(metavar="|".join(Enforcement), help="Instead of what the policy says.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="The vendor's profile; else the one that was in force.")
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Tell what a policy would have done with the requests in the log.

    Exit code 0: nothing that got through would be refused. 1: something would. 2: the command cannot be carried out.
    """
    if state_dir is None:
        refuse("no --state-dir is given", "requests are read from the log: add the proxy's --state-dir DIR")
    if enforcement is not None and enforcement not in tuple(Enforcement):
        refuse(f"--enforcement: {enforcement} is not known here", choose(enforcement, tuple(Enforcement)))
    try:
        plan_for = _compiler(policy, enforcement, profile)
    except DocumentError as error:
        refuse_problems(error.problems)
    after_s = 0.0 if since is None else _moment(since, time.time())
    with open_log(state_dir) as store:
        try:
            tried = backtest(store.requests(after_s, vendor), plan_for)
        except StoreError as error:
            refuse(error.message, error.hint)
    if not tried.recorded + tried.unrecorded:
        refuse("the log holds no such requests", _nothing(since, vendor))
    plan = plan_for(OPEN_PROFILE)
    if json:
        answer_json(_as_json(plan, tried))
    else:
        _show(plan, tried)
    if tried.broken:
        raise typer.Exit(FINDING)


def _compiler(policy: str, enforcement: str | None, profile: str | None) -> Callable[[str], Plan]:
    """The policy, to be compiled for the vendor profile of a name. Raises DocumentError."""
    here = Place("paramwall")
    document = find_policy(Text(policy), here, read_file).document
    own = None if profile is None else find_profile(Text(profile), here, read_file).document
    firmly = Enforcement(enforcement) if enforcement else None

    @cache
    def plan_for(name: str) -> Plan:
        return compile_plan(document, own or profile_named(name if name in profile_names() else OPEN_PROFILE), firmly)

    return plan_for


def _moment(said: str, now_s: float) -> float:
    """Unix seconds of a date, or of a time ago."""
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        try:
            return now_s - span(Text(said))
        except Refused:
            refuse(f"--since: {said} is no time", _SINCE_HINT)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _nothing(since: str | None, vendor: str | None) -> str:
    if since is not None or vendor is not None:
        return "leave --since or --vendor out"
    return "a proxy with --state-dir and checked answers writes them once a minute; older logs have none"


# Printing


def _show(plan: Plan, tried: Backtest) -> None:
    answer(f"{_requests(tried.recorded)} from {moment(tried.first_s)} to {moment(tried.last_s)}")
    for (vendor, policy, enforcement), count in sorted(tried.policies.items()):
        answer(f"in force: {policy} ({enforcement}) at {vendor}, {_requests(count)}")
    outcomes = tried.outcomes()
    unknown = tried.unknown.total()
    answer(
        f"tried:    {plan.label} ({plan.enforcement}): {outcomes['pass']:,} pass, {outcomes['rewrite']:,} rewritten, "
        f"{outcomes['reject']:,} rejected, {unknown:,} not known"
    )
    if tried.uncovered:
        answer(
            f"          {_requests(tried.uncovered)} of these are for models that it does not cover, and are not judged"
        )
    answer("")
    if tried.changes:
        answer_table(
            ("before", "after", "requests", "acts now", "acts no more", "values"),
            [_change_line(tried, change, count) for change, count in tried.listed()],
        )
        answer("")
    if tried.before or tried.after:
        answer_table(
            ("clause", "member", "action", "before", "after", "values"),
            [_act_line(tried, act) for act in tried.acts()],
        )
        answer("")
    for reason, count in tried.unknown.most_common():
        answer(f"not known: {_requests(count)}: {_WHY.get(reason, f'{reason} needs what was not kept')}")
    if tried.unrecorded:
        answer(f"unrecorded: {_requests(tried.unrecorded)} of which nothing is known")
    answer(
        f"{_requests(tried.broken)} that got through would be refused"
        if tried.broken
        else "no request that got through would be refused, as far as is known"
    )


def _requests(count: int) -> str:
    return f"{count:,} request{'s' * (count != 1)}"


def _change_line(tried: Backtest, change: Change, count: int) -> tuple[str, ...]:
    before = change.before if change.differs else f"{change.before} (as now)"
    more, less = (", ".join(clauses) or "-" for clauses in (change.more, change.less))
    return (before, change.after, f"{count:,}", more, less, _examples(tried.change_examples[change]))


def _act_line(tried: Backtest, act: Act) -> tuple[str, ...]:
    counts = (f"{tried.before[act]:,}", f"{tried.after[act]:,}")
    return (act.clause, act.member or "-", act.action, *counts, _examples(tried.examples[act]))


def _examples(values: Counter[str]) -> str:
    return ", ".join(value for value, _ in values.most_common(EXAMPLES)) or "-"


def _as_json(plan: Plan, tried: Backtest) -> dict[str, Any]:
    return {
        "policy": plan.label,
        "enforcement": plan.enforcement,
        "first_s": tried.first_s,
        "last_s": tried.last_s,
        "in_force": [
            {"vendor": vendor, "policy": policy, "enforcement": enforcement, "requests": count}
            for (vendor, policy, enforcement), count in sorted(tried.policies.items())
        ],
        "requests": tried.recorded,
        "outcomes": tried.outcomes(),
        "refused_anew": tried.broken,
        "unknown": dict(tried.unknown),
        "unrecorded": tried.unrecorded,
        "uncovered": tried.uncovered,
        "changes": [
            {**change._asdict(), "differs": change.differs, "requests": count, "values": dict(_top(tried, change))}
            for change, count in tried.listed()
        ],
        "clauses": [
            {
                **act._asdict(),
                "requests_before": tried.before[act],
                "requests_after": tried.after[act],
                "values": dict(tried.examples[act].most_common(EXAMPLES)),
            }
            for act in tried.acts()
        ],
    }


def _top(tried: Backtest, change: Change) -> list[tuple[str, int]]:
    return tried.change_examples[change].most_common(EXAMPLES)
