"""The parts of an endpoint, made one by one: its profile, plan, key, tunnel and certificates.

Not here: which endpoints there are (build.py, build_scoring.py). Invariant: a part that cannot be made adds to
`problems` and is None, and never stops another from being judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from proxy.config import shipped
from proxy.config.certificates import check_authorities
from proxy.config.credentials import Credentials
from proxy.config.documents import Found, find_profile
from proxy.config.refusal import Refused
from proxy.config.tree import Key, Place, Text
from proxy.config.tunnel import from_environment
from proxy.config.urls import TunnelUrl
from proxy.config.values import Secret
from proxy.config.whole import Endpoint, Whole
from proxy.contract.profile import Profile
from proxy.policy.decide import Plan, compile_plan
from proxy.policy.document import DocumentError, PolicyDocument, Problem
from proxy.policy.verdict import Enforcement

D = TypeVar("D")
T = TypeVar("T")


@dataclass(slots=True)
class Parts:
    """Makes parts, and keeps what is to be said about them: `problems`, `notices`, `files` to watch."""

    whole: Whole
    credentials: Credentials
    problems: list[Problem]
    notices: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    def profile(self, key: Key, label: str, endpoint: Endpoint) -> Profile | None:
        """How the endpoint spells things; `label` is what problems call it, here and below."""
        place = self.whole.at(key, "profile", "url")

        def found() -> Profile:
            said = endpoint.profile or Text(self._profile_by_host(label, endpoint.url.host))
            return self.kept(find_profile(said, place, self.credentials.read_text))

        return self.tried(found, place)

    def _profile_by_host(self, label: str, host: str) -> str:
        profile = shipped.profile_of_host(host)
        if profile is None:
            remedy, whose = ("`profile:`", "it") if label == "reference" else ("`profile:` or --profile", "this vendor")
            self.notices.append(
                f"{_called(label)}: no profile lists the host {host}, so {shipped.OPEN_PROFILE} is used; hint: name "
                f"another with {remedy} if {whose} spells things its own way"
            )
        return profile.name if profile else shipped.OPEN_PROFILE

    def plan(self, policy: PolicyDocument, profile: Profile, enforcement: str | None) -> Plan:
        """The policy as it applies to an endpoint; `enforcement` None: as the file says."""
        settings = self.whole.settings
        chosen = enforcement or settings.enforcement
        return compile_plan(
            policy,
            profile,
            Enforcement(chosen) if chosen else None,
            settings.contract,
        )

    def secret(self, key: Key, label: tuple[str, str], variable: str | None, path: Text | None) -> Secret | None:
        """The credential in a variable or a file, if one is named; `label`: whose it is, and the setting's stem."""
        entry, setting = label
        if variable is not None:
            name = f"{setting}_env"
            return self.credentials.from_variable(variable, f"{entry}.{name}", self.whole.places[(*key, name)])
        if path is not None:
            name = f"{setting}_file"
            return self.credentials.from_file(path, f"{entry}.{name}", self.whole.places[(*key, name)])
        return None

    def tunnel(self, key: Key, label: str, endpoint: Endpoint) -> str | None:
        """URL of the HTTP proxy on the way."""
        url = self._tunnel(key, label, endpoint)
        return url.text if url else None

    def _tunnel(self, key: Key, label: str, endpoint: Endpoint) -> TunnelUrl | None:
        if endpoint.tunnel is None or isinstance(endpoint.tunnel, TunnelUrl):
            return endpoint.tunnel

        def found() -> TunnelUrl | None:
            tunnel = from_environment(self.credentials.environ, endpoint.url)
            way = f"through {tunnel.place}" if tunnel else "directly"
            self.notices.append(f"{_called(label)}: the environment says to connect {way}")
            return tunnel

        return self.tried(found, self.whole.places[(*key, "tunnel")], f"{label}.tunnel")

    def authorities(self, key: Key, label: str, endpoint: Endpoint) -> str | None:
        """The file of the certificates to trust, if one is named."""
        if endpoint.ca_file is None:
            return None
        place = self.whole.places[(*key, "ca_file")]
        path = place.folder / endpoint.ca_file

        def checked() -> str:
            check_authorities(path, self.credentials.read_text)
            self.files.append(path)
            return str(path)

        return self.tried(checked, place, f"{label}.ca_file")

    def kept(self, found: Found[D]) -> D:
        """A document, whose file is watched from now on."""
        if found.file is not None:
            self.files.append(found.file)
        return found.document

    def tried(self, make: Callable[[], T], place: Place, label: str = "") -> T | None:
        """What `make` gives; None after adding what it raised to the problems."""
        try:
            return make()
        except DocumentError as error:
            self.problems.extend(error.problems)
        except Refused as refused:
            self.problems.append(place.problem(f"{label}: {refused.message}", refused.hint))
        return None


def _called(label: str) -> str:
    """An endpoint in a sentence: `vendors.a` is vendor a."""
    return label.replace("vendors.", "vendor ", 1)
