"""A Paroscientific Digiquartz transmitter: P3 (pressure), Q3 (temperature), UN (which unit of pressure).

`*0100P3\\r\\n` (to 01, from the host 00) is answered `*000114.2345\\r\\n` once the measurement has been
integrated. There is no checksum, and what it does not understand it does not answer.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hil import sensor
from hil.instruments import Forgery, Source
from hil.quantity import Duration

ALL = 99  # as a destination: every transmitter on the line
LONGEST_COMMAND = 64
UNITS_PA: Mapping[str, tuple[int, float]] = {  # UN code and Pa
    "psi": (1, 6894.757),
    "hPa": (2, 100.0),
    "bar": (3, 1e5),
    "kPa": (4, 1e3),
    "MPa": (5, 1e6),
    "inHg": (6, 3386.389),
    "mmHg": (7, 133.322387),
    "mH2O": (8, 9806.65),
}
_ZERO_DEG_C_K = 273.15


class Options(BaseModel):
    """`{ kind = "paroscientific", address = 1, unit = "hPa", pressure = { reads = "cabin.pressure", noise =
    "2 Pa" } }`.

    `integration`: the reply begins that long after the command. Without `temperature`, Q3 is not understood.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["paroscientific"]
    address: int = Field(default=1, ge=1, le=98)
    unit: Literal["psi", "hPa", "bar", "kPa", "MPa", "inHg", "mmHg", "mH2O"] = "psi"
    integration: Duration = 20_000_000
    decimals: int = Field(default=4, ge=0, le=9)
    pressure: sensor.Options
    temperature: sensor.Options | None = None

    @model_validator(mode="after")
    def _reads_what_it_can(self) -> "Options":
        if self.pressure.si_unit != "Pa" or (self.temperature and self.temperature.si_unit != "K"):
            raise ValueError("pressure must read a pressure of the plant, temperature a temperature")
        return self


def build(options: Options, source: Callable[[sensor.Options], Source], byte_ns: int) -> "Transmitter":
    """The transmitter of these options; its commands end with a character, so `byte_ns` is of no interest to it."""
    return Transmitter(
        options, source(options.pressure), source(options.temperature) if options.temperature else None
    )


class Transmitter:
    """One measurement at a time: a new command breaks the one under way off."""

    def __init__(self, options: Options, pressure: Source, temperature: Source | None) -> None:
        self._options = options
        self._pressure = pressure
        self._temperature = temperature
        self._heard = bytearray()
        self._asked = ""
        self._asked_by = ""
        self._reply_ns = 0

    @property
    def forgeries(self) -> Mapping[str, Forgery]:
        """False replies."""
        return FORGERIES

    @property
    def next_wake_ns(self) -> int | None:
        """The end of the measurement under way."""
        return self._reply_ns if self._asked else None

    def received(self, data: bytes, now_ns: int) -> None:
        """Bytes on the line. A carriage return ends a command; a line feed after it may be missing."""
        for byte in data:
            if byte == ord("\r"):
                self._command(self._heard.decode("latin-1"), now_ns)
                self._heard.clear()
            elif len(self._heard) < LONGEST_COMMAND:
                self._heard.append(byte)

    def wake(self, now_ns: int) -> bytes:
        """The reply when its time has come; its value is of that instant."""
        if not self._asked or now_ns < self._reply_ns:
            return b""
        asked, self._asked = self._asked, ""
        return f"*{self._asked_by}{self._options.address:02d}{self._value(asked, now_ns)}\r\n".encode()

    def _command(self, text: str, now_ns: int) -> None:
        _, star, command = text.partition("*")
        to, sender, asked = command[:2], command[2:4], command[4:]
        if not (star and to.isascii() and to.isdigit() and sender.isascii() and sender.isdigit()):
            return
        known = {"P3", "UN"} | ({"Q3"} if self._temperature else set())
        if int(to) in (self._options.address, ALL) and asked in known:
            self._asked, self._asked_by = asked, sender
            self._reply_ns = now_ns + (0 if asked == "UN" else self._options.integration)

    def _value(self, asked: str, now_ns: int) -> str:
        code, unit_pa = UNITS_PA[self._options.unit]
        if asked == "UN":
            return f"UN={code}"
        if asked == "Q3" and self._temperature:
            return f"{self._temperature(now_ns) - _ZERO_DEG_C_K:.3f}"
        return f"{self._pressure(now_ns) / unit_pa:.{self._options.decimals}f}"


FORGERIES: Mapping[str, Forgery] = {
    "wrong_address": lambda reply, address: reply[:3] + f"{address:02d}".encode() + reply[5:],
}
