"""The poller in virtual time: a simulated line with instruments that answer, late, wrongly, or not at all."""

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.framer.rtu import FramerRTU

from fsw.bus.poller import MISSES_TO_REST, REST_NS, Counts, Poll, Poller
from fsw.bus.protocols import Exchange, ascii_poll, modbus_rtu
from fsw.sample import Fault, Quality, Sample

MS = 1_000_000
PERIOD_NS = 100 * MS
TIMEOUT_NS = 30 * MS
QUIET_NS = 40 * MS
GAP_NS = 2 * MS
BYTE_NS = MS // 2

COUNTS = Counts(*range(100, 110))
COUNT_NAMES = {getattr(COUNTS, field.name): field.name for field in fields(COUNTS)}

Behaviour = Callable[[int, bytes], Iterable[tuple[int, bytes]]]  # n-th request -> (delay, bytes) pieces


def frame(*body: int) -> bytes:
    return bytes(body) + FramerRTU.compute_CRC(bytes(body)).to_bytes(2, "big")


def register(address: int) -> Exchange:
    channel = modbus_rtu.ChannelOptions.model_validate({"address": 0, "type": "u16"})
    [(exchange, _)] = modbus_rtu.exchanges(modbus_rtu.Options(address=address), {"value": channel})
    return exchange


def barometer() -> Exchange:
    options = ascii_poll.Options(profile="paroscientific", address=1)
    [(exchange, _)] = ascii_poll.exchanges(options, {"value": ascii_poll.ChannelOptions(query="P3")})
    return exchange


def poll(row: int, exchange: Exchange, *, fault_row: int | None = None, every: int = 1) -> Poll:
    return Poll(
        instrument=f"i{row}",
        exchange=exchange,
        rows=(row,),
        scale=(10.0,),
        offset=(0.5,),
        fault_row=50 + row if fault_row is None else fault_row,
        every=every,
        timeout_ns=TIMEOUT_NS,
        gap_ns=GAP_NS,
        quiet_ns=QUIET_NS,
    )


def answer(address: int, value: int, delay_ns: int = 8 * MS) -> Behaviour:
    return lambda n, request: [(delay_ns, frame(address, 3, 2, value >> 8, value & 255))]


def silent(n: int, request: bytes) -> list[tuple[int, bytes]]:
    return []


class Line:
    """A poller, a clock, and what is at the other end of the wire, found by the first byte of a request."""

    def __init__(
        self, polls: list[Poll], ends: dict[int, Behaviour], *, echo: bool = False, period_ns: int = PERIOD_NS
    ) -> None:
        self.poller = Poller(polls, COUNTS, BYTE_NS, echo)
        self.ends = ends
        self.echo = echo
        self.period_ns = period_ns
        self.now_ns = 0
        self.next_cycle_ns = 0
        self.coming: list[tuple[int, int, bytes]] = []
        self.sent: list[tuple[int, bytes]] = []
        self.samples: list[Sample] = []
        self.steps = 0
        self.poller.opened(0)

    def run(self, cycles: int) -> "Line":
        """So many cycles more, and what comes before the next would begin."""
        end_ns = self.next_cycle_ns + cycles * self.period_ns
        while True:
            wake_ns = self.poller.next_wake_ns
            arrival_ns = self.coming[0][0] if self.coming else math.inf
            now_ns = min(self.next_cycle_ns, arrival_ns, math.inf if wake_ns is None else wake_ns)
            if now_ns >= end_ns:
                return self
            self.now_ns = max(self.now_ns, int(now_ns))
            self.steps += 1
            assert self.steps < 10_000 * max(cycles, 1), "time stands still"
            if arrival_ns <= self.now_ns:
                self.write(self.poller.received(heapq.heappop(self.coming)[2], self.now_ns))
            elif wake_ns is not None and wake_ns <= self.now_ns:
                self.write(self.poller.wake(self.now_ns))
            else:
                self.next_cycle_ns += self.period_ns
                self.write(self.poller.cycle(self.now_ns))
            self.samples += self.poller.take()

    def write(self, request: bytes) -> None:
        if not request:
            return
        n = sum(sent[0] == request[0] for _, sent in self.sent)
        self.sent.append((self.now_ns, request))
        if self.echo:
            self.arrive(len(request) * BYTE_NS, request)
        for delay_ns, data in self.ends[request[0]](n, request):
            self.arrive(delay_ns, data)

    def arrive(self, delay_ns: int, data: bytes) -> None:
        heapq.heappush(self.coming, (self.now_ns + delay_ns, len(self.sent), data))

    def values(self, row: int) -> list[float | Fault]:
        return [
            sample.value if sample.quality == Quality.GOOD else Fault(sample.fault)
            for sample in self.samples
            if sample.row == row
        ]

    def counts(self) -> dict[str, int]:
        """What the samples told last."""
        return {COUNT_NAMES[s.row]: int(s.value) for s in self.samples if s.row in COUNT_NAMES and s.value}


