import os
import resource
import shutil
import subprocess
import time

import pytest
from pydantic import ValidationError
from spacepackets.ccsds.spacepacket import PacketId, parse_space_packets

from fsw.packets import event, frame
from fsw.sinks.recorder import QUEUE_BYTES, Options, Sink

BIG = bytes(frame.MAX_BODY_BYTES)


@pytest.fixture
def framer():
    made = frame.Framer(100)
    made.set_time(1_790_000_000_000_000_000, 2)
    return made


def beats(framer, count):
    return [framer.frame(17, 2, 0) for _ in range(count)]


def recorded(directory) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.glob("*.tm")))


def wait_until(true, within_s=10.0):
    deadline_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.01)


def test_a_segment_is_packets_one_after_another_and_spacepackets_reads_it(tmp_path, framer):
    sink = Sink(Options(directory=tmp_path / "new"), "rig 1")
    packets = beats(framer, 50)
    sink.send(packets)
    sink.send([])
    sink.close()
    (path,) = (tmp_path / "new").iterdir()
    assert path.name == "rig_1-00000000-20260921T141320Z.tm"
    assert path.read_bytes() == b"".join(packets)
    read = parse_space_packets(path.read_bytes(), [PacketId.from_raw(0x0864)])
    assert [bytes(packet) for packet in read.tm_list] == packets
    assert sink.dropped == 0


def test_an_alarm_is_on_the_disk_long_before_the_next_sync(tmp_path, framer):
    sink = Sink(Options(directory=tmp_path, sync="1 h"), "rig")
    alarm = framer.frame(event.SERVICE, 4, 0, bytes(40))
    sink.send([alarm])
    wait_until(lambda: recorded(tmp_path) == alarm, 1.0)
    sink.close()


def test_what_a_killed_process_had_sent_is_there_after_a_moment(tmp_path, framer):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        sink = Sink(Options(directory=tmp_path), "rig")
        sink.send(beats(framer, 100))
        time.sleep(1)
        os.write(writer, b"x")
        time.sleep(60)
        os._exit(0)
    os.read(reader, 1)
    os.kill(child, 9)
    os.waitpid(child, 0)
    assert recorded(tmp_path) == b"".join(beats(framer, 100))


@pytest.mark.parametrize("torn_bytes", [1, 5, 22, 63 + 11])
def test_a_torn_tail_is_cut_off_and_told_and_the_segment_filled_up(tmp_path, framer, torn_bytes):
    before = b"".join(beats(framer, 7))
    tail = (framer.frame(5, 4, 0, bytes(range(40)))[:50] + bytes(40))[:torn_bytes]
    path = tmp_path / "rig-00000041-20260101T000000Z.tm"
    path.write_bytes(before + tail)
    sink = Sink(Options(directory=tmp_path), "rig")
    after = beats(framer, 3)
    sink.send(after)
    sink.close()
    assert sink.recovery == (path, torn_bytes)
    assert recorded(tmp_path) == before + b"".join(after)
    assert len(list(tmp_path.iterdir())) == 1


def test_zeros_left_by_a_power_cut_are_cut_off_however_many(tmp_path, framer):
    before = framer.frame(17, 2, 0)
    path = tmp_path / "rig-00000000-20260101T000000Z.tm"
    path.write_bytes(before + bytes(1_000_000))
    sink = Sink(Options(directory=tmp_path), "rig")
    sink.send([framer.frame(17, 2, 0)])
    sink.close()
    assert sink.recovery == (path, 1_000_000)
    assert path.stat().st_size == 46


def test_a_whole_segment_is_left_as_it_is(tmp_path, framer):
    sink = Sink(Options(directory=tmp_path), "rig")
    sink.send(beats(framer, 3))
    sink.close()
    again = Sink(Options(directory=tmp_path), "rig")
    again.send(beats(framer, 1))
    again.close()
    assert again.recovery is None
    assert len(list(frame.split(recorded(tmp_path)))) == 4


def test_segments_are_bounded_numbered_and_the_oldest_deleted_first(tmp_path, framer):
    options = Options(directory=tmp_path, segment_size="64 KiB", keep="256 KiB")
    other = tmp_path / "someone-elses.tm"
    other.write_bytes(b"keep me")
    sink = Sink(options, "rig")
    packets = [framer.frame(3, 25, 0, BIG) for _ in range(800)]
    for first in range(0, len(packets), 100):
        sink.send(packets[first : first + 100])
        wait_until(lambda: not sink._waiting)
    sink.close()
    segments = sorted(tmp_path.glob("rig-*.tm"))
    sizes = [path.stat().st_size for path in segments]
    assert max(sizes) <= 65536
    assert 3 * 65536 * 0.9 < sum(sizes) <= 262144
    numbers = [int(path.name.split("-")[1]) for path in segments]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[0] > 0
    assert b"".join(path.read_bytes() for path in segments) == b"".join(packets)[-sum(sizes) :]
    assert all(stretch.frame for path in segments for stretch in frame.split(path.read_bytes()))
    assert other.read_bytes() == b"keep me"
    assert sink.dropped == 0


