"""`paramwall replay`: recorded requests asked of vendors and of the reference, and what their answers show.

Not here: the calls and their scores (replay/), and how they are shown (replay_print.py). Invariants: nothing is sent
before every line, target and setting was found usable; exit code 0 is a replay without an alarm, 1 one with an alarm,
with a target that was given up or without a single answer, 130 or 143 one that was broken off and can be gone on with.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

import typer
import uvloop

from proxy import __version__
from proxy.cli.replay_compare import show_comparison
from proxy.cli.replay_options import (
    AsJson,
    Attempts,
    Compare,
    Concurrency,
    ConfigFile,
    DatasetPath,
    Epochs,
    Estimate,
    Export,
    KeyVariable,
    Limit,
    MaxTokens,
    ModelName,
    ModeName,
    Output,
    PolicyName,
    PresetName,
    ProfileName,
    ReferenceTwice,
    ReferenceUrl,
    Repair,
    RetryFailed,
    Temperature,
    Timeout,
    Vendors,
)
from proxy.cli.replay_print import Progress, show_estimate, show_flaws, show_start, show_summary
from proxy.cli.terminal import FINDING, note, refuse
from proxy.cli.upstreams import Said, Upstreams, upstreams_of
from proxy.config.values import Timeouts
from proxy.contract.mode import Mode
from proxy.endpoint.retry import Bounds
from proxy.replay.checkpoint import AnotherReplay, Checkpoint
from proxy.replay.dataset import Dataset, UnusableDataset
from proxy.replay.prepare import Destination, Settings, destination
from proxy.replay.presets import PRESETS, Decoding
from proxy.replay.run import GivenUp, Run, Ways
from proxy.replay.scoring import alarms
from proxy.replay.session import BrokenOff, Session
from proxy.replay.summary import Summary
from proxy.replay.survey import Survey, survey
from proxy.store import StoreError

_SILENCE_S: Final = 600.0
"""Longest wait for the first byte and between two, unless --timeout is shorter: thinking can be silent for minutes."""


def replay(  # noqa: PLR0913  (one argument for each flag)
    dataset: DatasetPath = None,
    vendor: Vendors = None,
    *,
    output: Output = None,
    reference: ReferenceUrl = None,
    preset: PresetName = None,
    mode: ModeName = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    epochs: Epochs = None,
    limit: Limit = None,
    model: ModelName = None,
    config: ConfigFile = None,
    profile: ProfileName = None,
    policy: PolicyName = None,
    api_key_env: KeyVariable = None,
    concurrency: Concurrency = 5,
    timeout: Timeout = 3600.0,
    attempts: Attempts = 5,
    compare: Compare = None,
    reference_twice: ReferenceTwice = False,
    repair: Repair = False,
    retry_failed: RetryFailed = False,
    export: Export = False,
    estimate: Estimate = False,
    json: AsJson = False,
) -> None:
    """Ask vendors the requests of a dataset, and score their answers by the signals of live traffic."""
    if compare is not None:
        show_comparison(*compare, json=json)
        return
    if dataset is None:
        refuse("no DATASET is given", "paramwall replay FILE.jsonl --vendor https://.../v1")
    if not vendor:
        refuse("no --vendor is given", "--vendor https://.../v1, or --vendor NAME with --config FILE")
    settings = _settings(preset, mode, temperature, max_tokens, epochs, repair=repair)
    found = upstreams_of(vendor, Said(config, profile, policy, reference, api_key_env))
    targets = _targets(found, timeout, model, twice=reference_twice)
    data = Dataset(dataset, limit)
    surveyed = _surveyed(data, targets[0], settings)
    if estimate:
        show_estimate(surveyed, targets, settings.epochs, json=json)
        return
    session = Session(data, targets, settings, surveyed, found.config, output or _beside(dataset))
    ways = Ways(
        user_agent=f"paramwall-replay/{__version__}",
        bounds=Bounds(attempts=attempts),
        concurrency=concurrency,
        clock=time.monotonic,
        wall=time.time,
        draw=random.Random().random,  # noqa: S311  (jitter)
        retry_failed=retry_failed,
    )
    with closing(_opened(session)) as checkpoint:
        given_up = () if export else _carried_out(session, checkpoint, ways)
        summary = _scored(session, checkpoint)
    show_summary(summary, given_up, session.output, json=json)
    if given_up or alarms(summary.targets) or not any(target.answered for target in summary.targets):
        raise typer.Exit(FINDING)


def _carried_out(session: Session, checkpoint: Checkpoint, ways: Ways) -> tuple[GivenUp, ...]:
    """Make the calls that are left. Ends with 128 and the signal's number when it is broken off."""
    ended = checkpoint.count()
    show_start(session, ended)
    with Progress(session.planned, ended) as progress:
        run = session.run(checkpoint, ways, progress.note)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                given_up, broken_by = runner.run(_until_signal(run, session.surveyed.records))
        except* StoreError as errors:
            _refuse_first(errors, "what was answered is kept: give the same command again")
        except* UnusableDataset as errors:
            _refuse_first(errors, "the file changed while it was read: put it back, and give the same command again")
    if broken_by is not None:
        note(f"paramwall: broken off; {checkpoint.count()} of {session.planned} calls have ended and are kept")
        note("  hint: give the same command again to go on; with --export to score what is there")
        raise typer.Exit(128 + broken_by)
    return given_up


