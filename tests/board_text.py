"""A small valid board, in pieces: its head with one line, an absolute pressure, a temperature, a tank of nitrogen.

A test puts together what it needs, adds what it is about, and changes a word where it must differ.
"""

from collections.abc import Mapping

HEAD = """
[board]
name = "small"
rate = "10 Hz"
apid = 5

[lines.bus]
device = "/nowhere"
"""
PT = """
[instruments.pt]
line = "bus"
dialect = "modbus_rtu"
address = 1

[instruments.pt.channels.pressure]
quantity = "pressure"
unit = "bar"
reference = "absolute"
register = 40003
type = "f32"
noise = "100 Pa"
stale_after = "1 s"
"""
TT = """
[instruments.tt]
line = "bus"
dialect = "modbus_rtu"
address = 2

[instruments.tt.channels.temperature]
quantity = "temperature"
unit = "degC"
register = 40003
type = "f32"
noise = "0.05 K"
stale_after = "1 s"
"""
TANK = """
[vessels.tank]
model = "gas"
pressure = "pt.pressure"
temperature = "tt.temperature"
volume = "4 L"
fluid = "nitrogen"
limit = "1 bar absolute"
"""


def changed(text: str, changes: Mapping[str, str]) -> str:
    """The text with each of these put differently; what is changed must be there once."""
    for old, new in changes.items():
        assert text.count(old) == 1, f"{old!r} must be there once"
        text = text.replace(old, new)
    return text
