"""What happens to a vessel and is no leak: a refill, a pump, a valve, a phase of a test."""

import enum
import math
from typing import NamedTuple


class Kind(enum.IntEnum):
    """What it was."""

    RISE = 1  # there is more in the vessel than before: a refill, a pump, a valve
    FALL = 2  # there is less, and it does not go on
    PHASE_BEGUN = 3
    PHASE_ENDED = 4
    PHASE_TIMED_OUT = 5
    NOISE_KNOWN = 6  # from now on the detector goes by measured noise


class Occurrence(NamedTuple):
    """One event of one vessel."""

    kind: Kind
    row: int  # of the vessel's inventory in the parameter table
    began_ns: int
    kg: float = math.nan  # how much more or less; NaN where that is not the point
    phase: int = 0  # which; 0 none
