"""A run in somebody else's time: instants and line bytes come in over a socket, line bytes and packets go out.

The protocol (SOCK_SEQPACKET, big-endian; the other side listens) is in docs/lockstep.md. Station, pollers, monitor and
packets are those of a real run; only the clock and the ports differ.
"""

import json
import socket
import struct
from collections.abc import Sequence
from pathlib import Path

from fsw.board.board import Board
from fsw.clock import LockstepClock
from fsw.station import Station

TIME, DATA, LOST, OPENED, STOP = range(5)
WRITE, PACKET = 1, 2
MESSAGE = struct.Struct(">qqBB")  # now_ns, horizon_ns, kind, line; the rest is payload
REPLY = struct.Struct(">q")  # next_wake_ns; then items
ITEM = struct.Struct(">qBBI")  # at_ns, kind, line, length; then so many bytes
LARGEST_MESSAGE = 1 << 16
LARGE_REPLY = 1 << 15  # a reply of so many bytes goes out, whatever the horizon: datagrams have a bound


class Outbox:
    """Collects what one message caused: bytes for lines, and packets. Serves the station as its ports and as a sink."""

    def __init__(self, clock: LockstepClock) -> None:
        self.dropped = 0
        self.due = False  # somebody should hear of it before time goes on
        self._clock = clock
        self._items: list[bytes] = []
        self._size = 0

    def line(self, index: int) -> "LineEnd":
        """The near end of line `index`."""
        return LineEnd(self, index)

    def write(self, index: int, data: bytes) -> None:
        """Bytes for a line, whose instruments may answer from now on."""
        self._put(WRITE, index, data)
        self.due = True

    def send(self, packets: Sequence[bytes]) -> None:
        """A sink's `send`."""
        for packet in packets:
            self._put(PACKET, 0, packet)

    def close(self) -> None:
        """Nothing is held back."""

    def take(self, next_wake_ns: int) -> bytes:
        """The reply to one message."""
        reply = REPLY.pack(next_wake_ns) + b"".join(self._items)
        self._items.clear()
        self._size = 0
        self.due = False
        return reply

    def _put(self, kind: int, index: int, payload: bytes) -> None:
        self._items += (ITEM.pack(self._clock.at_ns, kind, index, len(payload)), payload)
        self._size += ITEM.size + len(payload)
        if self._size >= LARGE_REPLY:
            self.due = True


class LineEnd:
    """The near end of one line in lock-step."""

    def __init__(self, outbox: Outbox, index: int) -> None:
        self._outbox = outbox
        self._index = index

    def write(self, data: bytes) -> None:
        """Goes out with the next reply."""
        self._outbox.write(self._index, data)


class LockstepError(Exception):
    """The other side broke the protocol, or is not there; the text says how."""


def connect(path: Path) -> socket.socket:
    """The socket of a bench that listens at `path`."""
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        peer.connect(str(path))
    except OSError as error:
        peer.close()
        raise LockstepError(f"no bench listens at {path}: {error.strerror}") from error
    return peer


class Follower:
    """The program's side of a run: does what each message asks for, and says what came of it."""

    def __init__(self, board: Board, clock: LockstepClock, station: Station, outbox: Outbox) -> None:
        self.stopped = False
        self._lines = len(board.lines)
        self._period_ns = board.period_ns
        self._clock = clock
        self._station = station
        self._outbox = outbox
        self._next_tick_ns: int | None = None

    def obey(self, message: bytes) -> bytes:
        """The reply to a message; LockstepError when it makes no sense."""
        if len(message) < MESSAGE.size:
            raise LockstepError(f"a message of {len(message)} bytes; the shortest has {MESSAGE.size}")
        now_ns, horizon_ns, kind, line = MESSAGE.unpack_from(message)
        if now_ns < self._clock.at_ns:
            raise LockstepError(f"time went back from {self._clock.at_ns} to {now_ns} ns")
        if horizon_ns < now_ns:
            raise LockstepError(f"a horizon at {horizon_ns} ns, but it is {now_ns} ns already")
        if kind in (DATA, LOST, OPENED) and line >= self._lines:
            raise LockstepError(f"line {line}; the board has {self._lines}")
        self._clock.at_ns = now_ns
        if self._next_tick_ns is None:
            self._next_tick_ns = now_ns + self._period_ns
        if kind == DATA:
            self._station.received(line, message[MESSAGE.size :], now_ns)
        elif kind == OPENED:
            self._station.opened(line, now_ns)
        elif kind == LOST:
            self._station.lost(line, now_ns)
        elif kind == STOP:
            self._station.close()
            self.stopped = True
            return self._outbox.take(now_ns)
        elif kind != TIME:
            raise LockstepError(f"message kind {kind} is not known")
        return self._outbox.take(self._go_on(now_ns, self._next_tick_ns, horizon_ns))

    def _go_on(self, now_ns: int, next_tick_ns: int, horizon_ns: int) -> int:
        """Serve what is due now, then each instant before the horizon, until a line was written to; the next wake."""
        while True:
            self._clock.at_ns = now_ns
            self._station.wake(now_ns)
            if now_ns >= next_tick_ns:
                missed = (now_ns - next_tick_ns) // self._period_ns
                self._station.tick(now_ns, next_tick_ns, missed)
                self._next_tick_ns = next_tick_ns = next_tick_ns + (missed + 1) * self._period_ns
            wake_ns = self._station.wake_ns
            next_ns = next_tick_ns if wake_ns is None or next_tick_ns < wake_ns else wake_ns
            # An instant that asks for itself again is left to the bench, which counts how often that happens.
            if self._outbox.due or not now_ns < next_ns < horizon_ns:
                return next_ns
            now_ns = next_ns


def run(board: Board, peer: socket.socket, clock: LockstepClock, station: Station, outbox: Outbox) -> None:
    """Serve the bench until it says STOP or hangs up; ticks fall on whole periods after the first message."""
    hello = {
        "board": board.name,
        "crc32": board.crc32,
        "period_ns": board.period_ns,
        "lines": [line.name for line in board.lines],
    }
    peer.send(json.dumps(hello).encode())
    follower = Follower(board, clock, station, outbox)
    while not follower.stopped and (message := peer.recv(LARGEST_MESSAGE)):
        peer.send(follower.obey(message))
