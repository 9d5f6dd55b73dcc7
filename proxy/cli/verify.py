"""`paramwall verify`: does a vendor keep Kimi K2.6's contract, and if not, which layer of its stack is broken.

Here: the options. Not here: the probes (probes/), the run (verify_run.py), what is printed of its result
(verify_show.py). Invariant: nothing is sent before the cost is known and within its bound.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from proxy.cli.terminal import FINDING, note, refuse
from proxy.cli.upstreams import Said, Upstreams, upstreams_of
from proxy.cli.verify_run import Order, carry_out
from proxy.cli.verify_show import cost_line, show, show_cost, show_list
from proxy.config.refusal import choose
from proxy.policy.plan import Plan
from proxy.probes import PROBES
from proxy.probes.parameters import RULES
from proxy.probes.probe import Layer, Setting
from proxy.verify.junit import junit
from proxy.verify.result import Verdict, VerifyResult, encode_result
from proxy.verify.selection import Cost, Item, Parties, UnknownName, cost, selected

FOLDER: Final = ".paramwall"
"""Where a run's state is kept unless --state says where."""
_COVERED: Final = ("kimi-k2.5", "kimi-k2.6")


def verify(  # noqa: PLR0913, PLR0917  (one argument for each flag)
    vendor: Annotated[
        str, typer.Argument(metavar="VENDOR", help="A base URL that ends in /v1, or a vendor of the configuration.")
    ] = "",
    config: Annotated[str | None, typer.Option(metavar="FILE", help="Configuration with the vendor.")] = None,
    profile: Annotated[str | None, typer.Option(metavar="NAME|FILE", help="The dialect of a URL's host.")] = None,
    policy: Annotated[str | None, typer.Option(metavar="NAME|FILE", help="The model's policy.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The name to ask for; else the profile's.")] = None,
    contract: Annotated[
        str | None, typer.Option(metavar="|".join(RULES), help="Which pre-check; else the policy's contract.")
    ] = None,
    reference: Annotated[str | None, typer.Option(metavar="URL", help="Compare prompt tokens with it.")] = None,
    api_key_env: Annotated[str | None, typer.Option(metavar="NAME", help="Variable with the vendor's key.")] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="LAYER|PROBE", help="Only these; repeatable.")] = None,
    early_end: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Runs of the probe early-end.")] = 10,
    concurrency: Annotated[int, typer.Option(metavar="N", min=1, max=256, help="Requests at a time.")] = 4,
    timeout: Annotated[float, typer.Option(metavar="S", min=0.01, help="Seconds that one request may take.")] = 180.0,
    attempts: Annotated[int, typer.Option(metavar="N", min=1, max=20, help="Tries of a request.")] = 3,
    max_tokens_total: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Do not start if it could take more tokens.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help=f"Where to keep what was answered; else in {FOLDER}.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the result as JSON.")] = None,
    junit_file: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.")] = None,
    *,
    estimate: Annotated[bool, typer.Option("--estimate", help="Print the cost and stop.")] = False,
    list_probes: Annotated[bool, typer.Option("--list", help="Print the probes and stop.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Probe a vendor against Kimi K2.6's contract, and name the layer that breaks it.

    Exit code 0: it passes. 1: it fails, or too little was answered to say. 2: it could not be asked.
    """
    items = _items(only or [])
    if list_probes:
        show_list(items)
        return
    if not vendor:
        refuse("no vendor is given", "paramwall verify https://HOST/v1, or the name of one in paramwall.yaml")
    found = upstreams_of([vendor], Said(config, profile, policy, reference, api_key_env))
    whom = found.vendors[0]
    parties = _parties(found, model, _contract(contract, whom.plan), early_end)
    file = state or Path(FOLDER) / f"verify-{re.sub(r'[^A-Za-z0-9.-]+', '-', whom.name)}.jsonl"
    order = Order(whom, found.reference, parties, items, file, concurrency, timeout, attempts)
    price = cost(order.chains)
    if estimate:
        show_cost(price, json=json)
        return
    _require_affordable(price, max_tokens_total)
    _require_writable(output, junit_file)
    result, whole = _carried_out(order, price)
    _write(output, encode_result(result))
    _write(junit_file, junit(result))
    show(result, json=json)
    if not whole:
        note(f"paramwall: stopped before the end; the same command goes on from {file}")
    if result.verdict != Verdict.PASS:
        raise typer.Exit(FINDING)


def _carried_out(order: Order, price: Cost) -> tuple[VerifyResult, bool]:
    name, policy = order.vendor.name, order.vendor.plan.name
    if policy not in _COVERED:
        note(f"paramwall: warning: the probes are those of {' and '.join(_COVERED)}, the policy is {policy}'s")
    note(f"paramwall: asking {name}: {cost_line(price)}; what is answered is kept in {order.state}")
    return carry_out(order)


def _items(only: list[str]) -> tuple[Item, ...]:
    try:
        return selected(only)
    except UnknownName as error:
        names = [*map(str, Layer), *(probe.id for probe in PROBES)]
        refuse(f"--only {error}: there is no such layer or probe", f"{choose(str(error), names)}")


def _contract(said: str | None, plan: Plan) -> str:
    if said is None:
        document, _, _, overridden = plan.made_from
        return overridden or str(document.contract)
    if said not in RULES:
        refuse(f"--contract {said}: there is no such contract", choose(said, RULES))
    return said


def _parties(found: Upstreams, model: str | None, contract: str, early_end: int) -> Parties:
    plan, reference = found.vendors[0].plan, found.reference
    names = plan.profile.models.get(plan.name, ())
    asked = model or (names[0] if names else plan.name)
    return Parties(
        Setting(asked, plan, contract, early_end),
        None if reference is None else Setting(reference.model, reference.plan, contract, early_end),
    )


def _require_affordable(price: Cost, most: int | None) -> None:
    if most is not None and price.prompt + price.most > most:
        refuse(
            f"--max-tokens-total {most}: it could take {price.prompt + price.most:,} tokens ({cost_line(price)})",
            "allow more, or ask less with --only and --early-end",
        )


def _require_writable(*files: Path | None) -> None:
    """Before anything is asked: an answer that cannot be written is lost."""
    for file in files:
        if file is not None:
            _write(file, b"", mode="ab")


def _write(file: Path | None, text: bytes, *, mode: str = "wb") -> None:
    if file is not None:
        try:
            with file.open(mode) as opened:
                opened.write(text)
        except OSError as error:
            refuse(f"{file} cannot be written: {error.strerror}", "name a file in a folder that is there")
