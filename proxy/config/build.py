"""Settings -> Config: policies compiled, profiles chosen, credentials read, limits divided over the workers.

Not here: reading settings (reading.py) and the rules among them (relations.py). Invariant: every part that can be
judged is judged even when another is wrong, so that all problems are reported at once.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from proxy.config import build_scoring, shipped
from proxy.config.addresses import is_private
from proxy.config.certificates import check_pair
from proxy.config.credentials import digest
from proxy.config.document import ClientSettings, LimitSettings, Settings, VendorSettings
from proxy.config.documents import find_policy
from proxy.config.parts import Parts
from proxy.config.tree import Key
from proxy.config.values import Client, Config, Limits, Reference, Timeouts, Tls, Vendor
from proxy.config.whole import holds_key
from proxy.policy.document import PolicyDocument


@dataclass(slots=True)
class Builder:
    """Builds one Config; `parts` keeps what is to be said about it. `sources` is where each clause's fact is published.

    A part that cannot be built adds to the problems and is left out.
    """

    parts: Parts
    sources: dict[str, str] = field(default_factory=dict)

    def build(self, file: Path | None) -> Config | None:
        """The Config; None when there are problems. `file` is the configuration file."""
        whole, parts = self.parts.whole, self.parts
        settings, policy = whole.settings, self._policy()
        self.sources = clause_sources(policy) if policy else {}
        vendors = [vendor for key, each in whole.vendors() if (vendor := self._vendor(key, each, policy))]
        clients = [client for key, each in whole.clients() if (client := self._client(key, each))]
        self._keys_differ(clients)
        tls = self._tls()
        scoring = build_scoring.scoring(parts, policy)
        if parts.problems:
            return None
        watched = [*([file] if file else []), *parts.files, *parts.credentials.files]
        return Config(
            vendors=tuple(vendors),
            hash=_hash(settings, [*vendors, *([scoring.reference] if scoring.reference else [])]),
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
            reference=scoring.reference,
            mirror=scoring.mirror,
            signals=scoring.signals,
            probes=scoring.probes,
            drift=scoring.drift,
            retention=scoring.retention,
            evidence=scoring.evidence,
            state_dir=scoring.state_dir,
        )

    def _policy(self) -> PolicyDocument | None:
        parts = self.parts
        place, said = parts.whole.places[("policy",)], parts.whole.settings.policy
        return parts.tried(lambda: parts.kept(find_policy(said, place, parts.credentials.read_text)), place)

    def _vendor(self, key: Key, vendor: VendorSettings, policy: PolicyDocument | None) -> Vendor | None:
        parts, label, url = self.parts, f"vendors.{vendor.name}", vendor.url
        profile = parts.profile(key, label, vendor)
        api_key = parts.secret(key, (label, "api_key"), vendor.api_key_env, vendor.api_key_file)
        tunnel = parts.tunnel(key, label, vendor)
        ca_file = parts.authorities(key, label, vendor)
        if profile is None or policy is None:
            return None
        named = (*key, "name") in parts.whole.places.by_key or profile.name == shipped.OPEN_PROFILE
        timeouts = vendor.timeouts
        return Vendor(
            name=vendor.name if named else profile.name,
            scheme=url.scheme,
            host=url.host,
            port=url.port,
            path=url.path,
            profile=profile,
            plan=parts.plan(policy, profile, vendor.enforcement),
            client_plans={
                client.name: parts.plan(policy, profile, client.enforcement)
                for client in parts.whole.settings.clients
                if client.enforcement is not None
            },
            api_key=api_key,
            timeouts=Timeouts(timeouts.connect, timeouts.first_byte, timeouts.idle, timeouts.total),
            max_in_flight=self._share(vendor.max_in_flight),
            ca_file=ca_file,
            tunnel=tunnel,
            retry_reused=vendor.retry_reused,
            mirror=vendor.mirror,
            probed=vendor.probe and (holds_key(vendor) or is_private(url.host)),
        )

    def _client(self, key: Key, client: ClientSettings) -> Client | None:
        secret = self.parts.secret(key, (f"clients.{client.name}", "key"), client.key_env, client.key_file)
        known = client.key_sha256 or (digest(secret) if secret else None)
        return Client(client.name, known, self._share(client.max_in_flight), client.mirror) if known else None

    def _keys_differ(self, clients: Iterable[Client]) -> None:
        owners: dict[bytes, str] = {}
        for client in clients:
            owner = owners.setdefault(client.key_sha256, client.name)
            if owner != client.name:
                place = self.parts.whole.places[("clients",)]
                self.parts.problems.append(
                    place.problem(f"clients: {owner} and {client.name} have the same key", "give each a key of its own")
                )

    def _tls(self) -> Tls | None:
        parts = self.parts
        settings, place = parts.whole.settings.tls, parts.whole.places[("tls",)]
        if settings is None:
            return None
        certificate, key = place.folder / settings.certificate, place.folder / settings.key

        def checked() -> Tls:
            check_pair(certificate, key, parts.credentials.read_text)
            parts.credentials.warn_if_open(key, "tls.key")
            parts.files += [certificate, key]
            return Tls(str(certificate), str(key))

        return parts.tried(checked, place, "tls")

    def _share(self, total: int | None) -> int | None:
        return None if total is None else _divided(total, self.parts.whole.settings.workers)


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


def _hash(settings: Settings, endpoints: Iterable[Vendor | Reference]) -> str:
    """8 hex digits over the settings, whose repr leaves out what is secret, and the policies and profiles in force."""
    parts = [repr(settings)]
    for endpoint in endpoints:
        others = endpoint.client_plans.values() if isinstance(endpoint, Vendor) else ()
        parts += [repr(endpoint.profile), *(plan.label for plan in (endpoint.plan, *others))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
