"""Modbus RTU master: reads holding registers (function 3) and input registers (function 4); it never writes.

Frames are told apart by length and checksum, not by silence: USB adapters batch bytes, so gaps mean nothing.
"""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastcrc import crc16
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fsw.bus.protocols import Exchange, Reply, Timing
from fsw.sample import Fault

MOST_REGISTERS = 125  # in one reply: its byte count is one byte
READ_FUNCTIONS = (3, 4)
EXCEPTION = 0x80  # added to the function in an exception reply
EXCEPTION_BYTES = 5
_SHORTEST_GAP_NS = (
    1_750_000  # the standard's fixed silence above 19200 baud; below, 3.5 characters are longer
)

_STRUCT_CODES = {"u16": "H", "s16": "h", "u32": "I", "s32": "i", "f32": "f", "f64": "d"}
_LARGEST_F32 = (2 - 2**-23) * 2.0**127
# What instruments send instead of a reading: the ends of the signed range. Unsigned ones have no such habit.
_USUAL_BAD = {"s16": (0x7FFF, 0x8000), "s32": (0x7FFF_FFFF, 0x8000_0000)}
# reference number -> (function, address), in the five- and the six-digit notation
_REFERENCE_NUMBERS = (
    (range(30_001, 40_000), 4),
    (range(40_001, 50_000), 3),
    (range(300_001, 365_537), 4),
    (range(400_001, 465_537), 3),
)


class Options(BaseModel):
    """Keys of an instrument."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: int = Field(ge=1, le=247, description="slave address")
    merge: bool = Field(default=True, description="read neighbouring registers in one exchange")


class ChannelOptions(BaseModel):
    """Keys of a channel: where its registers are and what they hold; value = scale * registers + offset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reference_number: int | None = Field(
        default=None, alias="register", description="40003 or 400003: holding; 30003 or 300003: input"
    )
    address: int | None = Field(
        default=None, ge=0, le=0xFFFF, description="0-based register, in place of `register`"
    )
    function: Literal[3, 4] | None = Field(
        default=None, description="3 holding (default with `address`), 4 input"
    )
    type: Literal["u16", "s16", "u32", "s32", "f32", "f64"]
    order: Literal["ABCD", "CDAB", "BADC", "DCBA"] = Field(
        default="ABCD", description="of the bytes on the wire, A the most significant; f64 likewise"
    )
    scale: float = Field(default=1.0, allow_inf_nan=False)
    offset: float = Field(default=0.0, allow_inf_nan=False)
    bad: tuple[Annotated[int | float, Field(allow_inf_nan=False)], ...] | None = Field(
        default=None,
        description="what it sends instead of a reading: bit patterns (0x7FFF) of integers, values of floats;"
        " default: both ends of the range for s16 and s32. NaN and infinity are always bad",
    )

    @model_validator(mode="after")
    def _check(self) -> "ChannelOptions":
        function, address = self.place()
        if address + self.registers > 0x1_0000:
            raise ValueError(
                f"register address {address} + {self.registers} registers: the last address is 65535"
            )
        if self.function not in (None, function):
            raise ValueError(
                f"register {self.reference_number} is read with function {function}, not {self.function}"
            )
        if self.scale == 0:
            raise ValueError("scale 0 makes every reading 0: leave it out or give units per count")
        for pattern in self.bad or ():
            self._check_bad(pattern)
        return self

    def _check_bad(self, pattern: float) -> None:
        if self.type[0] == "f":
            if self.type == "f32" and abs(pattern) > _LARGEST_F32:
                raise ValueError(f"bad value {pattern}: the largest f32 is {_LARGEST_F32:g}")
        elif not isinstance(pattern, int) or not -(1 << self.bits - 1) <= pattern < 1 << self.bits:
            raise ValueError(f"bad value {pattern}: {self.type} is a whole number of {self.bits} bits")

    @property
    def bits(self) -> int:
        """Of the type."""
        return int(self.type[1:])

    @property
    def registers(self) -> int:
        """How many registers of 16 bits the type takes."""
        return self.bits // 16

    def place(self) -> tuple[int, int]:
        """Function and 0-based address; ValueError when they are not given once and clearly."""
        if (self.reference_number is None) == (self.address is None):
            raise ValueError(
                "give `register` (such as 40003) or the 0-based `address` (such as 2): one of the two"
            )
        if self.address is not None:
            return self.function or 3, self.address
        for numbers, function in _REFERENCE_NUMBERS:
            if self.reference_number is not None and self.reference_number in numbers:
                return function, numbers.index(self.reference_number)
        raise ValueError(
            f"register {self.reference_number} is not one of 40001..49999 (holding) or 30001..39999 (input),"
            " six digits to 465536 and 365536; for a bare register give the 0-based `address`"
        )


@dataclass(frozen=True, slots=True)
class _Field:
    """One channel in the registers of a reply."""

    places: tuple[int, ...]  # where its bytes are in the registers, the most significant first
    code: str
    bad: frozenset[float]
    scale: float
    offset: float


