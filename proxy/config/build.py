"""Settings -> Config: policies compiled, profiles chosen, credentials read, limits divided over the workers.

Not here: reading settings (reading.py) and the rules among them (relations.py). Invariant: every part that can be
judged is judged even when another is wrong, so that all problems are reported at once.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from proxy.config import shipped
from proxy.config.certificates import check_authorities, check_pair
from proxy.config.credentials import Credentials, digest
from proxy.config.document import ClientSettings, LimitSettings, Settings, VendorSettings
from proxy.config.documents import Found, find_policy, find_profile
from proxy.config.refusal import Refused
from proxy.config.relations import Whole
from proxy.config.tree import Key, Place, Text
from proxy.config.tunnel import from_environment
from proxy.config.urls import TunnelUrl
from proxy.config.values import Client, Config, Limits, Secret, Timeouts, Tls, Vendor
from proxy.contract.profile import Profile
from proxy.policy.decide import Plan, compile_plan
from proxy.policy.document import DocumentError, PolicyDocument, Problem
from proxy.policy.verdict import Enforcement

D = TypeVar("D")
T = TypeVar("T")


@dataclass(slots=True)
class Builder:
    """Builds one Config and keeps what is to be said about it: `problems`, `notices`, `files` to watch, `sources`.

    A part that cannot be built adds to `problems` and is left out.
    """

    whole: Whole
    credentials: Credentials
    problems: list[Problem]
    notices: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)

    def build(self, file: Path | None) -> Config | None:
        """The Config; None when there are problems. `file` is the configuration file."""
        settings = self.whole.settings
        policy = self._policy()
        self.sources = clause_sources(policy) if policy else {}
        vendors = [vendor for key, each in self.whole.vendors() if (vendor := self._vendor(key, each, policy))]
        clients = [client for key, each in self.whole.clients() if (client := self._client(key, each))]
        self._keys_differ(clients)
        tls = self._tls()
        if self.problems:
            return None
        watched = [*([file] if file else []), *self.files, *self.credentials.files]
        return Config(
            vendors=tuple(vendors),
            hash=_hash(settings, vendors),
            clients=tuple(clients),
            listen=settings.listen,
            admin=settings.admin,
            workers=settings.workers,
            limits=_limits(settings.limits, settings.workers),
            tls=tls,
            log_format=settings.log.format,
            drain_s=settings.drain.timeout,
            drain_grace_s=settings.drain.grace,
            watched=tuple(dict.fromkeys(str(path) for path in watched)),
        )

    def _policy(self) -> PolicyDocument | None:
        place, said = self.whole.places[("policy",)], self.whole.settings.policy
        return self._tried(lambda: self._kept(find_policy(said, place, self.credentials.read_text)), place)

    def _profile(self, key: Key, vendor: VendorSettings) -> Profile | None:
        place = self.whole.at(key, "profile", "url")

        def found() -> Profile:
            said = vendor.profile or Text(self._profile_by_host(vendor))
            return self._kept(find_profile(said, place, self.credentials.read_text))

        return self._tried(found, place)

    def _profile_by_host(self, vendor: VendorSettings) -> str:
        profile = shipped.profile_of_host(vendor.url.host)
        if profile is None:
            self.notices.append(
                f"vendor {vendor.name}: no profile lists the host {vendor.url.host}, so {shipped.OPEN_PROFILE} is "
                "used; hint: name another with `profile:` or --profile if this vendor spells things its own way"
            )
        return profile.name if profile else shipped.OPEN_PROFILE

    def _vendor(self, key: Key, vendor: VendorSettings, policy: PolicyDocument | None) -> Vendor | None:
        label, url = f"vendors.{vendor.name}", vendor.url
        profile = self._profile(key, vendor)
        api_key = self._secret(key, (label, "api_key"), vendor.api_key_env, vendor.api_key_file)
        tunnel = self._tunnel(key, vendor)
        ca_file = self._authorities(key, vendor)
        if profile is None or policy is None:
            return None
        named = (*key, "name") in self.whole.places.by_key or profile.name == shipped.OPEN_PROFILE
        return Vendor(
            name=vendor.name if named else profile.name,
            scheme=url.scheme,
            host=url.host,
            port=url.port,
            path=url.path,
            profile=profile,
            plan=self._plan(policy, profile, vendor.enforcement),
            client_plans={
                client.name: self._plan(policy, profile, client.enforcement)
                for client in self.whole.settings.clients
                if client.enforcement is not None
            },
            api_key=api_key,
            timeouts=Timeouts(*(getattr(vendor.timeouts, name) for name in ("connect", "first_byte", "idle", "total"))),
            max_in_flight=self._share(vendor.max_in_flight),
            ca_file=ca_file,
            tunnel=tunnel.text if tunnel else None,
            retry_reused=vendor.retry_reused,
        )

    def _plan(self, policy: PolicyDocument, profile: Profile, enforcement: str | None) -> Plan:
        settings = self.whole.settings
        chosen = enforcement or settings.enforcement
        return compile_plan(
            policy,
            profile,
            Enforcement(chosen) if chosen else None,
            settings.contract,
        )

    def _client(self, key: Key, client: ClientSettings) -> Client | None:
        secret = self._secret(key, (f"clients.{client.name}", "key"), client.key_env, client.key_file)
        known = client.key_sha256 or (digest(secret) if secret else None)
        return Client(client.name, known, self._share(client.max_in_flight)) if known else None

    def _keys_differ(self, clients: Iterable[Client]) -> None:
        owners: dict[bytes, str] = {}
        for client in clients:
            owner = owners.setdefault(client.key_sha256, client.name)
            if owner != client.name:
                place = self.whole.places[("clients",)]
                self.problems.append(
                    place.problem(f"clients: {owner} and {client.name} have the same key", "give each a key of its own")
                )

    def _secret(self, key: Key, label: tuple[str, str], variable: str | None, path: Text | None) -> Secret | None:
        entry, setting = label
        if variable is not None:
            name = f"{setting}_env"
            return self.credentials.from_variable(variable, f"{entry}.{name}", self.whole.places[(*key, name)])
        if path is not None:
            name = f"{setting}_file"
            return self.credentials.from_file(path, f"{entry}.{name}", self.whole.places[(*key, name)])
        return None

    def _tunnel(self, key: Key, vendor: VendorSettings) -> TunnelUrl | None:
        if vendor.tunnel is None or isinstance(vendor.tunnel, TunnelUrl):
            return vendor.tunnel

        def found() -> TunnelUrl | None:
            tunnel = from_environment(self.credentials.environ, vendor.url)
            way = f"through {tunnel.place}" if tunnel else "directly"
            self.notices.append(f"vendor {vendor.name}: the environment says to connect {way}")
            return tunnel

        return self._tried(found, self.whole.places[(*key, "tunnel")], f"vendors.{vendor.name}.tunnel")

    def _authorities(self, key: Key, vendor: VendorSettings) -> str | None:
        if vendor.ca_file is None:
            return None
        place = self.whole.places[(*key, "ca_file")]
        path = place.folder / vendor.ca_file

        def checked() -> str:
            check_authorities(path, self.credentials.read_text)
            self.files.append(path)
            return str(path)

        return self._tried(checked, place, f"vendors.{vendor.name}.ca_file")

    def _tls(self) -> Tls | None:
        settings, place = self.whole.settings.tls, self.whole.places[("tls",)]
        if settings is None:
            return None
        certificate, key = place.folder / settings.certificate, place.folder / settings.key

        def checked() -> Tls:
            check_pair(certificate, key, self.credentials.read_text)
            self.credentials.warn_if_open(key, "tls.key")
            self.files += [certificate, key]
            return Tls(str(certificate), str(key))

        return self._tried(checked, place, "tls")

    def _share(self, total: int | None) -> int | None:
        return None if total is None else _divided(total, self.whole.settings.workers)

    def _kept(self, found: Found[D]) -> D:
        if found.file is not None:
            self.files.append(found.file)
        return found.document

    def _tried(self, make: Callable[[], T], place: Place, label: str = "") -> T | None:
        """What `make` gives; None after adding what it raised to the problems."""
        try:
            return make()
        except DocumentError as error:
            self.problems.extend(error.problems)
        except Refused as refused:
            self.problems.append(place.problem(f"{label}: {refused.message}", refused.hint))
        return None


def clause_sources(policy: PolicyDocument) -> dict[str, str]:
    """Where the fact behind each clause is published, by clause id."""
    return {clause.id: clause.source for clause in policy.clauses}


def _divided(total: int, workers: int) -> int:
    return math.ceil(total / workers)


def _limits(settings: LimitSettings, workers: int) -> Limits:
    return Limits(
        in_flight=_divided(settings.in_flight, workers),
        body_bytes=settings.body,
        # A worker that could not hold one largest body would refuse it for ever.
        body_bytes_in_flight=max(settings.body, _divided(settings.bodies_in_flight, workers)),
        header_timeout_s=settings.header_timeout,
        body_timeout_s=settings.body_timeout,
        body_floor_bytes_per_s=settings.body_floor,
        keepalive_s=settings.keepalive,
        write_stall_s=settings.write_stall,
    )


def _hash(settings: Settings, vendors: Iterable[Vendor]) -> str:
    """8 hex digits over the settings, whose repr leaves out what is secret, and the policies and profiles in force."""
    parts = [repr(settings)]
    for vendor in vendors:
        plans = (vendor.plan, *vendor.client_plans.values())
        parts += [repr(vendor.profile), *(plan.label for plan in plans)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
