"""What `paramwall verify` prints: a verdict for each layer, what is wrong and what to do, the cost, the list of probes.

Not here: the run. Invariant: what failed is told before what was not answered, the layer that is broken first before
those it may have broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from proxy.cli.terminal import answer, answer_json, answer_table, note
from proxy.probes.probe import Verdict as Found
from proxy.verify.result import ProbeResult, Verdict, VerifyResult, encode_result
from proxy.verify.selection import Cost, Item

SILENT_SHOWN: Final = 10


def show(result: VerifyResult, *, json: bool) -> None:
    """The result, for people or for a program."""
    if json:
        answer(encode_result(result).decode().rstrip())
        return
    vendor = result.vendor
    answer(f"{vendor.name}: {vendor.url}, model {vendor.model}, profile {vendor.profile}, contract {result.contract}")
    answer("")
    columns = ("layer", "verdict", "passed", "failed", "no answer")
    answer_table(
        columns,
        [(one.layer, one.verdict, *map(str, (one.passed, one.failed, one.unanswered))) for one in result.layers],
    )
    _show_failed([one for one in result.probes if one.verdict == Found.FAIL])
    _show_silent([one for one in result.probes if one.verdict == Found.NO_ANSWER])
    answer(f"\n{_conclusion(result)}")
    used = result.spent
    tokens = f"{used.prompt_tokens:,} prompt and {used.completion_tokens:,} completion tokens"
    note(f"paramwall: {used.requests} requests, {tokens}; {result.no_answer_share:.1%} without an answer")


def _conclusion(result: VerifyResult) -> str:
    if result.verdict == Verdict.PASS:
        return "verdict: pass"
    layers = [one.layer for one in result.layers if one.verdict == result.verdict]
    if result.verdict == Verdict.FAIL:
        others = f"; also {', '.join(layers[1:])}" if len(layers) > 1 else ""
        return f"verdict: fail; the first broken layer is {layers[0]}{others}"
    return f"verdict: inconclusive; too little was answered about {', '.join(layers)}"


def _show_failed(probes: Sequence[ProbeResult]) -> None:
    """Alike findings of both modes are told once."""
    alike = groupby(probes, key=lambda one: (one.layer, one.id, one.title, one.seen, one.allowed, one.hint))
    for (layer, name, title, seen, allowed, hint), group in alike:
        answer(f"\nFAIL {layer}: {title} ({name}, {_modes(group)})")
        answer(f"  seen     {seen}\n  allowed  {allowed}\n  hint     {hint}")


def _show_silent(probes: Sequence[ProbeResult]) -> None:
    grouped = [
        (key, list(group)) for key, group in groupby(probes, key=lambda one: (one.layer, one.id, one.seen, one.hint))
    ]
    if grouped:
        answer("")
    for (layer, name, seen, hint), group in grouped[:SILENT_SHOWN]:
        answer(f"NO ANSWER {layer}: {name} ({_modes(group)}): {seen}")
        if hint:
            answer(f"  hint     {hint}")
    rest = sum(len(group) for _, group in grouped[SILENT_SHOWN:])
    if rest:
        answer(f"and {rest} more without an answer; --json lists them")


def _modes(probes: Iterable[ProbeResult]) -> str:
    return ", ".join(one.mode for one in probes)


def cost_line(price: Cost) -> str:
    """What a run takes, in one line."""
    prompt, completion, most = price.prompt, price.completion, price.most
    return f"{price.requests} requests, about {prompt:,} + {completion:,} tokens (at most {prompt:,} + {most:,})"


def show_cost(price: Cost, *, json: bool) -> None:
    """What a run would take."""
    if json:
        tokens = {"prompt_tokens": price.prompt, "completion_tokens": price.completion}
        answer_json({"requests": price.requests, **tokens, "completion_tokens_at_most": price.most})
    else:
        answer(f"{cost_line(price)}: prompt + completion, repeats not counted")


def show_list(items: Sequence[Item]) -> None:
    """The probes, one a line."""
    grouped = groupby(items, key=lambda item: item.probe)
    rows = [(one.id, str(one.layer), ", ".join(item.mode for item in group), one.title) for one, group in grouped]
    answer_table(("probe", "layer", "modes", "what must hold"), rows)
