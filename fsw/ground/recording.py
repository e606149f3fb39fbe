"""What every kind of recording comes to: a stream of ticks, and what has to be told about them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from fsw.sample import Sample

NS_PER_S = 1_000_000_000


class Tick(NamedTuple):
    """One call of `Monitor.step`: `now_ns` decides, `unix_ns` and `status` label."""

    now_ns: int
    unix_ns: int
    status: int
    arrivals: Sequence[Sample]


class Start(NamedTuple):
    """From here on another process spoke: a monitor without memory. `origin`: what marked all of its samples."""

    origin: int


class Mark(NamedTuple):
    """Somebody wrote down what happened then: the `event` column of a recording."""

    unix_ns: int
    event: str


class Remark(NamedTuple):
    """Something about the recording itself that the reader of a replay must know; None: about all of it."""

    unix_ns: int | None
    text: str


Item = Tick | Start | Mark | Remark


class Recording(Protocol):
    """Something to replay."""

    @property
    def size(self) -> int:
        """Bytes in all."""

    @property
    def position(self) -> int:
        """Bytes read so far."""

    @property
    def dated(self) -> bool:
        """Its times count from 1970 and are shown as dates."""

    def items(self) -> Iterator[Item]:
        """A Start, then the rest in order of time. RecordingError when it cannot be read."""


class RecordingError(ValueError):
    """The recording cannot be read; the text says where."""


class WrongBoardError(ValueError):
    """The recording was made with another board."""
