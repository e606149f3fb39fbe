"""Recordings through the monitor again: what was decided live is decided again, and what cannot be is told."""

import json
import math
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from fsw import assembly
from fsw.alarm import Transition
from fsw.board.board import Board
from fsw.board.load import load
from fsw.clock import LockstepClock
from fsw.commands.replay import command
from fsw.ground.finding import Teller
from fsw.ground.packet_recording import PacketRecording
from fsw.ground.recording import Recording, RecordingError, Remark, Start, Tick, WrongBoardError
from fsw.ground.replay import Replay, Reported
from fsw.sample import Quality, Sample
from fsw.station import Outlet, Station
from tests.board_text import PT, TANK, TT

BOARD = f"""
[board]
name = "small"
rate = "10 Hz"
apid = {{apid}}

[lines.bus]
device = "/dev/null"
{PT}{TT}{TANK}
[limits.low]
parameter = "pt.pressure"
low = "{{low}} bar absolute"
votes = "3 of 5"
text = "Low pressure"
guidance = "Look for the leak."
"""
KEYS = {  # of a leak alarm, as in docs/replay.md
    "type", "time_s", "alarm", "kind", "vessel", "severity", "transition",
    "leak_kg_per_s", "leak_sigma_kg_per_s", "decay_pa_per_s", "decay_sigma_pa_per_s",
    "hole_m", "hole_sigma_m", "onset_s",
    "time_to_empty_s", "time_to_empty_band_s",
}  # fmt: skip
SECOND = 1_000_000_000
DAY = 86400 * SECOND
EPOCH = 1_790_000_000 * SECOND


class Wall(LockstepClock):
    """A wall clock that is slewed all the time, and set back by an hour at `set_ns`."""

    set_ns: int | None = None

    def unix_offset_ns(self) -> int:
        slewed = EPOCH + self.at_ns // 9973 % 1009
        return slewed - 3600 * SECOND if self.set_ns is not None and self.at_ns >= self.set_ns else slewed


