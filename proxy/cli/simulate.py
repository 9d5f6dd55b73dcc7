"""`paramwall simulate`: a stand-in for a Kimi K2.6 vendor, honest or faulty on demand, on a network good or bad.

Not here: what it answers (simulator/), what a network does (simulator/toxics/). Invariant: the one start line and every
refusal go to stderr; only the lists of faults and toxics go to stdout.
"""

from __future__ import annotations

import asyncio
import errno
import os.path
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer

from proxy.cli.terminal import refuse
from proxy.cli.upstreams import variable_named
from proxy.simulator import FaultSetting, Options, Simulator, parse_fault
from proxy.simulator.faults import FAULTS
from proxy.simulator.faults.parse import SYNTAX, UnknownFault
from proxy.simulator.shapes import SHAPES, UnknownShape, shape_named
from proxy.simulator.toxics import TOXICS
from proxy.simulator.toxics.parse import SYNTAX as TOXIC_SYNTAX
from proxy.simulator.toxics.parse import ToxicSetting, UnknownToxic, parse_toxic
from proxy.simulator.toxics.relay import Place, Relay

_PROFILES = "|".join(shape.name for shape in SHAPES)


def simulate(  # noqa: PLR0913  (one argument for each flag)
    *,
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
    toxic: Annotated[
        list[str] | None,
        typer.Option(metavar=TOXIC_SYNTAX, help="A bad network before it, such as latency:200ms=0.5; repeatable."),
    ] = None,
    upstream: Annotated[
        str | None,
        typer.Option(metavar="URL", help="With --toxic: before this vendor, not before a simulated one."),
    ] = None,
    speed: Annotated[float, typer.Option(help="Divides every honest wait.")] = 1.0,
    model: Annotated[str, typer.Option(help="The one model it serves.")] = "kimi-k2.6",
    api_key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Demand the key that is in this environment variable.")
    ] = None,
    tool_rate: Annotated[
        float | None, typer.Option(help="Chance of a tool call, 0 to 1; by default each prompt has its own.")
    ] = None,
    instant: Annotated[bool, typer.Option("--instant", help="Without the honest waits.")] = False,
    list_faults: Annotated[bool, typer.Option("--list-faults", help="Show the faults, one a line.")] = False,
    list_toxics: Annotated[bool, typer.Option("--list-toxics", help="Show the toxics, one a line.")] = False,
) -> None:
    """Serve a simulated Kimi K2.6 vendor until SIGTERM or Ctrl-C."""
    if list_faults or list_toxics:
        sys.stdout.writelines(f"{each.name:28} {each.does}\n" for each in (FAULTS if list_faults else TOXICS))
        return
    host, port = _address(listen)
    if not speed > 0:
        refuse(f"--speed is {speed:g}: it must be more than 0", "--speed 10, or --instant")
    if tool_rate is not None and not 0 <= tool_rate <= 1:
        refuse(f"--tool-rate is {tool_rate:g}: allowed is 0 to 1", "--tool-rate 0.5")
    toxics = _toxics(toxic or [])
    if upstream is not None:
        if not toxics:
            refuse("--upstream is given without --toxic", "add one, such as --toxic latency:200ms; see --list-toxics")
        relay = _relay_before(upstream, toxics, Place(host, port), seed)
        asyncio.run(_serve(partial(_relay_alone, relay, upstream), listen))
        return
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
    asyncio.run(_serve(partial(_simulator, options, toxics), listen))


async def _serve(start: Callable[[AsyncExitStack], Awaitable[str]], listen: str) -> None:
    """Start, say what was started, and go on until told to stop."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    async with AsyncExitStack() as stack:
        try:
            line = await start(stack)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                refuse(f"--listen {listen}: the port is in use", "--listen 127.0.0.1:0 picks a free one")
            refuse(f"--listen {listen}: {error.strerror or error}", "an address of this machine, a port over 1023")
        sys.stderr.write(f"paramwall: {line}\n")
        sys.stderr.flush()
        await over.wait()


async def _simulator(options: Options, toxics: tuple[ToxicSetting, ...], stack: AsyncExitStack) -> str:
    """A simulated vendor; with toxics it is on a port of its own, and the relay is where clients connect."""
    inner = replace(options, host="127.0.0.1", port=0) if toxics else options
    simulator = await stack.enter_async_context(Simulator(inner))
    url, network = simulator.url, ""
    if toxics:
        vendor, place = Place("127.0.0.1", urlsplit(url).port or 0), Place(options.host, options.port)
        relay = await stack.enter_async_context(Relay(vendor, toxics, place, seed=options.seed))
        url, network = f"{relay.url}/v1", f"; toxics: {_listed(toxics)}"
    faults = _listed(simulator.faults) or "none"
    return f"simulating {options.model}, profile {options.profile}, at {url} (faults: {faults}{network})"


async def _relay_alone(relay: Relay, upstream: str, stack: AsyncExitStack) -> str:
    """A relay before a vendor that is there already."""
    await stack.enter_async_context(relay)
    use = f"tunnel: {relay.url}" if relay.tunnel else f"url: {relay.url}{urlsplit(upstream).path}"
    return f"relaying to {relay.vendor.host}:{relay.vendor.port}; write `{use}` (toxics: {_listed(relay.toxics)})"


def _relay_before(upstream: str, toxics: tuple[ToxicSetting, ...], place: Place, seed: int) -> Relay:
    """TLS passes unopened, so a vendor with TLS is reached through CONNECT, and sees its own name."""
    try:
        parts = urlsplit(upstream)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        refuse(f"--upstream {upstream}: it must be an http or https URL", "--upstream https://api.moonshot.ai/v1")
    if not parts.hostname or parts.username is not None:
        refuse(
            "--upstream: allowed is a URL with a host and without a credential", "--upstream https://api.moonshot.ai/v1"
        )
    return Relay(Place(parts.hostname, port), toxics, place, seed=seed, tunnel=parts.scheme == "https")


def _listed(settings: Iterable[object]) -> str:
    return ", ".join(map(str, settings))


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


def _toxics(texts: list[str]) -> tuple[ToxicSetting, ...]:
    try:
        return tuple(parse_toxic(text) for text in texts)
    except UnknownToxic as error:
        _refuse_as_said("--toxic", error)


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