def test_each_cycle_gives_values_in_si_and_no_fault() -> None:
    line = Line([poll(0, register(1))], {1: answer(1, 7)}).run(4)
    assert line.values(0) == [70.5] * 4
    assert line.values(50) == [Fault.NONE] * 4
    assert [sample.time_ns for sample in line.samples if sample.row == 0] == [
        sent_ns + 8 * MS for sent_ns, _ in line.sent
    ]
    line.run(7)  # told once a second while nothing goes wrong
    assert line.counts() == {"requests": 10, "replies": 10}


def test_counts_are_told_before_they_grow_old() -> None:
    line = Line([poll(0, register(1))], {1: answer(1, 7)}).run(31)
    times = [sample.time_ns for sample in line.samples if sample.row == COUNTS.checksum]
    assert times == [0, 1000 * MS, 2000 * MS, 3000 * MS]


def test_instruments_of_two_dialects_take_turns_on_one_line() -> None:
    ends = {1: answer(1, 7), ord("*"): lambda n, request: [(9 * MS, b"*000114.25\r\n")]}
    line = Line([poll(0, register(1)), poll(1, barometer())], ends).run(3)
    assert line.values(0) == [70.5] * 3
    assert line.values(1) == [143.0] * 3
    assert [request[:1] for _, request in line.sent] == [b"\x01", b"*"] * 3


def test_every_says_in_which_cycles_an_instrument_is_asked() -> None:
    line = Line([poll(0, register(1)), poll(1, register(2), every=3)], {1: answer(1, 7), 2: answer(2, 8)})
    line.run(7)
    assert len(line.values(0)) == 7
    assert len(line.values(1)) == 3


def test_the_line_is_silent_for_the_gap_before_each_request() -> None:
    line = Line([poll(0, register(1)), poll(1, register(2))], {1: answer(1, 7), 2: answer(2, 8)}).run(1)
    [(first_ns, _), (second_ns, _)] = line.sent
    assert first_ns == GAP_NS  # after the port was opened
    assert second_ns == first_ns + 8 * MS + GAP_NS


def test_a_late_reply_is_never_credited_to_the_next_request() -> None:
    def late_once(n: int, request: bytes) -> Iterable[tuple[int, bytes]]:
        delay_ns = TIMEOUT_NS + 8 * BYTE_NS + 20 * MS if n == 2 else 8 * MS
        return answer(1, 100 + n, delay_ns)(n, request)

    # two registers of one instrument: address, function and length are the same, only time tells them apart
    other = lambda n, request: answer(1, 200 + n)(n, request)  # noqa: E731
    by_turns: Behaviour = lambda n, request: (late_once if n % 2 == 0 else other)(n, request)  # noqa: E731
    line = Line([poll(0, register(1)), poll(1, register(1))], {1: by_turns}).run(8)
    line.run(1)
    assert line.values(0)[1] is Fault.NO_REPLY
    pressures = [value for value in line.values(0) if not isinstance(value, Fault)]
    others = [value for value in line.values(1) if not isinstance(value, Fault)]
    assert all(value < 2000 for value in pressures)
    assert all(value > 2000 for value in others)
    assert line.counts()["late"] == 1
    assert line.counts()["no_reply"] == 1


