"""A board with a table of each kind and most of the keys: for what it leads to, and for mistakes in it."""

from pathlib import Path

from tests import board_text

BOARD = """
[board]
name = "rig"
rate = "10 Hz"
apid = 100

[lines.bus]
device = "/dev/ttyS0"
baud = 19200
format = "8E1"

[instruments.pt]
line = "bus"
dialect = "modbus_rtu"
address = 1
timeout = "50 ms"

[instruments.pt.channels.pressure]
quantity = "pressure"
unit = "bar"
reference = "absolute"
register = 40003
type = "f32"
noise = "1 mbar"
range = ["0 bar absolute", "10 bar absolute"]
max_rate = "5 bar/s"
stale_after = "1 s"
stuck_after = "20 s"

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

[vessels.tank]
model = "gas"
pressure = "pt.pressure"
temperature = "tt.temperature"
volume = "4 L +/- 2 %"
fluid = "nitrogen"
limit = "3 bar absolute"
zero_leak = "592.15 sccm"

[limits.low]
parameter = "pt.pressure"
low = "4 bar absolute"
low_low = "30 psia"
deadband = "0.05 bar"
votes = "3 of 5"
response = "1 s"

[sinks.ground]
kind = "udp"
to = "127.0.0.1:10025"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "rig.toml"
    path.write_text(text)
    return path


def changed(old: str, new: str) -> str:
    """The board with one thing put differently."""
    return board_text.changed(BOARD, {old: new})
