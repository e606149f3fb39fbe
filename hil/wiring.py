"""What the board file says of each instrument, in the words of the bench's own fakes.

A board says how an instrument is addressed and what it sends; the scenario adds what it reads and how badly.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hil.quantity import si

Keys = Mapping[str, Any]

# As Modbus manuals count: 40001 is holding register 0 (function 3), 30001 is input register 0 (function 4).
_REFERENCES = ((400_001, 3), (300_001, 4), (40_001, 3), (30_001, 4))
_SEALED_PA = "101325 Pa"  # what a sealed gauge was sealed at, unless the board says


def modbus_rtu(board: Any, own: Keys, channels: Mapping[str, Keys]) -> dict[str, Any]:
    """A Modbus slave: its channels are registers."""
    registers = []
    for name, keys in channels.items():
        at = board.channels[name]
        function, address = _place(at)
        register = {
            "register": address,
            "function": function,
            "type": at.type,
            "order": at.order,
            "unit": at.unit or "",
            "scale": 1 / at.scale,
        }
        zero = _zero(at)
        registers.append({**register, **({} if zero is None else {"zero": zero}), **keys})
    return {"kind": "modbus", "address": board.address, **own, "channels": registers}


def ascii_poll(board: Any, own: Keys, channels: Mapping[str, Keys]) -> dict[str, Any]:
    """An instrument of a profile, as its fake is called; its channels differ in what they measure."""
    by_quantity = {board.channels[name].quantity: dict(keys) for name, keys in channels.items()}
    units = [c.unit for c in board.channels.values() if c.quantity == "pressure" and c.unit]
    unit = {"unit": units[0]} if units else {}
    return {"kind": board.profile, "address": board.address, **unit, **own, **by_quantity}


DIALECTS: Mapping[str, Callable[[Any, Keys, Mapping[str, Keys]], dict[str, Any]]] = {
    "modbus_rtu": modbus_rtu,
    "ascii_poll": ascii_poll,
}
"""Dialect of the board -> table of the fake, made of the instrument on the board, the scenario's keys for it,
and those for each of its channels."""


def _place(at: Any) -> tuple[int, int]:
    """Function and 0-based address."""
    if at.address is not None:
        return at.function or 3, at.address
    for first, function in _REFERENCES:
        if at.reference_number >= first:
            return function, at.reference_number - first
    raise ValueError(f"register {at.reference_number} is no reference number")


def _zero(at: Any) -> float | None:
    """The level, SI, at which the instrument sends 0; None: at the zero of its unit."""
    si_unit = "Pa" if at.quantity.startswith("pressure") else "K"
    offset = si(f"{at.offset} {at.unit}", si_unit) if at.offset else None
    if at.reference in (None, "absolute"):
        return offset
    return si(at.ambient or _SEALED_PA, "Pa") + (offset or 0.0)
