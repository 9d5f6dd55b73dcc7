"""What a configuration becomes: precedence, defaults, division over workers, plans, what is watched, what is said."""

from __future__ import annotations

import hashlib
from dataclasses import fields

import pytest

from proxy.config.load import ConfigError, Loaded
from proxy.config.sources import Flags
from proxy.config.values import Address, Limits, Secret, Timeouts
from proxy.policy.document import Enforcement
from tests.config.loading import FILE, ONE_VENDOR, loaded

URL = "http://127.0.0.1:8000/v1"


def test_a_vendors_url_is_enough() -> None:
    config = loaded(None, flags={"vendor": URL}).config
    (vendor,) = config.vendors
    assert (vendor.name, vendor.scheme, vendor.host, vendor.port, vendor.path) == (
        "vendor",
        "http",
        "127.0.0.1",
        8000,
        "/v1",
    )
    assert vendor.api_key is None
    assert vendor.profile.name == "openai-compatible"
    assert vendor.plan.name == "kimi-k2.6"
    assert vendor.timeouts == Timeouts()
    assert config.limits == Limits()
    assert config.listen == (Address("127.0.0.1", 8080),)
    assert config.watched == ()


@pytest.mark.parametrize(
    ("url", "profile"),
    [
        ("https://api.moonshot.ai/v1", "moonshot"),
        ("https://API.Moonshot.AI./v1/", "moonshot"),
        ("https://api.fireworks.ai/inference/v1", "fireworks"),
    ],
)
def test_the_host_chooses_the_profile_and_the_profile_names_the_vendor(url: str, profile: str) -> None:
    said = loaded(None, flags={"vendor": url})
    assert (said.config.vendors[0].profile.name, said.config.vendors[0].name) == (profile, profile)
    assert said.notices == ()


def test_an_unknown_host_is_said_to_get_the_open_profile() -> None:
    (notice,) = loaded(None, flags={"vendor": URL}).notices
    assert notice.startswith("vendor vendor: no profile lists the host 127.0.0.1, so openai-compatible is used; hint:")


@pytest.mark.parametrize(
    ("flag", "variable", "file", "expected"),
    [
        ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", 1),
        (None, "127.0.0.1:2", "127.0.0.1:3", 2),
        (None, None, "127.0.0.1:3", 3),
        (None, "", "127.0.0.1:3", 3),
        (None, None, None, 8080),
    ],
)
def test_a_flag_wins_over_a_variable_and_a_variable_over_the_file(
    flag: str | None, variable: str | None, file: str | None, expected: int
) -> None:
    text = ONE_VENDOR + (f"listen: {file}\n" if file else "")
    environ = {} if variable is None else {"PARAMWALL_LISTEN": variable}
    flags = {} if flag is None else {"listen": flag}
    assert loaded(text, environ, flags=flags).config.listen[0].port == expected


def test_every_flag_has_a_variable() -> None:
    environ = {
        "PARAMWALL_CONFIG": FILE,
        "PARAMWALL_VENDOR": URL,
        "PARAMWALL_POLICY": "kimi-k2.5",
        "PARAMWALL_ENFORCEMENT": "observe",
        "PARAMWALL_LISTEN": "127.0.0.1:1",
        "PARAMWALL_ADMIN": "127.0.0.1:2",
        "PARAMWALL_WORKERS": "3",
        "PARAMWALL_PROFILE": "vllm",
        "PARAMWALL_REFERENCE": "http://127.0.0.1:9000/v1",
        "PARAMWALL_STATE_DIR": "state",
        "PARAMWALL_MIRROR_FRACTION": "5%",
    }
    assert {f"PARAMWALL_{field.name.upper()}" for field in fields(Flags)} == environ.keys()
    said = loaded(ONE_VENDOR, environ)
    config = said.config
    plan = config.vendors[0].plan
    assert (config.vendors[0].host, config.vendors[0].profile.name) == ("127.0.0.1", "vllm")
    assert (plan.name, plan.enforcement) == ("kimi-k2.5", Enforcement.OBSERVE)
    assert (config.listen[0].port, config.admin.port, config.workers) == (1, 2, 3)
    assert config.reference is not None
    assert (config.reference.port, config.state_dir, config.mirror.fraction) == (9000, "state", 0.05)
    assert f"PARAMWALL_VENDOR replaces the vendors of {FILE}" in said.notices


def test_a_mistyped_variable_is_warned_about_and_somebody_elses_is_not() -> None:
    environ = {"PARAMWALL_LISTN": "x", "PARAMWALL_VENDOR_KEY": "x", "PARAMWALL_PORT": "tcp://10.0.0.1:80"}
    assert loaded(ONE_VENDOR, environ).warnings == (
        "the variable PARAMWALL_LISTN is not read; did you mean PARAMWALL_LISTEN?",
    )


