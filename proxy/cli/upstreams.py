"""The vendors and the reference that a command is to call, named by URL or by their names in a configuration.

Not here: what is asked of them. Invariant: what cannot be used ends the command with its remedy, and a key is read from
a variable or a file, never from the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from proxy.cli.terminal import note, refuse, refuse_problems
from proxy.config.credentials import fits_a_header
from proxy.config.load import ConfigError, Flags, Loaded, from_process, key_from_process
from proxy.config.refusal import Refused, choose
from proxy.config.scalars import variable as variable_name
from proxy.config.sources import DEFAULT_FILE
from proxy.config.tree import Text
from proxy.config.values import Config, Reference, Secret, Vendor

VENDOR_KEY: Final = "PARAMWALL_VENDOR_KEY"
"""Variable with the key of a vendor that has none in the configuration."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the command line says about upstreams; None: nothing. `key` and `reference_key` name variables."""

    config: str | None = None
    profile: str | None = None
    policy: str | None = None
    reference: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Upstreams:
    """`config` is the one the first of them came from."""

    vendors: tuple[Vendor, ...]
    reference: Reference | None
    config: Config


def upstreams_of(names: Sequence[str], said: Said) -> Upstreams:
    """Each of `names`: a base URL that ends in /v1, or a vendor of the configuration. Ends with exit code 2 when one
    cannot be used.
    """
    found: list[Vendor] = []
    configs: list[Config] = []
    file: Config | None = None
    for name in names:
        if "://" in name:
            config = _loaded(_flags(said, vendor=name)).config
            vendor = replace(config.vendors[0], name=_called(config.vendors[0]))
        else:
            if said.config is None and not DEFAULT_FILE.exists():
                hint = "give a base URL that ends in /v1, or a vendor of --config FILE"
                refuse(f"{name} is no base URL, and there is no {DEFAULT_FILE} here", hint)
            file = config = file or _loaded(_flags(said)).config
            vendor = _named(name, config, said)
        configs.append(config)
        found.append(vendor)
    found = _with_key(found, said.key)
    return Upstreams(tuple(found), configs[0].reference, configs[0])


def _flags(said: Said, vendor: str | None = None) -> Flags:
    return Flags(
        config=None if vendor is not None else said.config,
        vendor=vendor,
        policy=said.policy,
        profile=said.profile if vendor is not None else None,
        reference=said.reference,
    )


def _loaded(flags: Flags) -> Loaded:
    try:
        loaded = from_process(flags)
    except ConfigError as error:
        refuse_problems(error.problems)
    for line in loaded.warnings:
        note(f"paramwall: warning: {line}")
    return loaded


def _named(name: str, config: Config, said: Said) -> Vendor:
    vendor = next((each for each in config.vendors if each.name == name), None)
    if vendor is None:
        file = said.config or str(DEFAULT_FILE)
        hint = choose(name, [each.name for each in config.vendors])
        refuse(f"{file} has no vendor {name}", f"{hint}; or give a base URL that ends in /v1")
    return vendor


def _called(vendor: Vendor) -> str:
    """A vendor that only a URL names goes by its host, so that several can be told apart."""
    host = f"[{vendor.host}]" if ":" in vendor.host else vendor.host
    usual = {"http": 80, "https": 443}[vendor.scheme]
    return host if vendor.port == usual else f"{host}:{vendor.port}"


def _with_key(vendors: Sequence[Vendor], variable: str | None) -> list[Vendor]:
    """With the key of the variable that is named, else their own, else that of VENDOR_KEY; one may need none. Ends with
    exit code 2 where one key would go to two hosts.
    """
    name = VENDOR_KEY if variable is None else variable_named(variable)
    key = _key_in(name)
    if variable is not None and key is None:
        refuse(f"--api-key-env {name}: the variable is not set, or empty", f"start with {name}=... in front")
    if key is None:
        return list(vendors)
    given = [vendor for vendor in vendors if variable is not None or vendor.api_key is None]
    origins = sorted({f"{vendor.scheme}://{vendor.host}:{vendor.port}" for vendor in given})
    if len(origins) > 1:
        hint = "write the vendors and their keys into paramwall.yaml, and give their names"
        refuse(f"the key in {name} would go to {' and to '.join(origins)}", hint)
    return [replace(vendor, api_key=key) if vendor in given else vendor for vendor in vendors]


def variable_named(said: str) -> str:
    """What --api-key-env says, which is not repeated when it is no name: it may be the key itself."""
    try:
        return variable_name(Text(said))
    except Refused as error:
        refuse(f"--api-key-env: {error}", error.hint)


def _key_in(variable: str) -> Secret | None:
    key = key_from_process(variable)
    if key is not None and not fits_a_header(key.reveal()):
        refuse(f"{variable}: the key holds characters that no header may hold", "keep the key alone, on one line")
    return key
