"""The loop: one thread, one epoll, one timer. It waits, hands over what came and when, and decides nothing.

The timer is armed at the next tick or at the earliest wake-up that a poller asked for. A tick that could not be
served in time is counted and skipped, never queued: working off a backlog makes every later tick late as well.
"""

import gc
import logging
import os
import select
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress

from fsw._core import ffi, lib
from fsw.bus.port import Event, Port
from fsw.clock import Clock
from fsw.notify import Notifier
from fsw.station import Station

_log = logging.getLogger(__name__)

STEPS_AT_ONCE = (
    16  # reads of one line before the others get their turn: a babbling line must not hold the loop
)


class Timer:
    """A timerfd on CLOCK_MONOTONIC, armed at an absolute instant."""

    def __init__(self) -> None:
        fd = ffi.new("int *")
        if lib.ull_linux_timer_open(fd) != lib.ULL_OK:
            raise OSError(ffi.errno, os.strerror(ffi.errno))
        self.fd: int = fd[0]
        self._armed_ns = 0
        self._expirations = ffi.new("uint64_t *")

    def arm(self, deadline_ns: int) -> None:
        """Fire once at `deadline_ns`, at once when that is past."""
        if deadline_ns != self._armed_ns:
            self._armed_ns = deadline_ns
            lib.ull_linux_timer_arm(self.fd, max(deadline_ns, 1))

    def read(self) -> None:
        """Take note that it fired."""
        lib.ull_linux_timer_read(self.fd, self._expirations)
        self._armed_ns = 0

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)


class StopSignal:
    """SIGINT, SIGTERM and SIGHUP as something to wait for; after `close` they are ignored, for the process is on
    its way out and a second one would only spoil its exit code.

    SIGHUP is the terminal or the ssh session that went away: a clean stop too, unless nohup had it ignored.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.near, far = socket.socketpair()
        self.near.setblocking(False)
        far.setblocking(False)
        self._far = far
        for number in self.SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)

    def came(self) -> bool:
        """Whether one has come since the last call."""
        with suppress(BlockingIOError):
            return bool(self.near.recv(64))
        return False

    def close(self) -> None:
        """Close the descriptors."""
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        self.near.close()
        self._far.close()


class Executive:
    """Moves a station in real time until SIGINT, SIGTERM or SIGHUP. `ports` are the station's lines, in their order."""

    def __init__(
        self, station: Station, ports: Sequence[Port], clock: Clock, notifier: Notifier, pet_ns: int | None
    ) -> None:
        self.station = station
        self.ports = list(ports)
        self.clock = clock
        self.notifier = notifier
        self.pet_ns = pet_ns

    def run(self) -> None:
        """Open the lines, tick until told to stop, close everything."""
        prepare_process()
        timer, stop, epoll = Timer(), StopSignal(), select.epoll()
        epoll.register(timer.fd, select.EPOLLIN)
        epoll.register(stop.near.fileno(), select.EPOLLIN)
        lines = {port.fileno(): index for index, port in enumerate(self.ports)}
        for port in self.ports:
            epoll.register(port.fileno(), select.EPOLLIN)
            port.start()
        try:
            self.notifier.tell("READY=1")
            self._loop(epoll, timer, stop, lines)
        finally:
            self.notifier.tell("STOPPING=1")
            self.station.close()
            for port in self.ports:
                port.close()
            epoll.close()
            stop.close()
            timer.close()

    def _loop(self, epoll: select.epoll, timer: Timer, stop: StopSignal, lines: dict[int, int]) -> None:
        period_ns = self.station.board.period_ns
        due_ns = self.clock.now_ns() + period_ns
        pet_due_ns = due_ns
        while True:
            wake_ns = self.station.wake_ns
            timer.arm(due_ns if wake_ns is None else min(due_ns, wake_ns))
            ready = epoll.poll()
            now_ns = self.clock.now_ns()  # first of all: what came is stamped with it, and lateness ends here
            for fd, _ in ready:
                if fd == timer.fd:
                    timer.read()
                elif fd in lines:
                    self._serve(lines[fd], now_ns)
                elif stop.came():
                    return
            self.station.wake(now_ns)
            if now_ns >= due_ns:
                missed = (now_ns - due_ns) // period_ns
                self.station.tick(now_ns, due_ns, missed)
                due_ns += (missed + 1) * period_ns
                if self.pet_ns is not None and now_ns >= pet_due_ns:
                    self.notifier.tell("WATCHDOG=1")
                    pet_due_ns = now_ns + self.pet_ns

    def _serve(self, line: int, now_ns: int) -> None:
        port, name = self.ports[line], self.station.board.lines[line].name
        for _ in range(STEPS_AT_ONCE):
            event, data = port.step()
            if event is Event.NOTHING:
                return
            if event is Event.DATA:
                self.station.received(line, data, now_ns)
            elif event is Event.OPENED:
                _log.info("line %s: %s is open", name, port.settings.device)
                self.station.opened(line, now_ns)
            else:
                _log.warning("line %s: %s: %s; trying again", name, port.settings.device, port.error)
                self.station.lost(line, now_ns)


def prepare_process() -> None:
    """What makes wake-ups punctual and needs no privilege, or does no harm without it."""
    lib.ull_linux_timer_slack(1)
    lib.ull_linux_lock_memory()  # bounded by RLIMIT_MEMLOCK; the unit file lifts that
    gc.collect()
    gc.freeze()  # what is loaded now stays; collections in the loop look at young objects only