def test_vendors_may_be_a_list_or_a_mapping() -> None:
    as_list = "version: 1\nvendors:\n  - {name: a, url: https://a.example/v1}\n"
    as_mapping = "version: 1\nvendors:\n  a: {url: https://a.example/v1}\n"
    assert loaded(as_list).config.hash == loaded(as_mapping).config.hash


def test_totals_are_divided_over_the_workers_and_rounded_up() -> None:
    text = """
version: 1
workers: 4
vendors:
  a: {url: https://a.example/v1, max_in_flight: 9, credentials: pass}
clients:
  app: {key_env: KEY, max_in_flight: 1}
limits: {in_flight: 10, body: 10MiB, bodies_in_flight: 80MiB}
"""
    config = loaded(text, {"KEY": "key"}).config
    assert config.limits.in_flight == 3
    assert config.limits.body_bytes == 10 * 1024**2
    assert config.limits.body_bytes_in_flight == 20 * 1024**2
    assert config.vendors[0].max_in_flight == 3
    assert config.clients[0].max_in_flight == 1


def test_a_worker_may_always_hold_one_largest_body() -> None:
    config = loaded(f"{ONE_VENDOR}workers: 64\n").config
    assert config.limits.body_bytes_in_flight == config.limits.body_bytes


def test_every_setting_arrives() -> None:
    text = """
version: 1
vendors:
  a:
    url: https://a.example/v1
    timeouts: {connect: 500ms, first_byte: 1.5m, idle: none, total: 2h}
    retry_reused: true
    tunnel: http://10.0.0.1:3128
listen: ["127.0.0.1:1", "[::1]:2"]
admin: localhost:3
limits: {header_timeout: 1s, body_timeout: 2s, body_floor: 0B/s, keepalive: 3s, write_stall: 4s}
log: {format: console}
drain: {timeout: 5s, grace: 0s}
"""
    config = loaded(text).config
    vendor = config.vendors[0]
    assert vendor.timeouts == Timeouts(0.5, 90.0, None, 7200.0)
    assert vendor.retry_reused
    assert vendor.tunnel == "http://10.0.0.1:3128"
    assert config.listen == (Address("127.0.0.1", 1), Address("::1", 2))
    assert config.admin == Address("localhost", 3)
    assert (config.log_format, config.drain_s, config.drain_grace_s) == ("console", 5.0, 0.0)
    limits = config.limits
    assert (limits.header_timeout_s, limits.body_timeout_s, limits.keepalive_s, limits.write_stall_s) == (1, 2, 3, 4)
    assert limits.body_floor_bytes_per_s == 0


def test_a_clients_enforcement_wins_over_a_vendors_and_that_over_the_files() -> None:
    text = """
version: 1
enforcement: strict
vendors:
  a: {url: https://a.example/v1, credentials: pass, enforcement: repair}
  b: {url: https://b.example/v1, credentials: pass}
clients:
  trying: {key_env: KEY, enforcement: observe}
  plain: {key_env: OTHER}
"""
    a, b = loaded(text, {"KEY": "one", "OTHER": "two"}).config.vendors
    assert (a.plan.enforcement, b.plan.enforcement) == (Enforcement.REPAIR, Enforcement.STRICT)
    assert {name: plan.enforcement for name, plan in a.client_plans.items()} == {"trying": Enforcement.OBSERVE}


def test_the_contract_is_a_switch() -> None:
    exact, wide = (
        loaded(f"{ONE_VENDOR}contract: {name}\n").config.vendors[0].plan.clause_ids for name in ("exact", "range")
    )
    assert "temperature-off-contract" in exact
    assert "temperature-off-contract" not in wide
    assert "temperature-out-of-range" in wide


def test_a_held_key_goes_into_the_vendor_and_a_clients_key_into_a_hash() -> None:
    text = """
version: 1
vendors:
  a: {url: https://a.example/v1, api_key_file: keys/a}
clients:
  app: {key_file: keys/app}
"""
    config = loaded(text, files={"etc/keys/a": "vendors-key\n", "etc/keys/app": " clients-key \n"}).config
    assert config.vendors[0].api_key == Secret("vendors-key")
    assert config.clients[0].key_sha256 == hashlib.sha256(b"clients-key").digest()
    assert config.watched == (FILE, "etc/keys/a", "etc/keys/app")


