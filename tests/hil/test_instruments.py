"""The far ends against data-sheet bytes, split and buried in rubbish."""

import math
import struct

import pytest
from fastcrc.crc16 import modbus as reference_crc
from hypothesis import given, settings
from hypothesis import strategies as st

from hil import instruments
from hil.instruments import modbus

MS = 1_000_000
BYTE_NS = 1_041_667  # 9600 8N1
READ_PRESSURE = bytes.fromhex("01 03 00 02 00 02 65 CB")
PRESSURE_IS_1_01325 = bytes.fromhex("01 03 04 3F 81 B2 2D 12 B2")
TRUTH = {"rig.pressure": 101325.0, "rig.temperature": 295.4}


def channel(register, **keys):
    return {"register": register, "reads": "rig.pressure", "unit": "bar"} | keys


def slave(*channels, truth=TRUTH, **keys):
    table = {"kind": "modbus", "address": 1, "channels": list(channels) or [channel(2)]} | keys
    return instruments.build(instruments.options(table), lambda c: lambda _: truth[c.reads], BYTE_NS)


def paroscientific(truth=TRUTH, **keys):
    table = {
        "kind": "paroscientific",
        "pressure": {"reads": "rig.pressure"},
        "temperature": {"reads": "rig.temperature"},
    } | keys
    return instruments.build(instruments.options(table), lambda c: lambda _: truth[c.reads], BYTE_NS)


def answer(instrument, *pieces, now_ns=0, apart_ns=0):
    """What it sends after these pieces of a request, and when."""
    for piece in pieces:
        now_ns += len(piece) * BYTE_NS
        instrument.received(piece, now_ns)
        now_ns += apart_ns
    for _ in range(3):
        if instrument.next_wake_ns is None:
            break
        now_ns = max(now_ns, instrument.next_wake_ns)
        if data := instrument.wake(now_ns):
            return data, now_ns
    return b"", now_ns


def read(function, start, count, address=1):
    return modbus.seal(struct.pack(">BBHH", address, function, start, count))


def test_golden_bytes_of_a_modbus_read():
    reply, now_ns = answer(slave(think="5 ms"), READ_PRESSURE)
    assert reply == PRESSURE_IS_1_01325
    assert (
        now_ns == 8 * BYTE_NS + 7 * BYTE_NS // 2 + 5 * MS
    )  # the request, 3.5 characters of silence, thinking


def test_golden_bytes_of_a_modbus_exception():
    reply, _ = answer(slave(channel(0x100)), READ_PRESSURE)
    assert reply == bytes.fromhex("01 83 02 C0 F1")


@given(st.binary(max_size=300))
def test_the_crc_is_that_of_another_implementation(data):
    assert modbus.crc16(data) == reference_crc(data)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (read(4, 2, 2), 2),  # the register is there for function 3 only
        (read(3, 2, 3), 2),  # one past the end
        (read(3, 1, 2), 2),
        (read(3, 2, 0), 3),
        (read(3, 2, 126), 3),
        (modbus.seal(bytes([1, 3, 0, 2, 0])), 3),  # cut short but sealed
        (read(6, 2, 2), 1),
        (modbus.seal(bytes([1, 0x2B, 14, 1, 0])), 1),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_code_of_the_specification(request_, code):
    reply, _ = answer(slave(), request_)
    assert reply == modbus.seal(bytes([1, request_[1] | 0x80, code]))


def test_wrong_address_wrong_crc_and_broadcast_are_not_answered():
    for silent in (
        read(3, 2, 2, address=2),
        read(3, 2, 2, address=0),
        READ_PRESSURE[:-1] + b"\xca",
        READ_PRESSURE[:-2],
        b"\x01",
        PRESSURE_IS_1_01325[:5],
    ):
        assert answer(slave(), silent)[0] == b""


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_request_in_two_pieces_within_3_5_characters_is_one(cut):
    pieces = READ_PRESSURE[:cut], READ_PRESSURE[cut:]
    assert answer(slave(), *pieces, apart_ns=3 * BYTE_NS)[0] == PRESSURE_IS_1_01325
    assert answer(slave(), *pieces, apart_ns=4 * BYTE_NS)[0] == b""


