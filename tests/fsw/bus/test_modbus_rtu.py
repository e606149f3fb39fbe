"""Modbus RTU against data-sheet frames, every small damage to them, and garbage."""

import itertools
import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pymodbus.framer.rtu import FramerRTU

from fsw.bus.protocols import Exchange, modbus_rtu
from fsw.bus.protocols.modbus_rtu import ChannelOptions, Options
from fsw.sample import Fault

# Keller 33X at address 1, channel P1 = 1.01325 bar; the exception is "illegal data address"
REQUEST = bytes.fromhex("01 03 00 02 00 02 65 CB")
REPLY = bytes.fromhex("01 03 04 3F 81 B2 2D 12 B2")
EXCEPTION = bytes.fromhex("01 83 02 C0 F1")
BAR = struct.unpack(">f", bytes.fromhex("3F81B22D"))[0]


def channel(**keys: Any) -> ChannelOptions:
    return ChannelOptions.model_validate({"address": 2, "type": "f32"} | keys)


def exchange(address: int = 1, **channels: ChannelOptions) -> Exchange:
    [(found, _)] = modbus_rtu.exchanges(Options(address=address), channels or {"p1": channel()})
    return found


def frame(body: str) -> bytes:
    data = bytes.fromhex(body)
    return data + FramerRTU.compute_CRC(data).to_bytes(2, "big")


def decode(registers: str, **keys: Any) -> float:
    size = len(bytes.fromhex(registers))
    reply = exchange(value=channel(**keys)).read(frame(f"01 03 {size:02X} {registers}"))
    assert reply is not None
    assert reply.fault is Fault.NONE
    [value] = reply.values
    return value


def flipped(data: bytes, bits: tuple[int, ...]) -> bytes:
    damaged = bytearray(data)
    for bit in bits:
        damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def test_request_and_reply_are_those_of_the_data_sheet() -> None:
    poll = exchange()
    assert poll.request == REQUEST
    assert poll.reply_bytes == len(REPLY)
    reply = poll.read(REPLY)
    assert reply is not None
    assert reply.fault is Fault.NONE
    assert reply.values == pytest.approx((1.01325,), rel=1e-7)
    assert reply.consumed == len(REPLY)


def test_an_exception_is_told_with_its_code() -> None:
    reply = exchange().read(EXCEPTION)
    assert reply == ((), Fault.EXCEPTION, len(EXCEPTION), 2)


@pytest.mark.parametrize("frame_bytes", [REPLY, EXCEPTION])
def test_one_byte_at_a_time_more_is_wanted_until_the_last(frame_bytes: bytes) -> None:
    poll = exchange()
    assert [poll.read(frame_bytes[:size]) for size in range(len(frame_bytes))] == [None] * len(frame_bytes)
    assert poll.read(frame_bytes) is not None


@pytest.mark.parametrize("golden", [REPLY, EXCEPTION])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_up_to_three_flipped_bits_never_make_a_value_nor_an_exception(golden: bytes, count: int) -> None:
    poll = exchange()
    for bits in itertools.combinations(range(8 * len(golden)), count):
        reply = poll.read(flipped(golden, bits))
        assert reply is None or reply.fault not in (Fault.NONE, Fault.EXCEPTION), bits


def test_a_damaged_reply_is_a_checksum_fault_at_its_last_byte() -> None:
    for bit in range(24, 72):
        damaged = flipped(REPLY, (bit,))
        assert exchange().read(damaged[:-1]) is None
        reply = exchange().read(damaged)
        assert reply is not None
        assert reply.fault is Fault.CHECKSUM


@pytest.mark.parametrize("junk", ["00", "FF FF", "01 03", "01 03 04", "01 83", "02 03 04 11 22"])
def test_junk_before_a_reply_is_passed_over(junk: str) -> None:
    noise = bytes.fromhex(junk)
    poll = exchange()
    for size in range(len(REPLY)):
        reply = poll.read(noise + REPLY[:size])
        assert reply is None or junk == "01 03 04", reply
    reply = poll.read(noise + REPLY)
    assert reply is not None
    if junk != "01 03 04":  # junk that reads as the head of this very reply ends it as damaged
        assert reply.values == (BAR,)
        assert reply.consumed == len(noise) + len(REPLY)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("02 03 04 3F 81 B2 2D", Fault.WRONG_ADDRESS),
        ("02 83 02", Fault.WRONG_ADDRESS),
        ("01 04 04 3F 81 B2 2D", Fault.WRONG_FUNCTION),
        ("01 84 02", Fault.WRONG_FUNCTION),
        ("01 03 02 3F 81", Fault.MALFORMED),
    ],
)
def test_a_whole_frame_that_answers_something_else_is_refused_by_name(body: str, fault: Fault) -> None:
    reply = exchange().read(frame(body))
    assert reply is not None
    assert (reply.values, reply.fault) == ((), fault)


