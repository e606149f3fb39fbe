"""The tables of a board file as pydantic models: what may be written, before any name in it is looked up.

The keys of a dialect, a leak model or a sink are declared by its own module; `board_file` joins them to the common.
"""

import functools
import operator
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from fsw.board import kinds
from fsw.leak.detector import Settings
from fsw.leak.thermal import Thermal
from fsw.quantity import Duration, Frequency, Interval, Occurrences, Reference

HIGHEST_RATE_HZ = 1000.0
LOWEST_RATE_HZ = 1.0

Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9_]{0,31}$",
        description="a small letter, then small letters, digits and _ (32 characters at most)",
        examples=["tank_1"],
    ),
]
Severity = Annotated[int, Field(ge=1, le=4)]
Level = Literal["low_low", "low", "high", "high_high"]

QUANTITIES = {  # what a channel may measure, and the SI unit of its parameter
    "pressure": "Pa",
    "pressure difference": "Pa",
    "temperature": "K",
    "mass": "kg",
    "mass flow": "kg/s",
    "volume flow": "m^3/s",
    "level": "m",
    "voltage": "V",
    "ratio": "",
}


class Table(BaseModel):
    """A table in which every key is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BoardTable(Table):
    """`[board]`: who is speaking, and how often."""

    name: Name
    description: str = ""
    rate: Frequency = Field(description="ticks a second; every instrument is asked once in `every` ticks")
    apid: int = Field(ge=0, le=2046, description="CCSDS application process id; 2047 is the idle packet's")
    housekeeping: Duration = Field(
        default=1_000_000_000, description="period of TM[3,25]", json_schema_extra={"default": "1 s"}
    )
    heartbeat: Duration = Field(
        default=10_000_000_000, description="period of TM[17,2]", json_schema_extra={"default": "10 s"}
    )
    false_alarms: Interval = Field(
        default=Occurrences(1, 31_557_600 * 1_000_000_000),
        description="leak alarms without a leak that are put up with, of all vessels together",
        json_schema_extra={"default": "1 per year"},
    )


class Line(Table):
    """`[lines.NAME]`: one serial line, with one or more instruments on it."""

    device: str = Field(min_length=1, description="/dev/serial/by-id/... or tcp:HOST:PORT")
    baud: int = Field(default=9600, ge=300, le=4_000_000)
    format: str = Field(
        default="8N1", pattern=r"^[78][NEO][12]$", description="data bits, parity and stop bits"
    )
    echo: Literal["none", "expect"] = Field(
        default="none", description="expect: the adapter sends back what it sent"
    )
    latency: Duration = Field(
        default=1_000_000,
        description="how long the adapter holds a reply back, for the time budget; FTDI: 16 ms as delivered",
        json_schema_extra={"default": "1 ms"},
    )


class Channel(Table):
    """`[instruments.NAME.channels.NAME]`: one number that an instrument gives; the dialect adds where to find it."""

    quantity: Literal[
        "pressure",
        "pressure difference",
        "temperature",
        "mass",
        "mass flow",
        "volume flow",
        "level",
        "voltage",
        "ratio",
    ]
    unit: str | None = Field(
        default=None, description="what the instrument sends; left out where the dialect fixes it"
    )
    reference: Reference | None = Field(default=None, description="of a pressure")
    ambient: str | None = Field(
        default=None, description='of a gauge pressure: what is outside, as "101.325 kPa absolute"'
    )
    noise: str = Field(description="one standard deviation, as the instrument shows it")
    resolution: str | None = Field(default=None, description="its step")
    accuracy: str | None = Field(
        default=None,
        description="how far it may be off besides noise, beside others on the same vessel; default: 10 x noise",
    )
    range: tuple[str, str] | None = Field(
        default=None, description="what it can measure; outside, a value is bad"
    )
    max_rate: str | None = Field(default=None, description='fastest change to believe, as "5 bar/s"')
    stale_after: Duration = Field(
        default=3_000_000_000, description="older than this is stale", json_schema_extra={"default": "3 s"}
    )
    stuck_after: Duration | None = Field(
        default=None, description="unchanged to the last bit for so long is stuck"
    )
    window: int = Field(
        default=15, ge=3, le=1025, description="samples that the despiking filter looks at; odd"
    )
    spike: float = Field(
        default=6.0,
        ge=3.0,
        le=100.0,
        allow_inf_nan=False,
        description="sigmas off the median that make a spike",
    )
    rate_window: Duration = Field(
        default=10_000_000_000, description="span of `.rate`", json_schema_extra={"default": "10 s"}
    )


class Instrument(Table):
    """`[instruments.NAME]`: one instrument on a line; the dialect adds its own keys."""

    line: Name
    dialect: str
    timeout: Duration | None = Field(
        default=None, description="longest wait for the start of a reply; default: the dialect's"
    )
    think: Duration = Field(
        default=5_000_000,
        description="how long it takes to answer, for the time budget",
        json_schema_extra={"default": "5 ms"},
    )
    gap: Duration | None = Field(
        default=None, description="silence it needs before a request; default: the dialect's"
    )
    every: int = Field(default=1, ge=1, le=10_000, description="asked once in so many ticks")
    channels: Mapping[Name, Channel]


class Vessel(Table):
    """`[vessels.NAME]`: what may leak; the leak model adds its own keys."""

    model: str
    thermal: Thermal = Thermal()
    detector: Settings = Settings()


class LimitTable(Table):
    """`[limits.NAME]`: bounds of one parameter, and what it takes to cross them."""

    parameter: str
    low_low: str | float | None = None
    low: str | float | None = None
    high: str | float | None = None
    high_high: str | float | None = None
    deadband: str | float = Field(default=0.0, description="how far back inside before it returns")
    severity: Mapping[Level, Severity] = Field(default_factory=dict)
    votes: str = Field(
        default="3 of 3", pattern=r"^\d{1,2} of \d{1,2}$", description="samples beyond, of the last so many"
    )
    return_votes: int = Field(
        default=3, ge=1, le=64, description="good samples inside in a row before it returns"
    )
    on_delay: Duration = Field(
        default=0, description="beyond for so long before it raises", json_schema_extra={"default": "0 s"}
    )
    off_delay: Duration = Field(
        default=0, description="inside for so long before it returns", json_schema_extra={"default": "0 s"}
    )
    sigma_k: float = Field(
        default=0.0, ge=0.0, le=100.0, allow_inf_nan=False, description="standard errors that count"
    )
    mode: Literal["sure", "cautious"] = Field(
        default="sure", description="sure: beyond by sigma_k; cautious: near by sigma_k"
    )
    max_age: Duration | None = Field(
        default=None, description="older values do not vote; default: the channel's stale_after"
    )
    on_bad: Literal["hold", "raise", "ignore"] = "hold"
    latching: bool = False
    auto_ack: bool = False
    chatter: Interval | None = Field(
        default=None, description="raised so often in so long, it is held and reported once"
    )
    remind: Duration = Field(
        default=0,
        description="reported again so often until acknowledged; 0: not",
        json_schema_extra={"default": "0 s"},
    )
    response: Duration | None = Field(
        default=None, description="longest time from the crossing to the alarm; checked at load"
    )
    text: str = Field(default="", max_length=200)
    guidance: str = Field(default="", max_length=1000)


class PhaseTable(Table):
    """`[phases.NAME]`: a time in which no leak of its vessels can be told; limits and instruments are judged on."""

    vessels: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="the vessels concerned; default: all"
    )
    time_out: Duration = Field(
        description="after so long leaks are judged again, whatever happens; at most 24 h"
    )
    settle: Duration = Field(
        default=60_000_000_000,
        description="after its end they are not judged for so long, either",
        json_schema_extra={"default": "60 s"},
    )
    at_start: bool = Field(default=False, description="in force from the monitor's start")
    parameter: str | None = Field(
        default=None, description="begins and ends it by crossing `above` or `below`"
    )
    above: str | float | None = None
    below: str | float | None = None


class Sink(Table):
    """`[sinks.NAME]`: where packets go; the kind adds its own keys."""

    kind: str


class BoardFile(Table):
    """A whole board file."""

    board: BoardTable
    lines: Mapping[Name, Line] = Field(min_length=1)
    instruments: Mapping[Name, Instrument] = Field(min_length=1)
    vessels: Mapping[Name, Vessel] = Field(default_factory=dict)
    limits: Mapping[Name, LimitTable] = Field(default_factory=dict)
    phases: Mapping[Name, PhaseTable] = Field(default_factory=dict)
    sinks: Mapping[Name, Sink] = Field(default_factory=dict)


@functools.cache
def board_file() -> type[BoardFile]:
    """`BoardFile` with every kind that is built in, as unions told apart by `dialect`, `model` and `kind`."""
    instruments = [
        _join(
            Instrument,
            dialect.Options,
            kind,
            "dialect",
            channels=_named(_join(Channel, dialect.ChannelOptions, kind)),
        )
        for kind, dialect in kinds.dialects().items()
    ]
    vessels = [_join(Vessel, model.Options, kind, "model") for kind, model in kinds.models().items()]
    sinks = [_join(Sink, sink.Options, kind, "kind") for kind, sink in kinds.sinks().items()]
    tables: dict[str, Any] = {
        "instruments": _named(_either(instruments, "dialect")),
        "vessels": _named(_either(vessels, "model"), least=0),
        "sinks": _named(_either(sinks, "kind"), least=0),
    }
    return create_model("BoardFile", __base__=BoardFile, __doc__=BoardFile.__doc__, **tables)


def _join(common: type[Table], own: type[BaseModel], kind: str, tag: str | None = None, **fields: Any) -> Any:
    """The common keys and a module's own in one table: an instance of it is an instance of the module's class."""
    if tag is not None:
        fields[tag] = (Literal[kind], ...)
    return create_model(f"{kind}_{common.__name__}", __base__=(common, own), __doc__=own.__doc__, **fields)


def _named(table: Any, least: int = 1) -> Any:
    """A field of such tables by name, at least so many."""
    if least:
        return dict[Name, table], Field(min_length=least)
    return dict[Name, table], Field(default_factory=dict)


def _either(tables: Iterable[Any], tag: str) -> Any:
    members = tuple(tables)
    if len(members) == 1:  # a union of one is no union, and takes no discriminator
        return members[0]
    return Annotated[functools.reduce(operator.or_, members), Field(discriminator=tag)]
