"""What the rules and the builder work on: settings, where each was written, and which lost a part.

Not here: the rules (relations.py, relations_scoring.py). Invariant: what was refused when it was read is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from proxy.config.document import ClientSettings, Settings, VendorSettings
from proxy.config.document_scoring import ReferenceSettings
from proxy.config.tree import Key, Place, Places
from proxy.policy.document import Problem

Endpoint: TypeAlias = VendorSettings | ReferenceSettings
"""What both have of a host: where it is, how it spells things, how it is reached and with which key."""


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that works, and that somebody should know."""

    text: str


@dataclass(frozen=True, slots=True)
class Whole:
    """Settings, where they were written, and which of them lost a part."""

    settings: Settings
    places: Places
    vendor_keys: tuple[Key, ...]
    client_keys: tuple[Key, ...]
    damaged: frozenset[str]

    def vendors(self) -> Iterator[tuple[Key, VendorSettings]]:
        """Each vendor and its key in the tree."""
        return zip(self.vendor_keys, self.settings.vendors, strict=True)

    def clients(self) -> Iterator[tuple[Key, ClientSettings]]:
        """Each client and its key in the tree."""
        return zip(self.client_keys, self.settings.clients, strict=True)

    def endpoints(self) -> Iterator[tuple[Key, str, Endpoint]]:
        """Whatever is sent to: its key in the tree, what problems call it, and its settings."""
        for key, vendor in self.vendors():
            yield key, f"vendors.{vendor.name}", vendor
        if self.settings.reference is not None:
            yield ("reference",), "reference", self.settings.reference

    def at(self, key: Key, *names: str) -> Place:
        """The place of the first of `names` that was written, or of the entry itself."""
        written = (name for name in names if (*key, name) in self.places.by_key)
        return self.places[(*key, *([first] if (first := next(written, None)) else []))]


Said: TypeAlias = Iterator[Problem | Warned]


def holds_key(endpoint: Endpoint) -> bool:
    """Whether a key of ours goes to the endpoint."""
    return endpoint.api_key_env is not None or endpoint.api_key_file is not None
