"""How figures are written, and where axes are labelled."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.report import wording
from proxy.report.addresses import visible, without_credentials
from proxy.report.facts import Effect, Figure, Times
from proxy.report.scales import APART, Scale, of_durations, of_effects, of_shares, of_times
from proxy.report.unknown import age

S, M = wording.SPACE, wording.MINUS


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, f"0{S}%"),
        (1.0, f"100{S}%"),
        (0.5, f"50.0{S}%"),
        (0.9899, f"99.0{S}%"),
        (0.9949, f"99.49{S}%"),
        (0.9995, f"99.950{S}%"),
        (0.99999, f"> 99.99{S}%"),
        (0.00001, f"< 0.01{S}%"),
        (0.0012, f"0.12{S}%"),
        (0.12345, f"12.3{S}%"),
    ],
)
def test_shares(value: float, written: str) -> None:
    assert wording.share(value) == written


@given(st.floats(0.0, 1.0, exclude_min=True, exclude_max=True))
def test_no_share_is_rounded_to_all_or_nothing(value: float) -> None:
    assert float(wording.share(value).strip("<> %" + S)) not in (0.0, 100.0)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, f"0{S}%"),
        (0.02, f"+2{S}%"),
        (-0.0625, f"{M}6.25{S}%"),
        (0.1344, f"+13.4{S}%"),
        (3.2, f"+320{S}%"),
        (-0.00021, f"{M}0.021{S}%"),
        (1e-9, f"+< 0.001{S}%"),
    ],
)
def test_changes(value: float, written: str) -> None:
    assert wording.change(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"),
        (0.999, "99.9"),
        (0.9995, "> 99.9"),
        (0.99999, "> 99.9"),
        (1.0, "100"),
        (1.2, "120"),
        (1e-7, "< 0.001"),
    ],
)
def test_rates(value: float, written: str) -> None:
    assert wording.rate(value) == f"{written}{S}%"


@given(st.floats(0.0, 1.0, exclude_min=True, exclude_max=True))
def test_no_rate_is_rounded_to_all_or_nothing(value: float) -> None:
    assert float(wording.rate(value).strip("<> %" + S)) not in (0.0, 100.0)


def effect(kind: str, value: float | None, lower: float | None = None, upper: float | None = None) -> Effect:
    return Effect("s", kind, value, lower, upper, 0.02, 100, alarm=False, source="L1")


@pytest.mark.parametrize(
    ("found", "value", "bounds"),
    [
        (effect("rate", 0.0462, 0.0262, 0.074), f"4.62{S}%", f"[2.62, 7.4{S}%]"),
        (effect("size", -0.0303, -0.06, 0.0), f"{M}3.03{S}%", f"[{M}6, 0{S}%]"),
        (effect("triple", None), "too few values", ""),
        (effect("sign", 0.01), f"+1{S}%", ""),
        (effect("swap", 0.0, 0.0, 0.0), f"0{S}%", "no pair differs"),
        (effect("swap", 0.0, -0.01, 0.01), f"0{S}%", f"[{M}1, +1{S}%]"),
    ],
)
def test_effects(found: Effect, value: str, bounds: str) -> None:
    assert (wording.effect_text(found), wording.effect_bounds(found)) == (value, bounds)


def test_figures() -> None:
    assert wording.interval(Figure(0.5, 0.25, 0.75, 9, "L1")) == f"[25.0, 75.0{S}%]"
    assert wording.interval(Figure(0.5, 0.25, 0.75, 9, "L1"), as_ratio=True) == "[0.250, 0.750]"
    assert wording.interval(Figure(0.5, None, None, 9, "V1")) == ""
    assert wording.quantiles(Times("first token", 0.3412, 1.017, 9, "R1")) == f"p50 341{S}ms, p95 1.02{S}s"
    assert wording.quantiles(Times("first token", 12.0, None, 9, "R1")) == f"p50 12.0{S}s"
    assert [wording.plural(n, "pair") for n in (0, 1, 2345)] == ["0 pairs", "1 pair", "2,345 pairs"]
    assert wording.exactly(1_700_000_000.4) == "2023-11-14 22:13:20Z"
    assert [age(s) for s in (4.0, 61.0, 7300.0, 86_400.0, 1.1e8)] == [
        *("4 s", "1 minute", "2 hours", "1 day", "1,273 days"),
    ]


def apart(scale: Scale) -> bool:
    places = [scale.at(value) for value, _ in scale.ticks]
    return all(later - earlier >= APART - 0.01 for earlier, later in pairwise(places))


@given(st.lists(st.floats(-30, 30), max_size=9), st.booleans())
def test_axes_of_effects(values: Sequence[float], signed: bool) -> None:
    scale = of_effects(values, signed=signed)
    assert apart(scale)
    assert 0.0 in [value for value, _ in scale.ticks]
    for value in values:
        assert 0 <= scale.at(value) <= 100
        assert scale.outside(value) == (abs(value) > scale.high or (value < 0 and not signed))
    places = [scale.at(value) for value in sorted(values)]
    assert places == sorted(places)


@given(st.lists(st.floats(0, 1), max_size=9))
def test_axes_of_shares(values: Sequence[float]) -> None:
    scale = of_shares(values, wording.share)
    assert apart(scale)
    assert scale.high == 1.0
    assert not any(scale.outside(value) for value in values)


@given(st.floats(0, 4e9), st.floats(0, 4e8))
def test_axes_of_times(from_s: float, span_s: float) -> None:
    scale = of_times(from_s, from_s + span_s)
    assert apart(scale)
    assert all(from_s <= at_s <= scale.high + 1e-3 for at_s, _ in scale.ticks)
    assert len({label for _, label in scale.ticks}) == len(scale.ticks)


def test_axes_begin_and_end_at_round_values() -> None:
    assert [label for _, label in of_effects([0.031], signed=True).ticks] == [
        f"{sign}{S}%" for sign in (f"{M}5", f"{M}2", f"{M}0.5", "0", "+0.5", "+2", "+5")
    ]
    assert [value for value, _ in of_shares([0.931], wording.share).ticks] == pytest.approx([0.9, 0.95, 1.0])
    assert [label for _, label in of_durations([1.7]).ticks] == [f"0{S}ms", f"1.20{S}s", f"2.40{S}s"]
    hour = of_times(1_700_000_000.0, 1_700_003_600.0)
    assert [label for _, label in hour.ticks] == ["22:15", "22:30", "22:45", "23:00"]
    month = of_times(1_700_000_000.0, 1_702_000_000.0)
    assert [label for _, label in month.ticks][:2] == ["16 Nov", "23 Nov"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@api.example:8443/v1?key=hidden#x", "https://api.example:8443/v1"),
        ("http://[::1]:9/v1", "http://[::1]:9/v1"),
        ("http://a:b@[::1]/v1", "http://[::1]/v1"),
        ("not a url", ""),
        ("https://host:port/v1", ""),
        ("http://[broken/v1", ""),
    ],
)
def test_urls_hold_no_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


def test_nothing_hides() -> None:
    hidden = "\u2800\U0001d159\x00\x1b\x7f\u200b\u202e\u2066\ufeff\u3164\ufe0f\U000e0100"
    shown = visible(f"a{hidden}b\nc")
    assert not set(hidden) & set(shown)
    assert shown.startswith("a\\u{2800}\\u{1d159}\\u{0}\\u{1b}")
    assert shown.endswith("b c")
    assert len(visible("x" * 5000)) == 160
    assert visible("月之暗面 K2.6 é") == "月之暗面 K2.6 é"