def test_byte_by_byte_is_the_same_and_silence_ends_rubbish():
    one_by_one = [bytes([b]) for b in READ_PRESSURE]
    assert answer(slave(), *one_by_one)[0] == PRESSURE_IS_1_01325
    assert answer(slave(), b"\x01\x03\xff" + READ_PRESSURE)[0] == b""
    busy = slave()
    assert answer(busy, b"\x01\x03\xff")[0] == b""
    assert answer(busy, b"\x00" * 1000, now_ns=MS * 1000)[0] == b""
    assert answer(busy, READ_PRESSURE, now_ns=MS * 3000)[0] == PRESSURE_IS_1_01325


def test_a_slave_that_nobody_woke_still_tells_two_frames_apart():
    deaf = slave()
    deaf.received(b"\x07\x03\x00", 3 * BYTE_NS)
    assert answer(deaf, READ_PRESSURE, now_ns=100 * MS)[0] == PRESSURE_IS_1_01325


def test_it_is_deaf_while_it_thinks():
    thinking = slave(think="50 ms")
    thinking.received(READ_PRESSURE, 8 * BYTE_NS)
    assert thinking.wake(13 * BYTE_NS) == b""
    thinking.received(READ_PRESSURE, 30 * BYTE_NS)
    assert answer(thinking)[0] == PRESSURE_IS_1_01325
    assert thinking.next_wake_ns is None


ABCDEFGH = struct.pack(">d", -1234.5678)


@pytest.mark.parametrize(
    ("kind", "order", "expected"),
    [
        ("f64", "ABCD", ABCDEFGH),
        ("f64", "DCBA", ABCDEFGH[::-1]),
        ("f64", "CDAB", ABCDEFGH[6:] + ABCDEFGH[4:6] + ABCDEFGH[2:4] + ABCDEFGH[:2]),
        ("f32", "ABCD", bytes.fromhex("C49A522B")),
        ("f32", "CDAB", bytes.fromhex("522BC49A")),
        ("f32", "BADC", bytes.fromhex("9AC42B52")),
        ("f32", "DCBA", bytes.fromhex("2B529AC4")),
        ("s32", "ABCD", bytes.fromhex("FFFFFB2D")),
        ("s32", "CDAB", bytes.fromhex("FB2DFFFF")),
        ("s16", "ABCD", bytes.fromhex("FB2D")),
        ("s16", "BADC", bytes.fromhex("2DFB")),
        ("u16", "ABCD", bytes.fromhex("0000")),
        ("u32", "ABCD", bytes.fromhex("00000000")),
    ],
)
def test_every_type_and_order(kind, order, expected):
    assert modbus.in_order(modbus.big_endian(kind, -1234.5678), order) == expected


def test_integers_saturate_and_say_that_they_have_no_value():
    assert modbus.big_endian("s16", 4e4) == b"\x7f\xff"
    assert modbus.big_endian("s16", math.nan) == b"\x80\x00"
    assert modbus.big_endian("u16", math.nan) == b"\xff\xff"
    assert modbus.big_endian("u32", math.inf) == b"\xff\xff\xff\xff"
    assert modbus.big_endian("f32", -1e300) == bytes.fromhex("FF800000")
    assert math.isnan(struct.unpack(">f", modbus.big_endian("f32", math.nan))[0])


def test_a_block_of_registers_with_units_a_gauge_and_counts():
    whole = slave(
        channel(10, type="f32", unit="degC", reads="rig.temperature"),
        channel(12, type="f32", unit="bar", zero="1 bar"),
        channel(14, type="s32", unit="mbar", scale=100),
        channel(16, type="u16", unit=""),
        channel(10, function=4, type="u16", unit="kPa", scale=10),
    )
    reply, _ = answer(whole, read(3, 10, 7))
    celsius, gauge, counts, pascal = struct.unpack(">ffiH", reply[3:-2])
    assert celsius == pytest.approx(22.25, rel=1e-6)
    assert gauge == pytest.approx(0.01325, rel=1e-5)
    assert counts == 101325
    assert pascal == 65535
    assert answer(whole, read(4, 10, 1))[0] == modbus.seal(bytes.fromhex("01 04 02 03 F5"))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"channels": [channel(2), channel(3)]}, "register 3"),
        ({"channels": [channel(2, unit="K")]}, "kind of Pa"),
        ({"channels": [channel(2, zero="1 K")]}, "kind of Pa"),
        ({"channels": [channel(0xFFFF)]}, "65535"),
        ({"address": 248}, "247"),
        ({"kind": "telepathy"}, "modbus, paroscientific"),
    ],
)
def test_a_wrong_instrument_is_refused(keys, said):
    table = {"kind": "modbus", "address": 1, "channels": [channel(2)]} | keys
    with pytest.raises(ValueError, match=said):
        instruments.options(table)


