import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsw.packets import frame, housekeeping
from fsw.packets.frame import PacketError
from fsw.sample import Quality
from fsw.table import Parameter, Table


def table(size: int) -> Table:
    return Table(Parameter(row, f"i{row}.c", "Pa") for row in range(size))


def test_a_set_is_its_id_then_quality_value_and_sigma_of_each_row():
    two = table(2)
    two.write(0, 101_325.0, 12.5, 7, Quality.GOOD)
    two.write(1, -1.0, math.nan, 8, Quality.BAD)
    body = housekeeping.pack(0x0203, two, [1, 0])
    assert body[:2] == b"\x02\x03"
    assert struct.unpack(">Bff", body[2:11])[:2] == (4, -1.0)
    assert math.isnan(struct.unpack(">f", body[7:11])[0])
    assert struct.unpack(">Bff", body[11:]) == (1, 101_325.0, 12.5)


def test_a_row_never_written_is_stale_and_has_no_value():
    (entry,) = housekeeping.unpack(housekeeping.pack(1, table(1), [0])).entries
    assert entry.quality == Quality.STALE
    assert math.isnan(entry.value)


def test_the_source_joins_every_quality():
    found = housekeeping.unpack(housekeeping.pack(1, table(2), [0, 1], Quality.SIM))
    assert [entry.quality for entry in found.entries] == [Quality.STALE | Quality.SIM] * 2


def test_a_full_set_fits_in_one_packet_and_one_more_does_not():
    size = housekeeping.CAPACITY
    framer = frame.Framer(1)
    packet = framer.frame(3, 25, 0, housekeeping.pack(1, table(size), range(size)))
    assert len(packet) <= 1400
    with pytest.raises(ValueError, match="fit"):
        framer.frame(3, 25, 0, housekeeping.pack(1, table(size + 1), range(size + 1)))


@given(st.floats(allow_nan=False), st.integers(0, 255))
def test_any_value_can_be_packed(value, quality):
    one = table(1)
    one.write(0, value, abs(value), 0, quality)
    found = housekeeping.unpack(housekeeping.pack(9, one, [0]))
    assert found.sid == 9
    assert found.entries[0].quality == quality
    assert found.entries[0].value == pytest.approx(value, rel=1e-6, abs=1e-44) or math.isinf(
        found.entries[0].value
    )


@given(st.binary(max_size=60))
def test_garbage_is_no_set_or_a_set(body):
    try:
        found = housekeeping.unpack(body)
    except PacketError:
        return
    assert len(body) == 2 + 9 * len(found.entries)
