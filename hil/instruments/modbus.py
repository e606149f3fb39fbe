"""A Modbus RTU slave: functions 3 and 4, exceptions 1 to 3.

From "MODBUS over Serial Line" V1.02 and "MODBUS Application Protocol" V1.1b3 (modbus.org). A frame ends with
3.5 characters of silence, and by nothing else: so a slave keeps its place on a line where others talk.
"""

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hil import sensor
from hil.instruments import Forgery, Source
from hil.quantity import Duration, from_si, si

LARGEST_FRAME = 256
LARGEST_READ = 125  # registers
BROADCAST = 0
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
_SHORTEST_SILENCE_NS = 1_750_000  # fixed above 19200 baud
_TYPES = {"u16": "H", "s16": "h", "u32": "I", "s32": "i", "f32": "f", "f64": "d"}


class Register(sensor.Options):
    """One value of the map: `{ register = 2, unit = "bar", reads = "rig.pressure", noise = "100 Pa" }`."""

    address: int = Field(alias="register", ge=0, le=0xFFFF)  # 0-based
    function: Literal[3, 4] = 3
    type: Literal["u16", "s16", "u32", "s32", "f32", "f64"] = "f32"
    order: Literal["ABCD", "CDAB", "BADC", "DCBA"] = "ABCD"
    unit: str = ""  # what the instrument sends; default SI
    zero: str | float | None = None  # the level at which it sends 0: "101325 Pa" for a gauge
    scale: float = 1.0  # counts per unit, for the integer types

    @model_validator(mode="after")
    def _can_be_sent(self) -> "Register":
        from_si(self.unit or self.si_unit, self.si_unit)
        if self.zero is not None:
            si(self.zero, self.si_unit)
        return self

    @property
    def count(self) -> int:
        """How many registers it takes."""
        return struct.calcsize(_TYPES[self.type]) // 2

    @cached_property
    def _line(self) -> tuple[float, float]:
        """Factor and shift from SI to what is sent."""
        factor, shift = from_si(self.unit or self.si_unit, self.si_unit)
        if self.zero is not None:
            shift = -si(self.zero, self.si_unit) * factor
        return factor, shift

    def pack(self, value: float) -> bytes:
        """The registers' bytes in the order they are sent, for `value` in SI."""
        factor, shift = self._line
        return in_order(big_endian(self.type, (value * factor + shift) * self.scale), self.order)