@pytest.mark.parametrize(
    ("order", "registers"),
    [("ABCD", "3F81 B22D"), ("CDAB", "B22D 3F81"), ("BADC", "813F 2DB2"), ("DCBA", "2DB2 813F")],
)
def test_every_byte_order_of_two_registers(order: str, registers: str) -> None:
    assert decode(registers, order=order) == BAR


@pytest.mark.parametrize(
    ("order", "registers"),
    [  # pi as IEEE 754 binary64: 400921FB54442D18
        ("ABCD", "4009 21FB 5444 2D18"),
        ("CDAB", "2D18 5444 21FB 4009"),
        ("BADC", "0940 FB21 4454 182D"),
        ("DCBA", "182D 4454 FB21 0940"),
    ],
)
def test_every_byte_order_of_four_registers(order: str, registers: str) -> None:
    assert decode(registers, type="f64", order=order) == math.pi


@pytest.mark.parametrize(
    ("kind", "registers", "value"),
    [
        ("u16", "FFFE", 65534),
        ("s16", "FFFE", -2),
        ("u32", "FFFF FFFE", 4294967294),
        ("s32", "FFFF FFFE", -2),
        ("s32", "0001 8BCD", 101325),
    ],
)
def test_every_integer_type(kind: str, registers: str, value: int) -> None:
    assert decode(registers, type=kind) == value


def test_scale_and_offset_turn_counts_into_the_unit() -> None:
    assert decode("0001 8BCD", type="s32", scale=0.01, offset=-13.25) == pytest.approx(1000.0)


@pytest.mark.parametrize(
    ("registers", "keys"),
    [
        ("7FC0 0000", {}),
        ("7F80 0000", {}),
        ("FF80 0000", {}),
        ("7FF8 0000 0000 0000", {"type": "f64"}),
        ("7FFF", {"type": "s16"}),
        ("8000", {"type": "s16"}),
        ("7FFF FFFF", {"type": "s32"}),
        ("8000 0000", {"type": "s32"}),
        ("7FFF", {"type": "u16", "bad": [0x7FFF]}),
        ("8000", {"type": "s16", "bad": [0x8000]}),
        ("8000", {"type": "s16", "bad": [-32768]}),
        ("FFFF FFFF", {"type": "u32", "bad": [0xFFFF_FFFF]}),
        ("C61C 3C00", {"bad": [-9999.0]}),
        ("7FEF FFFF FFFF FFFF", {"type": "f64", "scale": 10.0}),
    ],
)
def test_what_is_no_reading_is_nan(registers: str, keys: dict[str, Any]) -> None:
    assert math.isnan(decode(registers, **keys))


