import math
import struct

from hypothesis import given
from hypothesis import strategies as st

from fsw.packets import frame, samples
from fsw.packets.frame import PacketError
from fsw.sample import Quality, Sample

NOW_NS = 50_000_000_000
IDS = (0x0101, 0x0102, 0x0205)


def test_the_bytes_of_a_sample():
    (body,) = samples.pack(
        [Sample(2, NOW_NS - 1_000_000, 101_325.25, Quality.GOOD)], IDS, NOW_NS, Quality.SIM
    )
    assert body == struct.pack(">HHBid", 1, 0x0205, 0x11, -1_000_000, 101_325.25)


def test_nothing_gives_no_packet():
    assert samples.pack([], IDS, NOW_NS) == []


@given(
    st.lists(
        st.builds(
            Sample,
            st.integers(0, 2),
            st.integers(NOW_NS - 2_000_000_000, NOW_NS + 1000),
            st.floats(),
            st.integers(0, 255),
        ),
        max_size=2 * samples.CAPACITY + 3,
    )
)
def test_every_sample_comes_back_in_order_and_to_the_last_bit(arrivals):
    bodies = samples.pack(arrivals, IDS, NOW_NS)
    assert all(len(body) <= frame.MAX_BODY_BYTES for body in bodies)
    entries = [entry for body in bodies for entry in samples.unpack(body)]
    came = [(each.parameter, each.quality, NOW_NS + each.offset_ns, repr(each.value)) for each in entries]
    assert came == [(IDS[each.row], each.quality, each.time_ns, repr(each.value)) for each in arrivals]


def test_a_sample_older_than_the_field_can_say_is_written_as_that_old():
    (body,) = samples.pack([Sample(0, 0, math.nan)], IDS, 10**12)
    (entry,) = samples.unpack(body)
    assert entry.offset_ns == -(2**31 - 1)


@given(st.binary(max_size=60))
def test_garbage_is_no_report_or_a_report(body):
    try:
        entries = samples.unpack(body)
    except PacketError:
        return
    assert len(body) == 2 + 15 * len(entries)
