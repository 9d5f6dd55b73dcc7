"""`paramwall replay`: recorded requests asked of vendors and of the reference, and what their answers show.

Not here: the calls and their scores (replay/), and how they are shown (replay_print.py). Invariants: nothing is sent
before every line, target and setting was found usable; exit code 0 is a replay without an alarm, 1 one with an alarm
or without a single answer, 130 or 143 one that was broken off and can be gone on with.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
import uvloop

from proxy import __version__
from proxy.cli.replay_compare import show_comparison
from proxy.cli.replay_print import Progress, show_estimate, show_start, show_summary
from proxy.cli.terminal import FINDING, note, refuse
from proxy.cli.upstreams import Said, Upstreams, upstreams
from proxy.config.values import Config, Timeouts
from proxy.contract.mode import Mode
from proxy.endpoint.retry import Bounds
from proxy.replay.checkpoint import AnotherReplay, Checkpoint
from proxy.replay.dataset import Dataset, UnusableDataset
from proxy.replay.prepare import Destination, Settings, destination
from proxy.replay.presets import PRESETS, Decoding
from proxy.replay.results import FILE as RESULTS
from proxy.replay.results import lines, replacing
from proxy.replay.rounds import rounds
from proxy.replay.run import GivenUp, Run, Ways
from proxy.replay.scoring import Scoring, alarms, noise_floor
from proxy.replay.summary import Dataset as DatasetFacts
from proxy.replay.summary import Summary
from proxy.replay.survey import Survey, laid_over, plan_of, survey
from proxy.scorer.answers import ModelNames
from proxy.store import StoreError

SUMMARY: Final = "summary.json"
_SILENCE_S: Final = 600.0
"""Longest wait for the first byte and between two, unless --timeout is shorter: thinking can be silent for minutes."""


def replay(  # noqa: PLR0913  (one argument for each flag)
    dataset: Annotated[
        Path | None, typer.Argument(metavar="DATASET", help="Requests, one a line: .jsonl, .jsonl.gz, evidence .zip.")
    ] = None,
    vendor: Annotated[
        list[str] | None, typer.Option(metavar="URL|NAME", help="A base URL, or a vendor of --config; repeatable.")
    ] = None,
    *,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Checkpoint and results; DATASET's name and .replay by default.")
    ] = None,
    reference: Annotated[str | None, typer.Option(metavar="URL", help="The endpoint trusted as truth.")] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"Published settings: {', '.join(PRESETS)}.")
    ] = None,
    mode: Annotated[str | None, typer.Option(metavar="thinking|instant", help="For every record.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0.0, max=2.0, help="For every record.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="For every record.")] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="How often each record is asked; else the preset's.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many records.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The vendors' name for the model.")] = None,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="Configuration with vendors and keys.")] = None,
    profile: Annotated[str | None, typer.Option(metavar="NAME|FILE", help="The vendors' dialect.")] = None,
    policy: Annotated[str | None, typer.Option(metavar="NAME|FILE", help="The contract.")] = None,
    api_key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Variable with the vendors' key; else PARAMWALL_VENDOR_KEY.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Calls under way at each target.")] = 5,
    timeout: Annotated[float, typer.Option(min=1.0, help="Seconds for one call, all of it.")] = 3600.0,
    attempts: Annotated[int, typer.Option(min=1, help="How often one call is made at most.")] = 5,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="VENDOR REFERENCE", help="Instead: score two result files of K2-Vendor-Verifier."),
    ] = None,
    reference_twice: Annotated[
        bool, typer.Option("--reference-twice", help="Ask the reference again: its noise floor.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Send what breaks the policy as the proxy would, not as it is.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again what ended without an answer in an earlier run.")
    ] = False,
    export: Annotated[bool, typer.Option("--export", help="Send nothing; score what is there so far.")] = False,
    estimate: Annotated[bool, typer.Option("--estimate", help="Send nothing; tell what it would take.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON document.")] = False,
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
    found = upstreams(vendor, Said(config, profile, policy, reference, api_key_env))
    targets = _targets(found, timeout, model, twice=reference_twice)
    data = Dataset(dataset, limit)
    surveyed = _surveyed(data, targets[0], settings)
    if estimate:
        show_estimate(surveyed, targets, settings.epochs, json=json)
        return
    session = _Session(data, targets, settings, surveyed, found.config, output or _beside(dataset))
    ways = Ways(
        user_agent=f"paramwall-replay/{__version__}",
        bounds=Bounds(attempts=attempts),
        concurrency=concurrency,
        clock=time.monotonic,
        wall=time.time,
        draw=random.Random().random,  # noqa: S311  (jitter)
        retry_failed=retry_failed,
    )
    with session.opened() as checkpoint:
        given_up: tuple[GivenUp, ...] = () if export else _carried_out(session, checkpoint, ways)
        summary = session.scored(checkpoint)
    show_summary(summary, given_up, session.output, json=json)
    if alarms(summary.targets) or not any(target.answered for target in summary.targets):
        raise typer.Exit(FINDING)


class _Session:
    """A replay with everything that was found usable."""

    def __init__(
        self,
        dataset: Dataset,
        targets: tuple[Destination, ...],
        settings: Settings,
        surveyed: Survey,
        config: Config,
        output: Path,
    ) -> None:
        self.dataset = dataset
        self.targets = targets
        self.settings = settings
        self.surveyed = surveyed
        self.config = config
        self.output = output

    @property
    def planned(self) -> int:
        """Calls in all."""
        return self.surveyed.records * self.settings.epochs * len(self.targets)

    def opened(self) -> closing[Checkpoint]:
        """The checkpoint. Ends with exit code 2 when it cannot be used."""
        plan = plan_of(self.surveyed, self.targets, self.settings, self.dataset.limit)
        try:
            return closing(Checkpoint.open(self.output, plan, time.time()))
        except StoreError as error:
            refuse(error.message, error.hint)
        except AnotherReplay as error:
            for what, there, here in error.differing:
                note(f"  {what}: {there} there, {here} here")
            refuse(f"{self.output} holds another replay", "name another --output, or go on with what it was begun with")

    def scored(self, checkpoint: Checkpoint) -> Summary:
        """Write results.jsonl and summary.json, and return the latter."""
        most = max(self.surveyed.modes.values()) * self.settings.epochs
        scoring = Scoring(self.targets, self.config, most)
        names = ModelNames(self.config.vendors)
        try:
            with replacing(self.output / RESULTS) as file:
                for each in rounds(self.dataset, self.targets, self.settings, checkpoint, names):
                    scoring.add(each)
                    file.writelines(lines(each, self.targets))
            summary = self._summary(scoring, checkpoint.at_s)
            with replacing(self.output / SUMMARY) as file:
                file.write(msgspec.json.format(msgspec.json.encode(summary), indent=1) + b"\n")
        except StoreError as error:
            refuse(error.message, error.hint)
        except OSError as error:
            refuse(f"{self.output} cannot be written: {error.strerror}", "free some space; nothing is asked again")
        return summary

    def _summary(self, scoring: Scoring, at_s: float) -> Summary:
        targets, found = scoring.targets(seed=0), self.surveyed
        return Summary(
            version=__version__,
            at_s=at_s,
            dataset=DatasetFacts(
                self.dataset.path.name,
                found.sha256,
                found.records,
                {str(mode): n for mode, n in sorted(found.modes.items())},
                dict(sorted(found.broken.items())),
            ),
            settings={
                "mode": self.settings.mode,
                "repair": str(self.settings.repair).lower(),
                **laid_over(self.settings),
            },
            epochs=self.settings.epochs,
            planned=self.planned,
            complete=sum(target.asked for target in targets) == self.planned,
            targets=targets,
            noise_floor=noise_floor(targets),
        )


def _carried_out(session: _Session, checkpoint: Checkpoint, ways: Ways) -> tuple[GivenUp, ...]:
    """Make the calls that are left. Ends with 128 and the signal's number when it is broken off."""
    show_start(session.surveyed, session.targets, session.settings, checkpoint.count(), session.planned)
    with Progress(session.planned, checkpoint.count()) as progress:
        run = Run(session.dataset, session.targets, session.settings, checkpoint, ways, progress.note)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                given_up, broken_by = runner.run(_until_signal(run, session.surveyed.records))
        except* StoreError as errors:
            first = errors.exceptions[0]
            refuse(str(first), "what was answered is kept: give the same command again")
        except* UnusableDataset as errors:
            refuse(str(errors.exceptions[0]), "the file changed while it was read: start again")
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
    except UnusableDataset as error:
        for flaw in error.flaws:
            note(f"{dataset.path}:{flaw.line}: {flaw.seen}\n  hint: {flaw.allowed}")
        if error.bad > len(error.flaws):
            note(f"... and {error.bad - len(error.flaws)} more")
        refuse(str(error), error.hint)


def _beside(dataset: Path) -> Path:
    """`samples.jsonl.gz` is replayed into `samples.replay`."""
    name = dataset.name
    for suffix in (".gz", ".jsonl", ".zip", ".json"):
        name = name.removesuffix(suffix)
    return Path(f"{name}.replay")
