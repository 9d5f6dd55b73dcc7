"""`paramwall check`: is a configuration, a policy or a vendor profile usable, and if not, everything that is wrong.

Not here: the rules (config/, policy/). Invariant: a configuration that passes here starts, as far as files and
variables go: the same loader reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from proxy.cli.terminal import UNUSABLE, answer, answer_json, as_json, note
from proxy.config.load import ConfigError, Flags, Loaded, from_process, read_file, spelled
from proxy.policy.document import DocumentError, Problem, parse_policy, parse_profile
from proxy.policy.yaml_text import read_sheet

_MARKS: Final = (("policy", "clauses"), ("profile", "switches"), ("profile", "hosts"))
"""What a file is, by a member that only its kind has."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one file. `what` is configuration, policy or profile; `said` one line about a usable one."""

    file: str
    what: str
    said: str = ""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The report for a program."""
        return {
            "file": self.file,
            "kind": self.what,
            "ok": not self.problems,
            "problems": [as_json(problem) for problem in self.problems],
            "warnings": list(self.warnings),
            "notices": list(self.notices),
        }


def check(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE]...", help="Configurations, policies or profiles; else paramwall.yaml."),
    ] = None,
    *,
    no_secrets: Annotated[
        bool, typer.Option("--no-secrets", help="Do not look for keys in variables and files: for CI.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Validate files; every problem is reported with its line and a remedy. Exit code 2 when there is one."""
    read_secrets = not no_secrets
    named: list[str | None] = [*files] if files else [None]
    reports = [_report(file, read_secrets=read_secrets) for file in named]
    if json:
        answer_json({"files": [report.as_json() for report in reports]})
    else:
        for report in reports:
            _print(report)
    if any(report.problems for report in reports):
        raise typer.Exit(UNUSABLE)


def _print(report: Report) -> None:
    for problem in report.problems:
        answer(spelled(problem))
    for line in (*report.warnings, *report.notices):
        note(f"{report.file}: {line}")
    if not report.problems:
        answer(f"{report.file}: ok, {report.said}")


def _report(file: str | None, *, read_secrets: bool) -> Report:
    what = "configuration" if file is None else _kind(file)
    if file is None or what == "configuration":
        return _configuration(file, read_secrets=read_secrets)
    try:
        text = read_file(Path(file))
        if what == "policy":
            policy = parse_policy(text, file)
            count = len(policy.clauses)
            return Report(file, what, f"policy {policy.name}, {count} clause{'s' * (count != 1)}")
        return Report(file, what, f"profile {parse_profile(text, file).name}")
    except DocumentError as error:
        return Report(file, what, problems=tuple(error.problems))


def _kind(file: str) -> str:
    """What a file is meant to be; one that cannot be read is taken for a configuration, whose loader says why."""
    try:
        names = read_sheet(read_file(Path(file)), file).value
    except (OSError, UnicodeDecodeError, DocumentError):
        return "configuration"
    return next((what for what, mark in _MARKS if mark in names), "configuration")


def _configuration(file: str | None, *, read_secrets: bool) -> Report:
    try:
        loaded = from_process(Flags(config=file), read_secrets=read_secrets)
    except ConfigError as error:
        return Report(file or "configuration", "configuration", problems=error.problems)
    name = file or (loaded.config.watched[0] if loaded.config.watched else "flags")
    return Report(name, "configuration", _said(loaded), (), loaded.warnings, loaded.notices)


def _said(loaded: Loaded) -> str:
    config = loaded.config
    vendors = ", ".join(f"{each.name} ({each.host}, {each.plan.enforcement})" for each in config.vendors)
    said = f"configuration {config.hash}: policy {config.vendors[0].plan.label}; vendors {vendors}"
    reference, mirror = config.reference, config.mirror
    if reference is None:
        return said
    return f"{said}; reference {reference.name} ({reference.model}), mirror {mirror.fraction * 100:.6g}%"