class Rig:
    """In place of a poller: a pressure that falls from 60 s on, a drop-out, values at odd instants."""

    next_wake_ns = None

    def __init__(self, rows: list[int], clock: Wall) -> None:
        self.rows, self.clock, self.random, self.cycles = rows, clock, random.Random(7), 0

    def take(self) -> list[Sample]:
        self.cycles += 1
        now_ns, gauss = self.clock.at_ns, self.random.gauss
        p, p_fault, t, t_fault = self.rows
        pressure = 600e3 - 20.0 * max(0, self.cycles - 600) + gauss(0, 100)
        if 300 <= self.cycles < 320:
            return []
        lag_ns = self.random.randrange(1, 90_000_000)
        return [
            Sample(p, now_ns - lag_ns, pressure),
            Sample(p_fault, now_ns - lag_ns, 0.0),
            Sample(t, now_ns - lag_ns // 2, 295 + gauss(0, 0.05)),
            Sample(t_fault, now_ns - lag_ns // 2, 0.0),
        ]

    def cycle(self, now_ns: int) -> bytes:
        return b""


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.dropped = 0
        self.packets: list[bytes] = []

    def send(self, packets: Iterable[bytes]) -> None:
        self.packets += packets

    def close(self) -> None:
        pass


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return written(tmp_path / "small.toml")


def written(path: Path, apid: int = 5, low: float = 5.95) -> Board:
    path.write_text(BOARD.format(apid=apid, low=low))
    return load(path)


def record(
    board: Board, ticks: int = 1000, start_ns: int = 4321 * SECOND, source: int = 0, set_ns: int | None = None
) -> list[bytes]:
    """What a run sends; each tick is a little late, each by another amount."""
    clock, kept, jitter = Wall(), Kept(), random.Random(3)
    clock.set_ns = set_ns
    monitor = assembly.monitor(board, source)
    names = ("pt.pressure.raw", "pt.fault", "tt.temperature.raw", "tt.fault")
    rig = Rig([monitor.table.rows[name] for name in names], clock)
    clock.at_ns = start_ns
    station = Station(board, [rig], [], monitor, [Outlet(kept, samples=True)], clock)  # type: ignore[list-item]
    for tick in range(ticks):
        due_ns = start_ns + tick * board.period_ns
        clock.at_ns = due_ns + jitter.randrange(500_000)
        station.tick(clock.at_ns, due_ns, 0)
    return kept.packets


def unmarked(packet: bytes) -> bytes:
    """Without the REPLAY flag of its quality bytes, and without the CRC; places as in docs/packets.md."""
    data = bytearray(packet[:-2])
    first, step = {5: (32, 1 << 20), 3: (23, 9), 129: (25, 15)}.get(data[7], (1 << 20, 1))
    for place in range(first, len(data), step):
        data[place] &= ~0x40
    return bytes(data)


def replayed(board: Board, path: Path) -> tuple[list[bytes], list[str]]:
    """The packets of a replay, and what was told about the recording."""
    packets: list[bytes] = []
    found = list(Replay(board, None, packets.extend).run(PacketRecording([path], board).items()))
    return packets, [each.text for each in found if isinstance(each, Remark)]


def save(path: Path, packets: Iterable[bytes]) -> Path:
    path.write_bytes(b"".join(packets))
    return path


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


# The command.


@pytest.fixture
def fsw() -> Callable[..., tuple[int, str, str]]:
    """`fsw replay ...` in this process: exit code, output, messages."""

    def call(*arguments: object) -> tuple[int, str, str]:
        result = CliRunner().invoke(command, [str(each) for each in arguments])
        return result.exit_code, result.stdout, result.stderr

    return call


def test_json_has_the_promised_keys(
    board: Board, tmp_path: Path, fsw: Callable[..., tuple[int, str, str]]
) -> None:
    path = save(tmp_path / "run.tm", record(board))
    code, out, _ = fsw(board.path, path, "--json")
    assert code == 0
    objects = [json.loads(line) for line in out.splitlines()]
    leak = next(each for each in objects if each.get("alarm") == "tank.leak")
    assert set(leak) == KEYS
    assert (leak["type"], leak["kind"], leak["vessel"], leak["transition"]) == (
        "alarm",
        "leak",
        "tank",
        "RAISE",
    )
    # 200 Pa/s out of 4 L of nitrogen at 295 K: m' = p' V M / (R T)
    later = [each for each in objects if each["type"] == "estimate"][-1]
    assert later["verdict"] == "leak"
    assert later["decay_pa_per_s"] == pytest.approx(200, abs=4 * later["decay_sigma_pa_per_s"])
    truth = 200 * 4e-3 * 28.0134e-3 / (8.314462618 * 295)
    assert later["leak_kg_per_s"] == pytest.approx(truth, abs=4 * later["leak_sigma_kg_per_s"])
    assert later["onset_s"] == pytest.approx(EPOCH / SECOND + 4321 + 60, abs=3)
    kinds = {each["alarm"]: each["kind"] for each in objects if each["type"] == "alarm"}
    assert kinds == {
        "tank.leak": "leak",
        "low": "limit",
        "pt.pressure.stale": "instrument",
        "tt.temperature.stale": "instrument",
    }


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


def test_a_range_replays_only_what_lies_in_it(
    board: Board, tmp_path: Path, fsw: Callable[..., tuple[int, str, str]]
) -> None:
    path = save(tmp_path / "run.tm", record(board))
    start = EPOCH // SECOND + 4321
    code, out, _ = fsw(board.path, path, "--from", start + 40, "--to", start + 50, "--json", "--every", "1 s")
    times = [json.loads(line)["time_s"] for line in out.splitlines()]
    assert code == 0
    assert len(times) == 10  # each tick is a little late, that at 50 s too
    assert min(times) >= start + 40
    assert max(times) <= start + 50
    assert fsw(board.path, path, "--from", start + 4000)[0] == 1


def test_compare_shows_what_other_limits_would_have_raised(
    board: Board, tmp_path: Path, fsw: Callable[..., tuple[int, str, str]]
) -> None:
    path = save(tmp_path / "run.tm", record(board))
    other = written(tmp_path / "other.toml", low=5.0)  # never reached
    code, out, _ = fsw(board.path, path, "--compare", other.path, "--json")
    found = {each["alarm"]: each for each in map(json.loads, out.splitlines())}
    assert code == 0
    assert found["low"]["before"]["raises"] == 1
    assert found["low"]["after"] is None
    assert found["tank.leak"]["before"] == found["tank.leak"]["after"]
    code, out, _ = fsw(board.path, path, "--compare", other.path)
    assert code == 0
    assert next(line for line in out.splitlines() if "low " in line).split()[-3:] == ["-", "-", "-"]


def test_exit_codes_tell_what_is_wrong(
    board: Board, tmp_path: Path, fsw: Callable[..., tuple[int, str, str]]
) -> None:
    path = save(tmp_path / "run.tm", record(board, 20))
    junk = tmp_path / "junk.tm"
    junk.write_bytes(b"junk")
    apart = written(tmp_path / "apart.toml", apid=6)
    for arguments, code in (
        ((board.path, path), 0),
        ((board.path, junk), 1),
        ((tmp_path / "nowhere.toml", path), 2),
        ((apart.path, path), 2),
        ((board.path, tmp_path / "nowhere.tm"), 2),
        ((board.path, path, "--from", "yesterday"), 2),
        ((board.path, path, "--write", path), 2),
    ):
        found, _, said = fsw(*arguments)
        assert (found, "Traceback" in said) == (code, False), arguments


@pytest.mark.parametrize("name", ["rec-1.tm", "rec-2.tm"])
def test_a_segment_of_the_replayed_folder_is_not_written_over(
    board: Board, tmp_path: Path, fsw: Callable[..., tuple[int, str, str]], name: str
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    kept = save(folder / "rec-1.tm", record(board, 20)).read_bytes()
    code, _, said = fsw(board.path, folder, "--write", folder / name)
    assert code == 2
    assert "is one of the recordings, or would be" in said
    assert (folder / "rec-1.tm").read_bytes() == kept
    assert [path.name for path in folder.iterdir()] == ["rec-1.tm"]


def test_the_alarms_come_out_in_order(board: Board, tmp_path: Path) -> None:
    recording: Recording = PacketRecording([save(tmp_path / "run.tm", record(board))], board)
    reports = [each for each in Replay(board).run(recording.items()) if isinstance(each, Reported)]
    assert [each.unix_ns for each in reports] == sorted(each.unix_ns for each in reports)
    assert recording.position == recording.size