def test_paths_start_where_they_were_written(policy_text: str) -> None:
    text = f"{ONE_VENDOR}policy: mine/policy.yaml\n"
    assert loaded(text, files={"etc/mine/policy.yaml": policy_text}).config.watched == (FILE, "etc/mine/policy.yaml")
    said = loaded(ONE_VENDOR, files={"mine/policy.yaml": policy_text}, flags={"policy": "mine/policy.yaml"})
    assert said.config.watched == (FILE, "mine/policy.yaml")
    assert said.config.vendors[0].plan.name == "mine"
    assert said.sources == {"n-above-one": "a test"}


@pytest.fixture
def policy_text() -> str:
    return """
version: 1
name: mine
models: [m]
mode: {default: thinking}
clauses:
  - {id: n-above-one, kind: fixed, member: n, value: 1, source: a test}
"""


def test_variables_in_values() -> None:
    text = 'version: 1\nvendors: [{name: a, url: "https://${HOST:-b}.example/v1", profile: "${P:-}vllm"}]\n'
    assert loaded(text).config.vendors[0].host == "b.example"
    assert loaded(text, {"HOST": "c"}).config.vendors[0].host == "c.example"
    assert loaded(text, {"HOST": ""}).config.vendors[0].host == "b.example"


def test_a_section_without_settings_is_an_empty_one() -> None:
    assert loaded(f"{ONE_VENDOR}log:\nlimits:\nclients:\n").config.hash == loaded(ONE_VENDOR).config.hash


@pytest.mark.parametrize(
    ("addition", "warning"),
    [
        (
            "    api_key_env: KEY\n",
            "everyone on this machine can use the key of moonshot; hint: add a `clients` section",
        ),
        (
            "admin: 0.0.0.0:9090\n",
            "admin: 0.0.0.0:9090 shows metrics and status to everyone who reaches it; hint: keep it on 127.0.0.1",
        ),
    ],
)
def test_warnings(addition: str, warning: str) -> None:
    assert loaded(ONE_VENDOR + addition, {"KEY": "key"}).warnings == (warning,)


@pytest.mark.parametrize(("mode", "warned"), [(0o100600, False), (0o100640, False), (0o100644, True)])
def test_a_key_file_that_everyone_may_read_is_warned_about(mode: int, warned: bool) -> None:
    text = f"{ONE_VENDOR}    credentials: pass\nclients:\n  app: {{key_file: key}}\n"
    said = loaded(text, files={"etc/key": "key"}, modes={"etc/key": mode})
    expected = "clients.app.key_file: every user of this machine can read etc/key; hint: chmod o-r etc/key"
    assert said.warnings == ((expected,) if warned else ())


def test_without_reading_secrets_nothing_is_looked_for() -> None:
    text = f"{ONE_VENDOR}    api_key_env: NOT_SET\nclients:\n  a: {{key_file: none}}\n  b: {{key_env: NONE}}\n"
    assert len(loaded(text, read_secrets=False).config.clients) == 2


HASH_OF = "version: 1\nvendors:\n  a: {url: https://a.example/v1, credentials: pass}\nclients:\n  app: {key_env: KEY}\n"


def _hash(text: str, environ: dict[str, str] | None = None) -> str:
    return loaded(text, {"KEY": "key", **(environ or {})}).config.hash


def test_the_hash_is_stable_and_knows_no_secret() -> None:
    assert _hash(HASH_OF) == _hash(f"# a comment\n{HASH_OF}")
    assert _hash(HASH_OF) == _hash(HASH_OF, {"KEY": "another"})
    assert len(_hash(HASH_OF)) == 8
    int(_hash(HASH_OF), 16)


@pytest.mark.parametrize(
    "addition", ["workers: 2", "enforcement: strict", "policy: kimi-k2.5", "limits: {body: 1MiB}", "listen: 0.0.0.0:1"]
)
def test_the_hash_changes_with_every_setting(addition: str) -> None:
    assert _hash(HASH_OF) != _hash(f"{HASH_OF}{addition}\n")


def test_loading_twice_gives_the_same(policy_text: str) -> None:
    def once() -> Loaded:
        return loaded(f"{ONE_VENDOR}policy: ./p.yaml\n", files={"etc/p.yaml": policy_text})

    assert once().config.hash == once().config.hash


def test_a_profile_is_named_for_the_vendor_of_the_flag() -> None:
    said = {"vendor": "http://127.0.0.1:8000/v1", "profile": "vllm"}
    assert loaded(None, flags=said).config.vendors[0].profile.name == "vllm"


def test_a_profile_without_that_vendor_is_refused() -> None:
    with pytest.raises(ConfigError, match="give --vendor URL with it"):
        loaded(ONE_VENDOR, flags={"profile": "vllm"})