def test_golden_bytes_of_a_paroscientific():
    psi = paroscientific({"rig.pressure": 14.2345 * 6894.757, "rig.temperature": 295.4})
    reply, now_ns = answer(psi, b"*0100P3\r\n")
    assert reply == b"*000114.2345\r\n"
    assert now_ns == 9 * BYTE_NS + 20 * MS
    assert answer(psi, b"*0100Q3\r\n")[0] == b"*000122.250\r\n"
    assert answer(psi, b"*0100UN\r\n")[0] == b"*0001UN=1\r\n"


@pytest.mark.parametrize(
    ("unit", "shown"),
    [
        ("hPa", "1013.2500"),
        ("bar", "1.0132"),
        ("kPa", "101.3250"),
        ("MPa", "0.1013"),
        ("psi", "14.6959"),
        ("inHg", "29.9213"),
        ("mmHg", "759.9999"),
    ],
)
def test_units_of_pressure(unit, shown):
    assert answer(paroscientific(unit=unit), b"*0100P3\r\n")[0] == f"*0001{shown}\r\n".encode()


def test_address_99_is_everybody_and_the_reply_goes_to_whoever_asked():
    seven = paroscientific(address=7, unit="hPa", decimals=1)
    assert answer(seven, b"*0700P3\r\n")[0] == b"*00071013.2\r\n"
    assert answer(seven, b"*9900P3\r\n")[0] == b"*00071013.2\r\n"
    assert answer(seven, b"*0712P3\r")[0] == b"*12071013.2\r\n"


@pytest.mark.parametrize(
    "command",
    [
        b"*0200P3\r\n",
        b"*0100P9\r\n",
        b"*0100p3\r\n",
        b"0100P3\r\n",
        b"*01P3\r\n",
        b"*0100P3",
        b"*\xb2\xb2\xb2\xb2P3\r\n",
    ],
)
def test_what_a_paroscientific_does_not_understand_it_does_not_answer(command):
    assert answer(paroscientific(), command)[0] == b""


def test_a_paroscientific_hears_bytes_one_by_one_and_after_rubbish():
    pieces = [bytes([b]) for b in b"\xff\x00junk\r\n*0100P3\r\n"]
    assert answer(paroscientific(unit="hPa"), *pieces, apart_ns=50 * MS)[0] == b"*00011013.2500\r\n"
    noisy = paroscientific(unit="hPa")
    noisy.received(b"x" * 100_000, 0)
    assert answer(noisy, b"\r\n*0100P3\r\n")[0] == b"*00011013.2500\r\n"


def test_a_new_command_breaks_the_measurement_off():
    busy = paroscientific(integration="100 ms")
    busy.received(b"*0100P3\r\n", 0)
    reply, now_ns = answer(busy, b"*0100Q3\r\n", now_ns=50 * MS)
    assert reply == b"*000122.250\r\n"
    assert now_ns == 150 * MS + 9 * BYTE_NS
    assert busy.next_wake_ns is None


@given(st.lists(st.binary(max_size=300), max_size=8))
@settings(max_examples=200, deadline=None)
def test_rubbish_neither_breaks_an_instrument_nor_is_answered_for_ever(pieces):
    for instrument in (slave(), paroscientific()):
        answer(instrument, *pieces, apart_ns=20 * MS)
        good = READ_PRESSURE if instrument.forgeries is modbus.FORGERIES else b"\r\n*0100P3\r\n"
        later = max(instrument.next_wake_ns or 0, 10**11)
        instrument.wake(later)
        instrument.wake(2 * later)
        assert answer(instrument, good, now_ns=3 * later)[0][:1] in (b"\x01", b"*")
