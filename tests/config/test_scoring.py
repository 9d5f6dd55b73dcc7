"""What the settings of shadow scoring become: the reference, whose key it gets, shares, budgets, tolerances."""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import pytest

from proxy.config import scalars
from proxy.config.load import ConfigError, Loaded
from proxy.config.refusal import Refused
from proxy.config.tree import Text
from proxy.config.values import (
    REFERENCE_TIMEOUTS,
    Budget,
    Config,
    Drift,
    Evidence,
    Mirror,
    Reference,
    Retention,
    Secret,
    Signals,
    Timeouts,
)
from proxy.policy.verdict import Enforcement
from proxy.signals import SIGNALS
from proxy.signals.signal import Kind
from tests.config.loading import FILE, ONE_VENDOR, loaded

NEAR = "http://127.0.0.1:9000/v1"
KEY = {"PARAMWALL_REFERENCE_KEY": "the-key"}


def reference_of(said: Loaded) -> Reference:
    assert said.config.reference is not None
    return said.config.reference


def with_reference(more: str = "", url: str = NEAR) -> str:
    return f"{ONE_VENDOR}reference:\n  url: {url}\n{more}"


def problem_of(text: str, flags: Mapping[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as raised:
        loaded(text, flags=flags)
    (problem,) = raised.value.problems
    return f"{problem.message}; {problem.hint}"


def test_without_any_of_it_answers_are_checked_and_nothing_is_mirrored() -> None:
    config = loaded(ONE_VENDOR).config
    assert config.reference is None
    assert config.signals == Signals(fraction=1.0)
    assert (config.mirror, config.drift, config.retention, config.evidence) == (
        Mirror(),
        Drift(),
        Retention(),
        Evidence(),
    )
    assert config.scoring
    assert config.state_dir is None
    assert loaded(ONE_VENDOR).notices == ()


def test_scoring_is_off_without_checks_and_reference() -> None:
    assert not loaded(f"{ONE_VENDOR}signals: {{fraction: 0%}}\n").config.scoring
    assert loaded(with_reference("signals: {fraction: 0}\n")).config.scoring
    vendors = loaded(ONE_VENDOR).config.vendors
    assert not Config(vendors=vendors, hash="").scoring


def test_a_reference_by_its_host() -> None:
    reference = reference_of(loaded(None, KEY, flags={"vendor": NEAR, "reference": "https://api.moonshot.ai/v1"}))
    assert (reference.name, reference.profile.name, reference.model) == ("api.moonshot.ai", "moonshot", "kimi-k2.6")
    assert reference.plan.enforcement is Enforcement.STRICT
    assert (reference.timeouts, reference.max_in_flight) == (REFERENCE_TIMEOUTS, 8)
    assert reference.api_key == Secret("the-key")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://127.0.0.1:9000/v1", "127.0.0.1:9000"),
        ("http://[::1]:9000/v1", "[::1]:9000"),
        ("http://model.internal/v1", "model.internal"),
        ("https://model.internal:80/v1", "model.internal:80"),
    ],
)
def test_a_reference_is_named_by_where_it_is(url: str, name: str) -> None:
    assert reference_of(loaded(with_reference(url=url))).name == name


@pytest.mark.parametrize(
    ("more", "model"),
    [
        ("", "kimi-k2.6"),
        ("  profile: vllm\n", "moonshotai/Kimi-K2.6"),
        ("  profile: vllm\n  model: mine/k2\n", "mine/k2"),
        ("  profile: vllm\npolicy: kimi-k2.5\n", "moonshotai/Kimi-K2.5"),
    ],
)
def test_the_model_that_is_asked_for(more: str, model: str) -> None:
    assert reference_of(loaded(with_reference(more))).model == model


def test_a_model_that_is_guessed_is_said() -> None:
    assert any("has no name for the model of kimi-k2.6" in notice for notice in loaded(with_reference()).notices)
    named = loaded(with_reference("  model: kimi-k2.6\n"))
    assert not any("has no name for the model" in notice for notice in named.notices)


