"""What an operator may ask of an alarm, named by its id, and the answer when it is refused."""

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """I have seen this occurrence of this alarm."""

    alarm: int
    occurrence: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Let go of a latched alarm whose condition is over."""

    alarm: int


@dataclass(frozen=True, slots=True)
class Shelve:
    """Mask it until a time on the monotonic clock; said again, the later word counts."""

    alarm: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Unshelve:
    """Take it off the shelf before its time."""

    alarm: int


@dataclass(frozen=True, slots=True)
class Suppress:
    """Mask it: another alarm explains it."""

    alarm: int


@dataclass(frozen=True, slots=True)
class Unsuppress:
    """Nothing explains it any more."""

    alarm: int


@dataclass(frozen=True, slots=True)
class OutOfService:
    """Mask it: its instrument is being worked on."""

    alarm: int


@dataclass(frozen=True, slots=True)
class InService:
    """The work is done."""

    alarm: int


Lay = Shelve | Suppress | OutOfService
Lift = Unshelve | Unsuppress | InService
Command = Acknowledge | Reset | Lay | Lift


class Reason(enum.IntEnum):
    """Why not, as coded in the packets."""

    UNKNOWN_ALARM = 1
    OTHER_OCCURRENCE = 2
    NOTHING_TO_ACKNOWLEDGE = 3
    CONDITION_TRUE = 4
    NOT_ACKNOWLEDGED = 5
    NOTHING_TO_RESET = 6
    ALREADY_SO = 7
    SHELF_IN_THE_PAST = 8
    SHELF_TOO_LONG = 9


@dataclass(frozen=True, slots=True)
class Refusal:
    """A command that changed nothing, and why."""

    command: Command
    reason: Reason
