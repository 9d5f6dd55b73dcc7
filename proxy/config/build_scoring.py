"""Settings of shadow scoring -> values: the reference with its key and its plan, and how much is made of it.

Not here: the rules (relations_scoring.py), and how any endpoint's parts are made (parts.py). Invariant: the reference
never has a credential but its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy.config.addresses import is_private
from proxy.config.document_scoring import MirrorSettings, ReferenceSettings
from proxy.config.parts import Parts
from proxy.config.refusal import Refused
from proxy.config.sources import REFERENCE_KEY, ReadText, reason
from proxy.config.urls import VendorUrl
from proxy.config.values import Drift, Evidence, Mirror, Probes, Reference, Retention, Secret, Signals, Timeouts
from proxy.config.whole import holds_key
from proxy.contract.profile import Profile
from proxy.policy.document import PolicyDocument
from proxy.policy.verdict import Enforcement

_RANK: Final = re.compile(r"[A-Za-z0-9+/]+={0,2} [0-9]+")
"""A line of a tiktoken file: a token's bytes in base64, and its rank (openai/tiktoken, tiktoken/load.py)."""
_USUAL_PORT: Final = {"http": 80, "https": 443}


def host_and_port(url: VendorUrl) -> str:
    """A host as logs name it, with the port where it is not the usual one."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return host if url.port == _USUAL_PORT[url.scheme] else f"{host}:{url.port}"


@dataclass(frozen=True, slots=True)
class Scoring:
    """The part of a Config that is about scoring."""

    reference: Reference | None
    mirror: Mirror
    signals: Signals
    probes: Probes
    drift: Drift
    retention: Retention
    evidence: Evidence
    state_dir: str | None


def scoring(parts: Parts, policy: PolicyDocument | None) -> Scoring:
    """Everything about scoring; a reference that cannot be built adds to the problems and is left out."""
    settings = parts.whole.settings
    drift, retention, evidence = settings.drift, settings.retention, settings.evidence
    return Scoring(
        reference=_reference(parts, settings.reference, policy) if settings.reference else None,
        mirror=_mirror(settings.mirror),
        signals=Signals(settings.signals.fraction, _tokenizer(parts), settings.signals.outbox),
        probes=Probes(settings.probes.every, settings.probes.tokens_per_day),
        drift=Drift(drift.budget, dict(drift.tolerance), drift.window, drift.enough),
        retention=Retention(retention.age, retention.size),
        evidence=Evidence(evidence.bodies, evidence.size, evidence.age, evidence.redact, evidence.page),
        state_dir=_state_dir(parts),
    )


def _mirror(settings: MirrorSettings) -> Mirror:
    return Mirror(
        fraction=settings.fraction,
        # One that is written lower is refused (relations_scoring.py), so this only raises the default.
        raised_fraction=max(settings.fraction, settings.raised_fraction),
        second_answer=settings.second_answer,
        requests_per_minute=settings.requests_per_minute,
        tokens_per_minute=settings.tokens_per_minute,
        requests_per_day=settings.requests_per_day,
        tokens_per_day=settings.tokens_per_day,
        pair_deadline_s=settings.pair_deadline,
        max_body_bytes=settings.max_body,
        allow_opt_out=settings.allow_opt_out,
    )


def _reference(parts: Parts, reference: ReferenceSettings, policy: PolicyDocument | None) -> Reference | None:
    key, label, url, timeouts = ("reference",), "reference", reference.url, reference.timeouts
    profile = parts.profile(key, label, reference)
    api_key = _key(parts, reference)
    tunnel = parts.tunnel(key, label, reference)
    ca_file = parts.authorities(key, label, reference)
    if profile is None or policy is None:
        return None
    return Reference(
        name=_host_and_port(url),
        scheme=url.scheme,
        host=url.host,
        port=url.port,
        path=url.path,
        profile=profile,
        model=reference.model or _model(parts, policy, profile),
        plan=parts.plan(policy, profile, Enforcement.STRICT),
        api_key=api_key,
        timeouts=Timeouts(timeouts.connect, timeouts.first_byte, timeouts.idle, timeouts.total),
        max_in_flight=reference.max_in_flight,
        ca_file=ca_file,
        tunnel=tunnel,
    )


def _key(parts: Parts, reference: ReferenceSettings) -> Secret | None:
    """The key of the reference. No client's credential goes there, so only a host nearby may do without one."""
    key, host = ("reference",), reference.url.host
    if holds_key(reference) or is_private(host):
        return parts.secret(key, ("reference", "api_key"), reference.api_key_env, reference.api_key_file)
    place = parts.whole.at(key, "url")
    by_flag = place.line is None
    # A flag's key is looked for in a variable, and then only when keys are looked for at all.
    if not by_flag or parts.credentials.read_secrets:
        remedy = f"set the variable {REFERENCE_KEY}" if by_flag else "add api_key_env: NAME or api_key_file: PATH"
        parts.problems.append(
            place.problem(f"reference: there is no key for {host}, and no client's credential is sent there", remedy)
        )
    return None


def _model(parts: Parts, policy: PolicyDocument, profile: Profile) -> str:
    names = profile.models.get(policy.name)
    if not names:
        parts.notices.append(
            f"reference: its profile {profile.name} has no name for the model of {policy.name}, so it is asked for "
            f"{policy.name}; hint: write its own name there as `model:` in a `reference` section"
        )
    return names[0] if names else policy.name


def _host_and_port(url: VendorUrl) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    return host if url.port == _USUAL_PORT[url.scheme] else f"{host}:{url.port}"


def _state_dir(parts: Parts) -> str | None:
    settings = parts.whole.settings
    if settings.state_dir is not None:
        return str(parts.whole.places[("state_dir",)].folder / settings.state_dir)
    if settings.reference is not None:
        parts.notices.append(
            "comparisons with the reference are kept in memory and lost at the end; hint: name a folder for them with "
            "`state_dir:` or --state-dir"
        )
    return None


def _tokenizer(parts: Parts) -> str | None:
    said, place = parts.whole.settings.signals.tokenizer_file, parts.whole.places[("signals", "tokenizer_file")]
    if said is None:
        return None
    path = place.folder / said

    def checked() -> str:
        _check_ranks(path, parts.credentials.read_text)
        parts.files.append(path)
        return str(path)

    return parts.tried(checked, place, "signals.tokenizer_file")


def _check_ranks(path: Path, read_text: ReadText) -> None:
    """Whether `path` begins as a file of ranks does. Raises Refused."""
    hint = "write the path of the model's tiktoken.model; it has a token in base64 and a number on each line"
    try:
        first = read_text(path).partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError | UnicodeDecodeError) else "it is no path"
        raise Refused(f"the file cannot be read: {why}", hint) from None
    if not _RANK.fullmatch(first):
        raise Refused("the first line of the file is not a token and its rank", hint)
