"""Recordings through the monitor again: what was decided live is decided again, and what cannot be is told."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from fsw import assembly
from fsw.alarm import Transition
from fsw.board.board import Board
from fsw.ground.finding import Teller
from fsw.ground.packet_recording import PacketRecording
from fsw.ground.recording import Recording, RecordingError, Remark, Start, Tick, WrongBoardError
from fsw.ground.replay import Replay, Reported
from fsw.sample import Quality, Sample
from fsw.station import Outlet, Station
from tests.octets import unmarked
from tests.sink import Kept

from .live_run import SECOND, Wall, record, save, written

DAY = 86400 * SECOND


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return written(tmp_path / "small.toml")


def replayed(board: Board, path: Path) -> tuple[list[bytes], list[str]]:
    """The packets of a replay, and what was told about the recording."""
    packets: list[bytes] = []
    found = list(Replay(board, None, packets.extend).run(PacketRecording([path], board).items()))
    return packets, [each.text for each in found if isinstance(each, Remark)]


@pytest.mark.parametrize(
    "run",
    [
        {},
        {"source": int(Quality.SIM)},
        {"start_ns": 0},
        {"start_ns": 200 * DAY + 123},  # beyond what a double of nanoseconds can count
        {"set_ns": 4350 * SECOND},
    ],
)
def test_the_frames_of_a_recording_come_out_again_byte_for_byte(
    board: Board, tmp_path: Path, run: dict[str, int]
) -> None:
    live = record(board, **run)
    again, told = replayed(board, save(tmp_path / "run.tm", live))
    assert len({packet[7] for packet in live}) == 5  # events, transitions, housekeeping, samples, heartbeat
    assert [unmarked(packet) for packet in again] == [unmarked(packet) for packet in live]
    assert again != live
    assert told == []


def test_every_frame_of_a_replay_says_that_it_is_one(board: Board, tmp_path: Path) -> None:
    again, _ = replayed(board, save(tmp_path / "run.tm", record(board)))
    assert all(packet[32] & 0x40 for packet in again if packet[7] == 5)
    assert all(
        packet[place] & 0x40 for packet in again if packet[7] == 3 for place in range(23, len(packet) - 2, 9)
    )


def test_a_replay_of_a_replay_is_the_same(board: Board, tmp_path: Path) -> None:
    once, _ = replayed(board, save(tmp_path / "run.tm", record(board)))
    twice, _ = replayed(board, save(tmp_path / "again.tm", once))
    assert twice == once


def test_chunks_leave_no_trace(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "run.tm", record(board))
    whole, _ = replayed(board, path)
    monkeypatch.setattr("fsw.ground.packet_files.CHUNK_PACKETS", 7)
    assert replayed(board, path)[0] == whole


def test_a_tick_of_more_samples_than_fit_in_a_packet_is_one_tick(board: Board, tmp_path: Path) -> None:
    live, kept = Wall(), Kept()
    monitor = assembly.monitor(board)
    row = monitor.table.rows["bus.requests"]
    station = Station(board, [], [], monitor, [Outlet(kept, samples=True)], live)
    for tick in range(1, 30):
        live.at_ns = tick * board.period_ns
        station.pollers = [Burst(row, live.at_ns)]  # type: ignore[list-item]
        station.tick(live.at_ns, live.at_ns, 0)
    path = save(tmp_path / "run.tm", kept.packets)
    ticks = [each for each in PacketRecording([path], board).items() if isinstance(each, Tick)]
    assert len(ticks) == 29
    assert {len(tick.arrivals) >= 200 for tick in ticks} == {True}
    again, _ = replayed(board, path)
    assert [unmarked(packet) for packet in again] == [unmarked(packet) for packet in kept.packets]


class Burst:
    """200 samples at once."""

    next_wake_ns = None

    def __init__(self, row: int, now_ns: int) -> None:
        self.samples = [Sample(row, now_ns - 200 + i, float(i)) for i in range(200)]

    def take(self) -> list[Sample]:
        return self.samples

    def cycle(self, now_ns: int) -> bytes:
        return b""


def test_segments_are_one_recording_and_a_folder_names_them_all(board: Board, tmp_path: Path) -> None:
    live = record(board)
    folder = tmp_path / "segments"
    folder.mkdir()
    for number, first in enumerate(range(0, len(live), 400)):
        save(folder / f"small-{number:08d}-20260921T141320Z.tm", live[first : first + 400])
    again, told = replayed(board, folder)
    assert [unmarked(packet) for packet in again] == [unmarked(packet) for packet in live]
    assert told == []


def test_damage_is_told_with_its_place_and_the_rest_is_replayed(board: Board, tmp_path: Path) -> None:
    live = record(board)
    place = next(i for i, packet in enumerate(live) if i > 200 and packet[7] == 129)
    offset = sum(map(len, live[:place]))
    data = bytearray(b"".join(live))
    data[offset + 30] ^= 0xFF
    path = tmp_path / "run.tm"
    path.write_bytes(data)
    items = list(PacketRecording([path], board).items())
    told = [item.text for item in items if isinstance(item, Remark)]
    assert told[0].startswith(f"{path}: {len(live[place])} bytes at offset {offset}")
    assert "1 or more sample packets were lost" in told[1]
    assert sum(isinstance(item, Tick) for item in items) == 999
    assert sum(isinstance(item, Start) for item in items) == 1  # the monitor keeps what it knows


def test_a_torn_end_is_told(board: Board, tmp_path: Path) -> None:
    path = tmp_path / "run.tm"
    path.write_bytes(b"".join(record(board, 50))[:-5])
    _, told = replayed(board, path)
    assert len(told) == 1
    assert "unfinished packet" in told[0]


# The program again; the machine again; the program, when a counter of lost packets would have wrapped round to 0.
@pytest.mark.parametrize("second_start_s", [4321 + 25, 10, 4321 + 6554])
def test_a_restart_is_told_and_forgets(board: Board, tmp_path: Path, second_start_s: int) -> None:
    first, second = record(board, 200), record(board, 300, second_start_s * SECOND)
    again, told = replayed(board, save(tmp_path / "run.tm", [*first, *second]))
    assert [unmarked(packet) for packet in again] == [unmarked(packet) for packet in [*first, *second]]
    assert len(told) == 1
    assert "started again" in told[0]


def test_packets_that_never_reached_the_disk_are_no_restart(board: Board, tmp_path: Path) -> None:
    live = record(board)
    items = list(PacketRecording([save(tmp_path / "run.tm", [*live[:300], *live[700:]])], board).items())
    assert sum(isinstance(item, Start) for item in items) == 1
    (told,) = [item.text for item in items if isinstance(item, Remark)]
    assert "s are missing" in told


def test_a_recording_that_begins_in_mid_run_says_so(board: Board, tmp_path: Path) -> None:
    _, told = replayed(board, save(tmp_path / "run.tm", record(board)[500:]))
    assert len(told) == 1
    assert "mid-run" in told[0]


def test_other_limits_than_those_it_was_judged_by_are_told(board: Board, tmp_path: Path) -> None:
    path = save(tmp_path / "run.tm", record(board))
    other = written(tmp_path / "small.toml", low=5.5)
    _, told = replayed(other, path)
    assert len(told) == 1
    assert f"{board.limits_crc32:08x}" in told[0]
    assert f"{other.limits_crc32:08x}" in told[0]


def test_without_exact_times_it_is_replayed_in_wall_time_and_told(board: Board, tmp_path: Path) -> None:
    station_time = Station._time
    live: list[bytes]
    try:
        Station._time = lambda self, now_ns: Sample(self.rows[0], now_ns, 0.0)  # type: ignore[method-assign]
        live = record(board)
    finally:
        Station._time = station_time  # type: ignore[method-assign]
    again, told = replayed(board, save(tmp_path / "run.tm", live))
    assert len(told) == 1
    assert "executive.time" in told[0]
    assert [packet[7:9] for packet in again] == [packet[7:9] for packet in live]


def test_the_wrong_board_is_refused(board: Board, tmp_path: Path) -> None:
    path = save(tmp_path / "run.tm", record(board, 20))
    with pytest.raises(WrongBoardError, match=r"APID 5.*has 6"):
        replayed(written(tmp_path / "other.toml", apid=6), path)


def test_a_recording_of_a_board_with_the_same_apid_and_other_ids_is_refused(
    board: Board, tmp_path: Path
) -> None:
    path = save(tmp_path / "run.tm", record(board, 20))
    ids = [each.id for each in board.parameters]
    names = [each.name for each in reversed(board.parameters)]
    lock = "".join(f'"{name}" = {number}\n' for name, number in zip(names, ids, strict=True))
    (tmp_path / "moved.ids.toml").write_text(f"[parameters]\n{lock}")
    with pytest.raises(WrongBoardError, match=r"other ids than those of .*and no instrument gives that"):
        replayed(written(tmp_path / "moved.toml"), path)


@pytest.mark.parametrize("content", [b"", b"neither packets nor text" * 100])
def test_what_is_no_recording_is_refused(board: Board, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.tm"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="no sample packets"):
        replayed(board, path)


def test_packets_without_samples_say_how_to_get_some(board: Board, tmp_path: Path) -> None:
    path = save(tmp_path / "run.tm", [packet for packet in record(board, 50) if packet[7] != 129])
    with pytest.raises(RecordingError, match="--samples"):
        replayed(board, path)


def test_alarm_lines_have_units_names_of_faults_and_advice_when_it_gets_worse(
    board: Board, tmp_path: Path
) -> None:
    recording = PacketRecording([save(tmp_path / "run.tm", record(board))], board)
    limits = {limit.name: limit for limit in board.limits}
    low, stale, bad = (limits[name] for name in ("low", "pt.pressure.stale", "pt.pressure.bad"))
    teller = Teller(board, dated=True)
    raised: dict[int, Reported] = {}
    for found in Replay(board).run(recording.items()):
        if isinstance(found, Reported):
            line = teller.text(found)[0]
            advised = found.event.transition in (Transition.RAISE, Transition.ESCALATE)
            assert (" | " in line) == advised, line
            raised.setdefault(found.event.alarm, found)
    assert "limit 595000 Pa | Low pressure. Look for the leak." in teller.text(raised[low.id])[0]
    assert ", limit 1 s | pt has been silent on pressure. Look for" in teller.text(raised[stale.id])[0]
    unknown = dict.fromkeys(("limit", "sigma"), math.nan)
    event = replace(
        raised[low.id].event, alarm=bad.id, row=bad.shown_row, check=bad.check, value=10.0, **unknown
    )
    line = teller.text(raised[low.id]._replace(event=event))[0]
    assert "pt.pressure.bad: pt.fault = PORT_LOST | pt gives no usable pressure. The data path" in line


def test_the_alarms_come_out_in_order(board: Board, tmp_path: Path) -> None:
    recording: Recording = PacketRecording([save(tmp_path / "run.tm", record(board))], board)
    reports = [each for each in Replay(board).run(recording.items()) if isinstance(each, Reported)]
    assert [each.unix_ns for each in reports] == sorted(each.unix_ns for each in reports)
    assert recording.position == recording.size