class Read:
    """Reads `registers` registers from `start` of slave `address`, and the channels in them."""

    def __init__(self, address: int, function: int, start: int, channels: Sequence[ChannelOptions]) -> None:
        registers = max(channel.place()[1] + channel.registers for channel in channels) - start
        self.request = _with_crc(struct.pack(">BBHH", address, function, start, registers))
        self.reply_bytes = 3 + 2 * registers + 2
        self._head = bytes((address, function, 2 * registers))
        self._exception_head = bytes((address, function | EXCEPTION))
        parts = [_field(channel, start) for channel in channels]
        places = [place for part in parts for place in part.places]
        self._places = None if places == list(range(2 * registers)) else places
        self._layout = struct.Struct(">" + "".join(part.code for part in parts))
        self._fields = [(part.bad, part.scale, part.offset) for part in parts]

    def read(self, reply: bytes) -> Reply | None:
        """The first whole frame of this exchange; bytes before it are junk and passed over."""
        if reply.startswith(self._head):  # nearly always
            if len(reply) < self.reply_bytes:
                return None
            frame = reply[: self.reply_bytes]
            if crc16.modbus(frame) == 0:  # over data and its own checksum
                return Reply(self._values(frame[3:-2]), Fault.NONE, len(frame))
        return self._search(reply)

    def _search(self, reply: bytes) -> Reply | None:
        unfinished = damaged = False
        for start in range(len(reply) - 1):
            head = reply[start : start + 3]
            ours = head == self._head or head.startswith(self._exception_head)
            length = _frame_bytes(head)
            if length is None or not (ours or start + length <= len(reply)):
                continue
            frame = reply[start : start + length]
            if len(frame) < length:
                unfinished = True
            elif crc16.modbus(frame) == 0:
                return self._judge(frame, start + length)
            elif ours:
                damaged = True
        return Reply((), Fault.CHECKSUM, len(reply)) if damaged and not unfinished else None

    def _judge(self, frame: bytes, consumed: int) -> Reply:
        """What a whole frame with a good checksum says."""
        if frame.startswith(self._head):
            return Reply(self._values(frame[3:-2]), Fault.NONE, consumed)
        if frame.startswith(self._exception_head):
            return Reply((), Fault.EXCEPTION, consumed, code=frame[2])
        if frame[0] != self._head[0]:
            return Reply((), Fault.WRONG_ADDRESS, consumed)
        if frame[1] & ~EXCEPTION != self._head[1]:
            return Reply((), Fault.WRONG_FUNCTION, consumed)
        return Reply((), Fault.MALFORMED, consumed)  # another number of registers than asked for

    def _values(self, registers: bytes) -> tuple[float, ...]:
        if self._places is not None:
            registers = bytes([registers[place] for place in self._places])
        values = []
        for raw, (bad, scale, offset) in zip(self._layout.unpack(registers), self._fields, strict=True):
            value = scale * raw + offset
            values.append(value if raw not in bad and math.isfinite(value) else math.nan)
        return tuple(values)


def exchanges(
    options: Options, channels: Mapping[str, ChannelOptions]
) -> list[tuple[Exchange, tuple[str, ...]]]:
    """The exchanges that read all channels, neighbouring registers in one, and the channels of each."""
    return [
        (Read(options.address, function, start, [channels[name] for name in names]), names)
        for function, start, names in _blocks(channels, options.merge)
    ]


def timing(options: Options, byte_ns: int) -> Timing:
    """Silence of 3.5 characters before a request, fixed above 19200 baud; most slaves answer within 20 ms."""
    gap_ns = max((7 * byte_ns + 1) // 2, _SHORTEST_GAP_NS)
    return Timing(gap_ns=gap_ns, timeout_ns=100_000_000, quiet_ns=200_000_000)


def unit(options: Options, channel: ChannelOptions) -> str | None:
    """Registers have no unit of their own."""
    return None


def _blocks(
    channels: Mapping[str, ChannelOptions], merge: bool
) -> Iterable[tuple[int, int, tuple[str, ...]]]:
    """(function, first register, channel names) of each exchange, registers ascending."""
    blocks: list[tuple[int, int, list[str]]] = []
    end = 0
    for name in sorted(channels, key=lambda name: channels[name].place()):
        function, address = channels[name].place()
        after = address + channels[name].registers
        if blocks and merge and blocks[-1][0] == function and address <= end:
            _, start, names = blocks[-1]
            if max(end, after) - start <= MOST_REGISTERS:
                names.append(name)
                end = max(end, after)
                continue
        blocks.append((function, address, [name]))
        end = after
    return [(function, start, tuple(names)) for function, start, names in blocks]


def _field(channel: ChannelOptions, start: int) -> _Field:
    first = 2 * (channel.place()[1] - start)
    words = [(first + place, first + place + 1) for place in range(0, 2 * channel.registers, 2)]
    if channel.order in ("CDAB", "DCBA"):
        words.reverse()
    if channel.order in ("BADC", "DCBA"):
        words = [(low, high) for high, low in words]
    code = _STRUCT_CODES[channel.type]
    patterns = _USUAL_BAD.get(channel.type, ()) if channel.bad is None else channel.bad
    return _Field(
        places=tuple(place for word in words for place in word),
        code=code,
        bad=frozenset(_decoded(pattern, channel) for pattern in patterns),
        scale=channel.scale,
        offset=channel.offset,
    )


def _decoded(pattern: float, channel: ChannelOptions) -> float:
    """A bad value as it is unpacked: 0x8000 in an s16 is -32768, and -9999.9 in an f32 is rounded."""
    code = _STRUCT_CODES[channel.type]
    if channel.type[0] == "f":
        return float(struct.unpack(code, struct.pack(code, pattern))[0])
    bits = int(pattern) & ((1 << channel.bits) - 1)
    return float(struct.unpack(">" + code, bits.to_bytes(channel.bits // 8, "big"))[0])


def _frame_bytes(head: bytes) -> int | None:
    """Length of the reply frame that starts so, any slave's; None: these bytes start none."""
    if head[1] & ~EXCEPTION not in READ_FUNCTIONS:
        return None
    if head[1] & EXCEPTION:
        return EXCEPTION_BYTES
    return 3 + head[2] + 2 if len(head) == 3 else None


def _with_crc(body: bytes) -> bytes:
    return body + crc16.modbus(body).to_bytes(2, "little")
