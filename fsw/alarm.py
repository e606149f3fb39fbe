"""The life cycle of one alarm: what can happen to it, what that leads to, and what is reported.

Modelled on ISA-18.2. `LIFE_CYCLE` is all there is to know: what is not in the table does not happen, and a
command that would not happen is refused. The *condition* of an alarm is the last one established; bad data
changes nothing, since no limit changes by it. Overlays (shelved, suppressed, out of service) mask annunciation
and actions, never the life cycle beneath them.
"""

import enum
from dataclasses import dataclass, replace

from fsw.limit import Change, Limit


class State(enum.IntEnum):
    """Where an alarm stands; the condition is true in UNACK and ACKED, and only there."""

    NORMAL = 0
    UNACK = 1
    ACKED = 2
    RTN_UNACK = 3  # returned before anybody acknowledged it
    LATCHED_UNACK = 4  # returned, but waits for acknowledgement and reset
    LATCHED_ACKED = 5  # returned and acknowledged, but waits for reset


class Transition(enum.IntEnum):
    """What is reported, as coded in the packets."""

    RAISE = 1
    ESCALATE = 2
    DEESCALATE = 3
    RTN = 4
    ACK = 5
    CLEAR = 6
    SHELVE = 7
    UNSHELVE = 8
    SUPPRESS = 9
    UNSUPPRESS = 10
    OUT_OF_SERVICE = 11
    IN_SERVICE = 12
    CHATTER = 13
    REMIND = 14
    RESTORED = 15


class Trigger(enum.Enum):
    """What can happen to an alarm."""

    RAISE = enum.auto()  # the condition turns true
    WORSE = enum.auto()  # still true, graver
    BETTER = enum.auto()  # still true, less grave
    RETURN = enum.auto()  # the condition turns false; of a latching alarm, of one that acknowledges itself:
    RETURN_LATCHING = enum.auto()
    RETURN_AUTO_ACK = enum.auto()
    ACK = enum.auto()
    RESET = enum.auto()
    UNVEIL = enum.auto()  # the last overlay ends


_S, _T, _R = State, Trigger, Transition

# fmt: off
LIFE_CYCLE: dict[tuple[State, Trigger], tuple[State, tuple[Transition, ...]]] = {
    # from, what happens                      to                  reported
    (_S.NORMAL, _T.RAISE):                   (_S.UNACK,          (_R.RAISE,)),  # each raise is an occurrence

    (_S.UNACK, _T.ACK):                      (_S.ACKED,          (_R.ACK,)),
    (_S.UNACK, _T.WORSE):                    (_S.UNACK,          (_R.ESCALATE,)),
    (_S.UNACK, _T.BETTER):                   (_S.UNACK,          (_R.DEESCALATE,)),
    (_S.UNACK, _T.RETURN):                   (_S.RTN_UNACK,      (_R.RTN,)),
    (_S.UNACK, _T.RETURN_LATCHING):          (_S.LATCHED_UNACK,  (_R.RTN,)),
    (_S.UNACK, _T.RETURN_AUTO_ACK):          (_S.NORMAL,         (_R.RTN, _R.CLEAR)),

    (_S.ACKED, _T.WORSE):                    (_S.UNACK,          (_R.ESCALATE,)),  # annunciated again
    (_S.ACKED, _T.BETTER):                   (_S.ACKED,          (_R.DEESCALATE,)),
    (_S.ACKED, _T.RETURN):                   (_S.NORMAL,         (_R.CLEAR,)),
    (_S.ACKED, _T.RETURN_LATCHING):          (_S.LATCHED_ACKED,  (_R.RTN,)),
    (_S.ACKED, _T.RETURN_AUTO_ACK):          (_S.NORMAL,         (_R.CLEAR,)),
    (_S.ACKED, _T.UNVEIL):                   (_S.UNACK,          ()),  # the end of the overlay is reported

    (_S.RTN_UNACK, _T.ACK):                  (_S.NORMAL,         (_R.ACK, _R.CLEAR)),
    (_S.RTN_UNACK, _T.RAISE):                (_S.UNACK,          (_R.RAISE,)),

    (_S.LATCHED_UNACK, _T.ACK):              (_S.LATCHED_ACKED,  (_R.ACK,)),
    (_S.LATCHED_UNACK, _T.RAISE):            (_S.UNACK,          (_R.RAISE,)),

    (_S.LATCHED_ACKED, _T.RESET):            (_S.NORMAL,         (_R.CLEAR,)),
    (_S.LATCHED_ACKED, _T.RAISE):            (_S.UNACK,          (_R.RAISE,)),
}
# fmt: on


