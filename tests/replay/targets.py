"""Destinations for tests: a vendor and a reference at some URL, in some dialect."""

from __future__ import annotations

from pathlib import Path

from proxy.cli.upstreams import Said, Upstreams, upstreams_of
from proxy.contract.mode import Mode
from proxy.replay.dataset import Dataset
from proxy.replay.prepare import Destination, Settings, destination
from proxy.replay.session import Session
from proxy.replay.survey import survey


def found(*urls: str, profile: str | None = None, reference: str | None = None) -> Upstreams:
    """Vendors by their URLs."""
    return upstreams_of(urls, Said(profile=profile, reference=reference))


def vendor(url: str = "http://127.0.0.1:9/v1", profile: str | None = None) -> Destination:
    """One vendor."""
    return destination(found(url, profile=profile).vendors[0], "vendor")


def session(
    dataset: Path,
    output: Path,
    *urls: str,
    reference: str | None = None,
    twice: bool = False,
    settings: Settings = Settings(mode=Mode.INSTANT),  # noqa: B008  (frozen)
) -> Session:
    """A replay of a file, its results beside it."""
    ends = found(*urls, reference=reference)
    targets = [destination(each, "vendor") for each in ends.vendors]
    if ends.reference is not None:
        targets += [destination(ends.reference, role) for role in ("reference", "reference-again")[: 1 + twice]]
    data = Dataset(dataset)
    return Session(data, tuple(targets), settings, survey(data, targets[0], settings), ends.config, output)
