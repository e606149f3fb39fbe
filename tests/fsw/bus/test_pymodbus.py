"""An independent slave, pymodbus' server on a pty, read through Port and Poller: the same values as were written."""

import asyncio
import select
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from fsw.bus.poller import Counts, Poll, Poller
from fsw.bus.port import Event, Port, Settings
from fsw.bus.protocols import modbus_rtu
from fsw.sample import Fault, Quality, Sample

MS = 1_000_000
F64 = struct.unpack(">4H", struct.pack(">d", 101325.125))
HOLDING = {
    "p_abcd": ({"register": 40003, "type": "f32"}, [0x3F81, 0xB22D], 1.01325),
    "p_cdab": ({"register": 40005, "type": "f32", "order": "CDAB"}, [0xB22D, 0x3F81], 1.01325),
    "t_scaled": ({"register": 40007, "type": "s16", "scale": 0.1}, [0xFF38], -20.0),
    "count": ({"register": 40008, "type": "u32"}, [0x0001, 0x8BCD], 101325.0),
    "wide": ({"register": 40010, "type": "f64"}, list(F64), 101325.125),
    "broken": ({"register": 40014, "type": "f32"}, [0x7FC0, 0x0000], None),
}


@pytest.fixture
def slave(wire: tuple[str, str]) -> Iterator[None]:
    """pymodbus as slave 1, with the holding registers above and one input register pair."""
    registers = [0] * 20
    for keys, words, _ in HOLDING.values():
        start = int(str(keys["register"])) - 40001
        registers[start : start + len(words)] = words
    data = [SimData(0, values=registers, datatype=DataType.REGISTERS)]
    inputs = [SimData(0, values=[0x4120, 0x0000], datatype=DataType.REGISTERS)]
    bits = [SimData(0, values=[False], datatype=DataType.BITS)]
    device = SimDevice(1, (bits, bits, data, inputs))
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    servers: list[ModbusSerialServer] = []

    async def serve() -> None:
        server = ModbusSerialServer(context=device, framer=FramerType.RTU, port=wire[0], baudrate=19200)
        servers.append(server)
        await server.serve_forever(background=True)
        ready.set()

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(serve(), loop).result(10)
    assert ready.wait(10)
    yield
    asyncio.run_coroutine_threadsafe(servers[0].shutdown(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def run(device: str, channels: dict[str, dict[str, object]], cycles: int = 3) -> dict[str, list[Sample]]:
    """A few cycles of slave 1 over `device`: the samples of each channel, and those of `fault`."""
    parsed = {name: modbus_rtu.ChannelOptions.model_validate(keys) for name, keys in channels.items()}
    options = modbus_rtu.Options(address=1)
    port = Port(Settings(device, baud=19200), "bus")
    timing = modbus_rtu.timing(options, port.settings.byte_ns)
    rows = {name: row for row, name in enumerate([*channels, "fault"])}
    polls = [
        Poll(
            instrument="slave",
            exchange=exchange,
            rows=tuple(rows[name] for name in names),
            scale=(1.0,) * len(names),
            offset=(0.0,) * len(names),
            fault_row=rows["fault"],
            every=1,
            timeout_ns=500 * MS,
            gap_ns=timing.gap_ns,
            quiet_ns=timing.quiet_ns,
        )
        for exchange, names in modbus_rtu.exchanges(options, parsed)
    ]
    poller = Poller(polls, Counts(*range(100, 110)), port.settings.byte_ns, echo=False)
    samples: list[Sample] = []
    port.start()
    with select.epoll() as epoll:
        epoll.register(port.fileno(), select.EPOLLIN)
        next_cycle_ns = time.monotonic_ns() + 300 * MS
        end_ns = next_cycle_ns + cycles * 300 * MS
        while (now_ns := time.monotonic_ns()) < end_ns:
            if now_ns >= next_cycle_ns:
                next_cycle_ns += 300 * MS
                port.write(poller.cycle(now_ns))
            wake_ns = min(next_cycle_ns, poller.next_wake_ns or next_cycle_ns)
            ready = epoll.poll(max(0, wake_ns - now_ns) / 1e9)
            now_ns = time.monotonic_ns()
            event, data = port.step() if ready else (Event.NOTHING, b"")
            if event is Event.OPENED:
                poller.opened(now_ns)
            elif event is Event.DATA:
                port.write(poller.received(data, now_ns))
            port.write(poller.wake(now_ns))
            samples += poller.take()
    port.close()
    return {name: [sample for sample in samples if sample.row == row] for name, row in rows.items()}


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("slave")
def test_every_type_is_read_from_a_foreign_slave_as_it_was_written(wire: tuple[str, str]) -> None:
    found = run(wire[1], {name: dict(keys) for name, (keys, _, _) in HOLDING.items()})
    for name, (_, _, value) in HOLDING.items():
        assert len(found[name]) >= 2
        for sample in found[name]:
            if value is None:
                assert (sample.quality, sample.fault) == (Quality.BAD, Fault.BAD_VALUE)
            else:
                assert sample.value == pytest.approx(value, rel=1e-7)
                assert sample.quality == Quality.GOOD


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("slave")
def test_input_registers_are_others_and_a_missing_register_is_an_exception(wire: tuple[str, str]) -> None:
    found = run(
        wire[1], {"input": {"register": 30001, "type": "f32"}, "missing": {"register": 40401, "type": "f32"}}
    )
    assert {sample.value for sample in found["input"]} == {10.0}
    assert {sample.fault for sample in found["missing"]} == {Fault.EXCEPTION}
