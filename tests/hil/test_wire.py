"""The line's timing in virtual time, and the same line behind a real pseudo-terminal."""

import os
import select
import termios
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import serial
from pymodbus.client import ModbusSerialClient

from hil import instruments
from hil.wire import Line, MemoryWire, PtyWire, byte_ns

MS = 1_000_000
B = 1_041_667  # 9600 8N1
READ_PRESSURE = bytes.fromhex("01 03 00 02 00 02 65 CB")
READ_PRESSURE_2 = bytes.fromhex("02 03 00 02 00 02 65 F8")
PRESSURE_IS_1_01325 = bytes.fromhex("01 03 04 3F 81 B2 2D 12 B2")
PRESSURE_2_IS_1_01325 = bytes.fromhex("02 03 04 3F 81 B2 2D 21 B2")
REPLY_AT = 8 * B + 7 * B // 2 + 2 * MS  # request, silence, thinking
DONE_AT = REPLY_AT + 9 * B


def slave(address=1, **keys):
    channels = [{"register": 2, "unit": "bar", "reads": "rig.pressure"}]
    table = {"kind": "modbus", "address": address, "channels": channels} | keys
    return instruments.build(instruments.options(table), lambda _: lambda _: 101325.0, B)


def everything(wire, until_ns=10**9):
    """(when, what) the host gets, each at the earliest instant."""
    heard = []
    while (wake := wire.next_wake_ns) is not None and wake <= until_ns:
        if data := wire.due(wake):
            heard.append((wake, data))
    return heard


@pytest.mark.parametrize(
    ("baud", "format", "expected"),
    [(9600, "8N1", 1_041_667), (19200, "8E1", 572_917), (4800, "7E1", 2_083_333), (115200, "8N2", 95_486)],
)
def test_the_time_of_a_byte(baud, format, expected):
    assert byte_ns(baud, format) == expected


@pytest.mark.parametrize("wrong", [(0, "8N1"), (9600, "9N1"), (9600, "8X1"), (9600, "")])
def test_a_format_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="format like 8N1"):
        byte_ns(*wrong)


def test_a_reply_arrives_with_its_last_byte():
    """Modbus fn 3, 2 registers at 9600: 8 + 9 bytes are 17.7 ms of wire time."""
    wire = MemoryWire(Line([slave()], B))
    assert wire.next_wake_ns is None
    wire.received(READ_PRESSURE, 0)
    assert everything(wire) == [(DONE_AT, PRESSURE_IS_1_01325)]
    assert pytest.approx(17.7 * MS, rel=1e-2) == DONE_AT - 7 * B // 2 - 2 * MS
    assert wire.next_wake_ns is None


def test_a_bench_that_comes_late_changes_no_timing():
    wire = MemoryWire(Line([slave()], B))
    wire.received(READ_PRESSURE, 0)
    assert wire.due(DONE_AT - 1) == b""
    assert wire.due(10**9) == PRESSURE_IS_1_01325
    late = MemoryWire(Line([slave()], B, split=True))
    late.received(READ_PRESSURE, 0)
    assert late.due(DONE_AT - 2 * B) == PRESSURE_IS_1_01325[:-2]
    assert late.due(10**9) == PRESSURE_IS_1_01325[-2:]


@pytest.mark.parametrize("split", [False, True])
def test_the_host_hears_nothing_before_the_line_said_it_would(split):
    """The promise is kept at every event of an exchange, and it reaches past what only instruments hear."""
    wire = MemoryWire(Line([slave(1), slave(2)], B, split=split))
    assert wire.quiet_until_ns > 10**18  # nobody talks by himself
    wire.received(READ_PRESSURE, 0)
    promises = [wire.quiet_until_ns]
    while (wake := wire.next_wake_ns) is not None:
        if heard := wire.due(wake):
            assert max(promises) <= wake
        promises.append(wire.quiet_until_ns)
        if heard and not split:
            break
    assert wire.quiet_until_ns > 10**18  # the other slave heard the reply, and will say nothing to it
    assert any(promise > REPLY_AT for promise in promises[:-1])