@pytest.mark.parametrize(
    ("registers", "keys", "value"),
    [("7FFF", {"type": "u16"}, 32767), ("8000", {"type": "s16", "bad": []}, -32768)],
)
def test_bad_values_are_those_declared_and_no_others(
    registers: str, keys: dict[str, Any], value: int
) -> None:
    assert decode(registers, **keys) == value


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"register": 40003}, (3, 2)),
        ({"register": 400003}, (3, 2)),
        ({"register": 30003}, (4, 2)),
        ({"register": 365535}, (4, 65534)),
        ({"register": 30003, "function": 4}, (4, 2)),
        ({"address": 2}, (3, 2)),
        ({"address": 2, "function": 4}, (4, 2)),
    ],
)
def test_a_register_is_named_by_reference_number_or_by_address(
    keys: dict[str, Any], place: tuple[int, int]
) -> None:
    assert ChannelOptions.model_validate({"type": "f32"} | keys).place() == place


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({}, "one of the two"),
        ({"register": 40003, "address": 2}, "one of the two"),
        ({"register": 3}, "40001..49999"),
        ({"register": 40003, "function": 4}, "function 3, not 4"),
        ({"address": 65535}, "the last address is 65535"),
        ({"address": 2, "scale": 0.0}, "scale 0"),
        ({"address": 2, "scale": math.nan}, "finite"),
        ({"address": 2, "type": "s16", "bad": [0x1_0000]}, "whole number of 16 bits"),
        ({"address": 2, "type": "s16", "bad": [1.5]}, "whole number of 16 bits"),
        ({"address": 2, "bad": [1e39]}, "largest f32"),
        ({"address": 2, "order": "AB"}, "ABCD"),
        ({"address": 2, "typ": "f32"}, "typ"),
    ],
)
def test_a_wrong_channel_is_refused_with_the_bound(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ChannelOptions.model_validate({"type": "f32"} | keys)


def test_registers_that_touch_are_read_in_one_exchange_in_order_of_address() -> None:
    channels = {
        "t": channel(address=6),
        "p2": channel(address=4),
        "p1": channel(address=2),
        "after_a_hole": channel(
            address=9, type="u16"
        ),  # 8 may not exist: a slave would refuse the whole block
        "input": channel(address=8, function=4),
    }
    found = modbus_rtu.exchanges(Options(address=1), channels)
    assert [names for _, names in found] == [("p1", "p2", "t"), ("after_a_hole",), ("input",)]
    merged = found[0][0]
    assert merged.request[:6] == bytes.fromhex("01 03 00 02 00 06")
    reply = merged.read(frame("01 03 0C 3F800000 40000000 40400000"))
    assert reply is not None
    assert reply.values == (1.0, 2.0, 3.0)


def test_overlapping_registers_and_mixed_orders_are_read_in_one_exchange() -> None:
    channels = {"whole": channel(address=0, type="u32"), "low": channel(address=1, type="u16", order="BADC")}
    [(merged, names)] = modbus_rtu.exchanges(Options(address=1), channels)
    assert names == ("whole", "low")
    reply = merged.read(frame("01 03 04 00 01 02 03"))
    assert reply is not None
    assert reply.values == (0x00010203, 0x0302)


def test_merging_stops_at_125_registers_and_where_it_is_switched_off() -> None:
    channels = {f"c{place}": channel(address=2 * place) for place in range(100)}
    sizes = [len(names) for _, names in modbus_rtu.exchanges(Options(address=1), channels)]
    assert sizes == [62, 38]
    assert len(modbus_rtu.exchanges(Options(address=1, merge=False), channels)) == 100


@pytest.mark.parametrize(
    ("byte_ns", "gap_ns"),
    [(1_145_834, 4_010_419), (572_917, 2_005_210), (286_459, 1_750_000), (86_806, 1_750_000)],
)
def test_the_gap_is_three_and_a_half_characters_and_fixed_above_19200_baud(byte_ns: int, gap_ns: int) -> None:
    assert modbus_rtu.timing(Options(address=1), byte_ns).gap_ns == gap_ns  # 11-bit characters


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.floats(width=32), min_size=1, max_size=8), st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"])
)
def test_what_is_written_is_read(values: list[float], order: str) -> None:
    channels = {f"c{place}": channel(address=2 * place, order=order) for place in range(len(values))}
    registers = b""
    for value in values:
        a, b, c, d = struct.pack(">f", value)
        registers += bytes(
            {"ABCD": (a, b, c, d), "CDAB": (c, d, a, b), "BADC": (b, a, d, c), "DCBA": (d, c, b, a)}[order]
        )
    reply = exchange(**channels).read(frame(f"01 03 {len(registers):02X} {registers.hex()}"))
    assert reply is not None
    for read, value in zip(reply.values, values, strict=True):
        assert read == value or (math.isnan(read) and not math.isfinite(value))


@settings(max_examples=500, deadline=200)
@given(st.binary(max_size=512))
def test_garbage_gives_no_value_and_no_exception(garbage: bytes) -> None:
    reply = exchange().read(garbage)
    assert reply is None or reply.fault is not Fault.NONE or REPLY[:3] in garbage


@settings(max_examples=300, deadline=200)
@given(
    st.lists(
        st.sampled_from([REPLY, EXCEPTION, REQUEST, REPLY[:5], EXCEPTION[1:], b"\x01\x03\x04"]), max_size=40
    )
)
def test_heaps_of_frame_pieces_are_read_in_bounded_time(pieces: list[bytes]) -> None:
    exchange().read(b"".join(pieces)[:256])
