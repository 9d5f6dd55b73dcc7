"""`paramwall explain`: what the proxy would do with a request, without a proxy.

Here: one body judged, as text or JSON. Not here: the judging (wire/judge.py, policy/). Invariant: the body is judged
and encoded by the very function that a worker calls, so what is shown is what would be sent.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
import orjson
import typer

from proxy.cli.terminal import FINDING, answer, answer_json, read_input, refuse, refuse_problems
from proxy.config.build import clause_sources
from proxy.config.documents import find_policy, find_profile
from proxy.config.load import ConfigError, Flags, from_process, read_file
from proxy.config.refusal import choose
from proxy.config.shipped import OPEN_PROFILE
from proxy.config.tree import Place, Text
from proxy.contract.envelope import Envelope
from proxy.contract.mode import read_mode
from proxy.policy.decide import Plan, compile_plan
from proxy.policy.document import DocumentError, Enforcement, Route
from proxy.policy.verdict import Finding
from proxy.wire.judge import Rejected, judge
from proxy.wire.problems import Problem, Refused

DEFAULT_POLICY: Final = "kimi-k2.6"
_MAX_LINE: Final = 160
"""Characters shown of one line of the difference; more of a long conversation says nothing here."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One body judged. `findings` come with what is done about each; `error` is what the client would get instead of
    an answer, `sent` what the vendor would get.
    """

    verdict: str
    mode: str = ""
    applies: bool = True
    actions: str = ""
    findings: tuple[tuple[str, Finding], ...] = ()
    sent: bytes | None = None
    error: Problem | None = None

    @property
    def breaks_a_rule(self) -> bool:
        """Whether there is more to say than that something lawfully absent is filled in."""
        return self.error is not None or any(not finding.fills for _, finding in self.findings)


def explain(
    body: Annotated[str, typer.Argument(metavar="BODY.json", help="A request body; - reads stdin.")],
    policy: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help=f"The policy; {DEFAULT_POLICY} unless --config says.")
    ] = None,
    enforcement: Annotated[str | None, typer.Option(metavar="|".join(Enforcement), help="What to do about it.")] = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help=f"The vendor's profile; {OPEN_PROFILE} unless --config says."),
    ] = None,
    route: Annotated[str, typer.Option(metavar="|".join(Route), help="The call the body is for.")] = Route.CHAT.value,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Judge as this configuration does for its first vendor.")
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what would become of a request: verdict, findings, the edited body.

    Exit code 0: nothing unlawful is in it, though what is absent may be filled in. 1: a finding, or an unreadable body.
    2: the command cannot be carried out as given.
    """
    _require_known("--route", route, tuple(Route))
    if enforcement is not None:
        _require_known("--enforcement", enforcement, tuple(Enforcement))
    if config is not None and profile is not None:
        refuse("--profile and --config are both given", "name the profile in the configuration, or leave --config out")
    try:
        plan, sources = _plan(policy, enforcement, profile, config)
    except (DocumentError, ConfigError) as error:
        refuse_problems(error.problems)
    received = read_input(body)
    explained = _explained(plan, Route(route), received)
    if json:
        answer_json(_as_json(plan, sources, explained, received))
    else:
        answer("\n".join(_lines(plan, sources, explained, received)))
    if explained.breaks_a_rule:
        raise typer.Exit(FINDING)


