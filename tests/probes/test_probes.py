"""What holds for all probes: their requests, their cost, their schemas, and the page that lists them."""

from __future__ import annotations

from itertools import chain, pairwise
from random import Random
from typing import Any, Final

import jsonschema_rs
import orjson
import pytest

from proxy.config.shipped import profile_names
from proxy.contract.envelope import Envelope
from proxy.contract.mode import Mode, read_mode
from proxy.policy.decide import decide
from proxy.policy.verdict import Allow, Reject, Route
from proxy.probes import PROBES, SCHEDULED
from proxy.probes.probe import Ask, Layer, Setting, estimate
from proxy.probes.schemas import FAMILIES
from proxy.probes.share import lower, runs_to_show, upper
from proxy.probes.table import with_table
from proxy.simulator.arguments import draw_value
from tests.probes.test_findings import setting
from tests.proxying import configured
from tests.source import ROOT, none_of

PAGE: Final = ROOT / "docs/verify.md"
UNLAWFUL: Final = {"reasoning-history-missing"}
SCHEDULED_TOKENS: Final = 700
"""On average."""


def asks(one: Setting) -> list[tuple[str, Mode, Ask]]:
    return [(probe.id, mode, ask) for probe in PROBES for mode in probe.modes for ask in probe.asks(one, mode)]


def test_ids_are_unique_and_layers_are_in_order() -> None:
    names = [probe.id for probe in PROBES]
    assert len(set(names)) == len(names)
    order = [list(Layer).index(probe.layer) for probe in PROBES]
    assert all(one <= other for one, other in pairwise(order))
    assert set(Layer) == {probe.layer for probe in PROBES}
    assert set(SCHEDULED) <= set(names)


@pytest.mark.parametrize("contract", ["exact", "range"])
def test_a_request_is_lawful_unless_its_probe_is_about_that(contract: str) -> None:
    """By the policy that the proxy itself enforces, strictly."""
    config = configured("http://127.0.0.1:9/v1", enforcement="strict", contract=contract)
    wrong = []
    for name, mode, ask in asks(setting(contract, "openai-compatible")):
        envelope = Envelope.parse(ask.body)
        verdict = decide(config.vendors[0].plan, Route.CHAT, envelope).verdict
        lawful = not (name.endswith("-unlawful") or name in UNLAWFUL)
        if isinstance(verdict, Reject) == lawful:
            wrong.append(f"{name} ({mode}): {ask.body.decode()[:200]} {verdict}")
        if read_mode(envelope, Mode.THINKING).mode is not mode:
            wrong.append(f"{name} ({mode}): says another mode")
    none_of(wrong, "lawful, or unlawful, against its probe's meaning")


def test_requests_but_the_pre_check_send_the_contracts_values() -> None:
    config = configured("http://127.0.0.1:9/v1", enforcement="strict")
    bare = {"nothing-set", "defaults-sample"}
    wrong = [
        name
        for name, _, ask in asks(setting("exact", "openai-compatible"))
        if name not in bare
        and not name.endswith(("lawful", "missing"))
        and not isinstance(decide(config.vendors[0].plan, Route.CHAT, Envelope.parse(ask.body)).verdict, Allow)
    ]
    none_of(wrong, "does not send temperature and top_p")


@pytest.mark.parametrize("profile", profile_names())
def test_each_profile_is_spelled_to(profile: str) -> None:
    """Every vendor's own switch says the mode; where silence says it, the mode is the profile's default."""
    plan = configured("http://127.0.0.1:9/v1", vendor={"profile": profile}).vendors[0].plan
    for name, mode, ask in asks(Setting("kimi-k2.6", plan)):
        assert read_mode(Envelope.parse(ask.body), plan.profile.default_mode).mode is mode, name


def test_every_request_has_its_limit_and_costs_what_is_said() -> None:
    for name, _, ask in asks(setting()):
        assert orjson.loads(ask.body)["max_tokens"] == ask.limit, name
        price = estimate(ask)
        assert 0 < price.completion <= price.most == ask.limit
        assert len(ask.body) / 8 < price.prompt <= len(ask.body)


def test_what_is_asked_all_day_is_cheap() -> None:
    one, costs = setting(), []
    for probe in PROBES:
        if probe.id in SCHEDULED:
            assert not probe.compares
            assert not probe.in_order
            for mode in probe.modes:
                prices = [estimate(ask) for ask in probe.asks(one, mode)]
                costs.append(sum(price.prompt + price.completion for price in prices))
    assert sum(costs) / len(costs) <= SCHEDULED_TOKENS


@pytest.mark.parametrize("family", FAMILIES)
def test_schemas_can_be_met_and_can_be_broken(family: str) -> None:
    for schema in FAMILIES[family]:
        jsonschema_rs.meta.validate(dict(schema))
        validator = jsonschema_rs.validator_for(dict(schema))
        values = [draw_value(dict(schema), Random(seed)) for seed in range(20)]
        assert all(validator.is_valid(value) for value in values), schema
        assert not validator.is_valid(["not", "the", "declared", "object"])


def test_the_schemas_cover_the_keywords() -> None:
    used = set(chain.from_iterable(keywords(schema) for family in FAMILIES.values() for schema in family))
    wanted = "type enum const anyOf oneOf allOf $ref $defs required minimum maximum exclusiveMinimum exclusiveMaximum"
    wanted += " multipleOf minLength maxLength pattern additionalProperties properties items prefixItems minItems"
    wanted += " maxItems uniqueItems minProperties maxProperties"
    assert set(wanted.split()) <= used
    assert 40 <= sum(map(len, FAMILIES.values())) <= 60


def keywords(schema: Any) -> set[str]:  # noqa: ANN401
    if isinstance(schema, dict):
        return set(schema).union(*(keywords(value) for value in schema.values()))
    return set().union(*(keywords(each) for each in schema)) if isinstance(schema, list | tuple) else set()


@pytest.mark.parametrize(
    ("events", "runs", "least", "most"),
    [(0, 10, 0.0, 0.2589), (1, 10, 0.0051, 0.3942), (10, 10, 0.7411, 1.0), (3, 300, 0.0027, 0.0256)],
)
def test_the_bounds_of_a_share(events: int, runs: int, least: float, most: float) -> None:
    """One-sided, 95 %: scipy.stats.beta.ppf(0.05, k, n - k + 1) and ppf(0.95, k + 1, n - k)."""
    assert lower(events, runs) == pytest.approx(least, abs=1e-4)
    assert upper(events, runs) == pytest.approx(most, abs=1e-4)


def test_how_many_runs_show_one_percent() -> None:
    assert runs_to_show(0.01) == 299
    assert upper(0, 299) <= 0.01 < upper(0, 298)


def test_the_page_lists_all_probes() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert with_table(text) == text, "hint: python -m proxy.probes.table < docs/verify.md, and put it in its place"
