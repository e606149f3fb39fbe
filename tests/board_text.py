"""What the boards of many tests share: an absolute pressure, a temperature, and a tank of nitrogen with both."""

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