class Options(BaseModel):
    """`{ kind = "modbus", address = 1, think = "5 ms", channels = [...] }`; `think` follows the silence that
    ends a request.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["modbus"]
    address: int = Field(ge=1, le=247)
    think: Duration = 2_000_000
    channels: tuple[Register, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_no_overlap(self) -> "Options":
        taken: set[tuple[int, int]] = set()
        for channel in self.channels:
            for address in range(channel.address, channel.address + channel.count):
                if address > 0xFFFF or (channel.function, address) in taken:
                    raise ValueError(f"register {address}, function {channel.function}: taken or past 65535")
                taken.add((channel.function, address))
        return self


def build(options: Options, source: Callable[[sensor.Options], Source], byte_ns: int) -> "Slave":
    """The slave of these options, reading what `source` gives for each channel."""
    return Slave(options, [source(channel) for channel in options.channels], byte_ns)


class Slave:
    """Deaf while it thinks and sends; a request that comes then is lost, as with the real ones."""

    def __init__(self, options: Options, sources: Sequence[Source], byte_ns: int) -> None:
        self._own = bytes([options.address])
        self._think_ns = options.think
        self._byte_ns = byte_ns
        self._silence_ns = max(byte_ns * 7 // 2, _SHORTEST_SILENCE_NS)
        self._channels = [
            (channel.function, range(channel.address, channel.address + channel.count), channel.pack, source)
            for channel, source in zip(options.channels, sources, strict=True)
        ]
        self._heard = bytearray()
        self._heard_ns = 0
        self._reply = b""
        self._reply_ns = 0

    @property
    def forgeries(self) -> Mapping[str, Forgery]:
        """False replies."""
        return FORGERIES

    @property
    def next_wake_ns(self) -> int | None:
        """The end of thinking, or of the silence that makes what was heard a frame, if that may be for this slave."""
        if self._reply:
            return self._reply_ns
        return self._heard_ns + self._silence_ns if self._heard[:1] == self._own else None

    def received(self, data: bytes, now_ns: int) -> None:
        """Bytes on the line; more than a frame's worth without a silence is kept only as too long."""
        if self._reply or not data:
            return
        begun_ns = now_ns - len(data) * self._byte_ns
        if self._heard and begun_ns - self._heard_ns >= self._silence_ns:
            self._finish(self._heard_ns + self._silence_ns)
            if self._reply:
                return
        self._heard += data[: LARGEST_FRAME + 1 - len(self._heard)]
        self._heard_ns = now_ns

    def wake(self, now_ns: int) -> bytes:
        """The reply when its time has come."""
        if not self._reply and self._heard and now_ns >= self._heard_ns + self._silence_ns:
            self._finish(now_ns)
        if not self._reply or now_ns < self._reply_ns:
            return b""
        reply, self._reply = self._reply, b""
        return reply

    def _finish(self, now_ns: int) -> None:
        frame = bytes(self._heard)
        self._heard.clear()
        if not 4 <= len(frame) <= LARGEST_FRAME or frame[:1] != self._own:
            return
        if seal(frame[:-2]) == frame:
            self._reply = seal(self._own + self._answer(frame[1:-2], now_ns))
            self._reply_ns = now_ns + self._think_ns

    def _answer(self, request: bytes, now_ns: int) -> bytes:
        """Function code and data of the reply, for those of a request."""
        function = request[0]
        if function not in (3, 4):
            return bytes([function | 0x80, ILLEGAL_FUNCTION])
        if len(request) != 5:
            return bytes([function | 0x80, ILLEGAL_VALUE])
        start, count = struct.unpack(">HH", request[1:])
        if not 1 <= count <= LARGEST_READ:
            return bytes([function | 0x80, ILLEGAL_VALUE])
        asked = range(start, start + count)
        words: dict[int, bytes] = {}
        for its_function, registers, pack, source in self._channels:
            if its_function != function or registers.stop <= start or registers.start >= asked.stop:
                continue
            packed = pack(source(now_ns))
            words |= {address: packed[2 * i : 2 * i + 2] for i, address in enumerate(registers)}
        if any(address not in words for address in asked):
            return bytes([function | 0x80, ILLEGAL_ADDRESS])
        return bytes([function, 2 * count]) + b"".join(words[address] for address in asked)


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0x8005 reflected (0xA001), begins at 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_OF_BYTE[(crc ^ byte) & 0xFF]
    return crc


def _crc_of_byte(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
    return byte


_CRC_OF_BYTE = tuple(map(_crc_of_byte, range(256)))


def seal(body: bytes) -> bytes:
    """The body and its CRC, low byte first."""
    return body + struct.pack("<H", crc16(body))


def big_endian(kind: str, value: float) -> bytes:
    """`value` as `kind` ("u16"... "f64"). An integer saturates; for NaN it is the most negative, or all ones
    if unsigned.
    """
    code = ">" + _TYPES[kind]
    if kind[0] == "f":
        try:
            return struct.pack(code, value)
        except OverflowError:
            return struct.pack(code, math.copysign(math.inf, value))
    bits = int(kind[1:])
    low, high = (0, 2**bits - 1) if kind[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if math.isnan(value):
        return struct.pack(code, high if kind[0] == "u" else low)
    return struct.pack(code, round(min(max(value, low), high)))


def in_order(big: bytes, order: str) -> bytes:
    """A big-endian number as makers send it: CDAB words swapped, BADC bytes within words, DCBA both."""
    if order == "ABCD":
        return big
    words = [big[i : i + 2] for i in range(0, len(big), 2)]
    if order in ("CDAB", "DCBA"):
        words.reverse()
    if order in ("BADC", "DCBA"):
        words = [word[::-1] for word in words]
    return b"".join(words)


FORGERIES: Mapping[str, Forgery] = {
    "bad_crc": lambda reply, _: reply[:-1] + bytes([reply[-1] ^ 0xFF]),
    "wrong_address": lambda reply, address: seal(bytes([address]) + reply[1:-2]),
    "wrong_function": lambda reply, function: seal(reply[:1] + bytes([function]) + reply[2:-2]),
    "exception": lambda reply, code: seal(bytes([reply[0], reply[1] | 0x80, code])),
}
