import math

import ccsdspy
import pytest
from ccsdspy import PacketField
from hypothesis import given
from hypothesis import strategies as st

from fsw.limit import Check
from fsw.packets import frame, transition
from fsw.packets.frame import PacketError
from fsw.packets.transition import Entry, Status

# Made by another implementation.
GOLDEN = bytes.fromhex(
    "0864c0010040200c0c000000002f6ab13b801f9add0002000701010139aa64c33951b71700042f6ab13b801f9add"
    "000801020139aa64c33951b71700042f6ab13b801f9add11e7"
)
GOLDEN_NS = 1_790_000_000_123_456_789


def entry(monitor: int, parameter: int) -> Entry:
    return Entry(monitor, parameter, Check.LIMIT, 3.25e-4, 2e-4, Status.WITHIN, Status.ABOVE, GOLDEN_NS)


def test_the_golden_report_comes_out_byte_for_byte():
    framer = frame.Framer(0x64)
    framer.set_time(GOLDEN_NS, 0)
    framer.frame(17, 2, 0)  # the golden report is the second packet of its APID
    body = transition.pack([entry(7, 0x0101), entry(8, 0x0102)])
    assert framer.frame(transition.SERVICE, transition.SUBSERVICE, 0, body) == GOLDEN


def test_a_report_of_one_has_48_bytes_and_ccsdspy_reads_it(tmp_path):
    framer = frame.Framer(0x64)
    packet = framer.frame(transition.SERVICE, transition.SUBSERVICE, 0, transition.pack([entry(7, 0x0101)]))
    assert len(packet) == 48
    path = tmp_path / "transition.tm"
    path.write_bytes(packet)
    fields = [
        PacketField("secondary_header", "fill", 15 * 8),
        *(PacketField(name, "uint", 16) for name in ("n", "monitor", "parameter")),
        PacketField("check", "uint", 8),
        *(PacketField(name, "float", 32) for name in ("value", "limit")),
        *(PacketField(name, "uint", 8) for name in ("previous", "current", "p_field")),
        PacketField("seconds", "uint", 32),
        PacketField("fraction", "uint", 24),
        PacketField("crc", "uint", 16),
    ]
    read = {name: column[0] for name, column in ccsdspy.FixedLength(fields).load(str(path)).items()}
    assert (read["n"], read["monitor"], read["parameter"], read["check"]) == (1, 7, 0x0101, 1)
    assert (read["previous"], read["current"], read["seconds"]) == (0, 4, 1_790_000_000)
    assert read["value"] == pytest.approx(3.25e-4, rel=1e-7)


@given(st.integers(0, transition.CAPACITY), st.floats(width=32))
def test_entries_come_back_as_they_were(count, value):
    sent = [
        Entry(number, 1, 1, value, math.nan, 0, 3, frame.unix_ns(frame.cuc(GOLDEN_NS)))
        for number in range(count)
    ]
    body = transition.pack(sent)
    assert len(body) <= frame.MAX_BODY_BYTES
    assert repr(transition.unpack(body)) == repr(tuple(sent))


@given(st.binary(max_size=100))
def test_garbage_is_no_report_or_a_report(body):
    try:
        entries = transition.unpack(body)
    except PacketError:
        return
    assert len(body) == 2 + 23 * len(entries)