def test_split_each_byte_arrives_at_its_own_time():
    wire = MemoryWire(Line([slave()], B, split=True))
    wire.received(READ_PRESSURE, 0)
    expected = [(REPLY_AT + (i + 1) * B, PRESSURE_IS_1_01325[i : i + 1]) for i in range(9)]
    assert everything(wire) == expected


def test_what_the_host_writes_in_a_row_leaves_in_a_row():
    wire = MemoryWire(Line([slave()], B))
    for i in range(8):
        wire.received(READ_PRESSURE[i : i + 1], 0)
    assert everything(wire) == [(DONE_AT, PRESSURE_IS_1_01325)]


def test_several_instruments_share_a_line_and_each_hears_the_others():
    heard = []

    class Ear:
        next_wake_ns = None

        def received(self, data, now_ns):
            heard.append((now_ns, data))

        def wake(self, now_ns):
            return b""

    wire = MemoryWire(Line([slave(1), slave(2), Ear()], B))
    wire.received(READ_PRESSURE, 0)
    assert everything(wire) == [(DONE_AT, PRESSURE_IS_1_01325)]
    wire.received(READ_PRESSURE_2, 100 * MS)
    assert everything(wire) == [(100 * MS + DONE_AT, PRESSURE_2_IS_1_01325)]
    assert heard == [
        (8 * B, READ_PRESSURE),
        (DONE_AT, PRESSURE_IS_1_01325),
        (100 * MS + 8 * B, READ_PRESSURE_2),
        (100 * MS + DONE_AT, PRESSURE_2_IS_1_01325),
    ]


def test_an_echoing_adapter_gives_the_host_its_own_bytes_first():
    wire = MemoryWire(Line([slave()], B, echo=True))
    wire.received(READ_PRESSURE, 0)
    assert everything(wire) == [(8 * B, READ_PRESSURE), (DONE_AT, PRESSURE_IS_1_01325)]


def test_two_of_the_same_address_spoil_each_other():
    wire = MemoryWire(Line([slave(), slave(think="3 ms")], B))
    wire.received(READ_PRESSURE, 0)
    heard = b"".join(data for _, data in everything(wire))
    assert len(heard) == 18
    assert PRESSURE_IS_1_01325 not in heard


def test_asking_into_a_reply_collides_on_two_wires_and_not_on_four():
    for duplex, survives in (("half", False), ("full", True)):
        wire = MemoryWire(Line([slave()], B, duplex=duplex))
        wire.received(READ_PRESSURE, 0)
        wire.due(REPLY_AT)
        wire.received(READ_PRESSURE, REPLY_AT + 3 * B)
        heard = everything(wire)
        assert ((DONE_AT, PRESSURE_IS_1_01325) in heard) is survives
        assert len(heard) == (2 if survives else 1)


def test_colliding_bytes_arrive_as_their_and():
    class Talker:
        def __init__(self, at_ns, data):
            self.next_wake_ns, self._data = at_ns, data

        def received(self, data, now_ns):
            pass

        def wake(self, now_ns):
            self.next_wake_ns = None
            return self._data

    wire = MemoryWire(Line([Talker(0, b"\xf0\xf0\xf0"), Talker(2 * B, b"\xcc\xcc")], B))
    assert everything(wire) == [(3 * B, b"\xf0\xf0\xc0"), (4 * B, b"\xc0\xcc")]


def test_an_unplugged_wire_carries_nothing_and_keeps_nothing():
    wire = MemoryWire(Line([slave()], B))
    wire.received(READ_PRESSURE, 0)
    wire.unplug(REPLY_AT)
    wire.received(READ_PRESSURE, REPLY_AT)
    assert everything(wire) == []
    wire.plug(500 * MS)
    assert everything(wire) == []
    wire.received(READ_PRESSURE, 600 * MS)
    assert everything(wire) == [(600 * MS + DONE_AT, PRESSURE_IS_1_01325)]


class Bench:
    """Drives a PtyWire in real time, as the bench does."""

    def __init__(self, wire):
        self.wire = wire
        self.start_ns = time.monotonic_ns()

    def now_ns(self):
        return time.monotonic_ns() - self.start_ns

    def until(self, done, timeout_s=2.0):
        """Steps until done() gives something true; returns it."""
        deadline_ns = self.now_ns() + round(timeout_s * 1e9)
        while not (found := done()):
            assert self.now_ns() < deadline_ns, "nothing happened"
            wake = self.wire.next_wake_ns
            sleep_s = 0.01 if wake is None else max(0.0, min(0.01, (wake - self.now_ns()) / 1e9))
            select.select([self.wire] if self.wire.plugged else [], [], [], sleep_s)
            self.wire.step(self.now_ns())
        return found