@given(delay_ms=st.integers(0, 110), who=st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_however_late_a_reply_is_within_the_quiet_time_it_is_not_credited_to_another(
    delay_ms: int, who: int
) -> None:
    def reply(n: int, request: bytes) -> Iterable[tuple[int, bytes]]:
        late_ms = min(delay_ms, (TIMEOUT_NS + 17 * BYTE_NS + QUIET_NS) // MS - 1)
        return answer(1, 100 * (n % 2) + n, late_ms * MS if n == who else 5 * MS)(n, request)

    line = Line([poll(0, register(1)), poll(1, register(1))], {1: reply})
    for _ in range(6):
        line.run(1)
    # the turns alternate, failure or not: even requests are row 0's, odd ones row 1's
    assert all(value < 1000 for value in line.values(0) if not isinstance(value, Fault))
    assert all(value > 1000 for value in line.values(1) if not isinstance(value, Fault))


def test_after_a_time_out_the_line_is_kept_quiet() -> None:
    line = Line([poll(0, register(1)), poll(1, register(2))], {1: silent, 2: answer(2, 8)}).run(1)
    [(first_ns, _), (second_ns, _)] = line.sent
    wire_ns = (8 + 7) * BYTE_NS
    assert second_ns == first_ns + wire_ns + TIMEOUT_NS + QUIET_NS
    assert line.values(0) == [Fault.NO_REPLY]
    assert line.values(50) == [float(Fault.NO_REPLY)]
    assert line.values(1) == [80.5]


@pytest.mark.parametrize(
    ("reply", "fault", "count"),
    [
        (frame(1, 3, 2, 0, 7)[:-1] + b"\x00", Fault.CHECKSUM, "checksum"),
        (frame(2, 3, 2, 0, 7), Fault.WRONG_ADDRESS, "wrong_address"),
        (frame(1, 4, 2, 0, 7), Fault.WRONG_FUNCTION, "malformed"),
        (frame(1, 3, 2, 0, 7)[:-1], Fault.MALFORMED, "malformed"),
        (frame(1, 3, 2, 0, 7)[1:], Fault.MALFORMED, "malformed"),
        (b"\x55" * 300, Fault.MALFORMED, "malformed"),
        (frame(1, 0x83, 2), Fault.EXCEPTION, "exceptions"),
    ],
)
def test_a_reply_that_is_none_comes_to_a_reason_and_a_count(reply: bytes, fault: Fault, count: str) -> None:
    line = Line([poll(0, register(1))], {1: lambda n, request: [(8 * MS, reply)]}).run(3)
    line.run(1)
    assert line.values(0) == [fault] * 4
    assert line.values(50) == [float(fault)] * 4
    assert line.counts() == {"requests": 4, count: 4} or line.counts() == {"requests": 3, count: 3}


def test_after_an_exception_the_line_needs_no_more_than_the_gap() -> None:
    ends: dict[int, Behaviour] = {1: lambda n, request: [(8 * MS, frame(1, 0x83, 2))], 2: answer(2, 8)}
    line = Line([poll(0, register(1)), poll(1, register(2))], ends).run(1)
    assert line.sent[1][0] == line.sent[0][0] + 8 * MS + GAP_NS


def test_a_bad_value_is_the_channel_s_fault_and_not_the_reply_s() -> None:
    channel = modbus_rtu.ChannelOptions.model_validate({"address": 0, "type": "s16"})
    [(exchange, _)] = modbus_rtu.exchanges(modbus_rtu.Options(address=1), {"value": channel})
    line = Line([poll(0, exchange)], {1: answer(1, 0x7FFF)}).run(1)
    assert line.values(0) == [Fault.BAD_VALUE]
    assert line.values(50) == [float(Fault.BAD_VALUE)]


def test_junk_before_a_reply_costs_nothing() -> None:
    noisy: Behaviour = lambda n, request: [(5 * MS, b"\x00\xff"), (8 * MS, frame(1, 3, 2, 0, 7))]  # noqa: E731
    assert Line([poll(0, register(1))], {1: noisy}).run(2).values(0) == [70.5] * 2


def test_a_second_copy_of_a_reply_is_thrown_away_and_counted() -> None:
    reply = frame(1, 3, 2, 0, 7)
    twice: Behaviour = lambda n, request: [[(8 * MS, 2 * reply)], [(8 * MS, reply), (9 * MS, reply)]][n % 2]  # noqa: E731
    line = Line([poll(0, register(1))], {1: twice}).run(4)
    line.run(1)
    assert line.values(0) == [70.5] * 5
    assert line.counts()["late"] == 4


def test_an_expected_echo_is_taken_off_and_may_come_in_pieces() -> None:
    line = Line([poll(0, register(1))], {1: answer(1, 7)}, echo=True).run(2)
    assert line.values(0) == [70.5] * 2
    request = register(1).request
    poller = Poller([poll(0, register(1))], COUNTS, BYTE_NS, echo=True)
    poller.opened(0)
    poller.cycle(GAP_NS)
    for place, byte in enumerate(request + frame(1, 3, 2, 0, 7)):
        poller.received(bytes([byte]), GAP_NS + place)
    assert [sample.value for sample in poller.take() if sample.row == 0] == [70.5]


def test_an_expected_echo_that_differs_is_a_collision() -> None:
    collided: Behaviour = lambda n, request: [(2 * MS, b"\x01\x13"), (8 * MS, frame(1, 3, 2, 0, 7))]  # noqa: E731
    line = Line([poll(0, register(1))], {1: collided})
    line.poller = Poller([poll(0, register(1))], COUNTS, BYTE_NS, echo=True)
    line.poller.opened(0)
    assert line.run(1).values(0) == [Fault.MALFORMED]


def test_an_echo_with_nothing_after_it_is_no_reply() -> None:
    line = Line([poll(0, register(1))], {1: silent}, echo=True).run(1)
    assert line.values(0) == [Fault.NO_REPLY]


def test_bytes_read_at_the_deadline_are_late_even_when_nothing_woke_the_poller() -> None:
    poller = Poller([poll(0, register(1))], COUNTS, BYTE_NS, echo=False)
    poller.opened(0)
    assert poller.cycle(GAP_NS)
    deadline_ns = poller.next_wake_ns
    assert deadline_ns == GAP_NS + 15 * BYTE_NS + TIMEOUT_NS
    poller.received(frame(1, 3, 2, 0, 7), deadline_ns)
    assert [sample.fault for sample in poller.take() if sample.row == 0] == [Fault.NO_REPLY]


def test_an_unplugged_line_gives_a_reason_in_every_cycle_and_comes_back() -> None:
    line = Line([poll(0, register(1)), poll(1, register(2))], {1: answer(1, 7), 2: answer(2, 8)}).run(2)
    line.write(line.poller.cycle(line.next_cycle_ns))
    line.now_ns = line.next_cycle_ns + 1
    line.poller.lost(line.now_ns)  # with one poll in flight and one due
    line.poller.lost(line.now_ns)
    line.coming.clear()
    line.next_cycle_ns += PERIOD_NS
    assert line.poller.next_wake_ns is None
    line.run(3)
    assert line.values(0) == [70.5] * 2 + [Fault.PORT_LOST] * 4
    assert line.values(1) == [80.5] * 2 + [Fault.PORT_LOST] * 4
    assert line.values(50)[-1] == float(Fault.PORT_LOST)
    line.poller.opened(line.now_ns)
    line.run(3)
    assert line.values(0)[6:] == [70.5] * 3
    assert line.counts()["lost"] == 1


def test_bytes_on_a_lost_line_are_nothing() -> None:
    poller = Poller([poll(0, register(1))], COUNTS, BYTE_NS, echo=False)
    assert poller.received(b"xyz", 5) == b""
    assert poller.take() == []


def test_a_reply_from_before_an_unplug_is_not_credited_after_it() -> None:
    poller = Poller([poll(0, register(1))], COUNTS, BYTE_NS, echo=False)
    poller.opened(0)
    assert poller.cycle(GAP_NS)
    poller.lost(3 * MS)
    poller.opened(4 * MS)
    assert poller.cycle(5 * MS) == b""
    assert poller.received(frame(1, 3, 2, 0, 99), 6 * MS) == b""
    assert poller.next_wake_ns == 3 * MS + QUIET_NS
    assert all(sample.fault for sample in poller.take() if sample.row == 0)


def test_cycles_that_come_too_fast_are_counted_and_not_queued() -> None:
    polls = [poll(row, register(row + 1)) for row in range(3)]
    ends = {row + 1: answer(row + 1, row, delay_ns=25 * MS) for row in range(3)}
    line = Line(polls, ends, period_ns=10 * MS).run(30)  # three take 81 ms
    assert line.counts()["overruns"] == 29
    for row in range(3):
        outcomes = Counter("value" if isinstance(value, float) else value for value in line.values(row))
        assert outcomes["value"] >= 3  # each gets its turn
        assert set(outcomes) == {"value", Fault.NOT_POLLED}
        assert 28 <= outcomes.total() <= 30


def test_a_dead_instrument_does_not_starve_its_neighbour() -> None:
    line = Line([poll(0, register(1)), poll(1, register(2))], {1: silent, 2: answer(2, 8)}).run(40)
    assert set(line.values(0)) == {Fault.NO_REPLY}
    assert 39 <= len(line.values(0)) <= 40
    asked = [sent_ns for sent_ns, request in line.sent if request[0] == 1]
    assert MISSES_TO_REST + 2 <= len(asked) <= MISSES_TO_REST + 4
    assert all(later - earlier >= REST_NS for earlier, later in itertools.pairwise(asked[3:]))
    assert line.values(1).count(80.5) >= 36


def test_an_instrument_that_comes_back_is_found_within_its_rest() -> None:
    revived: Behaviour = lambda n, request: answer(1, 7)(n, request) if n >= 4 else []  # noqa: E731
    line = Line([poll(0, register(1)), poll(1, register(2))], {1: revived, 2: answer(2, 8)}).run(40)
    values = line.values(0)
    assert values[-10:] == [70.5] * 10


def test_an_instrument_at_rest_is_asked_at_once_when_the_line_comes_back() -> None:
    line = Line([poll(0, register(1)), poll(1, register(2))], {1: silent, 2: answer(2, 8)}).run(8)
    line.ends[1] = answer(1, 7)
    line.poller.lost(line.now_ns)
    line.poller.opened(line.now_ns)
    assert line.run(1).values(0)[-1] == 70.5


def test_a_fault_of_one_exchange_is_not_hidden_by_another_of_the_same_instrument() -> None:
    bad: Behaviour = lambda n, request: [(8 * MS, frame(1, 0x83, 2))]  # noqa: E731
    polls = [poll(0, register(1), fault_row=50), poll(1, register(2), fault_row=50)]
    line = Line(polls, {1: bad, 2: answer(2, 8)}).run(3)
    assert set(line.values(50)) == {float(Fault.EXCEPTION)}


@pytest.mark.parametrize("every_ms", [1, 7])
def test_babble_gives_reasons_and_never_silence(every_ms: int) -> None:
    line = Line([poll(0, register(1))], {1: silent})
    for at_ms in range(0, 3000, every_ms):
        line.arrive(at_ms * MS, b"\xaa\x55\x01")
    line.run(30)
    assert len(line.values(0)) >= 29
    assert set(line.values(0)) <= {Fault.MALFORMED, Fault.NOT_POLLED}
    assert Fault.MALFORMED in line.values(0)
    line.ends[1] = answer(1, 7)
    line.coming.clear()
    assert line.run(10).values(0)[-8:] == [70.5] * 8


def test_samples_that_nobody_takes_are_bounded() -> None:
    poller = Poller([poll(0, register(1))], COUNTS, BYTE_NS, echo=False)
    for cycle in range(10_000):
        poller.cycle(cycle * PERIOD_NS)
    assert len(poller.take()) < 2_000


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["cycle", "wake", "lost", "opened", "reply", "garbage", "exception", "other"]),
        st.integers(0, 60),
    ),
    max_size=120,
)