def test_the_plan_of_the_reference_is_strict_by_the_same_contract() -> None:
    text = with_reference("enforcement: observe\ncontract: range\n")
    plan = reference_of(loaded(text)).plan
    assert plan.enforcement is Enforcement.STRICT
    assert "temperature-out-of-range" in plan.clause_ids


# Whose key


def test_the_key_of_the_file_never_goes_to_the_url_of_a_flag() -> None:
    text = with_reference("  api_key_env: FILES\n", "https://a.example/v1")
    environ = {"FILES": "of-the-file"}
    assert reference_of(loaded(text, environ)).api_key == Secret("of-the-file")
    said = loaded(text, environ, flags={"reference": NEAR})
    assert reference_of(said).api_key is None
    assert f"--reference replaces the reference of {FILE}" in said.notices
    assert reference_of(loaded(text, {**environ, **KEY}, flags={"reference": NEAR})).api_key == Secret("the-key")


def test_the_variable_of_the_flags_key_is_not_for_the_file() -> None:
    said = loaded(with_reference(), KEY)
    assert reference_of(said).api_key is None
    assert said.warnings == ()


def test_a_host_far_away_needs_a_key() -> None:
    far = {"reference": "https://a.example/v1"}
    said = "reference: there is no key for a.example, and no client's credential is sent there; "
    assert problem_of(ONE_VENDOR, flags=far) == f"{said}set the variable PARAMWALL_REFERENCE_KEY"
    assert problem_of(with_reference(url="https://a.example/v1")) == (
        f"{said}add api_key_env: NAME or api_key_file: PATH"
    )
    assert reference_of(loaded(ONE_VENDOR, flags=far, read_secrets=False)).host == "a.example"


def test_every_setting_of_the_reference_arrives() -> None:
    text = with_reference("""  api_key_file: keys/reference
  max_in_flight: 3
  tunnel: http://10.0.0.1:3128
  timeouts: {connect: 1s, first_byte: none, idle: 2s, total: 3s}
workers: 4
""")
    said = loaded(text, files={"etc/keys/reference": "from-a-file\n"})
    reference = reference_of(said)
    assert reference.timeouts == Timeouts(1.0, None, 2.0, 3.0)
    assert (reference.max_in_flight, reference.tunnel) == (3, "http://10.0.0.1:3128")
    assert reference.api_key == Secret("from-a-file")
    assert "etc/keys/reference" in said.config.watched


def test_a_vendor_that_is_compared_with_itself_is_warned_about() -> None:
    said = loaded(with_reference("  api_key_env: K\n", "https://API.moonshot.ai/v1/"), {"K": "k"})
    (warning,) = said.warnings
    assert warning.startswith("reference: it is the url of vendor moonshot, which is then compared with itself; hint:")


@pytest.mark.parametrize(
    ("admin", "evidence", "warned"),
    [
        ("0.0.0.0:9091", "bodies: all, page: true", True),
        ("0.0.0.0:9091", "bodies: all", False),
        ("0.0.0.0:9091", "bodies: off, page: true", False),
        ("127.0.0.1:9091", "bodies: all, page: true", False),
    ],
)
def test_kept_conversations_on_an_open_port_are_warned_about(admin: str, evidence: str, warned: bool) -> None:
    said = loaded(f"{ONE_VENDOR}admin: {admin}\nstate_dir: x\nevidence: {{{evidence}}}\n")
    assert any("page: true shows kept conversations to everyone" in each for each in said.warnings) == warned


def test_a_reference_crosses_to_the_scorer() -> None:
    before = reference_of(loaded(None, KEY, flags={"vendor": NEAR, "reference": "https://api.moonshot.ai/v1"}))
    after: Reference = pickle.loads(pickle.dumps(before))
    assert (after.name, after.model, after.api_key) == (before.name, before.model, before.api_key)
    assert (after.profile, after.plan.label) == (before.profile, before.plan.label)


