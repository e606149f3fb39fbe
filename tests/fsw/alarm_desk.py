"""A book of alarms and an operator before it; states and transitions by the letters of the specification."""

from fsw.alarms import Acknowledge, AlarmBook, State, Transition
from fsw.limits import Change, Check, Level, Limit
from fsw.sample import Quality

S = 1_000_000_000
A, B, C, D, E, F = State
RAISE, ESCALATE, DEESCALATE, RTN, ACK, CLEAR = list(Transition)[:6]


def a_limit(**changes):
    settings = {"id": 7, "name": "tank.leak", "event": 0x1101, "row": 0, "check": Check.LIMIT, "high": 1.0}
    return Limit(**(settings | {"severity": (0, 0, 2, 4), "high_high": 2.0} | changes))


def a_change(severity, previous=0, index=0, **numbers):
    level = {0: Level.NONE, 2: Level.HIGH, 4: Level.HIGH_HIGH}
    given = {
        "value": float(severity),
        "sigma": 0.1,
        "limit": 1.0,
        "quality": Quality.GOOD,
        "hits": 8,
        "m": 10,
    }
    given |= {"peak": 4.0} | numbers
    return Change(index=index, previous=level[previous], level=level[severity], severity=severity, **given)


class Desk:
    """A book of alarms, an operator before it, and a clock."""

    def __init__(self, *limits):
        self.book = AlarmBook(limits or [a_limit()])
        self.now_ns = 0
        self.established = [0] * len(self.book.limits)

    def say(self, *commands):
        return self.seen(self.book.apply(self.now_ns, [], commands))

    def limit(self, severity, index=0):
        change = a_change(severity, self.established[index], index)
        self.established[index] = severity
        return self.seen(self.book.apply(self.now_ns, [change]))

    def wait(self, seconds):
        self.now_ns += round(seconds * S)
        return self.seen(self.book.apply(self.now_ns, []))

    def ack(self):
        return self.say(Acknowledge(7, self.alarm.occurrence))

    @staticmethod
    def seen(events):
        return [(event.transition, event.previous, event.state) for event in events]

    @property
    def alarm(self):
        return self.book.alarms[0]

    @property
    def refusals(self):
        return [refusal.reason for refusal in self.book.refused]


def in_state(state, **changes):
    """A desk whose alarm was led there."""
    latching = state in (E, F)
    desk = Desk(a_limit(**({"latching": latching} | changes)))
    if state is not A:
        desk.limit(2)
    if state in (C, F):
        desk.ack()
    if state in (D, E, F):
        desk.limit(0)
    assert desk.alarm.state is state
    return desk