@given(EVENTS, st.booleans())
@settings(max_examples=300, deadline=None)
def test_whatever_happens_every_poll_of_every_cycle_has_one_outcome(
    events: list[tuple[str, int]], echo: bool
) -> None:
    polls = [poll(0, register(1)), poll(1, register(2), every=2), poll(2, barometer())]
    poller = Poller(polls, COUNTS, BYTE_NS, echo)
    data = {
        "reply": frame(1, 3, 2, 0, 7),
        "garbage": b"\x01\x03\x02*0001",
        "exception": frame(2, 0x83, 2),
        "other": b"*000114.25\r\n",
    }
    now_ns = cycles = 0
    samples: list[Sample] = []
    for what, ms in events:
        now_ns += ms * MS
        if what == "cycle":
            poller.cycle(now_ns)
            cycles += 1
        elif what == "wake":
            poller.wake(now_ns)
            assert poller.next_wake_ns is None or poller.next_wake_ns > now_ns
        elif what in ("lost", "opened"):
            getattr(poller, what)(now_ns)
        else:
            poller.received(data[what], now_ns)
        samples += poller.take()
    poller.lost(now_ns)
    samples += poller.take()
    for row, due in ((0, cycles), (1, (cycles + 1) // 2), (2, cycles)):
        own = [sample for sample in samples if sample.row == row]
        assert len(own) == due
        assert all((sample.quality == Quality.GOOD) == math.isfinite(sample.value) for sample in own)
        assert all((sample.quality == Quality.GOOD) == (sample.fault == Fault.NONE) for sample in own)
        assert len([sample for sample in samples if sample.row == 50 + row]) == due
