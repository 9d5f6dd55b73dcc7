"""`paramwall serve`: the proxy.

Not here: what the settings mean (config/) and what is done with them (supervisor/). Invariant: what stops the start is
said in full on stderr, with the remedy, and gives exit code 2.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from proxy.cli.terminal import UNUSABLE, note, refuse_problems
from proxy.config.load import ConfigError, Flags, from_process
from proxy.config.sources import REFERENCE_KEY
from proxy.supervisor.run import run
from proxy.supervisor.sockets import CannotStart


def serve(  # noqa: PLR0913  (one argument for each flag)
    config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Configuration file; paramwall.yaml here when no vendor is given."),
    ] = None,
    vendor: Annotated[str | None, typer.Option(metavar="URL", help="Base URL of the vendor; it ends in /v1.")] = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="How that vendor spells things; its host tells, if known."),
    ] = None,
    policy: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="What is lawful: a shipped policy or a file.")
    ] = None,
    enforcement: Annotated[
        str | None, typer.Option(metavar="repair|strict|observe", help="What to do about it.")
    ] = None,
    listen: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where clients connect.")] = None,
    admin: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where metrics and health are.")] = None,
    workers: Annotated[str | None, typer.Option(metavar="N", help="Worker processes.")] = None,
    *,
    reference: Annotated[
        str | None,
        typer.Option(metavar="URL", help=f"What vendors are compared with; its key is in {REFERENCE_KEY}."),
    ] = None,
    state_dir: Annotated[str | None, typer.Option(metavar="DIR", help="Folder of the log of comparisons.")] = None,
    mirror_fraction: Annotated[
        str | None, typer.Option(metavar="SHARE", help="How much goes to the reference, as in 1% or 0.01.")
    ] = None,
) -> None:
    """Run the proxy until SIGTERM or Ctrl-C. SIGHUP loads the configuration anew, SIGUSR2 replaces the workers."""
    flags = Flags(
        config=config,
        vendor=vendor,
        policy=policy,
        enforcement=enforcement,
        listen=listen,
        admin=admin,
        workers=workers,
        profile=profile,
        reference=reference,
        state_dir=state_dir,
        mirror_fraction=mirror_fraction,
    )
    load = partial(from_process, flags)
    try:
        run(load, load())
    except ConfigError as error:
        refuse_problems(error.problems)
    except CannotStart as error:
        note(f"paramwall: {error}")
        raise typer.Exit(UNUSABLE) from error
