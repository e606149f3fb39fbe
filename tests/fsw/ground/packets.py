"""Packets to decode: one of each kind, and what may become of them on their way."""

import math

from hypothesis import strategies as st

from fsw.alarm import State, Transition
from fsw.ground.names import Names
from fsw.packets import event, frame, housekeeping, samples, transition
from fsw.packets.event import Event
from fsw.sample import Quality, Sample
from fsw.table import Parameter, Table
from tests.golden import GOLDEN_ALARM

PARAMETERS = (Parameter(0x0101, "rig.leak_rate", "kg/s"), Parameter(0x0203, "pt1.fault", ""))
NAMES = Names({each.id: each for each in PARAMETERS}, {7: "rig.leak"}, {1: PARAMETERS})


def every_kind() -> list[bytes]:
    """One packet of each kind and one that nobody knows."""
    framer = frame.Framer(100)
    framer.set_time(1_790_000_000_123_456_789, 2)
    table = Table(PARAMETERS)
    table.write(0, 3.25e-4, 1.1e-5, 0, Quality.GOOD)
    table.write(1, 1.0, math.nan, 0, Quality.GOOD)
    alarm = Event(
        1, Transition.RTN, 9, 2, State.UNACK, State.RTN_UNACK, 2, 3, 5, 4, 999, 1, 1, *[math.nan] * 4, 9, 9
    )
    entry = transition.Entry(7, 0x0101, 1, math.inf, 2e-4, 0, 4, 1_790_000_000_000_000_000)
    arrivals = [Sample(0, -2_500_000, 3.2512345678901e-4), Sample(1, 0, math.nan, Quality.BAD)]
    return [
        GOLDEN_ALARM,
        framer.frame(5, 1, 0, event.pack(alarm)),
        framer.frame(12, 12, 0, transition.pack([entry])),
        framer.frame(3, 25, 0, housekeeping.pack(1, table, (0, 1))),
        framer.frame(17, 2, 0),
        framer.frame(129, 130, 0, samples.pack(arrivals, (0x0101, 0x0203), 0, Quality.SIM)[0]),
        framer.frame(200, 1, 0, b"\xca\xfe"),
        framer.frame(5, 4, 0, b"\xca\xfe"),
    ]


PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(every_kind()),
    st.builds(
        lambda packet, at, bit: (
            packet[: at % len(packet)]
            + bytes([packet[at % len(packet)] ^ 1 << bit])
            + packet[at % len(packet) + 1 :]
        ),
        st.sampled_from(every_kind()),
        st.integers(0, 100),
        st.integers(0, 7),
    ),
    st.builds(
        lambda service, body: frame.Framer(1).frame(*service, 0, body),
        st.sampled_from([(5, 4), (12, 12), (3, 25), (17, 2), (129, 130), (1, 1)]),
        st.binary(max_size=60),
    ),
)
