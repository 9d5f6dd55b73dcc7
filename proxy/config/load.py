"""paramwall.yaml, flags and environment -> one frozen Config, or every problem at once.

Here: the order of the steps. Not here: the steps (sources.py, reading.py, relations.py, build.py). Invariants: `load`
is given the environment and the files, so nothing else of the machine changes what it returns; `from_process` and
`key_from_process` are the only readers of os.environ.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proxy.config.build import Builder
from proxy.config.credentials import Credentials, ModeOf
from proxy.config.parts import Parts
from proxy.config.reading import read_settings
from proxy.config.relations import RULES
from proxy.config.sources import Flags, ReadText, gather
from proxy.config.values import Config, Secret
from proxy.config.whole import Warned, Whole
from proxy.policy.document import Problem

__all__ = ("ConfigError", "Flags", "Loaded", "from_process", "key_from_process", "load", "spelled")


class ConfigError(ValueError):
    """A configuration that cannot be used. `problems` holds everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(dict.fromkeys(problems), key=lambda each: (each.source, each.line or 0)))
        super().__init__("\n".join(spelled(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A Config, and what is worth saying about it at start; no line of that holds a credential. `sources` says
    where the fact behind each clause is published, by clause id.
    """

    config: Config
    warnings: tuple[str, ...]
    notices: tuple[str, ...]
    sources: Mapping[str, str] = field(default_factory=dict)


def spelled(problem: Problem) -> str:
    """A problem as two lines: where and what, then the remedy."""
    where = problem.source if problem.line is None else f"{problem.source}:{problem.line}"
    return f"{where}: {problem.message}" + (f"\n  hint: {problem.hint}" if problem.hint else "")


def load(
    flags: Flags,
    environ: Mapping[str, str],
    read_text: ReadText,
    mode_of: ModeOf = lambda _path: None,
    *,
    read_secrets: bool = True,
) -> Loaded:
    """Everything that was said, as one Config. Raises ConfigError with all problems.

    `mode_of` gives a file's permission bits, to warn about keys that everybody may read. Without `read_secrets` no key
    is looked for, and the Config is good for everything but being served.
    """
    problems: list[Problem] = []
    gathered = gather(flags, environ, read_text, problems)
    if problems and not gathered.tree:
        raise ConfigError(problems)
    reading = read_settings(gathered.tree, gathered.places, problems)
    keys = reading.keys
    whole = Whole(reading.settings, gathered.places, keys["vendors"], keys["clients"], reading.damaged)
    said = [each for rule in RULES for each in rule(whole)]
    problems += [each for each in said if not isinstance(each, Warned)]
    credentials = Credentials(environ, read_text, mode_of, problems, read_secrets=read_secrets)
    builder = Builder(Parts(whole, credentials, problems))
    config = builder.build(gathered.file)
    if config is None:
        raise ConfigError(problems)
    warned = [each.text for each in said if isinstance(each, Warned)]
    warnings = (*gathered.warnings, *warned, *credentials.warnings)
    return Loaded(config, warnings, (*gathered.notices, *builder.parts.notices), builder.sources)


def from_process(flags: Flags, *, read_secrets: bool = True) -> Loaded:
    """`load` with this process' environment and files."""
    return load(flags, os.environ, read_file, _mode_of, read_secrets=read_secrets)


def key_from_process(variable: str) -> Secret | None:
    """The key in this process' variable; None where it is unset or blank."""
    text = os.environ.get(variable, "").strip()
    return Secret(text) if text else None


def read_file(path: Path) -> str:
    """The text of a file on disk."""
    return path.read_text(encoding="utf-8")


def _mode_of(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except OSError:
        return None
