"""What the ids in packets stand for on one board: names, units, and what its author says to the operator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from fsw.alarm import Transition
from fsw.table import Parameter

if TYPE_CHECKING:
    from fsw.board.board import Board

WORSE = frozenset({Transition.RAISE, Transition.ESCALATE})  # when the operator needs the board's advice


class Advice(NamedTuple):
    """What the board's author has to say to the operator about an alarm."""

    text: str = ""
    guidance: str = ""

    def __str__(self) -> str:
        """ " | What it is. What to do.", in one line however it was written; "" where there is nothing."""
        parts = [" ".join(part.split()) for part in self]
        if all(parts) and parts[0][-1] not in ".!?":
            parts[0] += "."
        said = " ".join(filter(None, parts))
        return f" | {said}" if said else ""


@dataclass(frozen=True, slots=True)
class Names:
    """What the ids of a board stand for."""

    parameters: Mapping[int, Parameter] = field(default_factory=dict)
    alarms: Mapping[int, str] = field(default_factory=dict)
    sets: Mapping[int, tuple[Parameter, ...]] = field(default_factory=dict)
    advice: Mapping[int, Advice] = field(default_factory=dict)
    phases: Mapping[int, str] = field(default_factory=dict)
    apid: int | None = None  # of whose packets; None: of all

    @classmethod
    def of(cls, board: "Board") -> "Names":
        """The names of a loaded board."""
        return cls(
            {parameter.id: parameter for parameter in board.parameters},
            {limit.id: limit.name for limit in board.limits},
            {each.sid: tuple(board.parameters[row] for row in each.rows) for each in board.housekeeping},
            {limit.id: Advice(limit.text, limit.guidance) for limit in board.limits},
            {phase.id: phase.name for phase in board.phases},
            board.apid,
        )

    def in_packets_of(self, apid: int) -> "Names":
        """These, or none where the packets are another board's."""
        return self if self.apid in (None, apid) else Names()

    def parameter(self, id_: int) -> Parameter:
        """The parameter, or one named after its id."""
        return self.parameters.get(id_) or Parameter(id_, f"parameter {id_}", "")

    def alarm(self, id_: int) -> str:
        """The alarm's name, or its id."""
        return self.alarms.get(id_, f"alarm {id_}")

    def phase(self, id_: int) -> str:
        """The phase's name, or its id; "" for none."""
        return self.phases.get(id_, f"phase {id_}") if id_ else ""

    def members(self, sid: int, count: int) -> tuple[Parameter, ...]:
        """The parameters of a housekeeping set, by their places when the set is not this board's."""
        known = self.sets.get(sid, ())
        return (
            known if len(known) == count else tuple(Parameter(0, f"[{place}]", "") for place in range(count))
        )
