"""--toxic NAME[:VALUE,...][=SHARE][@TOWARDS]."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.simulator.toxics import TOXICS
from proxy.simulator.toxics.parse import ToxicSetting, UnknownToxic, parse_toxic, parse_toxics
from proxy.simulator.toxics.toxic import Towards


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("latency", ToxicSetting("latency", (0.1, 0.0))),
        ("latency:200ms", ToxicSetting("latency", (0.2, 0.0))),
        (" latency:1.5,50ms=0.25@vendor ", ToxicSetting("latency", (1.5, 0.05), 0.25, Towards.VENDOR)),
        ("bandwidth:64KiB", ToxicSetting("bandwidth", (65536.0,))),
        ("bandwidth:1MB@client", ToxicSetting("bandwidth", (1e6,))),
        ("slicer:64,32,1ms", ToxicSetting("slicer", (64.0, 32.0, 0.001))),
        ("limit-data:17=0", ToxicSetting("limit-data", (17.0,), 0.0)),
        ("timeout:2m", ToxicSetting("timeout", (120.0,))),
        ("reset-peer=1", ToxicSetting("reset-peer", (0.0,), 1.0)),
    ],
)
def test_reads(text: str, setting: ToxicSetting) -> None:
    assert parse_toxic(text) == setting


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("latencyy", "did you mean latency?"),
        ("reset_peer", "did you mean reset-peer?"),
        ("zzz", "--list-toxics"),
        ("", "--list-toxics"),
        ("latency:1s,1s,1s", "takes 2 values at most"),
        ("latency:200kg", "delay is a time, zero or more, in ms, s, m"),
        ("latency:", "delay is a time"),
        ("latency:-1", "delay is a time"),
        ("latency:nan", "delay is a time"),
        ("limit-data:3s", "bytes is a size, zero or more, in B, KB, MB, KiB, MiB"),
        ("latency=2", "allowed is 0 to 1"),
        ("latency=-1", "allowed is 0 to 1"),
        ("latency=", "allowed is 0 to 1"),
        ("latency@upstream", "acts towards client or vendor"),
        ("latency@", "acts towards client or vendor"),
        ("latency@client=1", "acts towards client or vendor"),
    ],
)
def test_refuses_with_the_remedy(text: str, said: str) -> None:
    with pytest.raises(UnknownToxic) as caught:
        parse_toxic(text)
    assert said in str(caught.value)
    assert "hint:" in str(caught.value)


@given(st.sampled_from(TOXICS), st.floats(0, 1), st.sampled_from(Towards), st.floats(0, 1e6))
def test_what_is_shown_reads_back(toxic: object, share: float, towards: Towards, value: float) -> None:
    named = next(each for each in TOXICS if each is toxic)
    setting = ToxicSetting(named.name, (value,) * len(named.values), share, towards)
    again = parse_toxic(str(setting))
    assert (again.name, again.towards) == (setting.name, setting.towards)
    assert again.values == pytest.approx(setting.values, rel=1e-5, abs=1e-300)
    assert again.share == pytest.approx(share, rel=1e-5, abs=1e-300)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_toxics(text)
    except UnknownToxic as error:
        said = str(error)
    else:
        said = "hint: none needed"
    assert "hint:" in said
