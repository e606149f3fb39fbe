"""A recording made of packets: the samples of TM[129,130] are the ticks, everything else follows from them.

Read in chunks of many ticks, so that numpy does the arithmetic. A tick is all sample packets of one time code;
its sample `executive.time` gives the exact instant on the monotonic clock. Damage, losses and restarts are told.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fsw.arrivals import Arrivals, Columns
from fsw.board.board import Board
from fsw.ground.packet_files import COUNTER, FRESH_SEQUENCE, SUFFIX, Chunk, Jump, PacketFiles
from fsw.ground.recording import NS_PER_S, Item, RecordingError, Remark, Start, Tick, WrongBoardError
from fsw.table import Parameter

LEAST_SLACK, SLACK = 2, 0.05  # a tick may be missed here and there where packets were lost
IDS = 1 << 16

_ORIGIN = 0xF0  # of a quality
_ENTRY = np.dtype([("parameter", ">u2"), ("quality", "u1"), ("offset_ns", ">i4"), ("value", ">f8")])


@dataclass(slots=True)
class _Ticks:
    """A chunk in columns; `bounds[i]` to `bounds[i + 1]` are the entries of tick i."""

    unix_ns: Any
    now_ns: Any
    statuses: list[int]
    bounds: list[int]
    entries: Any
    tick_of_entry: Any
    timed: bool  # every tick says when it was


class PacketRecording:
    """Files of packets, in the order in which they were written; `paths` may name folders of segments."""

    dated = True

    def __init__(self, paths: Sequence[Path], board: Board, rows: Mapping[str, int] | None = None) -> None:
        """`board` recorded it; `rows` are those of the monitor that is to judge it (default: the same board)."""
        self._files = PacketFiles(paths, board)
        self._where = ", ".join(map(str, paths))
        self.size = self._files.size
        self._board = board
        wanted = {each.name: row for row, each in enumerate(board.parameters)} if rows is None else rows
        self._row_of_id = np.full(IDS, -1, np.int64)
        for parameter in board.parameters:
            self._row_of_id[parameter.id] = wanted.get(parameter.name, -1)
        self._known_id = np.zeros(IDS, bool)
        self._known_id[[parameter.id for parameter in board.parameters]] = True
        self._time_id = next(each.id for each in board.parameters if each.name == "executive.time")
        self._derived_name = {each.id: each.name for each in _derived(board)}
        self._derived_id = np.zeros(IDS, bool)
        self._derived_id[list(self._derived_name)] = True
        self._told: set[str] = set()
        self._last: Tick | None = None
        self._origin = 0
        self._packets_a_tick = 1.0

    @property
    def position(self) -> int:
        """See `Recording`."""
        return self._files.position

    def items(self) -> Iterator[Item]:
        """See `Recording`."""
        for chunk in self._files.chunks():
            yield from self._replayed(chunk)
        if self._last is None:
            raise self._nothing()
        for apid, count in self._files.foreign.items():
            text = f"{count} packets of APID {apid} passed over; {self._board.name} has {self._board.apid}"
            yield Remark(None, text)

    def _nothing(self) -> ValueError:
        """Why there is nothing to replay."""
        if self._files.foreign:
            apids = ", ".join(map(str, self._files.foreign))
            return WrongBoardError(
                f"the recording is of APID {apids}; {self._board.name} ({self._board.path}) has {self._board.apid}"
            )
        paths = self._files.paths
        first = paths[0] if paths else f"{self._where}, a folder without segments (*{SUFFIX})"
        return RecordingError(
            f"{first}: no sample packets, TM[129,130], in it: a recorder writes them; another sink does with"
            " `samples = true` or --samples"
        )

    def _once(self, text: str) -> Iterator[str]:
        """The text, unless it was told before."""
        if text not in self._told:
            self._told.add(text)
            yield text

    def _replayed(self, chunk: Chunk) -> Iterator[Item]:
        at_ns = self._last.unix_ns if self._last else None
        yield from (Remark(at_ns, text) for text in chunk.remarks)
        if not chunk.bodies:
            return
        ticks = self._columns(chunk)
        self._check_ids(ticks.entries["parameter"])
        if not ticks.timed:
            text = "not every tick has its executive.time: replayed in wall time, so last digits may differ"
            yield from (Remark(at_ns, each) for each in self._once(text))
        starts = self._starts(chunk, ticks)
        unknown = np.unique(ticks.entries["parameter"][~self._known_id[ticks.entries["parameter"]]])
        if unknown.size:
            text = f"samples of parameters that {self._board.path} does not have are left out: ids {unknown.tolist()}"
            yield from (Remark(at_ns, each) for each in self._once(text))
        begin = 0
        for index, texts, fresh in starts:
            yield from self._stretch(ticks, begin, index)
            begin = index
            yield from (Remark(int(ticks.unix_ns[index]), text) for text in texts)
            if fresh:
                self._origin = _common_origin(ticks, index)
                yield Start(self._origin)
        yield from self._stretch(ticks, begin, len(ticks.bounds) - 1)

    def _check_ids(self, ids: Any) -> None:
        """WrongBoardError for samples of what this board works out and never samples: the ids are another board's."""
        derived = ids[self._derived_id[ids]]
        if derived.size:
            first = int(derived[0])
            raise WrongBoardError(
                f"the recording was made with other ids than those of {self._board.name} ({self._board.path}): it has"
                f" samples of {first}, which is {self._derived_name[first]} there, and no instrument gives that."
                " Use the board that it was made with, and the .ids.toml beside it"
            )

    def _columns(self, chunk: Chunk) -> _Ticks:
        entries = np.frombuffer(b"".join(chunk.bodies), _ENTRY)
        counts = np.array([len(body) for body in chunk.bodies]) // _ENTRY.itemsize
        codes = np.array(chunk.codes, np.int64)
        first = np.flatnonzero(np.diff(codes, prepend=-1))  # packets that begin a tick
        tick_of_entry = np.repeat(np.searchsorted(first, np.arange(codes.size), "right") - 1, counts)
        bounds = np.searchsorted(tick_of_entry, np.arange(first.size + 1))
        codes = codes[first]
        # As frame.unix_ns, in two parts that fit 64 bits.
        unix_ns = (codes >> 24) * NS_PER_S - (-(codes & 0xFFFFFF) * NS_PER_S >> 24)
        now_ns = unix_ns.copy()
        at = np.flatnonzero(entries["parameter"] == self._time_id)
        told = entries[at]
        seconds = told["value"].astype(np.int64)
        now_ns[tick_of_entry[at]] = seconds * NS_PER_S - told["offset_ns"]
        timed = np.unique(tick_of_entry[at]).size == first.size
        if not timed:
            now_ns = unix_ns
        statuses = [chunk.statuses[index] for index in first.tolist()]
        self._packets_a_tick = len(chunk.codes) / first.size
        return _Ticks(unix_ns, now_ns, statuses, bounds.tolist(), entries, tick_of_entry, timed)

    def _starts(self, chunk: Chunk, ticks: _Ticks) -> list[tuple[int, list[str], bool]]:
        """(tick, what to tell, whether another process begins) wherever time or counters do not go on."""
        found: list[tuple[int, list[str], bool]] = []
        now_ns, jump = int(ticks.now_ns[0]), chunk.jump
        if self._last is None:
            texts = []
            if jump is not None:
                texts = [
                    f"it begins in mid-run (packet {jump.sequence}): the monitor that recorded it knew more"
                ]
            found.append((0, texts, True))
        elif jump is not None or now_ns <= self._last.now_ns:
            found.append((0, *self._judged(jump, now_ns, self._last)))
        for back in (np.flatnonzero(np.diff(ticks.now_ns) <= 0) + 1).tolist():
            found.append((back, ["time goes back: replayed from here by a monitor without memory"], True))
        return found

    def _judged(self, jump: Jump | None, now_ns: int, last: Tick) -> tuple[list[str], bool]:
        """A loss on the way to the disk, or another process? A loss lasts as long as what is missing takes."""
        gap_s = (now_ns - last.now_ns) / NS_PER_S
        if jump is not None and now_ns > last.now_ns:
            lost = (jump.counter - jump.expected) % COUNTER
            elapsed = ((now_ns - last.now_ns) / self._board.period_ns - 1) * self._packets_a_tick
            off = (lost - elapsed + COUNTER / 2) % COUNTER - COUNTER / 2
            restarted = jump.counter == 0 and jump.sequence <= FRESH_SEQUENCE
            if not restarted and abs(off) <= LEAST_SLACK + SLACK * elapsed:
                return [f"{gap_s:.3f} s are missing: {lost} or more sample packets were lost"], False
        text = "the monitor was started again" + (
            f", {gap_s:.3f} s later" if gap_s > 0 else ", and its clock too"
        )
        return [text], True

    def _stretch(self, ticks: _Ticks, begin: int, end: int) -> Iterator[Tick]:
        """Ticks `begin` to `end` of one process."""
        if begin == end:
            return
        low, high = ticks.bounds[begin], ticks.bounds[end]
        entries, owner = ticks.entries[low:high], ticks.tick_of_entry[low:high]
        rows = self._row_of_id[entries["parameter"]]
        times = ticks.now_ns[owner] + entries["offset_ns"]
        trusts = entries["quality"] & ~np.uint8(self._origin)
        bounds = np.array(ticks.bounds[begin : end + 1]) - low
        if (rows < 0).any():
            keep = rows >= 0
            bounds = np.concatenate(([0], np.cumsum(keep)))[bounds]
            entries, rows, times, trusts = entries[keep], rows[keep], times[keep], trusts[keep]
        columns = Columns(
            rows.astype(np.uint32), times, entries["value"].astype(np.float64), np.ascontiguousarray(trusts)
        )
        limits = bounds.tolist()
        tick = None
        for now_ns, unix_ns, status, first, last in zip(
            ticks.now_ns[begin:end].tolist(),
            ticks.unix_ns[begin:end].tolist(),
            ticks.statuses[begin:end],
            limits[:-1],
            limits[1:],
            strict=True,
        ):
            tick = Tick(now_ns, unix_ns, status, Arrivals(columns, first, last))
            yield tick
        self._last = tick


def _derived(board: Board) -> Iterator[Parameter]:
    """What the monitor works out. All else is sampled: what instruments give, counts of lines, its own state."""
    sampled: set[int] = set()
    for line in board.lines:
        sampled.update(astuple(line.counts))
        for poll in line.polls:
            sampled.update((*poll.rows, poll.fault_row))
    for row, each in enumerate(board.parameters):
        if row not in sampled and not each.name.startswith("executive."):
            yield each


def _common_origin(ticks: _Ticks, index: int) -> int:
    """What marks every sample of a tick was put there by the telemetry, and will be again."""
    low, high = ticks.bounds[index], ticks.bounds[index + 1]
    return int(np.bitwise_and.reduce(ticks.entries["quality"][low:high])) & _ORIGIN if high > low else 0