async def _until_signal(run: Run, records: int) -> tuple[tuple[GivenUp, ...], int | None]:
    """The targets that were given up, and the signal that ended it, if one did."""
    loop, task = asyncio.get_running_loop(), asyncio.create_task(run.finish(records))
    came: list[int] = []

    def leave(number: int) -> None:
        came.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, leave, number)
    try:
        return await task, None
    except asyncio.CancelledError:
        return (), came[0] if came else signal.SIGINT


def _opened(session: Session) -> Checkpoint:
    try:
        return session.open(time.time())
    except StoreError as error:
        refuse(error.message, error.hint)
    except AnotherReplay as error:
        for what, there, here in error.differing:
            note(f"  {what}: {there} there, {here} here")
        refuse(f"{session.output} holds another replay", "name another --output, or go on as it was begun")


def _scored(session: Session, checkpoint: Checkpoint) -> Summary:
    try:
        return session.score(checkpoint)
    except BrokenOff as broken_off:
        note("paramwall: broken off while scoring; --export scores what there is")
        raise typer.Exit(128 + broken_off.signal) from None
    except (StoreError, UnusableDataset) as error:
        refuse(str(error), "nothing that was answered is lost: --export scores it again")
    except OSError as error:
        refuse(f"{session.output} cannot be written: {error.strerror}", "free some space; --export scores it again")


def _refuse_first(errors: BaseExceptionGroup[Exception], hint: str) -> NoReturn:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    refuse(str(error), hint)


def _settings(
    preset: str | None,
    mode: str | None,
    temperature: float | None,
    max_tokens: int | None,
    epochs: int | None,
    *,
    repair: bool,
) -> Settings:
    if preset is not None and preset not in PRESETS:
        refuse(f"--preset {preset}: there is none of that name", f"allowed are {', '.join(PRESETS)}")
    if mode is not None and mode not in tuple(Mode):
        refuse(f"--mode {mode}: allowed are {' and '.join(Mode)}", "leave it out to let each record say it")
    chosen = None if preset is None else PRESETS[preset]
    decoding = {each: chosen.decoding[each] if chosen else Decoding() for each in Mode}
    if temperature is not None:
        decoding = {each: replace(laid, temperature=temperature) for each, laid in decoding.items()}
    if max_tokens is not None:
        decoding = {each: replace(laid, max_tokens=max_tokens) for each, laid in decoding.items()}
    times = epochs or (chosen.epochs if chosen else 1)
    return Settings(decoding, None if mode is None else Mode(mode), times, repair)


def _targets(found: Upstreams, timeout: float, model: str | None, *, twice: bool) -> tuple[Destination, ...]:
    times = Timeouts(10.0, min(timeout, _SILENCE_S), min(timeout, _SILENCE_S), timeout)
    names = [each.name for each in found.vendors]
    if len(set(names)) < len(names):
        refuse("a --vendor is named twice", "name each once; --epochs 2 asks everything twice")
    targets = [destination(replace(each, timeouts=times), "vendor", model) for each in found.vendors]
    if found.reference is None:
        if twice:
            refuse("--reference-twice is given without a reference", "add --reference URL")
        return tuple(targets)
    reference = replace(found.reference, timeouts=times)
    targets.append(destination(reference, "reference"))
    if twice:
        targets.append(destination(reference, "reference-again"))
    return tuple(targets)


def _surveyed(dataset: Dataset, target: Destination, settings: Settings) -> Survey:
    try:
        return survey(dataset, target, settings)
    except KeyboardInterrupt:
        note("paramwall: broken off; nothing was sent")
        raise typer.Exit(128 + signal.SIGINT) from None
    except UnusableDataset as error:
        show_flaws(dataset.path, error)
        refuse(str(error), error.hint)


def _beside(dataset: Path) -> Path:
    """`samples.jsonl.gz` is replayed into `samples.replay`."""
    name = dataset.name
    for suffix in (".gz", ".jsonl", ".zip", ".json"):
        name = name.removesuffix(suffix)
    return Path(f"{name}.replay")
