"""One module a dialect; the module's name is the `dialect` of a board file. What every dialect offers:

    class Options(BaseModel)          its keys of `[instruments.NAME]`
    class ChannelOptions(BaseModel)   its keys of `[instruments.NAME.channels.NAME]`
    exchanges(options, channels)      -> list[tuple[Exchange, tuple[str, ...]]]: with the names of the values
    timing(options, byte_ns)          -> Timing: what the dialect wants where the board file says nothing
    unit(options, channel)            -> str | None: the unit of a channel where dialect and options fix it

Bytes in, values out: a dialect has no clock, no port and no memory of earlier exchanges.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from fsw.sample import Fault


class Reply(NamedTuple):
    """What the bytes after a request came to."""

    values: tuple[float, ...]  # in the instrument's units, NaN: a bad value; empty with a fault
    fault: Fault
    consumed: int  # bytes up to the end of the reply, junk before it included
    code: int = 0  # of an exception


class Exchange(Protocol):
    """One request and how to read its reply."""

    @property
    def request(self) -> bytes:
        """What is sent."""

    @property
    def reply_bytes(self) -> int:
        """The longest reply."""

    def read(self, reply: bytes) -> Reply | None:
        """The reply in these bytes, or None: more are needed. Never raises; the caller bounds the bytes."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times around an exchange, ns. Wire time comes on top."""

    gap_ns: int  # silence on the line before a request
    timeout_ns: int  # from the end of the request to the start of the reply
    quiet_ns: int  # how long after a failure an old reply may still come in
