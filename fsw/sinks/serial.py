"""Packets down a serial line, each COBS-encoded and closed by a zero byte: a reader may join at any time.

The line is written without blocking. Re-opening has a thread of its own, since setting up a USB adapter
that is on its way out can take seconds.
"""

import contextlib
import fcntl
import os
import struct
import termios
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Annotated

from cobs import cobs  # type: ignore[import-untyped]
from pydantic import AfterValidator, BaseModel, ByteSize, ConfigDict, StringConstraints

from fsw.packets.frame import MAX_PACKET_BYTES

REOPEN_AFTER_S = 1.0
CLOSE_WITHIN_S = 1.0
DELIMITER = b"\0"
MAX_FRAME_BYTES = cobs.max_encoded_length(MAX_PACKET_BYTES) + len(DELIMITER)
BAUDS = tuple(
    sorted(int(name[1:]) for name in vars(termios) if name[0] == "B" and name[1:].isdigit() and name != "B0")
)


def known_baud(baud: int) -> int:
    """The rate, if this system can set it; ValueError."""
    if baud not in BAUDS:
        raise ValueError(f"{baud} is no rate of this system; it has {', '.join(map(str, BAUDS))}")
    return baud


def _roomy(size: ByteSize) -> ByteSize:
    if not 4 * MAX_FRAME_BYTES <= size <= 64 << 20:
        raise ValueError(
            f"{size} bytes: must be {4 * MAX_FRAME_BYTES} to 64 MiB; 64 KiB is 5.7 s at 115200 baud"
        )
    return size


class Options(BaseModel):
    """The line (8N1, no flow control) and how much may wait for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: Annotated[str, StringConstraints(min_length=1)]
    baud: Annotated[int, AfterValidator(known_baud)] = 115200
    buffer: Annotated[ByteSize, AfterValidator(_roomy)] = ByteSize(64 << 10)
    samples: bool = False  # the raw samples, TM[129,130], as well: they are most of the bytes


def open_line(device: str, baud: int) -> int:
    """A file descriptor of the raw 8N1 line, non-blocking and ours alone; OSError, ValueError."""
    speed = getattr(termios, f"B{known_baud(baud)}")
    line = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        controls = termios.tcgetattr(line)[6]
        controls[termios.VMIN], controls[termios.VTIME] = 1, 0
        flags = termios.CS8 | termios.CREAD | termios.CLOCAL
        termios.tcsetattr(line, termios.TCSANOW, [0, 0, flags, 0, speed, speed, controls])
        fcntl.ioctl(line, termios.TIOCEXCL)
    except (OSError, termios.error) as error:  # the latter is no OSError
        os.close(line)
        raise OSError(*error.args) from None
    return line


class Sink:
    """One telemetry line. While it is slow or gone the newest frames wait and the oldest are dropped."""

    def __init__(self, options: Options, board: str) -> None:
        self.dropped = 0
        self._options = options
        self._frames: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._begun = b""  # what is left of the frame under way
        self._line: int | None = None
        self._closed = threading.Event()
        self._opener = self._start_opening(None)

    def send(self, packets: Sequence[bytes]) -> None:
        """Queue the packets and write as much as the line takes at once."""
        for packet in packets:
            self._push(cobs.encode(packet) + DELIMITER)
        if self._line is not None:
            self._write(self._line)

    def close(self) -> None:
        """Write out what waits, for a second at most."""
        self._closed.set()
        self._opener.join(CLOSE_WITHIN_S)
        deadline_s = time.monotonic() + CLOSE_WITHIN_S
        while (
            self._line is not None
            and time.monotonic() < deadline_s
            and (self._busy() or _unsent_bytes(self._line))
        ):
            self._write(self._line)
            time.sleep(0.005)
        self.dropped += len(self._frames) + bool(self._begun)
        if self._line is not None:
            _close(self._line)
            self._line = None

    def _busy(self) -> bool:
        return bool(self._begun or self._frames)

    def _push(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._waiting_bytes += len(frame)
        while self._waiting_bytes > self._options.buffer:
            self._waiting_bytes -= len(self._frames.popleft())
            self.dropped += 1

    def _write(self, line: int) -> None:
        try:
            while self._busy():
                if not self._begun:
                    self._begun = self._frames.popleft()
                    self._waiting_bytes -= len(self._begun)
                self._begun = self._begun[os.write(line, self._begun) :]
        except BlockingIOError:
            pass
        except OSError:
            self._line = None
            self.dropped += bool(self._begun)
            self._begun = b""
            self._opener = self._start_opening(line)

    def _start_opening(self, lost: int | None) -> threading.Thread:
        name = f"open {self._options.device}"
        thread = threading.Thread(target=self._open, args=(lost,), name=name, daemon=True)
        thread.start()
        return thread

    def _open(self, lost: int | None) -> None:
        if lost is not None:
            _close(lost)
            self._closed.wait(REOPEN_AFTER_S)
        while not self._closed.is_set():
            try:
                line = open_line(self._options.device, self._options.baud)
            except OSError:
                self._closed.wait(REOPEN_AFTER_S)
                continue
            with contextlib.suppress(OSError):
                os.write(line, DELIMITER)  # ends whatever half frame the reader was left with
            self._line = line
            return


def _unsent_bytes(line: int) -> int:
    try:
        unsent: int = struct.unpack("i", fcntl.ioctl(line, termios.TIOCOUTQ, bytes(4)))[0]
    except OSError:
        return 0
    return unsent


def _close(line: int) -> None:
    """Close without waiting: with bytes unsent the kernel would hold us for up to 30 s."""
    with contextlib.suppress(OSError, termios.error):
        termios.tcflush(line, termios.TCOFLUSH)
    with contextlib.suppress(OSError):
        os.close(line)
