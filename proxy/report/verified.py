"""From results of `paramwall verify` to facts.

Not here: the form of a result (verify/result.py). Invariant: a probe without an answer counts neither as passed nor as
failed; its share is told.
"""

from __future__ import annotations

from statistics import median

from proxy.report.addresses import without_credentials
from proxy.report.facts import Failure, Figure, Layer, Mode, Origin, Source, Times, Usage, Vendor, Verification
from proxy.verify.result import ProbeResult, VerifyResult


def verified(result: VerifyResult, path: str, source: str) -> tuple[Source, Vendor]:
    """The source, and the vendor as it was verified."""
    modes = dict.fromkeys(probe.mode for probe in result.probes if _judged(probe))
    seen = result.vendor
    found = Verification(
        result.verdict,
        result.contract,
        tuple(Layer(one.layer, one.verdict, one.passed, one.failed, one.unanswered) for one in result.layers),
        tuple(_failure(probe) for probe in result.probes if probe.verdict == "fail"),
        result.no_answer_share,
        result.at_s,
        source,
    )
    vendor = Vendor(
        seen.name,
        urls=(without_credentials(seen.url),),
        models=(seen.model,),
        modes=tuple(Mode(mode, contract=_passed(result, mode, source)) for mode in modes),
        verifications=(found,),
        times=_times(result, source),
        usages=(_usage(result, source),),
    )
    what = f"verification of {seen.name}, contract {result.contract}, {len(result.probes)} probes"
    return Source(source, Origin.VERIFY, path, what, result.at_s), vendor


def _judged(probe: ProbeResult) -> bool:
    return probe.verdict in ("pass", "fail")


def _passed(result: VerifyResult, mode: str, source: str) -> tuple[Figure, ...]:
    judged = [probe for probe in result.probes if _judged(probe) and probe.mode == mode]
    passed = sum(probe.verdict == "pass" for probe in judged)
    return (Figure(passed / len(judged), None, None, len(judged), source),)


def _failure(probe: ProbeResult) -> Failure:
    return Failure(probe.title, probe.layer, probe.mode, probe.seen, probe.allowed, probe.hint)


def _times(result: VerifyResult, source: str) -> tuple[Times, ...]:
    found = []
    for what, member in (("first token", "first_token_s"), ("whole answer", "total_s")):
        told = [value for probe in result.probes if (value := getattr(probe, member)) is not None]
        if told:
            found.append(Times(what, median(told), None, len(told), source))
    return tuple(found)


def _usage(result: VerifyResult, source: str) -> Usage:
    # Probes share answers, so theirs do not sum up to the requests that were sent.
    spent = result.spent
    return Usage(None, None, (), None, spent.requests, spent.prompt_tokens, spent.completion_tokens, source)
