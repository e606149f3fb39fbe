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
MESSAGE = struct.Struct(">qBB")  # now_ns, kind, line; the rest is payload
REPLY = struct.Struct(">q")  # next_wake_ns; then items
ITEM = struct.Struct(">BBI")  # kind, index, length; then so many bytes
LARGEST_MESSAGE = 1 << 16


class Outbox:
    """Collects what one message caused: bytes for lines, and packets. Serves the station as its ports and as a sink."""

    def __init__(self) -> None:
        self.items: list[bytes] = []
        self.dropped = 0

    def line(self, index: int) -> "LineEnd":
        """The near end of line `index`."""
        return LineEnd(self, index)

    def put(self, kind: int, index: int, payload: bytes) -> None:
        """One more item for the next reply."""
        self.items.append(ITEM.pack(kind, index, len(payload)) + payload)

    def send(self, packets: Sequence[bytes]) -> None:
        """A sink's `send`."""
        for packet in packets:
            self.put(PACKET, 0, packet)

    def close(self) -> None:
        """Nothing is held back."""

    def take(self, next_wake_ns: int) -> bytes:
        """The reply to one message."""
        reply = REPLY.pack(next_wake_ns) + b"".join(self.items)
        self.items.clear()
        return reply


class LineEnd:
    """The near end of one line in lock-step."""

    def __init__(self, outbox: Outbox, index: int) -> None:
        self.outbox = outbox
        self.index = index

    def write(self, data: bytes) -> None:
        """Goes out with the next reply."""
        self.outbox.put(WRITE, self.index, data)


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


def run(board: Board, peer: socket.socket, clock: LockstepClock, station: Station, outbox: Outbox) -> None:
    """Serve the bench until it says STOP or hangs up; ticks fall on whole periods after the first message."""
    hello = {
        "board": board.name,
        "crc32": board.crc32,
        "period_ns": board.period_ns,
        "lines": [line.name for line in board.lines],
    }
    peer.send(json.dumps(hello).encode())
    next_tick_ns: int | None = None
    while True:
        message = peer.recv(LARGEST_MESSAGE)
        if not message:
            return
        if len(message) < MESSAGE.size:
            raise LockstepError(f"a message of {len(message)} bytes; the shortest has {MESSAGE.size}")
        now_ns, kind, line = MESSAGE.unpack_from(message)
        if now_ns < clock.at_ns:
            raise LockstepError(f"time went back from {clock.at_ns} to {now_ns} ns")
        if kind in (DATA, LOST, OPENED) and line >= len(board.lines):
            raise LockstepError(f"line {line}; the board has {len(board.lines)}")
        clock.at_ns = now_ns
        if next_tick_ns is None:
            next_tick_ns = now_ns + board.period_ns
        if kind == DATA:
            station.received(line, message[MESSAGE.size :], now_ns)
        elif kind == OPENED:
            station.opened(line, now_ns)
        elif kind == LOST:
            station.lost(line, now_ns)
        elif kind == STOP:
            station.close()
            peer.send(outbox.take(now_ns))
            return
        elif kind != TIME:
            raise LockstepError(f"message kind {kind} is not known")
        station.wake(now_ns)
        if now_ns >= next_tick_ns:
            missed = (now_ns - next_tick_ns) // board.period_ns
            station.tick(now_ns, next_tick_ns, missed)
            next_tick_ns += (missed + 1) * board.period_ns
        wake_ns = station.wake_ns
        peer.send(outbox.take(next_tick_ns if wake_ns is None else min(next_tick_ns, wake_ns)))