# Where the log lives


def test_a_log_in_memory_is_said_when_there_is_a_reference() -> None:
    in_memory = "comparisons with the reference are kept in memory and lost at the end"
    assert any(notice.startswith(in_memory) for notice in loaded(with_reference()).notices)
    said = loaded(with_reference("state_dir: state\n"))
    assert not any(notice.startswith(in_memory) for notice in said.notices)
    assert said.config.state_dir == "etc/state"
    assert loaded(with_reference(), flags={"state_dir": "state"}).config.state_dir == "state"


# How much


def test_every_other_setting_arrives() -> None:
    text = with_reference("""
state_dir: /var/lib/paramwall
mirror: {fraction: 2%, raised_fraction: 0.5, second_answer: 100%, requests_per_minute: 1, tokens_per_minute: 2,
  requests_per_day: 3, tokens_per_day: 40000000000, pair_deadline: 1m, max_body: 1MiB, allow_opt_out: false}
signals: {fraction: 12.5%, tokenizer_file: ranks, outbox: 1MiB}
drift: {budget: 1000000 pairs, window: 7d, enough: 9}
retention: {age: 365d, size: 2GiB}
evidence: {bodies: all, size: 1MiB, age: 12h, redact: ['sk-\\w+', "secret"], page: false}
workers: 4
""")
    said = loaded(text, files={"etc/ranks": "IQ== 0\nIg== 1\n"})
    config = said.config
    assert config.mirror == Mirror(0.02, 0.5, 1.0, 1, 2, 3, 40_000_000_000, 60.0, 1024**2, allow_opt_out=False)
    assert config.signals == Signals(0.125, "etc/ranks", 1024**2)
    assert config.drift == Drift(Budget("pairs", 1e6), {}, 7 * 86400.0, 9)
    assert config.retention == Retention(365 * 86400.0, 2 * 1024**3)
    assert config.evidence == Evidence("all", 1024**2, 12 * 3600.0, (r"sk-\w+", "secret"), "false")
    assert config.state_dir == "/var/lib/paramwall"
    assert "etc/ranks" in config.watched


def test_a_higher_fraction_raises_the_raised_one() -> None:
    mirror = loaded(with_reference("mirror: {fraction: 50%}\n")).config.mirror
    assert (mirror.fraction, mirror.raised_fraction) == (0.5, 0.5)


def test_the_flag_of_the_fraction_leaves_the_other_settings() -> None:
    said = loaded(with_reference("mirror: {fraction: 2%, max_body: 1MiB}\n"), flags={"mirror_fraction": "100%"})
    assert (said.config.mirror.fraction, said.config.mirror.max_body_bytes) == (1.0, 1024**2)
    for mirror in ("", "mirror:\n"):
        assert loaded(with_reference(mirror), flags={"mirror_fraction": "0.25"}).config.mirror.fraction == 0.25


def test_vendors_and_clients_may_be_left_out() -> None:
    text = f"{ONE_VENDOR}    mirror: false\n    credentials: pass\nclients:\n  a: {{key_env: K, mirror: false}}\n"
    config = loaded(text, {"K": "k"}).config
    assert (config.vendors[0].mirror, config.clients[0].mirror) == (False, False)
    config = loaded(text.replace("false", "true"), {"K": "k"}).config
    assert (config.vendors[0].mirror, config.clients[0].mirror) == (True, True)


@pytest.mark.parametrize(
    "more",
    [
        "mirror: {fraction: 2%}",
        "signals: {fraction: 50%}",
        "drift: {budget: 30d}",
        "state_dir: x",
        "retention: {age: 1d}",
        "evidence: {redact: x}",
        "contract: range",
    ],
)
def test_the_hash_covers_it(more: str) -> None:
    plain = loaded(with_reference()).config.hash
    assert loaded(with_reference(f"{more}\n")).config.hash != plain
    assert loaded(ONE_VENDOR).config.hash != plain


