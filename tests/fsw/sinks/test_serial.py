import os
import pty
import select
import time
import tty

import pytest
from cobs import cobs
from pydantic import ValidationError

from fsw.sinks.serial import Options, Sink


@pytest.fixture
def line(tmp_path):
    """A pseudo terminal under a name that can be taken away and given back, as udev does."""

    class Line:
        path = tmp_path / "telemetry"

        def plug(self):
            self.master, slave = pty.openpty()
            tty.setraw(slave)
            self.path.symlink_to(os.ttyname(slave))
            os.close(slave)

        def unplug(self):
            self.path.unlink()
            os.close(self.master)

        def read(self, size, within_s=5.0):
            data = b""
            deadline_s = time.monotonic() + within_s
            while len(data) < size and time.monotonic() < deadline_s:
                if select.select([self.master], [], [], 0.05)[0]:
                    try:
                        data += os.read(self.master, 65536)
                    except OSError:  # nobody has the other end open
                        time.sleep(0.01)
            return data

    return Line()


def frames(data: bytes) -> list[bytes]:
    return [cobs.decode(part) for part in data.split(b"\0") if part]


def opened(options: Options) -> Sink:
    sink = Sink(options, "rig")
    wait_until(lambda: sink._line is not None)
    return sink


def wait_until(true, within_s=5.0):
    deadline_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.005)


def test_packets_come_out_stuffed_between_zero_bytes(line):
    line.plug()
    sink = opened(Options(device=str(line.path)))
    packets = [bytes([0, 1, 0, 0]), bytes(300), b"x" * 1400]
    sink.send(packets)
    data = line.read(1 + sum(len(cobs.encode(packet)) + 1 for packet in packets))
    assert data[0] == 0
    assert frames(data) == packets
    assert sink.dropped == 0
    sink.close()
    line.unplug()


def test_an_alarm_of_63_bytes_takes_65_on_the_line(line):
    line.plug()
    sink = opened(Options(device=str(line.path)))
    line.read(1)
    sink.send([b"\x08" * 63])
    assert len(line.read(65)) == 65
    sink.close()
    line.unplug()


def test_a_line_that_takes_nothing_keeps_the_newest_whole_frames(line):
    line.plug()
    sink = opened(Options(device=str(line.path), buffer="16 KiB"))
    packets = [number.to_bytes(4) + bytes(196) for number in range(1000)]
    began_s = time.monotonic()
    for packet in packets:
        sink.send([packet])
    assert time.monotonic() - began_s < 2
    assert sink.dropped > 0
    got: list[bytes] = []
    rest = b""

    def drained():
        nonlocal rest
        sink.send([])
        *whole, rest = (rest + line.read(1, 0.05)).split(b"\0")
        got.extend(cobs.decode(part) for part in whole if part)
        return got and got[-1] == packets[-1]

    wait_until(drained)
    assert len(got) + sink.dropped == len(packets)
    assert got == sorted(set(got))
    assert set(got) <= set(packets)
    assert got[-50:] == packets[-50:]
    sink.close()
    line.unplug()


def test_a_device_missing_at_the_start_is_opened_when_it_comes(line):
    sink = Sink(Options(device=str(line.path)), "rig")
    sink.send([b"early"])
    line.plug()
    wait_until(lambda: sink._line is not None)
    sink.send([])
    assert frames(line.read(8)) == [b"early"]
    sink.close()
    line.unplug()


def test_a_device_that_goes_and_comes_back_is_opened_again(line):
    line.plug()
    sink = opened(Options(device=str(line.path)))
    line.unplug()

    def lost():
        sink.send([b"gone"])
        return sink._line is None

    wait_until(lost)
    line.plug()
    wait_until(lambda: sink._line is not None)
    sink.send([b"back"])
    assert frames(line.read(100, 0.5))[-1] == b"back"
    sink.close()
    line.unplug()


def test_closing_is_bounded_when_the_line_takes_nothing(line):
    line.plug()
    sink = opened(Options(device=str(line.path)))
    sink.send([bytes(1000)] * 60)
    began_s = time.monotonic()
    sink.close()
    assert time.monotonic() - began_s < 3
    assert sink.dropped > 0
    line.unplug()


def test_a_rate_the_system_does_not_have_is_refused():
    with pytest.raises(ValidationError, match="115200"):
        Options(device="/dev/ttyS0", baud=12345)


def test_a_buffer_too_small_for_a_few_frames_is_refused():
    with pytest.raises(ValidationError, match="64 KiB"):
        Options(device="/dev/ttyS0", buffer="1 KiB")
