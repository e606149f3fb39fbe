"""A field of a packet, described once: the packers and the XTCE database are made from these lists."""

import enum
import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fsw.sample import Quality

F32_END = (2 - 2**-24) * 2.0**127  # from here on a number rounds to an infinite f32
_CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i32": "i", "f32": "f", "f64": "d"}


class Roster(enum.Enum):
    """Labels that only a board can give."""

    PARAMETER = "parameter"
    ALARM = "alarm"
    PHASE = "phase"


@dataclass(frozen=True, slots=True)
class Field:
    """A big-endian number; `type` is u, i, f or t (time, 2**-24 s since 1970) and its width in bits: u16."""

    name: str
    type: str
    text: str = ""
    labels: Mapping[int, str] | Roster | None = None
    unit: str = ""

    @property
    def bits(self) -> int:
        """Width."""
        return int(self.type[1:])


# A word is what `struct` sees as one number: a field, or bit fields that share it, most significant first.
Word = Field | tuple[Field, ...]


def names(kind: type[enum.IntEnum]) -> dict[int, str]:
    """The labels of an enumeration."""
    return {member.value: member.name for member in kind}


def layout(words: Iterable[Word]) -> struct.Struct:
    """The prepared packer of these words, without padding."""
    types = (
        word.type if isinstance(word, Field) else f"u{sum(part.bits for part in word)}" for word in words
    )
    return struct.Struct(">" + "".join(_CODES[kind] for kind in types))


def flat(words: Iterable[Word]) -> Iterator[Field]:
    """The fields in the order of their bits."""
    for word in words:
        yield from (word,) if isinstance(word, Field) else word


def single(value: float) -> float:
    """`value` as an f32 can carry it: infinite beyond its range, where `struct` would raise in mid-tick."""
    return value if -F32_END < value < F32_END or math.isnan(value) else math.copysign(math.inf, value)


def quality(prefix: str = "") -> tuple[Field, Field]:
    """A quality byte as two sets of flags: where the value came from, and how far it can be trusted."""
    return (
        Field(f"{prefix}origin", "u4", "where the value came from", _flags(4, "LIVE")),
        Field(f"{prefix}quality", "u4", "how far the value can be trusted", _flags(0, "NONE")),
    )


def quality_text(byte: int) -> str:
    """A quality byte for people: GOOD, BAD, GOOD|SIM."""
    return join_flags(byte, 0, "NONE") + ("|" + join_flags(byte, 4, "") if byte >> 4 else "")


def join_flags(byte: int, shift: int, none: str) -> str:
    """Names of the flags set in the four bits of `byte` from `shift` up."""
    flags: Sequence[Quality] = [flag for flag in Quality if flag & byte & 0xF << shift]
    return "|".join(str(flag.name) for flag in flags) or none


def _flags(shift: int, none: str) -> dict[int, str]:
    return {bits: join_flags(bits << shift, shift, none) for bits in range(16)}
