"""What `paramwall replay` shows: its start, its progress, its figures.

Not here: the figures themselves (replay/). Invariants: figures go to stdout, all else to stderr; a bar is drawn only
where a terminal is; what is not known is shown as a dash, never as a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from proxy.cli.terminal import answer, answer_json, answer_table, note
from proxy.replay.checkpoint import Call
from proxy.replay.dataset import UnusableDataset
from proxy.replay.prepare import Destination
from proxy.replay.run import GivenUp
from proxy.replay.session import Session
from proxy.replay.summary import Figure, ModeResult, Quantiles, Summary, Target
from proxy.replay.survey import BYTES_PER_TOKEN, USUAL_ANSWER, Survey

NOTHING: Final = "-"
_METRICS: Final = (
    "state", "answered", "contract pass", "tool_call_f1", "precision", "recall", "schema_accuracy", "trigger_f1",
    "trigger_agreement", "tool_agreement", "arguments_agreement", "valid_calls",
)  # fmt: skip
_MEND: Final = "mend that, then give the same command with --retry-failed"
_NAMED_OTHERWISE: Final = "has it the model by another name? --model NAME, or --profile, with a new --output"
_ROLES: Final = {"vendor": "", "reference": " (reference)", "reference-again": " (noise floor)"}


class Progress:
    """A bar on stderr while calls end, where that is a terminal."""

    def __init__(self, planned: int, ended: int) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("replay"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        self._bar = Bar(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._bar.add_task("", total=planned, completed=ended)
        self._failed = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def note(self, _target: int, call: Call) -> None:
        """A call ended."""
        self._failed += call.whole is None
        said = f"{self._failed} without an answer" if self._failed else ""
        self._bar.update(self._task, advance=1, description=said)


def show_flaws(path: Path, error: UnusableDataset) -> None:
    """Every line that cannot be used, with what is allowed."""
    for flaw in error.flaws:
        note(f"{path}:{flaw.line}: {flaw.seen}\n  hint: {flaw.allowed}")
    if error.bad > len(error.flaws):
        note(f"... and {error.bad - len(error.flaws)} more")


def show_start(session: Session, ended: int) -> None:
    """What is about to be done; `ended` calls were made by earlier runs."""
    found, targets, settings = session.surveyed, session.targets, session.settings
    modes = ", ".join(f"{n} {mode}" for mode, n in sorted(found.modes.items()))
    note(
        f"paramwall: {found.records} records ({modes}), {settings.epochs} epoch{'s' * (settings.epochs != 1)},"
        f" {len(targets)} target{'s' * (len(targets) != 1)}: {session.planned} calls"
    )
    if ended:
        note(f"  {ended} of them have ended in an earlier run and are not made again")
    if found.breaking:
        clauses = ", ".join(f"{name} {n}" for name, n in found.broken.most_common())
        how = "are sent as the proxy would repair them" if settings.repair else "are sent as they are"
        note(f"  {found.breaking} records break the policy and {how}: {clauses}")
    for target in targets:
        cap = target.strict.profile.max_output_tokens
        wanted = max((each.max_tokens or 0 for each in settings.decoding.values()), default=0)
        if cap is not None and wanted > cap:
            note(f"  {target.name} gives at most {cap} tokens, {wanted} are asked for: length is then its cap")


def show_estimate(found: Survey, targets: Sequence[Destination], epochs: int, *, json: bool) -> None:
    """What a replay would take at each target, in tokens."""
    calls = found.records * epochs
    prompt = found.prompt_bytes // BYTES_PER_TOKEN * epochs
    usual, most = USUAL_ANSWER * calls, found.limits * epochs
    if json:
        answer_json(
            {
                "targets": len(targets),
                "calls_each": calls,
                "prompt_tokens_each": prompt,
                "completion_tokens_each": usual,
                "completion_tokens_limit_each": most,
                "calls_without_limit_each": found.unlimited * epochs,
                "images_each": found.images * epochs,
            }
        )
        return
    rows = [
        (each.name, each.role, f"{calls}", f"{prompt}", f"{usual}", f"{most}" if most else NOTHING) for each in targets
    ]
    answer_table(("target", "role", "calls", "prompt tokens", "answers, usually", "answers, at most"), rows)
    note(f"prompts by {BYTES_PER_TOKEN} bytes a token, answers by {USUAL_ANSWER} tokens each; both are rough")
    if found.unlimited:
        note(f"{found.unlimited} records say no max_tokens; their answers are not in the last column")
    if found.images:
        note(f"{found.images} images are not counted")


def show_summary(summary: Summary, given_up: Sequence[GivenUp], output: Path, *, json: bool) -> None:
    """The figures, and where they are written."""
    for each in given_up:
        note(f"paramwall: {each.target} was given up: {_last_word(each)}")
        note(f"  hint: {_NAMED_OTHERWISE if each.status == 404 else _MEND}")
    if json:
        answer_json(msgspec.to_builtins(summary))
    else:
        _show_targets(summary.targets)
        _show_metrics(summary)
        _show_signals(summary)
        _show_scores(summary)
    if not summary.complete:
        ended = sum(target.asked for target in summary.targets)
        note(f"paramwall: {ended} of {summary.planned} calls have ended; the figures are of these")
    note(f"paramwall: written to {output}")


def _last_word(given_up: GivenUp) -> str:
    status = f" (status {given_up.status})" if given_up.status else ""
    said = " ".join(given_up.error.split())[:200]
    return f"{given_up.reason}{status}{': ' + said if said else ''}"


def _show_targets(targets: Sequence[Target]) -> None:
    columns = ("target", "role", "asked", "answered", "failed", "retried", "first token", "total", "tokens")
    rows = [
        (
            each.name,
            each.role,
            str(each.asked),
            str(each.answered),
            ", ".join(f"{reason} {n}" for reason, n in each.failed.items()) or "0",
            str(each.retried),
            _times(each.latency.first_token),
            _times(each.latency.total),
            f"{each.tokens.prompt}+{each.tokens.completion}",
        )
        for each in targets
    ]
    answer_table(columns, rows)


def _show_metrics(summary: Summary) -> None:
    """A table for each mode, a column for each target."""
    for mode in sorted({each.mode for target in summary.targets for each in target.modes}):
        shown = [(target, each) for target in summary.targets for each in target.modes if each.mode == mode]
        names = [f"{target.name}{_ROLES[target.role]}" for target, _ in shown]
        columns = [_metrics(each) for _, each in shown]
        answer("")
        answer_table((mode, *names), zip(_METRICS, *columns, strict=True))
    if summary.noise_floor is None and any(target.role == "reference" for target in summary.targets):
        note("no noise floor: --reference-twice asks the reference again, and no vendor can be expected to be better")


def _metrics(mode: ModeResult) -> tuple[str, ...]:
    kvv, ours = mode.kvv, mode.agreement
    figures = (
        mode.contract_pass_rate, kvv.tool_call_f1, kvv.precision, kvv.recall, kvv.schema_accuracy, ours.trigger_f1,
        ours.trigger_agreement, ours.tool_agreement, ours.arguments_agreement, ours.valid_calls,
    )  # fmt: skip
    return (mode.state or NOTHING, f"{mode.answered} of {mode.asked}", *map(figure_shown, figures))


def _show_signals(summary: Summary) -> None:
    alarmed = [
        (
            target.name,
            mode.mode,
            each.name,
            f"{each.effect:+.4g}" if each.effect is not None else NOTHING,
            _bounds(each.lower, each.upper),
            f"{each.tolerance:.4g}",
            str(each.n),
        )
        for target in summary.targets
        for mode in target.modes
        for each in mode.signals
        if each.alarm
    ]
    answer("")
    if not alarmed:
        answer("no alarm" if any(target.answered for target in summary.targets) else "nothing was answered")
        return
    answer_table(("target", "mode", "alarm", "effect", "bounds", "tolerated", "values"), alarmed)


def _show_scores(summary: Summary) -> None:
    rows = [
        (
            target.name,
            mode.mode,
            each.task or NOTHING,
            each.scorer,
            figure_shown(Figure(each.value, each.lower, each.upper, each.n)),
            str(each.n),
            str(each.unparsed),
            str(each.unanswered),
        )
        for target in summary.targets
        for mode in target.modes
        for each in mode.scores
    ]
    if rows:
        answer("")
        answer_table(("target", "mode", "task", "scorer", "correct", "answers", "unparsed", "unanswered"), rows)


def figure_shown(figure: Figure) -> str:
    """A figure between its bounds."""
    if figure.value is None:
        return NOTHING
    return f"{figure.value:.4f} {_bounds(figure.lower, figure.upper)}".strip()


def _bounds(lower: float | None, upper: float | None) -> str:
    return "" if lower is None or upper is None else f"[{lower:.4f}, {upper:.4f}]"


def _times(found: Quantiles) -> str:
    return NOTHING if found.p50 is None or found.p95 is None else f"{found.p50:.3g}/{found.p95:.3g} s"
