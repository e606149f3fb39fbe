"""The near end of one line, a serial device or `tcp:HOST:PORT`: opens it, notices a loss, opens it again.

Nothing here blocks but the opening, which has a thread of its own while the line is away. For the executive:

    port = Port(settings, "bus"); port.start()
    epoll.register(port.fileno(), EPOLLIN)            # once: it stays the same, whatever the device does
    event, data = port.step()                         # whenever that is readable
        DATA    port.write(poller.received(data, now_ns))
        OPENED  port.write(poller.opened(now_ns))
        LOST    poller.lost(now_ns)                   # re-opening is under way
        NOTHING
    port.close()

Left out: flow control, modem lines, kernel RS-485 mode (use an adapter that turns round by itself).
"""

import contextlib
import enum
import errno
import fcntl
import logging
import os
import re
import select
import socket
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import serial

_log = logging.getLogger(__name__)

RETRY_S = 1.0
CONNECT_S = 2.0  # longest wait for a TCP answer
READ_BYTES = 4096
_IDLE_S, _PROBE_S, _PROBES = 5, 2, 3  # TCP keep-alive: a peer whose power failed says no goodbye
_ANSWER_MS = 5000  # nor does one that stops acknowledging
_FORMAT = re.compile("[78][NEO][12]")
_PARITIES = {"N": serial.PARITY_NONE, "E": serial.PARITY_EVEN, "O": serial.PARITY_ODD}


