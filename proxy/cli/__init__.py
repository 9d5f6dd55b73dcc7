"""The commands, one file each; this module only joins them.

Not here: what a command does. Invariant: exit code 0 is fine, 1 is a finding, 2 is a command, file or configuration
that cannot be used; the answer is on stdout and everything else on stderr.
"""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from proxy import __version__
from proxy.child.memory import forbid_core_files
from proxy.cli import policy
from proxy.cli.check import check
from proxy.cli.dashboards import dashboards
from proxy.cli.demo import demo
from proxy.cli.drill import drill
from proxy.cli.evidence import evidence
from proxy.cli.explain import explain
from proxy.cli.init import init
from proxy.cli.replay import replay
from proxy.cli.report import report
from proxy.cli.serve import serve
from proxy.cli.simulate import simulate
from proxy.cli.status import status
from proxy.cli.verify import verify

app: Final = typer.Typer(
    name="paramwall",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(*, asked: bool) -> None:
    if asked:
        sys.stdout.write(f"paramwall {__version__}\n")
        raise typer.Exit


@app.callback()
def _paramwall(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=lambda asked: _show_version(asked=asked), help="Show it."),
    ] = False,
) -> None:
    """Enforce Kimi K2.6's decoding contract in front of any OpenAI-compatible vendor."""


for _command in (
    serve,
    demo,
    init,
    check,
    explain,
    status,
    evidence,
    verify,
    replay,
    report,
    simulate,
    drill,
    dashboards,
):
    app.command()(_command)
app.add_typer(policy.app, name="policy")


def main() -> None:
    """The console script."""
    forbid_core_files()  # several commands hold a vendor's key
    app()
