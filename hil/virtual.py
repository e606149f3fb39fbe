"""A run in virtual time: from event to event, as fast as the program answers.

Nothing is decoded here: packets are kept with the instant at which they came out.
"""

from collections.abc import Callable, Sequence

from hil.evidence import Recording
from hil.lockstep import WRITE, Kind, Lockstep, LockstepError
from hil.rig import Rig
from hil.wire import MemoryWire

STANDSTILL = 10_000  # steps at one instant before the program is said to hang


class VirtualRun:
    """One run; `lines` in the order of the program's indices."""

    def __init__(self, rig: Rig, lockstep: Lockstep, lines: Sequence[str], recording: Recording) -> None:
        self._end_ns = rig.duration_ns
        self._lockstep = lockstep
        self._recording = recording
        self._wires = [MemoryWire(rig.lines[name]) for name in lines]
        self._actions = rig.actions(dict(zip(lines, self._wires, strict=True)))
        self._now_ns = 0
        self._wake_ns = 0  # when the program wants to be told the time
        # When each wire wants to be asked; kept, since it changes only when a wire is touched.
        self._due_ns = [wire.next_wake_ns for wire in self._wires]

    def go(self, watch: Callable[[Recording], None], watch_ns: int) -> None:
        """From 0 to the end; `watch` is called every `watch_ns`. LockstepError when the program fails."""
        for line in range(len(self._wires)):
            self._tell(Kind.OPENED, line)
        watch_due_ns = 0
        still = 0
        while self._now_ns < self._end_ns:
            next_ns = self._next_ns(min(watch_due_ns, self._end_ns))
            still = 0 if next_ns > self._now_ns else still + 1
            if still > STANDSTILL:
                raise LockstepError(
                    f"time stands still: it asks again and again to be woken at {self._wake_ns} ns"
                )
            self._now_ns = max(next_ns, self._now_ns)
            if self._now_ns >= watch_due_ns:
                self._recording.now_ns = self._now_ns
                watch(self._recording)
                watch_due_ns += watch_ns
            if self._actions and self._actions[0][0] <= self._now_ns:
                self._act()
            self._deliver()
            if self._wake_ns <= self._now_ns:
                self._tell(Kind.TIME)
        self._recording.now_ns = self._end_ns
        self._tell(Kind.STOP)

    def _next_ns(self, next_ns: int) -> int:
        """The next event, at `next_ns` at the latest."""
        next_ns = min(next_ns, self._wake_ns)
        if self._actions:
            next_ns = min(next_ns, self._actions[0][0])
        for due_ns in self._due_ns:
            if due_ns is not None and due_ns < next_ns:
                next_ns = due_ns
        return next_ns

    def _act(self) -> None:
        """The next fault of a line begins or ends; the program hears of a plug that is pulled or put back."""
        before = [wire.plugged for wire in self._wires]
        self._actions.pop(0)[1](self._now_ns)
        for line, wire in enumerate(self._wires):
            self._due_ns[line] = wire.next_wake_ns
            if wire.plugged != before[line]:
                self._tell(Kind.OPENED if wire.plugged else Kind.LOST, line)

    def _deliver(self) -> None:
        """What the instruments have sent by now."""
        for line, due_ns in enumerate(self._due_ns):
            if due_ns is not None and due_ns <= self._now_ns:
                data = self._wires[line].due(self._now_ns)
                self._due_ns[line] = self._wires[line].next_wake_ns
                if data:
                    self._tell(Kind.DATA, line, data)

    def _tell(self, kind: Kind, line: int = 0, payload: bytes = b"") -> None:
        now_ns = self._now_ns
        self._wake_ns, items = self._lockstep.tell(now_ns, kind, line, payload)
        for item, index, data in items:
            if item == WRITE:
                self._wires[index].received(data, now_ns)
                self._due_ns[index] = self._wires[index].next_wake_ns
            else:
                self._recording.packets.append((now_ns, data))