@pytest.fixture
def file_size_limit():
    """The nearest thing to a full disk that the kernel has for everybody: writes past the limit are cut or refused."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_declared_and_nothing_recorded_is_harmed_and_it_recovers(
    tmp_path, framer, file_size_limit
):
    sink = Sink(Options(directory=tmp_path), "rig")
    first = [framer.frame(3, 25, 0, BIG) for _ in range(5)]
    sink.send(first)
    wait_until(lambda: recorded(tmp_path) == b"".join(first))
    file_size_limit(10_000)  # in the middle of the eighth packet
    second = [framer.frame(3, 25, 0, BIG) for _ in range(5)]
    sink.send(second)
    wait_until(lambda: sink.degraded)
    assert recorded(tmp_path) == b"".join(first)
    assert sink.dropped == 0
    file_size_limit(resource.RLIM_INFINITY)
    wait_until(lambda: not sink.degraded)
    sink.close()
    assert recorded(tmp_path) == b"".join(first + second)
    assert sink.dropped == 0


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with room for 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("mounting a file system takes root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_on_a_disk_that_is_really_full_what_is_recorded_stays_and_it_goes_on_when_there_is_room(
    small_disk, framer
):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(200 << 10))
    sink = Sink(Options(directory=small_disk / "rec", segment_size="64 KiB", keep="128 KiB"), "rig")
    packets = [framer.frame(3, 25, 0, BIG) for _ in range(60)]  # of 84 kB, 30 or so find room
    sink.send(packets[:10])
    wait_until(lambda: recorded(small_disk / "rec") == b"".join(packets[:10]))
    sink.send(packets[10:])
    wait_until(lambda: sink.degraded)
    assert "full" in sink.degraded or "space" in sink.degraded
    assert sink.dropped == 0
    so_far = recorded(small_disk / "rec")
    assert len(so_far) % 1400 == 0
    assert b"".join(packets).startswith(so_far)
    ballast.unlink()
    wait_until(lambda: not sink.degraded)
    sink.close()
    assert recorded(small_disk / "rec") == b"".join(packets)
    assert sink.dropped == 0


def test_what_a_full_disk_never_took_is_counted_as_dropped(small_disk, framer):
    (small_disk / "ballast").write_bytes(bytes(256 << 10))
    sink = Sink(Options(directory=small_disk), "rig")
    sink.send([framer.frame(3, 25, 0, BIG) for _ in range(20)])
    wait_until(lambda: sink.degraded)
    sink.close()
    assert sink.dropped == 20
    assert recorded(small_disk) == b""


def test_a_file_system_that_turns_read_only_is_declared_and_waited_for(small_disk, framer):
    sink = Sink(Options(directory=small_disk / "rec"), "rig")
    packets = [framer.frame(3, 25, 0, BIG) for _ in range(6)]
    sink.send(packets[:3])
    sink.close()  # an open file would keep it writable
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    sink = Sink(Options(directory=small_disk / "rec"), "rig")
    sink.send(packets[3:])
    wait_until(lambda: "Read-only" in sink.degraded)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    wait_until(lambda: not sink.degraded)
    sink.close()
    assert recorded(small_disk / "rec") == b"".join(packets)
    assert sink.dropped == 0


def test_a_directory_deleted_under_it_is_made_anew_within_a_sync(tmp_path, framer):
    place = tmp_path / "rec"
    sink = Sink(Options(directory=place, sync="50 ms"), "rig")
    sink.send(beats(framer, 5))
    wait_until(lambda: place.exists() and recorded(place))
    shutil.rmtree(place)
    wait_until(lambda: "deleted" in sink.degraded)
    later = beats(framer, 5)
    sink.send(later)
    wait_until(lambda: not sink.degraded and place.exists() and recorded(place))
    sink.close()
    assert recorded(place) == b"".join(later)


def test_while_the_disk_fails_memory_is_bounded_and_the_oldest_are_dropped(tmp_path, framer):
    in_the_way = tmp_path / "recordings"
    in_the_way.write_text("a file where the directory should be")
    sink = Sink(Options(directory=in_the_way), "rig")
    packets = [framer.frame(3, 25, 0, BIG) for _ in range(QUEUE_BYTES // 1400 + 500)]
    sink.send(packets[:100])
    wait_until(lambda: sink.degraded)
    sink.send(packets[100:])
    in_the_way.unlink()
    wait_until(lambda: not sink.degraded)
    sink.close()
    data = recorded(in_the_way)
    assert sink.dropped == len(packets) - len(data) // 1400 > 0
    assert data == b"".join(packets)[-len(data) :]


def test_a_second_recorder_in_the_same_directory_waits_for_the_first(tmp_path, framer):
    one = Sink(Options(directory=tmp_path), "rig")
    one.send(beats(framer, 1))
    wait_until(lambda: recorded(tmp_path))
    two = Sink(Options(directory=tmp_path), "rig")
    two.send(beats(framer, 1))
    wait_until(lambda: two.degraded)
    assert "another recorder" in two.degraded
    one.close()
    wait_until(lambda: not two.degraded)
    two.close()
    assert [stretch.frame.sequence for stretch in frame.split(recorded(tmp_path))] == [0, 1]


def test_sending_takes_no_time_worth_mentioning(tmp_path, framer):
    sink = Sink(Options(directory=tmp_path), "rig")
    packets = beats(framer, 3)
    began_s = time.perf_counter()
    for _ in range(1000):
        sink.send(packets)
    assert time.perf_counter() - began_s < 0.5
    sink.close()
    assert sink.dropped == 0


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"segment_size": "1 KiB"}, "65536"),
        ({"keep": "16 MiB"}, "two segments"),
        ({"sync": "0 s"}, "longer"),
        ({"compress": True}, "compress"),
    ],
)
def test_options_that_cannot_work_are_refused_with_the_bound(wrong, why, tmp_path):
    with pytest.raises(ValidationError, match=why):
        Options(directory=tmp_path, **wrong)
