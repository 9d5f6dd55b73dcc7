"""The rules of shadow scoring that need more than one setting: SCORING_RULES, in the order in which they are reported.

Not here: the other rules (relations.py), and whether the reference's key is there (build.py). Invariant: as there, a
rule never judges a setting that was refused already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from proxy.config.addresses import is_loopback, is_private
from proxy.config.refusal import closest
from proxy.config.whole import Said, Warned, Whole, holds_key
from proxy.signals import PROBED, SIGNALS
from proxy.signals.signal import Kind


def _nothing_is_compared_with_itself(whole: Whole) -> Said:
    reference = whole.settings.reference
    for _, vendor in whole.vendors():
        if reference is not None and vendor.url == reference.url:
            yield Warned(
                f"reference: it is the url of vendor {vendor.name}, which is then compared with itself; hint: name an "
                "endpoint that you trust more than the vendor"
            )


def _mirroring_needs_a_reference(whole: Whole) -> Said:
    written = [key for key in whole.places.by_key if key[0:1] == ("mirror",) and len(key) > 1]
    if written and whole.settings.reference is None and "reference" not in whole.damaged:
        yield whole.places[written[0]].problem(
            "mirror: there is no reference to mirror to",
            "add a `reference` section with its url, or start with --reference URL; or remove the settings of `mirror`",
        )


def _the_raised_fraction_is_higher(whole: Whole) -> Said:
    mirror, key = whole.settings.mirror, ("mirror", "raised_fraction")
    if key in whole.places.by_key and "mirror" not in whole.damaged and mirror.raised_fraction < mirror.fraction:
        yield whole.places[key].problem(
            "mirror: raised_fraction is less than fraction, so a vendor in doubt would be watched less",
            "raise raised_fraction or lower fraction",
        )


def _bodies_have_a_folder(whole: Whole) -> Said:
    settings = whole.settings
    if settings.evidence.bodies != "off" and settings.state_dir is None and "state_dir" not in whole.damaged:
        yield whole.at(("evidence",), "bodies").problem(
            f"evidence: bodies: {settings.evidence.bodies} needs a folder to keep them in",
            "add state_dir: FOLDER, start with --state-dir DIR, or write bodies: off",
        )


def _conversations_are_shown_here_only(whole: Whole) -> Said:
    settings = whole.settings
    shown = settings.evidence.page == "true" and settings.evidence.bodies != "off"
    if shown and not is_loopback(settings.admin.host):
        yield Warned(
            f"evidence: page: true shows kept conversations to everyone who reaches {settings.admin.host}; hint: write "
            "page: auto, and read them with `paramwall evidence`"
        )


def _probes_need_a_key(whole: Whole) -> Said:
    if whole.settings.probes.every is None or "probes" in whole.damaged:
        return
    for _, vendor in whole.vendors():
        if vendor.probe and not (holds_key(vendor) or is_private(vendor.url.host)):
            yield Warned(
                f"vendors.{vendor.name}: there is no key of ours for it, so it is not probed; hint: add api_key_env: "
                "NAME or api_key_file: PATH, or say probe: false"
            )


def _tolerances_are_of_signals(whole: Whole) -> Said:
    names = [signal.name for signal in (*SIGNALS, *PROBED) if signal.kind is not Kind.BASELINE]
    for name in whole.settings.drift.tolerance:
        if name not in names:
            near = closest(name, names)
            yield whole.places[("drift", "tolerance", name)].problem(
                f"drift.tolerance: {name} is not a signal with a tolerance",
                f"did you mean {near}?" if near else "docs/signals.md lists the signals",
            )


SCORING_RULES: Final[tuple[Callable[[Whole], Said], ...]] = (
    _nothing_is_compared_with_itself,
    _mirroring_needs_a_reference,
    _the_raised_fraction_is_higher,
    _bodies_have_a_folder,
    _conversations_are_shown_here_only,
    _probes_need_a_key,
    _tolerances_are_of_signals,
)
