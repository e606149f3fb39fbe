"""A board as every room wants it: names looked up, units converted, ids given. Plain data, ready to be wired."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsw.board.budget import Budget
from fsw.board.calibration import CalibrationFile
from fsw.board.ids import Ids
from fsw.board.schema import BoardFile
from fsw.board.vessel import VesselSpec
from fsw.bus.poller import Counts, Poll
from fsw.bus.port import Settings
from fsw.filters import Channel
from fsw.limits import Limit
from fsw.phases import Phase
from fsw.table import Parameter


@dataclass(frozen=True, slots=True)
class Line:
    """One serial line and what is asked on it."""

    name: str
    settings: Settings
    polls: tuple[Poll, ...]
    counts: Counts
    echo: bool
    budget: Budget


@dataclass(frozen=True, slots=True)
class SinkSpec:
    """Where packets go: `options` are those of the module `fsw.sinks.<kind>`, `samples` among them."""

    name: str
    kind: str
    options: Any


@dataclass(frozen=True, slots=True)
class HousekeepingSet:
    """The parameters of one TM[3,25] packet."""

    sid: int
    period_ns: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """What one board file leads to. `parameters[row]` describes a table row; `file` is what was written."""

    name: str
    description: str
    path: Path
    crc32: int  # of the file's bytes
    apid: int
    period_ns: int
    heartbeat_ns: int
    lines: tuple[Line, ...]
    parameters: tuple[Parameter, ...]
    channels: tuple[Channel, ...]
    vessels: tuple[VesselSpec, ...]
    limits: tuple[Limit, ...]  # in order of id
    limits_crc32: int  # of their definitions, as alarm frames carry it
    phases: tuple[Phase, ...]
    sinks: tuple[SinkSpec, ...]
    housekeeping: tuple[HousekeepingSet, ...]
    ids: Ids
    file: BoardFile
    calibration: CalibrationFile | None = None  # where there is one beside it; the numbers are in `vessels`
