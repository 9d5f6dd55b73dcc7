"""`paramwall simulate`: a stand-in for a Kimi K2.6 vendor, honest or faulty on demand.

Not here: what it answers (simulator/). Invariant: the one start line and every refusal go to stderr; only the list of
faults goes to stdout.
"""

from __future__ import annotations

import asyncio
import errno
import os.path
import re
import signal
import sys
from typing import Annotated, NoReturn

import typer

from proxy.cli.terminal import refuse
from proxy.cli.upstreams import variable_named
from proxy.simulator import FaultSetting, Options, Simulator, parse_fault
from proxy.simulator.faults import FAULTS
from proxy.simulator.faults.parse import SYNTAX, UnknownFault
from proxy.simulator.shapes import SHAPES, UnknownShape, shape_named

_PROFILES = "|".join(shape.name for shape in SHAPES)


def simulate(  # noqa: PLR0913  (one argument for each flag)
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where it listens; port 0 picks a free one.")
    ] = "127.0.0.1:9000",
    seed: Annotated[int, typer.Option(help="Equal seeds and requests give equal answers.")] = 1,
    profile: Annotated[
        str, typer.Option(metavar=_PROFILES, help="The official API (checks parameters) or the engine (accepts them).")
    ] = SHAPES[0].name,
    fault: Annotated[
        list[str] | None, typer.Option(metavar=SYNTAX, help="A defect, such as leaked-markers=0.02@60s; repeatable.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Divides every honest wait.")] = 1.0,
    model: Annotated[str, typer.Option(help="The one model it serves.")] = "kimi-k2.6",
    api_key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Demand the key that is in this environment variable.")
    ] = None,
    tool_rate: Annotated[
        float | None, typer.Option(help="Chance of a tool call, 0 to 1; by default each prompt has its own.")
    ] = None,
    *,
    instant: Annotated[bool, typer.Option("--instant", help="Without the honest waits.")] = False,
    list_faults: Annotated[bool, typer.Option("--list-faults", help="Show the faults, one a line.")] = False,
) -> None:
    """Serve a simulated Kimi K2.6 vendor until SIGTERM or Ctrl-C."""
    if list_faults:
        sys.stdout.writelines(f"{each.name:28} {each.does}\n" for each in FAULTS)
        return
    host, port = _address(listen)
    if not speed > 0:
        refuse(f"--speed is {speed:g}: it must be more than 0", "--speed 10, or --instant")
    if tool_rate is not None and not 0 <= tool_rate <= 1:
        refuse(f"--tool-rate is {tool_rate:g}: allowed is 0 to 1", "--tool-rate 0.5")
    options = Options(
        host=host,
        port=port,
        seed=seed,
        profile=_profile(profile),
        model=model,
        faults=_faults(fault or []),
        speed=speed,
        instant=instant,
        api_key=None if api_key_env is None else _key(api_key_env),
        tool_rate=tool_rate,
    )
    asyncio.run(_serve(Simulator(options), listen))


async def _serve(simulator: Simulator, listen: str) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    try:
        await simulator.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            refuse(f"--listen {listen}: the port is in use", "--listen 127.0.0.1:0 picks a free one")
        refuse(f"--listen {listen}: {error.strerror or error}", "an address of this machine, a port over 1023")
    faults = ", ".join(str(setting) for setting in simulator.faults) or "none"
    kind = f"{simulator.options.model}, profile {simulator.options.profile}"
    sys.stderr.write(f"paramwall: simulating {kind}, at {simulator.url} (faults: {faults})\n")
    sys.stderr.flush()
    await over.wait()
    await simulator.stop()


def _address(listen: str) -> tuple[str, int]:
    parts = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+):([0-9]{1,5})", listen)
    if parts is None or int(parts[2]) > 65535:
        refuse(f"--listen {listen}: allowed is HOST:PORT", "--listen 127.0.0.1:9000")
    return parts[1].strip("[]"), int(parts[2])


def _faults(texts: list[str]) -> tuple[FaultSetting, ...]:
    try:
        return tuple(parse_fault(text) for text in texts)
    except UnknownFault as error:
        _refuse_as_said("--fault", error)


def _profile(name: str) -> str:
    try:
        return shape_named(name).name
    except UnknownShape as error:
        _refuse_as_said("--profile", error)


def _key(name: str) -> str:
    """The key in the variable. The simulator has no Config, so the shell's own expansion reads it."""
    reference = f"${{{variable_named(name)}}}"
    key = os.path.expandvars(reference).strip()
    if key in ("", reference):
        refuse(f"--api-key-env {name}: the variable is not set, or empty", f"start with {name}=... in front")
    return key


def _refuse_as_said(flag: str, error: ValueError) -> NoReturn:
    message, _, hint = str(error).partition("\nhint: ")
    refuse(f"{flag}: {message}", hint)
