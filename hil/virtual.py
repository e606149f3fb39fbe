"""A run in virtual time: from event to event, as fast as the program answers.

Nothing is decoded here: packets are kept with the instant at which they came out.
"""

from collections.abc import Callable, Sequence

from hil.evidence import Recording
from hil.lockstep import WRITE, Kind, Lockstep, LockstepError
from hil.rig import Rig
from hil.wire import NEVER_NS, MemoryWire

STANDSTILL = 10_000  # steps at one instant before the program is said to hang


class VirtualRun:
    """One run; `lines` in the order of the program's indices."""

    def __init__(self, rig: Rig, lockstep: Lockstep, lines: Sequence[str], recording: Recording) -> None:
        self._end_ns = rig.duration_ns
        self._lockstep = lockstep
        self._recording = recording
        self._wires = [MemoryWire(rig.lines[name]) for name in lines]
        self._actions = rig.actions(dict(zip(lines, self._wires, strict=True)))
        self._action_ns = self._actions[0][0] if self._actions else NEVER_NS
        self._now_ns = 0
        self._wake_ns = 0  # when the program wants to be told the time
        # When something happens on each wire, and until when the program hears nothing of it.
        self._due_ns = [NEVER_NS] * len(self._wires)
        self._quiet_ns = [NEVER_NS] * len(self._wires)
        for line in range(len(self._wires)):
            self._touched(line)

    def go(self, watch: Callable[[Recording], None], watch_ns: int) -> None:
        """From 0 to the end; `watch` is called every `watch_ns` or so. LockstepError when the program fails."""
        for line in range(len(self._wires)):
            self._tell(Kind.OPENED, line)
        watch_due_ns = 0
        still = 0
        while self._now_ns < self._end_ns:
            next_ns = min(self._wake_ns, self._end_ns, self._action_ns, *self._due_ns)
            still = 0 if next_ns > self._now_ns else still + 1
            if still > STANDSTILL:
                raise LockstepError(
                    f"time stands still: it asks again and again to be woken at {self._wake_ns} ns"
                )
            self._now_ns = max(next_ns, self._now_ns)
            if self._now_ns >= watch_due_ns:
                self._recording.now_ns = self._now_ns
                watch(self._recording)
                watch_due_ns = self._now_ns + watch_ns
            if self._action_ns <= self._now_ns:
                self._act()
            self._deliver()
            if self._wake_ns <= self._now_ns:
                self._tell(Kind.TIME)
        self._recording.now_ns = self._end_ns
        self._tell(Kind.STOP)

    def _act(self) -> None:
        """The next fault of a line begins or ends; the program hears of a plug that is pulled or put back."""
        before = [wire.plugged for wire in self._wires]
        _, act = self._actions.pop(0)
        self._action_ns = self._actions[0][0] if self._actions else NEVER_NS
        act(self._now_ns)
        for line, wire in enumerate(self._wires):
            self._touched(line)
            if wire.plugged != before[line]:
                self._tell(Kind.OPENED if wire.plugged else Kind.LOST, line)

    def _deliver(self) -> None:
        """What the instruments have sent by now."""
        for line, due_ns in enumerate(self._due_ns):
            if due_ns <= self._now_ns:
                data = self._wires[line].due(self._now_ns)
                self._touched(line)
                if data:
                    self._tell(Kind.DATA, line, data)

    def _tell(self, kind: Kind, line: int = 0, payload: bytes = b"") -> None:
        horizon_ns = self._now_ns
        if kind in (Kind.TIME, Kind.DATA):  # before the program goes on it is told of all ports of an instant
            horizon_ns = max(horizon_ns, min(self._end_ns, self._action_ns, *self._quiet_ns))
        self._wake_ns, items = self._lockstep.tell(self._now_ns, kind, line, payload, horizon_ns=horizon_ns)
        for at_ns, item, index, data in items:
            if item == WRITE:
                self._catch_up(at_ns)
                self._wires[index].received(data, at_ns)
                self._touched(index)
            else:
                self._recording.packets.append((at_ns, data))

    def _catch_up(self, to_ns: int) -> None:
        """What happened on the wires while the program was ahead, in order; it could hear nothing of it."""
        while (due_ns := min(self._due_ns)) <= to_ns:
            line = self._due_ns.index(due_ns)
            self._wires[line].due(due_ns)
            self._touched(line)

    def _touched(self, line: int) -> None:
        due_ns = self._wires[line].next_wake_ns
        self._due_ns[line] = NEVER_NS if due_ns is None else due_ns
        self._quiet_ns[line] = self._wires[line].quiet_until_ns
