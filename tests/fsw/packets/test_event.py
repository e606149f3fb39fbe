import math

import ccsdspy
import pytest
from ccsdspy import PacketField
from hypothesis import given
from hypothesis import strategies as st

from fsw.alarm import State, Transition
from fsw.limit import Check
from fsw.packets import event, frame
from fsw.packets.event import Event, Severity
from fsw.packets.frame import PacketError
from fsw.sample import Quality
from tests.golden import GOLDEN_ALARM

GOLDEN_NS = 1_790_000_000_123_456_789
LEAK = Event(
    event=0x1101,
    transition=Transition.RAISE,
    alarm=7,
    occurrence=42,
    previous=State.NORMAL,
    state=State.UNACK,
    severity=Severity.HIGH,
    peak_severity=Severity.HIGH,
    check=Check.LIMIT,
    quality=Quality.GOOD,
    parameter=0x0101,
    n=8,
    m=10,
    value=3.25e-4,
    limit=2e-4,
    sigma=1.1e-5,
    peak=3.25e-4,
    tick=123456,
    table_crc=0xDEADBEEF,
)


def test_the_golden_alarm_comes_out_byte_for_byte():
    framer = frame.Framer(0x64)
    framer.set_time(GOLDEN_NS, 0)
    subservice = event.subservice(LEAK.transition, LEAK.severity)
    assert framer.frame(event.SERVICE, subservice, 0, event.pack(LEAK)) == GOLDEN_ALARM


def test_ccsdspy_reads_the_golden_alarm(tmp_path):
    path = tmp_path / "alarm.tm"
    path.write_bytes(GOLDEN_ALARM * 2)
    fields = [
        *(
            PacketField(name, "uint", bits)
            for name, bits in (("version_time", 8), ("service", 8), ("subtype", 8))
        ),
        *(
            PacketField(name, "uint", bits)
            for name, bits in (("count", 16), ("destination", 16), ("p_field", 8))
        ),
        PacketField("seconds", "uint", 32),
        PacketField("fraction", "uint", 24),
        *(PacketField(name, "uint", 16) for name in ("event",)),
        *(PacketField(name, "uint", 8) for name in ("version", "transition")),
        *(PacketField(name, "uint", 16) for name in ("alarm", "occurrence")),
        *(PacketField(name, "uint", 4) for name in ("previous", "state", "severity", "peak_severity")),
        *(PacketField(name, "uint", 8) for name in ("check", "quality")),
        PacketField("parameter", "uint", 16),
        *(PacketField(name, "uint", 8) for name in ("n", "m")),
        *(PacketField(name, "float", 32) for name in ("value", "limit", "sigma", "peak")),
        *(PacketField(name, "uint", 32) for name in ("tick", "table_crc")),
        PacketField("crc", "uint", 16),
    ]
    read = {name: column[1] for name, column in ccsdspy.FixedLength(fields).load(str(path)).items()}
    assert (read["service"], read["subtype"], read["p_field"]) == (5, 4, 0x2F)
    assert read["seconds"] == 1_790_000_000
    assert read["fraction"] / 2**24 == pytest.approx(0.123456789, abs=6e-8)
    assert (read["event"], read["version"], read["transition"], read["alarm"], read["occurrence"]) == (
        4353,
        1,
        1,
        7,
        42,
    )
    assert (read["previous"], read["state"], read["severity"], read["peak_severity"]) == (0, 1, 4, 4)
    assert (read["check"], read["quality"], read["parameter"], read["n"], read["m"]) == (1, 1, 0x0101, 8, 10)
    assert read["value"] == pytest.approx(3.25e-4, rel=1e-7)
    assert read["limit"] == pytest.approx(2e-4, rel=1e-7)
    assert read["sigma"] == pytest.approx(1.1e-5, rel=1e-7)
    assert (read["tick"], read["table_crc"]) == (123456, 0xDEADBEEF)


def numbers():
    return st.floats(width=32)


def bits(width):
    return st.integers(0, 2**width - 1)


events = st.builds(
    Event,
    event=bits(16),
    transition=st.sampled_from(Transition),
    alarm=bits(16),
    occurrence=bits(16),
    previous=st.sampled_from(State),
    state=st.sampled_from(State),
    severity=bits(4),
    peak_severity=bits(4),
    check=bits(8),
    quality=bits(8),
    parameter=bits(16),
    n=bits(8),
    m=bits(8),
    value=numbers(),
    limit=numbers(),
    sigma=numbers(),
    peak=numbers(),
    tick=bits(32),
    table_crc=bits(32),
    previous_overlay=st.booleans(),
    overlay=st.booleans(),
)


@given(events)
def test_an_event_comes_back_as_it_was(sent):
    body = event.pack(sent)
    assert len(body) == 40
    assert event.pack(event.unpack(body)) == body
    # NaN is not equal to itself; its text is
    assert repr(event.unpack(body)) == repr(sent)


def test_a_value_beyond_f32_is_infinite_and_a_counter_wraps():
    extreme = event.unpack(
        event.pack(Event(**fields(value=1e300, limit=-1e300, occurrence=65536, tick=2**32 + 5)))
    )
    assert (extreme.value, extreme.limit, extreme.occurrence, extreme.tick) == (math.inf, -math.inf, 0, 5)


def fields(**changes):
    return {name: getattr(LEAK, name) for name in Event.__dataclass_fields__} | changes


def test_the_subtype_is_the_severity_of_what_is_announced():
    announced = [event.subservice(Transition.RAISE, severity) for severity in Severity]
    assert announced == [1, 1, 2, 3, 4]
    assert event.subservice(Transition.ESCALATE, Severity.HIGH) == 4
    assert {event.subservice(each, Severity.HIGH) for each in Transition if each not in (1, 2)} == {1}


@given(st.binary(max_size=80))
def test_garbage_is_no_event_or_an_event(body):
    try:
        event.unpack(body)
    except PacketError:
        return
    assert len(body) == 40


def test_another_version_is_refused():
    body = bytearray(event.pack(LEAK))
    body[2] = 2
    with pytest.raises(PacketError, match="version 2"):
        event.unpack(bytes(body))
