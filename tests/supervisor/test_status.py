"""What is printed at start, for configurations out of memory."""

from __future__ import annotations

from proxy.supervisor.status import opening_lines
from tests.config.loading import ONE_VENDOR, loaded

CANARY = "canary-5f1c9e"


def lines(text: str, environ: dict[str, str] | None = None) -> list[str]:
    """What is said after the first three lines, which name version and addresses."""
    return list(opening_lines(loaded(text, environ).config, ["127.0.0.1:1"], "127.0.0.1:2"))[3:]


def test_vendor_and_checks() -> None:
    vendor, policy, checks, log = lines(ONE_VENDOR)
    assert vendor == "vendor moonshot: https://api.moonshot.ai/v1, profile moonshot, credentials pass through"
    assert policy.endswith(", repair")
    assert checks == "checks: 100% of the answers, at most one false alarm in 90 days"
    assert log == "log of the checks: in memory"


def test_nothing_is_said_of_checks_that_are_off() -> None:
    assert len(lines(f"{ONE_VENDOR}signals: {{fraction: 0%}}\n")) == 2


def test_reference_and_mirror_without_a_secret() -> None:
    text = f"""{ONE_VENDOR}
reference: {{url: "https://api.moonshot.cn/v1", api_key_env: KEY, tunnel: "${{TUNNEL}}"}}
mirror: {{fraction: 0.5%, tokens_per_day: 20000000}}
drift: {{budget: 1000000 pairs}}
state_dir: /var/lib/paramwall
"""
    environ = {"KEY": CANARY, "TUNNEL": f"http://u:{CANARY}@10.0.0.1:3128"}
    said = lines(text, environ)
    assert said[2:] == [
        "reference: https://api.moonshot.cn/v1, profile moonshot, model kimi-k2.6, credential of its own",
        (
            "mirror: 0.5% of the traffic, 10% while a vendor is in warn; at most 60 requests a minute and 5000 a day, "
            "500000 tokens a minute and 20000000 a day"
        ),
        "checks: 100% of the answers, at most one false alarm in 1000000 pairs",
        "log of the checks: /var/lib/paramwall",
    ]
    assert CANARY not in "\n".join(said)


def test_a_reference_without_a_key() -> None:
    said = lines(f"{ONE_VENDOR}reference: {{url: 'http://[::1]:9/v1', model: k}}\n")
    assert said[2] == "reference: http://[::1]:9/v1, profile openai-compatible, model k, no credential"
