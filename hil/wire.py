"""The serial line between the program under test (the host) and the instruments: paced at the baud rate,
heard by all.

`Line` is the one core, without I/O. `MemoryWire` lends it to virtual time, `PtyWire` to a pseudo-terminal in
real time.
"""

import contextlib
import os
import re
import tty
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hil.instruments import Instrument

_FORMAT = re.compile(r"([5-8])([NEO])([12])")
_PTY_READ_BYTES = 4096
NEVER_NS = 2**63 - 1


def byte_ns(baud: int, format: str) -> int:
    """Time of one byte on the wire: start bit, data, parity and stop bits of `format` ("8N1", "8E1", "7E1", "8N2")."""
    match = _FORMAT.fullmatch(format)
    if not match or baud <= 0:
        raise ValueError(f"baud {baud}, format {format!r}: expected a positive rate and a format like 8N1")
    bits = 1 + int(match[1]) + (match[2] != "N") + int(match[3])
    return round(bits * 1e9 / baud)


@dataclass(slots=True, eq=False)
class _Sending:
    """Bytes on their way; `sender` None is the host. `told`: how many of them the line has delivered."""

    sender: Instrument | None
    begin_ns: int
    data: bytearray = field(default_factory=bytearray)
    told: int = 0


class Line:
    """What is sent on the line arrives at everybody else at the end of its last byte.

    `echo`: the host hears what it sends (a two-wire adapter); may be switched at any time. `split`: each byte
    arrives by itself at its own time, not all with the last. `duplex` "half": of two that talk at once,
    overlapping bytes arrive as the AND of both. Before `quiet_until_ns` the host hears nothing, unless it
    writes first.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        byte_ns: int,
        *,
        duplex: Literal["half", "full"] = "half",
        echo: bool = False,
        split: bool = False,
    ) -> None:
        self.echo = echo
        self.quiet_until_ns = NEVER_NS
        self._instruments = tuple(instruments)
        self._byte_ns = byte_ns
        self._duplex = duplex
        self._split = split
        self._sendings: list[_Sending] = []
        self._host_free_ns = 0
        self._wake_ns = NEVER_NS
        self._plan()

    @property
    def next_wake_ns(self) -> int | None:
        """When `due` must be called next."""
        return None if self._wake_ns == NEVER_NS else self._wake_ns

    def received(self, data: bytes, now_ns: int) -> None:
        """The host wrote `data` at `now_ns`; it leaves behind what the host wrote before, as from a UART."""
        if data:
            self._host_free_ns = self._send(None, data, max(now_ns, self._host_free_ns))
            self._plan()

    def due(self, now_ns: int) -> bytes:
        """Everything that happens up to `now_ns`, each thing at its own time; what the host gets of it."""
        to_host = bytearray()
        while (wake_ns := self._wake_ns) <= now_ns:
            # Deliveries first: what ends as an instrument's patience does was still heard in time.
            for sending in [s for s in self._sendings if self._next_delivery_ns(s) <= wake_ns]:
                to_host += self._deliver(sending, wake_ns)
            for instrument in self._instruments:
                if (due_ns := instrument.next_wake_ns) is not None and due_ns <= wake_ns:
                    data = instrument.wake(wake_ns)
                    if data:
                        self._send(instrument, data, wake_ns)
            self._plan()
        return bytes(to_host)

    def _plan(self) -> None:
        """Work out anew what comes when; it stands until the next byte or wake-up."""
        wake_ns = quiet_ns = NEVER_NS
        for instrument in self._instruments:
            if (due_ns := instrument.next_wake_ns) is not None and due_ns < wake_ns:
                wake_ns = due_ns
        if wake_ns < NEVER_NS:
            quiet_ns = wake_ns + self._byte_ns  # what begins then is heard a byte later at the earliest
        for sending in self._sendings:
            due_ns = self._next_delivery_ns(sending)
            wake_ns, quiet_ns = min(wake_ns, due_ns), min(quiet_ns, due_ns)
        self._wake_ns, self.quiet_until_ns = wake_ns, quiet_ns

    def _next_delivery_ns(self, sending: _Sending) -> int:
        count = sending.told + 1 if self._split else len(sending.data)
        return sending.begin_ns + count * self._byte_ns

    def _send(self, sender: Instrument | None, data: bytes, begin_ns: int) -> int:
        sending = _Sending(sender, begin_ns, bytearray(data))
        for other in self._sendings:
            if other.sender is not sender and (self._duplex == "half" or None not in (sender, other.sender)):
                self._collide(other, sending)
        self._sendings.append(sending)
        return begin_ns + len(data) * self._byte_ns

    def _collide(self, first: _Sending, second: _Sending) -> None:
        """Both drive the pair; which level wins is anybody's guess, so the guess is the same each time: 0 wins."""
        for i in range(len(second.data)):
            for j in range(len(first.data)):
                apart_ns = second.begin_ns + i * self._byte_ns - first.begin_ns - j * self._byte_ns
                if abs(apart_ns) < self._byte_ns:
                    first.data[j] &= second.data[i]
                    second.data[i] &= first.data[j]

    def _deliver(self, sending: _Sending, now_ns: int) -> bytes:
        end = sending.told + 1 if self._split else len(sending.data)
        data = bytes(sending.data[sending.told : end])
        sending.told = end
        if end == len(sending.data):
            self._sendings.remove(sending)
        for instrument in self._instruments:
            if instrument is not sending.sender:
                instrument.received(data, now_ns)
        return data if sending.sender is not None or self.echo else b""


