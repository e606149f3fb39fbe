"""Virtual time: the bench's end of `fsw run BOARD --lockstep unix:PATH`, one message out, one answer back.

A message is (now_ns i64, horizon_ns i64, kind u8, line u8, payload), an answer (next_wake_ns i64, then
items: at_ns i64, kind u8, line u8, length u32, payload); all big-endian, one SOCK_SEQPACKET record each. On
connecting the program first says hello in JSON.
"""

import enum
import json
import socket
import struct
from pathlib import Path
from typing import NamedTuple

_MESSAGE = struct.Struct(">qqBB")
_WAKE = struct.Struct(">q")
_ITEM = struct.Struct(">qBBI")
_LARGEST_ANSWER = 1 << 20


class Kind(enum.IntEnum):
    """What the bench tells the program."""

    TIME = 0
    DATA = 1
    LOST = 2
    OPENED = 3
    STOP = 4


WRITE = 1  # kinds of an item
PACKET = 2


class Hello(NamedTuple):
    """What the program says of itself first; `lines` in the order of their index."""

    board: str
    crc32: int
    period_ns: int
    lines: tuple[str, ...]


class Answer(NamedTuple):
    """`items` are (time_ns, WRITE, line, bytes) or (time_ns, PACKET, 0, bytes), in the order they happened."""

    next_wake_ns: int
    items: list[tuple[int, int, int, bytes]]


class LockstepError(RuntimeError):
    """The program closed the socket, gave no answer in time, or an answer that cannot be read."""


class Lockstep:
    """A socket that listens at `path`, then the program's one connection; waits at most `timeout_s`."""

    def __init__(self, path: Path, timeout_s: float = 30.0) -> None:
        self._timeout_s = timeout_s
        self._buffer = bytearray(_LARGEST_ANSWER)
        self._view = memoryview(self._buffer)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket: socket.socket | None = None
        try:
            self._listener.bind(str(path))
            self._listener.listen(1)
        except OSError:
            self._listener.close()
            raise

    def accept(self, wait_s: float) -> Hello | None:
        """The program's hello; None if it has not connected within `wait_s` (ask again, or give up)."""
        self._listener.settimeout(wait_s)
        try:
            self._socket, _ = self._listener.accept()
        except TimeoutError:
            return None
        # A time-out kept by the kernel costs no poll() before each of a million receives.
        self._socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", int(self._timeout_s), 0)
        )
        self._socket.setblocking(True)
        try:
            said = json.loads(bytes(self._receive()))
            return Hello(said["board"], said["crc32"], said["period_ns"], tuple(said["lines"]))
        except (ValueError, KeyError, TypeError) as error:
            raise LockstepError(f"the program's hello cannot be read: {error!r}") from error

    def tell(
        self, now_ns: int, kind: int, line: int = 0, payload: bytes = b"", *, horizon_ns: int | None = None
    ) -> Answer:
        """Send one message and wait for its answer. `now_ns` must not go back.

        Before `horizon_ns` (None: at once) there must be nothing more to tell: until then, or until it has
        written to a line, the program may go on by itself.
        """
        assert self._socket is not None, "tell() before accept()"
        horizon_ns = now_ns if horizon_ns is None else horizon_ns
        try:
            self._socket.send(_MESSAGE.pack(now_ns, horizon_ns, kind, line) + payload)
        except OSError as error:
            raise LockstepError(f"the program hung up ({error.strerror})") from error
        return _read(self._receive(), now_ns, max(now_ns, horizon_ns - 1))

    def close(self) -> None:
        """Close both sockets; the path stays for its owner to remove."""
        if self._socket is not None:
            self._socket.close()
        self._listener.close()

    def _receive(self) -> memoryview:
        assert self._socket is not None
        try:
            size = self._socket.recv_into(self._buffer, 0, socket.MSG_TRUNC)
        except BlockingIOError as error:
            raise LockstepError(f"no answer within {self._timeout_s:g} s") from error
        except OSError as error:
            raise LockstepError(f"the program hung up ({error.strerror})") from error
        if size == 0:
            raise LockstepError("the program hung up")
        if size > _LARGEST_ANSWER:
            raise LockstepError(f"an answer of {size} bytes; at most {_LARGEST_ANSWER}")
        return self._view[:size]


def _read(answer: memoryview, earliest_ns: int, latest_ns: int) -> Answer:
    """The answer taken apart; its items must be of these instants, in order, and none later than a WRITE."""
    size = len(answer)
    items: list[tuple[int, int, int, bytes]] = []
    try:
        (next_wake_ns,) = _WAKE.unpack_from(answer)
        at = _WAKE.size
        while at < size:
            at_ns, kind, line, length = _ITEM.unpack_from(answer, at)
            at += _ITEM.size
            if kind not in (WRITE, PACKET) or at + length > size:
                raise LockstepError(f"an answer with a broken item at byte {at - _ITEM.size} of {size}")
            if not earliest_ns <= at_ns <= latest_ns:
                raise LockstepError(
                    f"the program did something at {at_ns} ns, when only {earliest_ns} to {latest_ns} ns was its own"
                )
            earliest_ns = at_ns
            if kind == WRITE:
                latest_ns = at_ns
            items.append((at_ns, kind, line, answer[at : at + length].tobytes()))
            at += length
    except struct.error as error:
        raise LockstepError(f"an answer cut short: {size} bytes") from error
    return Answer(next_wake_ns, items)
