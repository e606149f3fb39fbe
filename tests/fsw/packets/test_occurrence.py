import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsw.occurrence import Kind
from fsw.packets import frame, occurrence
from fsw.packets.frame import PacketError
from fsw.packets.occurrence import Report
from fsw.sample import Quality

NOW_NS = 1_790_000_000_500_000_000
VENTED = Report(
    kind=Kind.FALL,
    quality=Quality.GOOD | Quality.SIM,
    vessel=0x0112,
    phase=2,
    began_ns=NOW_NS - 90 * 10**9,
    kg=-0.25,
    inventory=4.5,
    inventory_sigma=0.125,
    tick=123456,
)


def test_the_body_is_what_the_documented_layout_says():
    # docs/packets.md, written out by hand: u8 u8 u8 u16 u16 0x2F t56 f32 f32 f32 u32
    seconds, fraction = 1_789_999_910, 1 << 23
    expected = (
        struct.pack(">BBBHH", 2, 1, 0x11, 0x0112, 2)
        + b"\x2f"
        + seconds.to_bytes(4)
        + fraction.to_bytes(3)
        + struct.pack(">fffI", -0.25, 4.5, 0.125, 123456)
    )
    assert occurrence.pack(VENTED) == expected
    framer = frame.Framer(100)
    assert len(framer.frame(occurrence.SERVICE, occurrence.SUBSERVICE, 0, expected)) == 54


@given(
    st.builds(
        Report,
        kind=st.sampled_from(Kind),
        quality=st.integers(0, 255),
        vessel=st.integers(0, 0xFFFF),
        phase=st.integers(0, 0xFFFF),
        began_ns=st.integers(0, 2**32 - 1).map(lambda s: s * 10**9),
        kg=st.floats(width=32, allow_nan=False),
        inventory=st.floats(width=32, allow_nan=False),
        inventory_sigma=st.floats(width=32, allow_nan=False),
        tick=st.integers(0, 2**32 - 1),
    )
)
def test_what_is_packed_is_unpacked(report):
    assert occurrence.unpack(occurrence.pack(report)) == report


def test_what_is_not_known_is_nan():
    report = Report(Kind.PHASE_BEGUN, 0, 1, 1, NOW_NS, math.nan, math.nan, math.nan, 2**32 + 5)
    back = occurrence.unpack(occurrence.pack(report))
    assert all(math.isnan(each) for each in (back.kg, back.inventory, back.inventory_sigma))
    assert back.tick == 5


@pytest.mark.parametrize(
    ("at", "byte", "said"),
    [(0, 0, "0 is not a valid Kind"), (1, 2, "version 2"), (7, 0x2E, "P-field is 0x2E")],
)
def test_another_body_is_refused(at, byte, said):
    body = bytearray(occurrence.pack(VENTED))
    body[at] = byte
    with pytest.raises(PacketError, match=said):
        occurrence.unpack(bytes(body))


@pytest.mark.parametrize("size", [0, 30, 32])
def test_a_body_of_another_length_is_refused(size):
    with pytest.raises(PacketError, match=f"{size} bytes"):
        occurrence.unpack(bytes(size))
