"""The world that the program is connected to: plants, sensors, instruments, lines, and their faults."""

import zlib
from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel

from hil import faults, instruments, plant, sensor
from hil.faults import Babble, Babbler, FaultyInstrument, FaultySource
from hil.faults.line import Action, LineFault, Wire
from hil.instruments import Instrument, Source
from hil.scenario import Case
from hil.wire import Line, byte_ns


class Rig:
    """Built new for each run. Every random stream is seeded by the scenario's seed and its own path alone.

    ValueError when a fault cannot act where the scenario puts it.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self._plants = {name: plant.build(options) for name, options in case.plants.items()}
        self.duration_ns = case.scenario.duration
        self.lines: Mapping[str, Line] = {name: self._line(name) for name in case.board.file.lines}
        for fault in case.faults:
            if isinstance(fault, LineFault | Babble) and fault.on not in self.lines:
                raise ValueError(
                    f"fault {fault.kind!r} on {fault.on!r}: takes a line: {', '.join(self.lines)}"
                )

    def actions(self, wires: Mapping[str, Wire]) -> list[Action]:
        """(time_ns, what to call then, with the time) of all faults of lines, in order of time."""
        return faults.actions(self._case.faults, wires)

    def _line(self, name: str) -> Line:
        settings = self._case.board.file.lines[name]
        byte = byte_ns(settings.baud, settings.format)
        talkers = [
            self._instrument(f"{name}/{instrument}", self._case.instruments[instrument], byte)
            for instrument, at in self._case.board.file.instruments.items()
            if at.line == name
        ]
        babblers = [
            Babbler(fault, self._rng(f"{name}/babble/{index}"))
            for index, fault in enumerate(self._case.faults)
            if isinstance(fault, Babble) and fault.on == name
        ]
        return Line([*talkers, *babblers], byte, echo=settings.echo == "expect")

    def _instrument(self, path: str, options: BaseModel, byte: int) -> Instrument:
        def source(channel: sensor.Options) -> Source:
            return self._source(path, channel)

        built = instruments.build(options, source, byte)
        concerned = [fault for fault in self._case.faults if fault.concerns(path)]
        return FaultyInstrument(built, concerned, self._rng(path)) if concerned else built

    def _source(self, path: str, channel: sensor.Options) -> Source:
        owner, _, variable = channel.reads.partition(".")
        path = f"{path}/{variable}"
        truth = plant.reading(self._plants[owner], variable)
        measured = sensor.Sensor(channel, truth, plant.UNITS[variable], self._rng(path))
        concerned = [fault for fault in self._case.faults if fault.concerns(path)]
        return FaultySource(measured, concerned, self._rng(path + "/faults")) if concerned else measured

    def _rng(self, path: str) -> np.random.Generator:
        return np.random.default_rng([self._case.scenario.seed, zlib.crc32(path.encode())])
