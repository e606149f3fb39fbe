"""One line: whose turn it is, how long to wait, and what becomes of bytes that nobody asked for. Sans-I/O.

    state     leaves it by                   for       and
    LOST      opened                         IDLE      the line is held free for a gap
    IDLE      a poll is due, line is free    WAITING   the request is sent
    WAITING   a reply or an exception        IDLE      values or EXCEPTION; the next request after its gap
    WAITING   any other reply, or deadline   IDLE      the reason; the line stays quiet for `quiet_ns`
    any       lost                           LOST      PORT_LOST for what is due or in flight

Every poll of every cycle comes to values or to a reason. Most dialects carry no transaction id, so after a
failure the old reply may still be under way and would pass for the answer to the next request: while the line
is kept quiet, whatever arrives is thrown away, and counted as `late`.
"""

import enum
from collections import deque
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from math import isfinite, nan

from fsw.bus.protocols import Exchange
from fsw.sample import Fault, Quality, Sample

JUNK_BYTES = 32  # what may come before a reply: a banner, a spike when the RS-485 driver turns round
MISSES_TO_REST = 3  # failures in a row after which an instrument no longer takes the time of its neighbours
REST_NS = 1_000_000_000  # and is asked once in so long
COUNTS_NS = 1_000_000_000  # counts that have not changed are told again so often
KEPT_CYCLES = 64  # samples kept for a reader that does not come

_GOOD, _BAD = int(Quality.GOOD), int(Quality.BAD)


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of a line's counts. A request adds to one of the six after it, unless the line is lost first."""

    requests: int
    replies: int
    no_reply: int
    checksum: int
    malformed: int  # anything else that is no reply to this request, a wrong function included
    wrong_address: int
    exceptions: int
    late: int  # bursts of bytes that no request was waiting for
    lost: int  # times that the line went away
    overruns: int  # cycles that began before the last one was done


