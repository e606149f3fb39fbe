"""A run in real time: the instruments on pseudo-terminals, packets over UDP, one thread and one select.

Time zero is when the program's first byte comes in on a line: its start-up costs the scenario nothing.
"""

import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hil.evidence import Recording
from hil.program import Program
from hil.rig import Rig
from hil.wire import PtyWire

START_LIMIT_S = 30.0
LONGEST_SLEEP_S = 0.25  # how late the end of the program is noticed at most
WATCH_NS = 1_000_000_000
_DATAGRAM = 65536


@dataclass(frozen=True, slots=True)
class Plugs:
    """What the program is connected to: a pty for each line, and where its packets arrive (None: nowhere)."""

    wires: Mapping[str, PtyWire]
    inlet: socket.socket | None


def run(
    rig: Rig, plugs: Plugs, program: Program | None, recording: Recording, watch: Callable[[Recording], None]
) -> None:
    """Until the rig's duration is over (without a program: for ever); `watch` is called every second.

    ProgramError when the program ends or stays silent.
    """
    wires, inlet = plugs.wires, plugs.inlet
    actions = rig.actions(wires)
    start_ns = _first_byte_ns(wires, program)
    watch_due_ns = 0
    while True:
        now_ns = time.monotonic_ns() - start_ns
        if program is not None and program.returncode is not None:
            raise program.error(f"the program ended at {now_ns / 1e9:.1f} s of {rig.duration_ns / 1e9:.0f} s")
        while actions and actions[0][0] <= now_ns:
            actions.pop(0)[1](now_ns)
        for wire in wires.values():
            wire.step(now_ns)
        if inlet is not None:
            recording.packets.extend((now_ns, packet) for packet in _received(inlet))
        if now_ns >= watch_due_ns:
            recording.now_ns = now_ns
            watch(recording)
            watch_due_ns += WATCH_NS
        if program is not None and now_ns >= rig.duration_ns:
            return
        due = [watch_due_ns, *(at_ns for at_ns, _ in actions[:1])]
        due += [wake_ns for wire in wires.values() if (wake_ns := wire.next_wake_ns) is not None]
        sleep_s = (min(due) - (time.monotonic_ns() - start_ns)) / 1e9
        _wait(wires, inlet, min(max(sleep_s, 0.0), LONGEST_SLEEP_S))


def split(data: bytes) -> Iterator[bytes]:
    """The space packets of one datagram, by their length fields; what is left over is given as it is."""
    at = 0
    while at < len(data):
        size = 7 + int.from_bytes(data[at + 4 : at + 6], "big")
        yield data[at : at + size]
        at += size


def _first_byte_ns(wires: Mapping[str, PtyWire], program: Program | None) -> int:
    deadline_s = time.monotonic() + START_LIMIT_S
    while program is not None and not _wait(wires, None, LONGEST_SLEEP_S):
        if program.returncode is not None:
            raise program.error("the program ended before it asked an instrument")
        if time.monotonic() >= deadline_s:
            raise program.error(f"the program asked no instrument within {START_LIMIT_S:g} s")
    return time.monotonic_ns()


def _wait(wires: Mapping[str, PtyWire], inlet: socket.socket | None, timeout_s: float) -> bool:
    """True when something can be read."""
    readable = [wire.fileno() for wire in wires.values() if wire.plugged]
    if inlet is not None:
        readable.append(inlet.fileno())
    return bool(select.select(readable, [], [], timeout_s)[0])


def _received(inlet: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            data = inlet.recv(_DATAGRAM, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        yield from split(data)