class MemoryWire:
    """A line in virtual time. The bench hands bytes to and fro, and says LOST and OPENED when it unplugs and plugs."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.plugged = True

    @property
    def next_wake_ns(self) -> int | None:
        """When `due` must be called next."""
        return self.line.next_wake_ns

    @property
    def quiet_until_ns(self) -> int:
        """Before this instant the host hears nothing, unless it writes first."""
        return self.line.quiet_until_ns

    def received(self, data: bytes, now_ns: int) -> None:
        """What the host wrote; it goes nowhere while unplugged."""
        if self.plugged:
            self.line.received(data, now_ns)

    def due(self, now_ns: int) -> bytes:
        """What the host gets; nothing while unplugged, though the instruments go on."""
        data = self.line.due(now_ns)
        return data if self.plugged else b""

    def unplug(self, now_ns: int) -> None:
        """The adapter is pulled; what was due by now still came."""
        self.plugged = False

    def plug(self, now_ns: int) -> None:
        """It is back; what the instruments said meanwhile is not."""
        self.line.due(now_ns)
        self.plugged = True


class PtyWire:
    """A line in real time: a pseudo-terminal behind the stable symbolic link `link`, plugged from the start.

    Each plug makes a new pty, as a USB adapter comes back under another number (and because the second open
    of one pty with parity fails). A pty has no bit timing: the pacing is the Line's.
    """

    def __init__(self, line: Line, link: Path) -> None:
        self.line = line
        self.link = link
        self._master = self._slave = -1
        self.plug(0)

    @property
    def plugged(self) -> bool:
        """Whether there is a pty behind the link."""
        return self._master >= 0

    @property
    def next_wake_ns(self) -> int | None:
        """When `step` must be called next, readable or not."""
        return self.line.next_wake_ns

    def fileno(self) -> int:
        """For select or epoll: the master; -1 while unplugged, another at each plug."""
        return self._master

    def step(self, now_ns: int) -> None:
        """Take what the host wrote, give it what is due; never blocks. Bytes that a host does not read are
        lost, as in a UART.
        """
        if self.plugged:
            with contextlib.suppress(BlockingIOError):
                self.line.received(os.read(self._master, _PTY_READ_BYTES), now_ns)
        data = self.line.due(now_ns)
        if data and self.plugged:
            with contextlib.suppress(BlockingIOError):
                os.write(self._master, data)

    def unplug(self, now_ns: int) -> None:
        """Remove the link and close the master: the host's reads end and its writes fail."""
        if self.plugged:
            self.link.unlink(missing_ok=True)
            os.close(self._slave)
            os.close(self._master)
            self._master = self._slave = -1

    def plug(self, now_ns: int) -> None:
        """A new pty behind the same link."""
        if self.plugged:
            return
        self.line.due(now_ns)
        self._master, self._slave = os.openpty()
        # Raw before the first byte, or the pty would echo it. The slave stays open here: without any, the
        # master only gives EIO.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        fresh = self.link.with_name(f".{self.link.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._slave))
        fresh.replace(self.link)

    def close(self) -> None:
        """Unplug for good."""
        self.unplug(0)
