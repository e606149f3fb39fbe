"""One line: whose turn it is, how long to wait, and what becomes of bytes that nobody asked for. Sans-I/O.

    state     leaves it by                   for       and
    LOST      opened                         IDLE      the next cycle finds the line free
    IDLE      a poll is due, line is free    WAITING   the request is sent
    WAITING   a reply or an exception        IDLE      values or EXCEPTION; the next request after its gap
    WAITING   any other reply, or deadline   IDLE      the reason; the line stays quiet for `quiet_ns`
    any       lost                           LOST      PORT_LOST for what is due or in flight

Every poll of every cycle comes to values or to a reason. Most dialects carry no transaction id, so after a
failure the old reply may still be under way and would pass for the answer to the next request: while the line
is kept quiet, whatever arrives is thrown away, and counted as `late`.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from math import isfinite, nan

from fsw.bus.protocols import Exchange
from fsw.sample import Fault, Quality, Sample

JUNK_BYTES = 32  # what may come before a reply: a banner, a spike when the RS-485 driver turns round
MISSES_TO_REST = 3  # failures in a row after which an instrument no longer takes the time of its neighbours
REST_NS = 1_000_000_000  # and is asked once in so long
COUNTS_NS = 1_000_000_000  # counts are told so often, and in the cycle after something went wrong
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
    overruns: int  # cycles in which a poll came due again before it was done


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


class _Turn:
    """One poll and how it has been going."""

    __slots__ = ("allowed_ns", "echo", "fault", "misses", "most_bytes", "others", "places", "poll", "rest_ns")

    def __init__(self, poll: Poll, byte_ns: int, echo: bool) -> None:
        request, reply_bytes = poll.exchange.request, poll.exchange.reply_bytes
        self.poll = poll
        self.echo = request if echo else b""
        self.allowed_ns = (len(request) + reply_bytes) * byte_ns + poll.timeout_ns
        self.most_bytes = len(self.echo) + JUNK_BYTES + reply_bytes
        self.places = tuple(zip(poll.rows, poll.scale, poll.offset, strict=True))
        self.fault = Fault.NONE  # of its last outcome
        self.misses = 0  # in a row
        self.rest_ns = 0  # not asked before
        self.others: tuple[_Turn, ...] = ()  # of the same instrument


class Poller:
    """The polls of one line, served in turn. Methods that return bytes return what to write now.

    `byte_ns`: one character on the wire. `echo`: the adapter sends back what it is given.
    Call `wake` at `next_wake_ns`, or as soon after as can be.
    """

    def __init__(self, polls: Sequence[Poll], counts: Counts, byte_ns: int, echo: bool) -> None:
        self._turns = tuple(_Turn(poll, byte_ns, echo) for poll in polls)
        for turn in self._turns:
            turn.others = tuple(
                other
                for other in self._turns
                if other is not turn and other.poll.fault_row == turn.poll.fault_row
            )
        self._open = False
        self._flight: _Turn | None = None  # who is being waited for
        self._pending: deque[_Turn] = deque()  # whose turn is to come, each at most once
        self._cycle = 0
        self._buffer = b""
        self._deadline_ns = 0
        self._free_ns = 0  # from here on the line is ours, but for the gap
        self._last_byte_ns = 0
        self._stray = False  # the burst that is coming in has been counted
        self._count_rows: tuple[int, ...] = astuple(counts)
        self._counts = {field.name: 0 for field in fields(counts)}
        self._tell_counts_ns = 0
        self._samples: list[Sample] = []
        per_cycle = 2 * sum(len(poll.rows) + 1 for poll in polls) + len(self._count_rows)
        self._most_samples = KEPT_CYCLES * per_cycle

    @property
    def next_wake_ns(self) -> int | None:
        """When `wake` has something to do: a deadline, or a request whose gap is over. None: nothing."""
        if self._flight is not None:
            return self._deadline_ns
        return self._ready_ns() if self._pending else None

    def take(self) -> list[Sample]:
        """What has come in since the last call: values, faults and counts, oldest first."""
        samples, self._samples = self._samples, []
        return samples

    def cycle(self, now_ns: int) -> bytes:
        """A new cycle is due."""
        self._expire(now_ns)
        due = [turn for turn in self._turns if self._cycle % turn.poll.every == 0]
        if any(turn is self._flight or turn in self._pending for turn in due):
            self._count("overruns")
        if not self._pending and now_ns > self._free_ns:
            self._free_ns = now_ns
        for turn in due:
            self._due(turn, now_ns)
        self._cycle += 1
        if now_ns >= self._tell_counts_ns:
            self._tell_counts(now_ns)
        if len(self._samples) > self._most_samples:
            del self._samples[: -self._most_samples]
        return self._send(now_ns)

    def received(self, data: bytes, now_ns: int) -> bytes:
        """Bytes came in. Those read after the deadline are late, however early they may have arrived."""
        self._expire(now_ns)
        self._last_byte_ns = now_ns
        if self._flight is not None:
            self._read(self._flight, data, now_ns)
        elif self._open:
            self._discard()
        return self._send(now_ns)

    def wake(self, now_ns: int) -> bytes:
        """`next_wake_ns` has come (harmless at any other time)."""
        self._expire(now_ns)
        return self._send(now_ns)

    def opened(self, now_ns: int) -> bytes:
        """The port is there. Nothing is due before the next cycle."""
        if not self._open:
            self._open = True
            self._last_byte_ns = now_ns
            for turn in self._turns:
                turn.misses = turn.rest_ns = 0
        return b""

    def lost(self, now_ns: int) -> None:
        """The port has gone."""
        if not self._open:
            return
        self._open = False
        if self._flight is not None:
            self._free_ns = now_ns + self._flight.poll.quiet_ns
            self._fail(self._flight, Fault.PORT_LOST, now_ns)
            self._flight = None
        while self._pending:
            self._fail(self._pending.popleft(), Fault.PORT_LOST, now_ns)
        self._count("lost")

    def _due(self, turn: _Turn, now_ns: int) -> None:
        """It gets in line, or comes to a reason at once."""
        if not self._open:
            self._fail(turn, Fault.PORT_LOST, now_ns)
        elif turn in self._pending:
            self._fail(turn, Fault.NOT_POLLED, now_ns)  # that was for the last cycle; it keeps its place
        elif now_ns < turn.rest_ns:
            self._fail(turn, turn.fault, now_ns)
        else:
            self._pending.append(turn)

    def _ready_ns(self) -> int:
        """When the first in line may go. Babble puts it off by `quiet_ns` at most: then it may fail."""
        poll = self._pending[0].poll
        silent_ns = self._last_byte_ns + poll.gap_ns
        return max(self._free_ns, min(silent_ns, self._free_ns + poll.gap_ns + poll.quiet_ns))

    def _send(self, now_ns: int) -> bytes:
        """The request of the first in line, if there is one and the line is free."""
        if not self._pending or self._flight is not None or now_ns < self._ready_ns():
            return b""
        self._flight = turn = self._pending.popleft()
        self._buffer = b""
        self._deadline_ns = now_ns + turn.allowed_ns
        self._counts["requests"] += 1
        return turn.poll.exchange.request

    def _read(self, turn: _Turn, data: bytes, now_ns: int) -> None:
        """More of what may be the reply."""
        self._buffer = received = (self._buffer + data)[: turn.most_bytes]
        if turn.echo:
            if not received.startswith(turn.echo[: len(received)]):
                self._miss(turn, Fault.MALFORMED, now_ns)  # somebody else talks, or the adapter has no echo
                return
            received = received[len(turn.echo) :]
        reply = turn.poll.exchange.read(received) if received else None
        if reply is None:
            if len(self._buffer) == turn.most_bytes:
                self._miss(turn, Fault.MALFORMED, now_ns)
        elif reply.fault:
            self._miss(turn, reply.fault, now_ns)
        else:
            self._hit(turn, reply.values, now_ns)
            if reply.consumed < len(received):
                self._discard()

    def _expire(self, now_ns: int) -> None:
        """The deadline, if it has come."""
        turn = self._flight
        if turn is not None and now_ns >= self._deadline_ns:
            partial = len(self._buffer) > len(turn.echo)
            self._miss(turn, Fault.MALFORMED if partial else Fault.NO_REPLY, now_ns)
            self._stray = False  # what comes from now on is late, not the rest of a bad reply

    def _hit(self, turn: _Turn, values: tuple[float, ...], now_ns: int) -> None:
        """The exchange in flight gave values."""
        self._flight = None
        self._free_ns = now_ns
        self._stray = False
        self._counts["replies"] += 1
        turn.misses = 0
        fault = Fault.NONE
        for value, (row, scale, offset) in zip(values, turn.places, strict=True):
            if isfinite(value):
                self._samples.append(Sample(row, now_ns, scale * value + offset, _GOOD, Fault.NONE))
            else:
                fault = Fault.BAD_VALUE
                self._samples.append(Sample(row, now_ns, nan, _BAD, fault))
        self._tell_fault(turn, fault, now_ns)

    def _miss(self, turn: _Turn, fault: Fault, now_ns: int) -> None:
        """The exchange in flight gave none."""
        count, quiet = _OUTCOMES[fault]
        self._count(count)
        self._flight = None
        self._free_ns = now_ns + turn.poll.quiet_ns if quiet else now_ns
        self._stray = quiet
        self._fail(turn, fault, now_ns)
        turn.misses = turn.misses + 1 if quiet else 0
        if turn.misses >= MISSES_TO_REST and len(self._turns) > 1:
            self._rest(turn, now_ns)

    def _rest(self, turn: _Turn, now_ns: int) -> None:
        """A dead instrument rests, or its time-outs would starve its neighbours."""
        turn.rest_ns = now_ns + REST_NS
        if turn in self._pending:
            self._pending.remove(turn)
            self._fail(turn, turn.fault, now_ns)

    def _fail(self, turn: _Turn, fault: Fault, now_ns: int) -> None:
        """No value of this poll, and why."""
        self._samples += [Sample(row, now_ns, nan, _BAD, fault) for row in turn.poll.rows]
        self._tell_fault(turn, fault, now_ns)

    def _tell_fault(self, turn: _Turn, fault: Fault, now_ns: int) -> None:
        """The instrument's fault: this poll's, or if it has none that of another poll of it."""
        turn.fault = fault
        for other in turn.others:
            fault = fault or other.fault
        self._samples.append(Sample(turn.poll.fault_row, now_ns, float(fault), _GOOD, fault))

    def _discard(self) -> None:
        """Bytes that no request was waiting for: a late reply, noise, an instrument that talks by itself."""
        if not self._stray:
            self._stray = True
            self._count("late")

    def _count(self, name: str) -> None:
        """Something went wrong: the counts are told in the next cycle."""
        self._counts[name] += 1
        self._tell_counts_ns = 0

    def _tell_counts(self, now_ns: int) -> None:
        self._tell_counts_ns = now_ns + COUNTS_NS
        self._samples += [
            Sample(row, now_ns, float(count), _GOOD, Fault.NONE)
            for row, count in zip(self._count_rows, self._counts.values(), strict=True)
        ]
