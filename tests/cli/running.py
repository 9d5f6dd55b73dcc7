"""Running a command in this process."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from typer.testing import CliRunner

from proxy.cli import app
from tests.canary_sweep import told


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401  (any JSON value)
        return json.loads(self.out)


def run(*arguments: str, stdin: bytes = b"", environ: dict[str, str] | None = None) -> Ran:
    """Run `paramwall` with `arguments`; an exception that is no exit is raised here."""
    result = CliRunner().invoke(app, arguments, input=stdin, env=environ, catch_exceptions=False)
    told("stdout of a command", result.stdout)
    told("stderr of a command", result.stderr)
    return Ran(result.exit_code, result.stdout, result.stderr)
