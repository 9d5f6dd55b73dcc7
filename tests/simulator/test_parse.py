"""--fault NAME[:NUMBER][=SHARE][@START]."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.simulator import FaultSetting, parse_fault, parse_faults
from proxy.simulator.faults import FAULTS
from proxy.simulator.faults.parse import UnknownFault


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("cut-stream", FaultSetting("cut-stream", 1.0, 0.0, None)),
        (" cut-stream=0.25 ", FaultSetting("cut-stream", 0.25, 0.0, None)),
        ("cut-stream@60s", FaultSetting("cut-stream", 1.0, 60.0, None)),
        ("cut-stream=.5@2m", FaultSetting("cut-stream", 0.5, 120.0, None)),
        ("cut-stream:17=1@250ms", FaultSetting("cut-stream", 1.0, 0.25, 17.0)),
        ("rate-limited:30", FaultSetting("rate-limited", 1.0, 0.0, 30.0)),
        ("no-done=0", FaultSetting("no-done", 0.0, 0.0, None)),
        ("no-done@1h", FaultSetting("no-done", 1.0, 3600.0, None)),
        ("no-done@5", FaultSetting("no-done", 1.0, 5.0, None)),
    ],
)
def test_reads(text: str, setting: FaultSetting) -> None:
    assert parse_fault(text) == setting


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cutstream", "did you mean cut-stream?"),
        ("leaked-marker=0.1", "did you mean leaked-markers?"),
        ("zzz", "--list-faults"),
        ("", "--list-faults"),
        ("=1", "--list-faults"),
        ("cut-stream=2", "allowed is 0 to 1"),
        ("cut-stream=-1", "a share between 0 and 1"),
        ("cut-stream=nan", "a share between 0 and 1"),
        ("cut-stream=", "a share between 0 and 1"),
        ("cut-stream=1@", "a time such as 60s"),
        ("cut-stream=1@soon", "unknown unit 'soon'"),
        ("cut-stream=1@-5s", "a time such as 60s"),
        ("cut-stream@5s=1", "hint:"),
        ("cut-stream:x", "bytes of the body"),
        ("no-done:5", "takes no number"),
    ],
)
def test_refuses_with_the_remedy(text: str, said: str) -> None:
    with pytest.raises(UnknownFault) as caught:
        parse_fault(text)
    assert said in str(caught.value)
    assert "hint:" in str(caught.value)


@given(
    st.sampled_from(FAULTS),
    st.floats(0, 1),
    st.floats(0, 1e6),
    st.none() | st.integers(0, 10**6),
)
def test_what_is_shown_reads_back(fault: object, share: float, start_s: float, number: int | None) -> None:
    named = next(each for each in FAULTS if each is fault)
    setting = FaultSetting(named.name, share, start_s, number if named.number is not None else None)
    again = parse_fault(str(setting))
    assert again.name == setting.name
    assert again.number == setting.number
    assert again.share == pytest.approx(share, rel=1e-5, abs=1e-300)
    assert again.start_s == pytest.approx(start_s, rel=1e-5, abs=1e-300)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_faults(text)
    except UnknownFault as error:
        said = str(error)
    else:
        said = "hint: none needed"
    assert "hint:" in said
