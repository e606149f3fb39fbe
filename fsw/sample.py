"""What came from outside: one value of one parameter at one instant, how far it can be trusted, and if not, why."""

import enum
from typing import NamedTuple


class Quality(enum.IntFlag):
    """How far a value can be trusted (low four bits) and where it came from (high four bits)."""

    GOOD = 1
    UNCERTAIN = 2
    BAD = 4
    STALE = 8
    SIM = 16
    TEST = 32
    REPLAY = 64
    GATED = 128


class Fault(enum.IntEnum):
    """Why a sample has no good value; also the value of an instrument's `fault` parameter."""

    NONE = 0
    NO_REPLY = 1
    CHECKSUM = 2
    MALFORMED = 3
    WRONG_ADDRESS = 4
    WRONG_FUNCTION = 5
    EXCEPTION = 6
    BAD_VALUE = 7
    OUT_OF_RANGE = 8
    IMPLAUSIBLE = 9
    PORT_LOST = 10
    NOT_POLLED = 11


class Sample(NamedTuple):
    """One arrival: `row` of the parameter table, `time_ns` on the monotonic clock, `value` in SI (NaN: none)."""

    row: int
    time_ns: int
    value: float
    quality: int = Quality.GOOD
    fault: int = Fault.NONE