@dataclass(frozen=True, slots=True)
class Settings:
    """A line as the board file has it. `device`: a path (best under /dev/serial/by-id) or `tcp:HOST:PORT`."""

    device: str
    baud: int = 9600
    format: str = "8N1"  # data bits, parity N E O, stop bits

    def __post_init__(self) -> None:
        if not _FORMAT.fullmatch(self.format):
            raise ValueError(
                f"format {self.format!r}: data bits, parity and stop bits such as 8N1, 8E1 or 7E1"
            )
        if self.device.startswith("tcp:"):
            _host_and_port(self.device)

    @property
    def byte_ns(self) -> int:
        """One character on the wire, start, parity and stop bits included; rounded up."""
        bits = 1 + int(self.format[0]) + (self.format[1] != "N") + int(self.format[2])
        return -(-bits * 1_000_000_000 // self.baud)


class Event(enum.Enum):
    """What `Port.step` found."""

    NOTHING = enum.auto()
    DATA = enum.auto()
    OPENED = enum.auto()
    LOST = enum.auto()


@dataclass(frozen=True, slots=True)
class _Line:
    """An open device."""

    fd: int
    close: Callable[[], None]


class Port:
    """One line, for one thread; `name` is for the log. `error` says why it is away ("" while it is there)."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name
        self.error = "not opened yet"
        self._line: _Line | None = None
        self._gone = False  # the caller has not been told yet
        self._stop = threading.Event()
        self._handover = threading.Lock()
        self._fresh: _Line | None = None  # from the opening thread, behind the lock
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()  # the bell, and the device while there is one
        self._epoll.register(self._bell, select.EPOLLIN)

    def fileno(self) -> int:
        """Readable when `step` has something to do; the same for the life of the port."""
        return self._epoll.fileno()

    def start(self, after_s: float = 0.0) -> None:
        """Begin to open the device; OPENED follows."""
        name = f"open {self.settings.device}"
        threading.Thread(target=self._open_until_there, args=(after_s,), name=name, daemon=True).start()

    def step(self) -> tuple[Event, bytes]:
        """The next thing that happened. Never blocks; at most `READ_BYTES` a call."""
        if self._line is None:
            return self._away()
        try:
            data = os.read(self._line.fd, READ_BYTES)
        except BlockingIOError:
            return Event.NOTHING, b""
        except OSError as error:  # EIO: unplugged
            self._drop(_reason(error))
            return self._away()
        if not data:  # after readiness that is a hang-up; to try again would spin
            self._drop("the other end has gone")
            return self._away()
        return Event.DATA, data

    def write(self, data: bytes) -> None:
        """Send at once or not at all: what a full buffer does not take is dropped; the deadline will tell."""
        if self._line is None or not data:
            return
        try:
            written = os.write(self._line.fd, data)
        except BlockingIOError:
            written = 0
        except OSError as error:
            self._drop(_reason(error))
            return
        if written < len(data):  # half a request must not go out in front of the next one
            with contextlib.suppress(termios.error, OSError):
                termios.tcflush(self._line.fd, termios.TCOFLUSH)

    def close(self) -> None:
        """For good. An attempt to open that hangs in the kernel is left to die with the process."""
        with self._handover:
            if self._stop.is_set():  # descriptors are numbers: a second close would hit somebody else's
                return
            self._stop.set()
            lines = [line for line in (self._line, self._fresh) if line is not None]
            self._line = self._fresh = None
        for line in lines:
            line.close()
        self._epoll.close()
        os.close(self._bell)

    def _away(self) -> tuple[Event, bytes]:
        """No line: tell that it went, or take over a new one."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        if self._gone:
            self._gone = False
            self.start(RETRY_S)  # a server that accepts and hangs up at once must not have us spin
            return Event.LOST, b""
        with self._handover:
            line, self._fresh = self._fresh, None
        if line is None:
            return Event.NOTHING, b""
        self._line = line
        self.error = ""
        self._epoll.register(line.fd, select.EPOLLIN)
        return Event.OPENED, b""

    def _drop(self, reason: str) -> None:
        """Let go at once: as long as the descriptor is held, the device comes back under another name."""
        if self._line is not None:
            self._epoll.unregister(self._line.fd)
            self._line.close()
            self._line = None
            self._gone = True
            self.error = reason
            os.eventfd_write(self._bell, 1)

    def _open_until_there(self, after_s: float) -> None:
        """The opening thread: one attempt a second until one succeeds or the port is closed."""
        told = False
        self._stop.wait(after_s)
        while not self._stop.is_set():
            try:
                line = _open(self.settings)
            except (
                Exception
            ) as error:  # whatever a driver comes up with, the line stays away and is tried again
                self.error = _reason(error)
                if not told:  # once for each absence: it may last for weeks
                    _log.warning(
                        "line %s: %s: %s; waiting for it", self.name, self.settings.device, self.error
                    )
                    told = True
                self._stop.wait(RETRY_S)
                continue
            with self._handover:
                if self._stop.is_set():
                    line.close()
                else:
                    self._fresh = line
                    os.eventfd_write(self._bell, 1)
            return


def _reason(error: Exception) -> str:
    """In few words: pyserial says everything twice."""
    number = getattr(error, "errno", None) or 0
    if number in (errno.EAGAIN, errno.EBUSY):
        return "another program has it"
    return os.strerror(number) if number > 0 else str(error)  # below 0: a name that cannot be looked up


def _open(settings: Settings) -> _Line:
    return _connect(settings.device) if settings.device.startswith("tcp:") else _open_serial(settings)


def _open_serial(settings: Settings) -> _Line:
    # A pty has neither parity nor 7 bits, and Debian refuses to set them a second time (termios.error 22).
    pty = str(Path(settings.device).resolve()).startswith("/dev/pts/")
    device = serial.Serial()
    device.port = settings.device
    device.baudrate = settings.baud
    device.bytesize = 8 if pty else int(settings.format[0])
    device.parity = serial.PARITY_NONE if pty else _PARITIES[settings.format[1]]
    device.stopbits = int(settings.format[2])
    device.exclusive = True  # flock: another monitor, and a terminal program that plays fair
    device.timeout = device.write_timeout = 0
    device.open()
    fd = device.fileno()
    try:
        _set_raw(fd, parity=not pty and settings.format[1] != "N")
        if not pty:
            fcntl.ioctl(fd, termios.TIOCEXCL)
    except BaseException:
        device.close()
        raise
    with contextlib.suppress(ValueError, OSError, NotImplementedError):
        device.set_low_latency_mode(True)  # FTDI: 1 ms in place of 16; most other drivers have no such thing

    def close() -> None:
        with contextlib.suppress(termios.error, OSError):
            termios.tcflush(fd, termios.TCIOFLUSH)  # or close() may wait 30 s for bytes to go out
        with contextlib.suppress(OSError):
            device.close()

    return _Line(fd, close)


def _set_raw(fd: int, *, parity: bool) -> None:
    """What pyserial leaves: no data is EAGAIN, so 0 bytes are a hang-up; bad parity makes a byte NUL."""
    attributes = termios.tcgetattr(fd)
    attributes[0] &= ~(termios.IGNPAR | termios.PARMRK | termios.BRKINT)
    if parity:
        attributes[0] |= termios.INPCK
    attributes[6][termios.VMIN] = 1
    attributes[6][termios.VTIME] = 0
    termios.tcsetattr(fd, termios.TCSANOW, attributes)


def _connect(device: str) -> _Line:
    connection = socket.create_connection(_host_and_port(device), timeout=CONNECT_S)
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _ANSWER_MS)
    return _Line(connection.fileno(), connection.close)


def _host_and_port(device: str) -> tuple[str, int]:
    host, _, port = device.removeprefix("tcp:").rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"device {device!r}: tcp:HOST:PORT, as in tcp:192.168.1.5:4001")
    return host.strip("[]"), int(port)