def _require_known(flag: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        refuse(f"{flag}: {value} is not known here", choose(value, known))


def _plan(
    policy: str | None, enforcement: str | None, profile: str | None, config: str | None
) -> tuple[Plan, Mapping[str, str]]:
    """The plan that the flags ask for, and the clauses' sources. Raises DocumentError or ConfigError."""
    if config is not None:
        loaded = from_process(Flags(config=config, policy=policy, enforcement=enforcement), read_secrets=False)
        return loaded.config.vendors[0].plan, loaded.sources
    here = Place("paramwall")
    document = find_policy(Text(policy or DEFAULT_POLICY), here, read_file).document
    spoken = find_profile(Text(profile or OPEN_PROFILE), here, read_file).document
    return compile_plan(document, spoken, Enforcement(enforcement) if enforcement else None), clause_sources(document)


def _explained(plan: Plan, route: Route, body: bytes) -> Explained:
    try:
        judged = judge(plan, route, body)
    except Rejected as rejected:
        decision = rejected.decision
        findings = [("refused", each) for each in decision.findings]
        findings += [("observed", each) for each in decision.verdict.observed]
        return Explained("reject", decision.mode, decision.applies, findings=tuple(findings), error=rejected.problem)
    except Refused as refused:
        return Explained("reject", error=refused.problem)
    decision = judged.decision
    findings = [("filled in" if each.fills else "repaired", each) for each in decision.findings]
    findings += [("observed", each) for each in decision.verdict.observed]
    verdict = "rewrite" if decision.actions else "allow"
    return Explained(verdict, decision.mode, decision.applies, decision.actions, tuple(findings), judged.body)


def _switch(plan: Plan, explained: Explained, body: bytes) -> str:
    """What says the mode: the body's switches, or what holds without one."""
    if not explained.applies:
        return "nothing reads the switches of a model that the policy does not cover"
    if plan.mode_fixed:
        return "the model has no other"
    said = read_mode(Envelope.parse(body), plan.default_mode).said
    return ", ".join(".".join(path) for path in said) or "the policy's default; the body has no switch"


def _lines(plan: Plan, sources: Mapping[str, str], explained: Explained, received: bytes) -> Iterator[str]:
    covered = "" if explained.applies else "; the policy does not cover this model"
    yield f"verdict: {explained.verdict}{covered}"
    yield f"policy:  {plan.label}, {plan.enforcement}; profile {plan.profile.name}"
    if explained.mode:
        yield f"mode:    {explained.mode} ({_switch(plan, explained, received)})"
    if explained.actions:
        yield f"actions: {explained.actions}"
    for done, finding in explained.findings:
        yield ""
        yield f"{finding.clause}: {done}"
        yield f"  {'it may be absent, but an engine has another default' if finding.fills else finding.message}"
        yield f"  member:  {finding.member}"
        yield f"  seen:    {finding.seen}"
        yield f"  allowed: {finding.allowed}"
        yield f"  hint:    {finding.hint}"
        yield f"  source:  {sources.get(finding.clause, 'the policy as a whole')}"
    if explained.error is not None:
        yield ""
        yield f"the client gets {explained.error.status}:"
        yield explained.error.body().decode()
    difference = _difference(received, explained.sent)
    if difference:
        yield ""
        yield from difference


def _difference(received: bytes, sent: bytes | None) -> list[str]:
    """A unified diff of the body, a value to a line; every value keeps the spelling it has in the body."""
    if sent is None:
        return []
    before, after = (msgspec.json.format(text, indent=2).decode().splitlines() for text in (received, sent))
    lines = difflib.unified_diff(before, after, "received", "sent", lineterm="")
    return [line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]}…" for line in lines]


def _as_json(plan: Plan, sources: Mapping[str, str], explained: Explained, received: bytes) -> dict[str, Any]:
    return {
        "verdict": explained.verdict,
        "policy": plan.label,
        "enforcement": plan.enforcement,
        "profile": plan.profile.name,
        "applies": explained.applies,
        "mode": explained.mode or None,
        "mode_from": _switch(plan, explained, received) if explained.mode else None,
        "actions": explained.actions.split(";") if explained.actions else [],
        "findings": [
            {
                "clause": finding.clause,
                "done": done,
                "member": finding.member,
                "message": finding.message,
                "seen": finding.seen,
                "allowed": finding.allowed,
                "hint": finding.hint,
                "source": sources.get(finding.clause),
            }
            for done, finding in explained.findings
        ],
        "sent": None if explained.sent is None else explained.sent.decode(),
        "diff": _difference(received, explained.sent),
        "status": explained.error.status if explained.error else None,
        "error": orjson.loads(explained.error.body())["error"] if explained.error else None,
    }