@dataclass(frozen=True, slots=True)
class Poll:
    """One exchange of one instrument, every so many cycles.

    Value i of its reply goes to rows[i] as scale[i] * value + offset[i], in SI.
    """

    instrument: str
    exchange: Exchange
    rows: tuple[int, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    fault_row: int
    every: int
    timeout_ns: (
        int  # from the end of the request to the start of the reply; the wire time of both is added here
    )
    gap_ns: int  # silence on the line before the request
    quiet_ns: (
        int  # at least the instrument's longest reply time: later than that, an old reply is not recognised
    )


class State(enum.Enum):
    """Of the line; the table is at the top."""

    LOST = enum.auto()
    IDLE = enum.auto()
    WAITING = enum.auto()


# outcome of an exchange -> the count it adds to, and whether an old reply may still be under way
_OUTCOMES = {
    Fault.NONE: ("replies", False),
    Fault.EXCEPTION: ("exceptions", False),
    Fault.NO_REPLY: ("no_reply", True),
    Fault.CHECKSUM: ("checksum", True),
    Fault.WRONG_ADDRESS: ("wrong_address", True),
    Fault.WRONG_FUNCTION: ("malformed", True),
    Fault.MALFORMED: ("malformed", True),
}


class Poller:
    """The polls of one line, served in turn. Methods that return bytes return what to write now.

    `byte_ns`: one character on the wire. `echo`: the adapter sends back what it is given.
    Call `wake` at `next_wake_ns`, or as soon after as can be.
    """

    def __init__(self, polls: Sequence[Poll], counts: Counts, byte_ns: int, echo: bool) -> None:
        self._polls = tuple(polls)
        self._byte_ns = byte_ns
        self._echo = echo
        self._state = State.LOST
        self._cycle = 0
        self._pending: deque[int] = deque()  # polls whose turn has not come, each at most once
        self._flight = 0  # the poll that is being waited for
        self._buffer = b""
        self._deadline_ns = 0
        self._free_ns = 0  # from here on the line is ours, but for the gap
        self._last_byte_ns = 0
        self._stray = False  # the burst that is coming in has been counted
        self._faults = [Fault.NONE] * len(self._polls)
        self._misses = [0] * len(self._polls)
        self._rest_ns = [0] * len(self._polls)
        self._siblings = [
            [index for index, other in enumerate(self._polls) if other.fault_row == poll.fault_row]
            for poll in self._polls
        ]
        self._count_rows: tuple[int, ...] = astuple(counts)
        self._counts = {field.name: 0 for field in fields(counts)}
        self._told: list[int | None] = [None] * len(self._count_rows)
        self._tell_all_ns = 0
        self._samples: list[Sample] = []
        per_cycle = 2 * sum(len(poll.rows) + 1 for poll in self._polls) + len(self._count_rows)
        self._most_samples = KEPT_CYCLES * per_cycle

    @property
    def next_wake_ns(self) -> int | None:
        """When `wake` has something to do: a deadline, or a request whose gap is over. None: nothing."""
        if self._state is State.WAITING:
            return self._deadline_ns
        return self._ready_ns() if self._pending else None

    def take(self) -> list[Sample]:
        """What has come in since the last call: values, faults and counts, oldest first."""
        samples, self._samples = self._samples, []
        return samples

    def cycle(self, now_ns: int) -> bytes:
        """A new cycle is due."""
        self._expire(now_ns)
        if self._state is State.WAITING or self._pending:
            self._counts["overruns"] += 1
        if not self._pending:
            self._free_ns = max(self._free_ns, now_ns)
        for index, poll in enumerate(self._polls):
            if self._cycle % poll.every == 0:
                self._due(index, now_ns)
        self._cycle += 1
        self._tell_counts(now_ns)
        del self._samples[: -self._most_samples]
        return self._send(now_ns)

    def received(self, data: bytes, now_ns: int) -> bytes:
        """Bytes came in. Those read after the deadline are late, however early they may have arrived."""
        self._expire(now_ns)
        self._last_byte_ns = now_ns
        if self._state is State.WAITING:
            self._read(data, now_ns)
        elif self._state is State.IDLE:
            self._discard()
        return self._send(now_ns)

    def wake(self, now_ns: int) -> bytes:
        """`next_wake_ns` has come (harmless at any other time)."""
        self._expire(now_ns)
        return self._send(now_ns)

    def opened(self, now_ns: int) -> bytes:
        """The port is there. Nothing is due before the next cycle."""
        if self._state is State.LOST:
            self._state = State.IDLE
            self._last_byte_ns = now_ns
            self._misses = [0] * len(self._polls)
            self._rest_ns = [0] * len(self._polls)
        return b""

    def lost(self, now_ns: int) -> None:
        """The port has gone."""
        if self._state is State.LOST:
            return
        if self._state is State.WAITING:
            self._fail(self._flight, Fault.PORT_LOST, now_ns)
            self._free_ns = now_ns + self._polls[self._flight].quiet_ns
        while self._pending:
            self._fail(self._pending.popleft(), Fault.PORT_LOST, now_ns)
        self._state = State.LOST
        self._counts["lost"] += 1

    def _due(self, index: int, now_ns: int) -> None:
        """The poll is due: it gets in line, or comes to a reason at once."""
        if self._state is State.LOST:
            self._fail(index, Fault.PORT_LOST, now_ns)
        elif index in self._pending:
            self._fail(index, Fault.NOT_POLLED, now_ns)  # that was for the last cycle; it keeps its place
        elif now_ns < self._rest_ns[index]:
            self._fail(index, self._faults[index], now_ns)
        else:
            self._pending.append(index)

    def _ready_ns(self) -> int:
        """When the first in line may go. Babble puts it off by `quiet_ns` at most: then it may fail."""
        poll = self._polls[self._pending[0]]
        silent_ns = self._last_byte_ns + poll.gap_ns
        return max(self._free_ns, min(silent_ns, self._free_ns + poll.gap_ns + poll.quiet_ns))

    def _send(self, now_ns: int) -> bytes:
        """The request of the first in line, if there is one and the line is free."""
        if self._state is not State.IDLE or not self._pending or now_ns < self._ready_ns():
            return b""
        self._flight = self._pending.popleft()
        poll = self._polls[self._flight]
        request = poll.exchange.request
        self._state = State.WAITING
        self._buffer = b""
        self._deadline_ns = (
            now_ns + (len(request) + poll.exchange.reply_bytes) * self._byte_ns + poll.timeout_ns
        )
        self._counts["requests"] += 1
        return request

    def _read(self, data: bytes, now_ns: int) -> None:
        """More of what may be the reply."""
        exchange = self._polls[self._flight].exchange
        echo = exchange.request if self._echo else b""
        most = len(echo) + JUNK_BYTES + exchange.reply_bytes
        received = (self._buffer + data)[:most]
        self._buffer = received
        if echo:
            if not received.startswith(echo[: len(received)]):
                self._finish(Fault.MALFORMED, now_ns)  # somebody else was talking, or the adapter has no echo
                return
            received = received[len(echo) :]
        reply = exchange.read(received) if received else None
        if reply is not None:
            self._finish(reply.fault, now_ns, reply.values)
            if reply.fault is Fault.NONE and reply.consumed < len(received):
                self._discard()
        elif len(self._buffer) == most:
            self._finish(Fault.MALFORMED, now_ns)

    def _expire(self, now_ns: int) -> None:
        """The deadline, if it has come."""
        if self._state is State.WAITING and now_ns >= self._deadline_ns:
            partial = len(self._buffer) > (
                len(self._polls[self._flight].exchange.request) if self._echo else 0
            )
            self._finish(Fault.MALFORMED if partial else Fault.NO_REPLY, now_ns)
            self._stray = False  # what comes from now on is late, not the rest of a bad reply

    def _finish(self, fault: Fault, now_ns: int, values: tuple[float, ...] = ()) -> None:
        """The exchange in flight is over."""
        index = self._flight
        poll = self._polls[index]
        count, quiet = _OUTCOMES[fault]
        self._counts[count] += 1
        self._state = State.IDLE
        self._free_ns = now_ns + poll.quiet_ns if quiet else now_ns
        self._stray = quiet
        self._misses[index] = self._misses[index] + 1 if quiet else 0
        if fault is not Fault.NONE:
            self._fail(index, fault, now_ns)
            self._rest(index, now_ns)
            return
        for row, value, scale, offset in zip(poll.rows, values, poll.scale, poll.offset, strict=True):
            if isfinite(value):
                self._samples.append(Sample(row, now_ns, scale * value + offset, _GOOD, Fault.NONE))
            else:
                fault = Fault.BAD_VALUE
                self._samples.append(Sample(row, now_ns, nan, _BAD, fault))
        self._tell_fault(index, fault, now_ns)

    def _fail(self, index: int, fault: Fault, now_ns: int) -> None:
        """No value of this poll, and why."""
        self._samples += [Sample(row, now_ns, nan, _BAD, fault) for row in self._polls[index].rows]
        self._tell_fault(index, fault, now_ns)

    def _rest(self, index: int, now_ns: int) -> None:
        """A dead instrument rests, or its time-outs would starve its neighbours; alone it harms nobody."""
        if self._misses[index] < MISSES_TO_REST or len(self._polls) == 1:
            return
        self._rest_ns[index] = now_ns + REST_NS
        if index in self._pending:
            self._pending.remove(index)
            self._fail(index, self._faults[index], now_ns)

    def _tell_fault(self, index: int, fault: Fault, now_ns: int) -> None:
        """The instrument's fault: this poll's, or if it has none that of another poll of it."""
        self._faults[index] = fault
        worst = fault or next(
            filter(None, (self._faults[other] for other in self._siblings[index])), Fault.NONE
        )
        self._samples.append(Sample(self._polls[index].fault_row, now_ns, float(worst), _GOOD, worst))

    def _tell_counts(self, now_ns: int) -> None:
        """The counts that have changed; now and then all, so that none grows old."""
        everything = now_ns >= self._tell_all_ns
        if everything:
            self._tell_all_ns = now_ns + COUNTS_NS
        for place, count in enumerate(self._counts.values()):
            if everything or count != self._told[place]:
                self._told[place] = count
                self._samples.append(Sample(self._count_rows[place], now_ns, float(count), _GOOD, Fault.NONE))

    def _discard(self) -> None:
        """Bytes that no request was waiting for: a late reply, noise, an instrument that talks by itself."""
        if not self._stray:
            self._stray = True
            self._counts["late"] += 1