# Values


@pytest.mark.parametrize(
    ("text", "share"),
    [("1%", 0.01), ("0.01", 0.01), ("0.5%", 0.005), ("100%", 1.0), ("1", 1.0), ("0", 0.0), ("0%", 0.0), ("1.0", 1.0)],
)
def test_shares(text: str, share: float) -> None:
    assert scalars.share(Text(text)) == share


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("90d", Budget()),
        ("12h", Budget("hours", 12.0)),
        ("90m", Budget("hours", 1.5)),
        ("3653d", Budget("hours", 3653 * 24.0)),
        ("1 pairs", Budget("pairs", 1.0)),
        ("1000000 pairs", Budget("pairs", 1e6)),
    ],
)
def test_budgets(text: str, budget: Budget) -> None:
    assert scalars.budget(Text(text)) == budget


def test_a_secret_pattern_is_not_repeated() -> None:
    with pytest.raises(Refused) as refused:
        scalars.pattern(Text("(?P<canary>x", secret=True))
    assert "canary" not in refused.value.message
    assert refused.value.message == "the value is not a regular expression"


# Tolerances


TOLERANT = [signal.name for signal in SIGNALS if signal.kind is not Kind.BASELINE]
OWN_PAST = [signal.name for signal in SIGNALS if signal.kind is Kind.BASELINE]


def test_every_signal_with_a_tolerance_may_have_another() -> None:
    text = "".join(f"    {name}: 0.5%\n" for name in TOLERANT)
    said = loaded(f"{ONE_VENDOR}drift:\n  tolerance:\n{text}")
    assert said.config.drift.tolerance == dict.fromkeys(TOLERANT, 0.005)
    assert loaded(f"{ONE_VENDOR}drift:\n  tolerance:\n").config.drift.tolerance == {}


@pytest.mark.parametrize(
    ("name", "hint"),
    [(f"{TOLERANT[0]}s", f"did you mean {TOLERANT[0]}?"), ("zzz", "docs/signals.md lists the signals")],
)
def test_a_tolerance_of_no_signal(name: str, hint: str) -> None:
    text = f"{ONE_VENDOR}drift: {{tolerance: {{{name}: 3%}}}}\n"
    assert problem_of(text) == f"drift.tolerance: {name} is not a signal with a tolerance; {hint}"


@pytest.mark.parametrize("name", OWN_PAST)
def test_a_signal_judged_by_its_own_past_has_no_tolerance(name: str) -> None:
    text = f"{ONE_VENDOR}drift: {{tolerance: {{{name}: 3%}}}}\n"
    assert problem_of(text).startswith(f"drift.tolerance: {name} is not a signal with a tolerance; ")


@pytest.mark.parametrize(
    ("vendor", "warned", "probed"),
    [
        ("url: https://api.moonshot.ai/v1", True, False),
        ("url: https://api.moonshot.ai/v1, probe: false", False, False),
        ("url: https://api.moonshot.ai/v1, api_key_env: K", False, True),
        ("url: https://api.moonshot.ai/v1, api_key_env: K, probe: false", False, False),
        ("url: 'http://127.0.0.1:9000/v1'", False, True),
    ],
)
def test_only_a_vendor_that_can_be_asked_is_probed(vendor: str, warned: bool, probed: bool) -> None:
    text = f"version: 1\nvendors:\n  host: {{{vendor}}}\nsignals: {{fraction: 0%}}\n"
    said = loaded(f"{text}probes: {{every: 15m}}\n", {"K": "k"})
    assert any("it is not probed; hint: add api_key_env" in each for each in said.warnings) == warned
    assert said.config.vendors[0].probed == probed
    assert (said.config.probes.every_s, said.config.scoring) == (900.0, True)
    assert not loaded(text, {"K": "k"}).config.scoring
