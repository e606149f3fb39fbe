"""The whole way with foreign software at both ends: pymodbus on the wire, space_packet_parser on the packets."""

import asyncio
import io
import random
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ccsdspy
import pytest
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice
from space_packet_parser import load_xtce
from spacepackets.ecss.tm import PusTm

from .conftest import FSW

FULL_PA, NOISE_PA, TEMPERATURE_C = 6.0e5, 100.0, 21.5
LEAK_PA_PER_S = 5_000.0


class Slaves:
    """Two pymodbus slaves on one line: a pressure in bar that falls once `leak` is called, and a temperature."""

    def __init__(self, device: str) -> None:
        self.leaking_since_s: float | None = None
        self.given_bar: set[float] = set()
        self._noise = random.Random(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server: Any = asyncio.run_coroutine_threadsafe(self._serve(device), self._loop).result(10)

    async def _serve(self, device: str) -> ModbusSerialServer:
        temperature = list(struct.unpack(">2H", struct.pack(">f", TEMPERATURE_C)))
        slaves = [
            SimDevice(1, [SimData(2, values=[0, 0], datatype=DataType.REGISTERS)], action=self._pressure),
            SimDevice(2, [SimData(2, values=temperature, datatype=DataType.REGISTERS)]),
        ]
        server = ModbusSerialServer(context=slaves, framer=FramerType.RTU, port=device, baudrate=19200)
        await server.serve_forever(background=True)
        return server

    async def _pressure(self, *request: Any) -> None:
        registers = request[4]
        fallen_pa = 0.0
        if self.leaking_since_s is not None:
            fallen_pa = LEAK_PA_PER_S * (time.monotonic() - self.leaking_since_s)
        data = struct.pack(">f", (FULL_PA - fallen_pa + self._noise.gauss(0.0, NOISE_PA)) / 1e5)
        self.given_bar.add(struct.unpack(">f", data)[0])
        registers[:2] = struct.unpack(">2H", data)

    def leak(self) -> None:
        self.leaking_since_s = time.monotonic()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.shutdown(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def slaves(wire: tuple[str, str]) -> Iterator[Slaves]:
    running = Slaves(wire[0])
    yield running
    running.close()


@pytest.mark.timeout(120)
def test_a_foreign_slave_leaks_and_foreign_software_reads_the_alarm(
    slaves: Slaves, wire: tuple[str, str], start: Callable[..., Any], tmp_path: Path
) -> None:
    fsw = start("bench_rig", "--device", f"bus={wire[1]}")
    database = subprocess.run([FSW, "xtce", "bench_rig"], capture_output=True, check=True).stdout
    definition = load_xtce(io.BytesIO(database))

    def alarm(packet: bytes) -> Any:
        return definition.parse_bytes(packet) if packet[7] == 5 else {}

    fsw.until(lambda packet: packet[7:9] == b"\x03\x19" and len(slaves.given_bar) > 80)
    before = [alarm(packet) for packet in fsw.packets if packet[7] == 5]
    assert [(each["alarm"], each["transition"]) for each in before if each["alarm"] == "rig.leak"] == []
    slaves.leak()
    raised = alarm(fsw.until(lambda packet: alarm(packet).get("alarm") == "rig.leak"))

    # The rate: dn/dt from dp/dt at constant temperature, m = p V M / (R T), nitrogen in 4 L. Physics, not our code.
    expected_kg_per_s = LEAK_PA_PER_S * 4e-3 * 28.0134e-3 / (8.314462618 * (273.15 + TEMPERATURE_C))
    assert (raised["transition"], raised["severity"], raised["state"]) == ("RAISE", "HIGH", "UNACK")
    assert raised["parameter"] == "rig.leak_rate"
    # Found within a second, from a handful of samples.
    assert abs(raised["value"] - expected_kg_per_s) < 3 * raised["sigma"] < 0.25 * expected_kg_per_s
    assert fsw.stop() == 0

    # Every packet is whole by another implementation, and every pressure is one that the slave gave.
    for packet in fsw.packets:
        PusTm.unpack(packet, timestamp_len=8)
    pressure_id = next(
        int(line.split()[0], 16)
        for line in subprocess.run(
            [FSW, "check", "bench_rig"], check=True, capture_output=True, text=True
        ).stdout.splitlines()
        if " pt1.pressure.raw " in line
    )
    given = {struct.unpack(">f", struct.pack(">f", value))[0] for value in slaves.given_bar}
    read = [value / 1e5 for packet in fsw.packets for value in good_values(packet, pressure_id)]
    assert len(read) > 80
    assert all(any(abs(value - each) < 1e-9 for each in given) for value in read)

    # ccsdspy reads the same file of packets.
    recording = tmp_path / "run.tm"
    recording.write_bytes(b"".join(fsw.packets))
    apids = ccsdspy.utils.split_by_apid(str(recording))
    assert set(apids) == {100}


def good_values(packet: bytes, parameter: int) -> Iterator[float]:
    """Values of one parameter in a TM[129,130], by the documented layout."""
    if packet[7:9] != b"\x81\x82":
        return
    for at in range(23, len(packet) - 2, 15):
        found, quality, _, value = struct.unpack_from(">HBid", packet, at)
        if found == parameter and quality & 0x0F == 1:
            yield value
