"""The rules that need more than one setting: RULES, in the order in which they are reported.

Here: the data plane's; relations_scoring.py holds those of shadow scoring. Not here: rules of one value (kinds.py) and
of files and variables (credentials.py, build.py). Invariant: a rule never judges a setting that was refused already
(`damaged`), so one mistake gives one problem.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from proxy.config.addresses import is_loopback, is_private
from proxy.config.document import Settings
from proxy.config.relations_scoring import SCORING_RULES
from proxy.config.whole import Said, Warned, Whole, holds_key


def _there_is_a_vendor(whole: Whole) -> Said:
    if not whole.settings.vendors and "vendors" not in whole.damaged:
        yield whole.places[("vendors",)].problem(
            "no vendor is given", "write one under `vendors` with its url, or start with --vendor URL"
        )


def _names_are_unique(whole: Whole) -> Said:
    vendors = [(key, vendor.name) for key, vendor in whole.vendors()]
    clients = [(key, client.name) for key, client in whole.clients()]
    for what, entries in (("vendors", vendors), ("clients", clients)):
        for i, (key, name) in enumerate(entries):
            if name in (earlier for _, earlier in entries[:i]):
                yield whole.at(key, "name").problem(
                    f"{what}.{name}: the name is used twice", "give each entry a name of its own"
                )


def _plain_http_stays_inside(whole: Whole) -> Said:
    for key, label, endpoint in whole.endpoints():
        host = endpoint.url.host
        if endpoint.url.scheme == "http" and not is_private(host) and not endpoint.allow_plain_http:
            yield whole.at(key, "url").problem(
                f"{label}.url: plain http to {host} would show keys and texts on the way",
                "write https://, or allow_plain_http: true if the way is safe",
            )


def _one_credential_each(whole: Whole) -> Said:
    for key, label, endpoint in whole.endpoints():
        if endpoint.api_key_env is not None and endpoint.api_key_file is not None:
            yield whole.at(key, "api_key_file").problem(
                f"{label}: the key is given twice, by api_key_env and api_key_file", "keep one of them"
            )
    for key, vendor in whole.vendors():
        label = f"vendors.{vendor.name}"
        if vendor.credentials == "pass" and holds_key(vendor):
            yield whole.at(key, "credentials").problem(
                f"{label}: credentials: pass contradicts the key given beside it",
                "remove the key to pass the client's own credential, or write credentials: held",
            )
        if vendor.credentials == "held" and not holds_key(vendor):
            yield whole.at(key, "credentials").problem(
                f"{label}: credentials: held, but no key is given", "add api_key_env: NAME or api_key_file: PATH"
            )


def _passing_is_said(whole: Whole) -> Said:
    """With one vendor a client's credential is for that one; with several, or keys of our own, it must be said."""
    settings = whole.settings
    several = len(settings.vendors) > 1 or "vendors" in whole.damaged
    for key, vendor in whole.vendors():
        if holds_key(vendor) or vendor.credentials is not None:
            continue
        remedy = "add api_key_env: NAME or api_key_file: PATH"
        if settings.clients or "clients" in whole.damaged:
            yield whole.at(key, "url").problem(
                f"vendors.{vendor.name}: the keys of `clients` would be sent to this vendor, which has none of its own",
                f"{remedy}, or write credentials: pass if the clients' keys are that vendor's",
            )
        elif several:
            yield whole.at(key, "url").problem(
                f"vendors.{vendor.name}: with several vendors a client's credential could reach the wrong one",
                f"{remedy}, or write credentials: pass if clients bring a credential for this vendor",
            )


def _held_keys_have_a_door(whole: Whole) -> Said:
    """Whoever reaches the proxy may spend a held key, unless clients have keys of their own."""
    settings = whole.settings
    held = [(key, vendor) for key, vendor in whole.vendors() if holds_key(vendor)]
    if not held or settings.clients or {"clients", "listen"} & whole.damaged:
        return
    names = ", ".join(vendor.name for _, vendor in held)
    if all(is_loopback(address.host) for address in settings.listen):
        yield Warned(f"everyone on this machine can use the key of {names}; hint: add a `clients` section")
    else:
        yield whole.at(held[0][0], "api_key_env", "api_key_file").problem(
            f"everyone who reaches {_spelled(settings)} could use the key of {names}",
            "add a `clients` section, or listen on 127.0.0.1",
        )


def _clients_have_one_key(whole: Whole) -> Said:
    for key, client in whole.clients():
        given = [name for name in ("key_sha256", "key_env", "key_file") if getattr(client, name) is not None]
        if not given:
            yield whole.at(key, "name").problem(
                f"clients.{client.name}: no key is given", "add key_env: NAME, key_file: PATH or key_sha256: HEX"
            )
        elif len(given) > 1:
            yield whole.at(key, given[1]).problem(
                f"clients.{client.name}: the key is given twice, by {' and '.join(given)}", "keep one of them"
            )


def _addresses_differ(whole: Whole) -> Said:
    settings, taken = whole.settings, set()
    for name, address in (*(("listen", each) for each in settings.listen), ("admin", settings.admin)):
        if address.port and address in taken:
            yield whole.places[(name,)].problem(
                f"{name}: {address.host}:{address.port} is used twice", "give each its own port"
            )
        taken.add(address)


def _admin_is_private(whole: Whole) -> Said:
    admin = whole.settings.admin
    if not is_loopback(admin.host):
        yield Warned(
            f"admin: {admin.host}:{admin.port} shows metrics and status to everyone who reaches it; hint: keep it on "
            "127.0.0.1"
        )


def _a_body_fits(whole: Whole) -> Said:
    limits = whole.settings.limits
    if limits.bodies_in_flight < limits.body:
        yield whole.at(("limits",), "bodies_in_flight", "body").problem(
            "limits: bodies_in_flight is smaller than one largest body", "raise bodies_in_flight or lower body"
        )


def _spelled(settings: Settings) -> str:
    return ", ".join(
        f"[{each.host}]:{each.port}" if ":" in each.host else f"{each.host}:{each.port}" for each in settings.listen
    )


RULES: Final[tuple[Callable[[Whole], Said], ...]] = (
    _there_is_a_vendor,
    _names_are_unique,
    _plain_http_stays_inside,
    _one_credential_each,
    _passing_is_said,
    _held_keys_have_a_door,
    _clients_have_one_key,
    _addresses_differ,
    _admin_is_private,
    _a_body_fits,
    *SCORING_RULES,
)