class Overlay(enum.IntFlag):
    """What masks an alarm."""

    SHELVED = 1
    SUPPRESSED = 2
    OUT_OF_SERVICE = 4


UNVEILED = Overlay(0)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm as it stands. `severity` is the condition's, its peak once that is over, 0 in NORMAL."""

    state: State = State.NORMAL
    occurrence: int = 0  # 1 to 65535, then 1 again; 0: never raised
    severity: int = 0
    peak_severity: int = 0
    overlays: Overlay = UNVEILED
    level: int = 0  # of the limit, as it said last
    evidence: Change | None = None  # what it said last since the start
    shelved_until_ns: int | None = None
    remind_at_ns: int | None = None
    raises_ns: tuple[int, ...] = ()  # the newest, as many as make a chatter
    quiet_at_ns: int | None = None  # chattering: when it counts as over, unless the limit changes again
    chatter_raises: int = 0

    @property
    def condition(self) -> bool:
        """The condition last established."""
        return self.state in (State.UNACK, State.ACKED)

    @property
    def deadline_ns(self) -> int | None:
        """When it needs attention though nothing changes."""
        times = (self.shelved_until_ns, self.remind_at_ns, self.quiet_at_ns)
        return min((time for time in times if time is not None), default=None)


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """One report: what the alarm event packet carries, but for tick, table CRC and source flags.

    value, limit, sigma, peak: of the parameter in `row`, SI, as the limit last decided; NaN unknown.
    """

    event: int
    transition: Transition
    alarm: int
    occurrence: int
    previous: State
    state: State
    previous_overlay: bool
    overlay: bool
    severity: int
    peak_severity: int  # on a report that ends in NORMAL: of the occurrence that ended
    check: int
    quality: int
    row: int
    n: int  # votes for, when it was decided; of a CHATTER report: raises counted so far
    m: int
    value: float
    limit: float
    sigma: float
    peak: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What must outlive a restart of one alarm; `level` is for the limits to take up."""

    alarm: int
    state: State
    occurrence: int
    severity: int
    peak_severity: int
    overlays: Overlay
    shelf_left_ns: int
    level: int


def trigger_of(alarm: Alarm, limit: Limit, severity: int) -> Trigger | None:
    """What a severity, as its limit has established it (0: none), means to the alarm; None: nothing new."""
    if not alarm.condition:
        return Trigger.RAISE if severity else None
    if severity > alarm.severity:
        return Trigger.WORSE
    if severity:
        return Trigger.BETTER if severity < alarm.severity else None
    if limit.latching:  # outranks auto_ack
        return Trigger.RETURN_LATCHING
    return Trigger.RETURN_AUTO_ACK if limit.auto_ack else Trigger.RETURN


def advance(alarm: Alarm, trigger: Trigger, severity: int = 0) -> tuple[Alarm, tuple[Transition, ...]] | None:
    """One row of the table, with its effect on occurrence and severities; None: there is no such row."""
    row = LIFE_CYCLE.get((alarm.state, trigger))
    if row is None:
        return None
    state, reports = row
    occurrence, peak, now = alarm.occurrence, alarm.peak_severity, alarm.severity
    if trigger is Trigger.RAISE:
        occurrence, peak, now = occurrence % 0xFFFF + 1, severity, severity
    elif trigger in (Trigger.WORSE, Trigger.BETTER):
        peak, now = max(peak, severity), severity
    if state is State.NORMAL:
        peak, now = 0, 0
    elif state not in (State.UNACK, State.ACKED):
        now = peak
    after = replace(alarm, state=state, occurrence=occurrence, severity=now, peak_severity=peak)
    return after, reports