def reader(port, size):
    got = bytearray()

    def done():
        got.extend(port.read(size - len(got)))
        return bytes(got) if len(got) >= size else None

    return done


@pytest.fixture
def link(tmp_path):
    return tmp_path / "rig"


@pytest.mark.parametrize("split", [False, True])
def test_a_real_pty_answers_at_the_pace_of_the_baud_rate(link, split):
    bench = Bench(PtyWire(Line([slave()], B, split=split), link))
    with serial.Serial(str(link), 9600, timeout=0) as port:
        begun_ns = bench.now_ns()
        port.write(READ_PRESSURE)
        assert bench.until(reader(port, 9)) == PRESSURE_IS_1_01325
        assert bench.now_ns() - begun_ns >= DONE_AT
    bench.wire.close()
    assert not link.is_symlink()


def test_a_pty_is_raw_before_the_first_byte(link):
    """A default terminal would echo, turn CR into LF and hold bytes back for the end of a line."""
    wire = PtyWire(Line([], B, echo=True), link)
    bench = Bench(wire)
    fd = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    iflag, oflag, _, lflag, *_ = termios.tcgetattr(fd)
    assert not lflag & (termios.ECHO | termios.ICANON | termios.ISIG)
    assert not iflag & (termios.ICRNL | termios.IXON)
    assert not oflag & termios.OPOST
    everything_but_xon = bytes(range(256))
    os.write(fd, everything_but_xon)
    got = bytearray()

    def done():
        try:
            got.extend(os.read(fd, 4096))
        except BlockingIOError:
            return False
        return len(got) >= 256

    assert bench.until(done, 3.0)
    assert got == everything_but_xon
    os.close(fd)
    wire.close()


def test_unplugged_the_host_sees_the_end_and_plugged_a_new_port_behind_the_same_name(link):
    bench = Bench(PtyWire(Line([slave()], B), link))
    wire = bench.wire
    first = link.resolve()
    port = serial.Serial(str(link), 9600, timeout=0, parity="E")
    wire.unplug(bench.now_ns())
    assert not wire.plugged
    assert not link.exists()
    assert wire.fileno() == -1
    with pytest.raises((OSError, serial.SerialException)):
        port.write(READ_PRESSURE)
    wire.step(bench.now_ns())
    wire.plug(bench.now_ns())
    assert link.resolve() != first  # the old number is still held
    port.close()
    with serial.Serial(str(link), 9600, timeout=0, parity="E") as again:  # fails on a pty used before
        again.write(READ_PRESSURE)
        assert bench.until(reader(again, 9)) == PRESSURE_IS_1_01325
    wire.plug(bench.now_ns())  # plugged already: nothing happens
    wire.close()
    wire.close()


def test_a_host_that_never_reads_does_not_block_the_bench(link):
    wire = PtyWire(Line([], 1, echo=True), link)
    fd = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    begun = time.monotonic()
    for i in range(200):
        os.write(fd, b"x" * 1000)
        wire.step(10**6 * i)
        wire.step(10**6 * i + 5000)
    assert time.monotonic() - begun < 2.0
    os.close(fd)
    wire.close()


def test_a_foreign_master_reads_our_slave_over_the_pty(link):
    """pymodbus, an independent implementation of the other end."""
    bench = Bench(PtyWire(Line([slave(7)], B), link))
    client = ModbusSerialClient(str(link), baudrate=9600, timeout=1.0, retries=0)

    def ask():
        with client:
            known = client.read_holding_registers(2, count=2, device_id=7)
            return known.registers, client.read_holding_registers(90, count=2, device_id=7).exception_code

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        bench.until(asking.done, 5.0)
        registers, exception = asking.result()
    assert client.convert_from_registers(registers, client.DATATYPE.FLOAT32) == pytest.approx(
        1.01325, rel=1e-7
    )
    assert exception == 2
    bench.wire.close()
