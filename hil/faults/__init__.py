"""What goes wrong, on purpose: the closed list FAULTS. One class a fault; wrappers put them in place.

Where a fault acts is its family, and its module:
  ReplyFault  on the bytes that an instrument sends   FaultyInstrument
  ValueFault  on what a sensor reads                  FaultySource
  LineFault   on the wire, at an instant              actions()
  Babble      is a talker of its own on the line      Babbler

Each wrapper takes from the faults it is given those of its family, and ignores the rest.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import PlainValidator

from hil.faults import line, reading, reply
from hil.faults.fault import Fault
from hil.faults.line import Babble, Babbler, actions
from hil.faults.reading import FaultySource
from hil.faults.reply import FaultyInstrument

__all__ = [
    "FAULTS",
    "AnyFault",
    "Babble",
    "Babbler",
    "Fault",
    "FaultyInstrument",
    "FaultySource",
    "actions",
    "options",
]

FAULTS: Mapping[str, type[Fault]] = {
    "silence": reply.Silence,
    "late_reply": reply.LateReply,
    "slow_bytes": reply.SlowBytes,
    "head_lost": reply.HeadLost,
    "tail_lost": reply.TailLost,
    "bit_flip": reply.BitFlip,
    "bad_crc": reply.BadCrc,
    "junk_before": reply.JunkBefore,
    "duplicate": reply.Duplicate,
    "collision": reply.Collision,
    "wrong_address": reply.WrongAddress,
    "wrong_function": reply.WrongFunction,
    "exception": reply.Exceptional,
    "stuck": reading.Stuck,
    "spike": reading.Offset,
    "step": reading.Offset,
    "drift": reading.Drift,
    "noise_up": reading.NoiseUp,
    "quantise": reading.Quantise,
    "nan": reading.NaN,
    "inf": reading.Inf,
    "saturate": reading.Saturate,
    "sentinel": reading.Sentinel,
    "unit_change": reading.UnitChange,
    "garbage": reading.Garbage,
    "unplug": line.Unplug,
    "replug": line.Replug,
    "echo": line.Echo,
    "babble": Babble,
}
"""The closed list, by the names that scenarios use."""


def options(table: object) -> Fault:
    """The validated fault that `table["kind"]` names; ValueError lists the faults there are."""
    if isinstance(table, Fault):
        return table
    kind = table.get("kind") if isinstance(table, Mapping) else None
    if not isinstance(kind, str) or kind not in FAULTS:
        raise ValueError(f"kind {kind!r} is none of {', '.join(FAULTS)}")
    return FAULTS[kind].model_validate(table)


AnyFault = Annotated[Fault, PlainValidator(options)]
"""For a scenario's own pydantic model: `fault: tuple[AnyFault, ...]`."""
