"""Faults of the bytes that an instrument sends, and the wrapper that puts them there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from pydantic import Field

from hil.faults.fault import Fault, Gate
from hil.instruments import Forgery, Instrument
from hil.quantity import Duration


@dataclass(frozen=True, slots=True)
class Reply:
    """What an instrument is about to send, when it begins, and what false replies its dialect could give."""

    begin_ns: int
    data: bytes
    forgeries: Mapping[str, Forgery]

    def forged(self, name: str, number: int) -> "Reply":
        """The false reply `name` in its place."""
        return replace(self, data=self.forgeries[name](self.data, number))


class ReplyFault(Fault):
    """A fault of replies; `forgery` is the false reply it needs of the dialect, if any."""

    forgery: ClassVar[str | None] = None

    def spoil(self, reply: Reply, rng: np.random.Generator) -> Sequence[Reply]:
        """What is sent in its place; nothing, or more than one."""
        raise NotImplementedError


class Silence(ReplyFault):
    """No reply."""

    def spoil(self, reply: Reply, rng: np.random.Generator) -> Sequence[Reply]:
        """Nothing."""
        return ()


class LateReply(ReplyFault):
    """The reply begins `delay` late."""

    delay: Duration

    def spoil(self, reply: Reply, rng: np.random.Generator) -> Sequence[Reply]:
        """Later."""
        return (replace(reply, begin_ns=reply.begin_ns + self.delay),)


class SlowBytes(ReplyFault):
    """Each byte begins `spacing` after the one before."""

    spacing: Duration

    def spoil(self, reply: Reply, rng: np.random.Generator) -> Sequence[Reply]:
        """Byte by byte."""
        return [
            replace(reply, begin_ns=reply.begin_ns + i * self.spacing, data=reply.data[i : i + 1])
            for i in range(len(reply.data))
        ]


class HeadLost(ReplyFault):
    """The first `bytes` are missing, as when a driver is enabled too late."""

    bytes: int = Field(default=1, ge=1)

    def spoil(self, reply: Reply, rng: np.random.Generator) -> Sequence[Reply]:
        """The rest."""
        return (replace(reply, data=reply.data[self.bytes :]),)


class TailLost(ReplyFault):
    """The last `bytes` are missing."""

    bytes: int = Field(default=1, ge=1)

    def spoil(self, reply: Reply, rng: np.random.Generator) -> Sequence[Reply]:
        """The rest."""
        return (replace(reply, data=reply.data[: -self.bytes]),)


class BitFlip(ReplyFault):
    """`bits` different bits of the reply are flipped, at random."""

    bits: int = Field(default=1, ge=1)

    def spoil(self, reply: Reply, rng: np.random.Generator) -> Sequence[Reply]:
        """As long as before."""
        data = bytearray(reply.data)
        for bit in rng.choice(8 * len(data), size=min(self.bits, 8 * len(data)), replace=False):
            data[bit // 8] ^= 1 << int(bit % 8)
        return (replace(reply, data=bytes(data)),)


class JunkBefore(ReplyFault):
    """`bytes` random bytes come before the reply, without a gap."""

    bytes: int = Field(default=3, ge=1)

    def spoil(self, reply: Reply, rng: np.random.Generator) -> Sequence[Reply]:
        """Longer than before."""
        return (replace(reply, data=rng.bytes(self.bytes) + reply.data),)


class Duplicate(ReplyFault):
    """The reply comes again, beginning `after` it began the first time."""

    after: Duration = 30_000_000

    def spoil(self, reply: Reply, rng: np.random.Generator) -> Sequence[Reply]:
        """Twice."""
        return (reply, replace(reply, begin_ns=reply.begin_ns + self.after))


class Collision(ReplyFault):
    """Another one answers at the same time; where either pulls the line down, it is down."""

    def spoil(self, reply: Reply, rng: np.random.Generator) -> Sequence[Reply]:
        """The AND of the reply and of random bytes."""
        other = rng.bytes(len(reply.data))
        return (replace(reply, data=bytes(a & b for a, b in zip(reply.data, other, strict=True))),)


class BadCrc(ReplyFault):
    """The reply's checksum is wrong."""

    forgery = "bad_crc"

    def spoil(self, reply: Reply, rng: np.random.Generator) -> Sequence[Reply]:
        """Forged."""
        return (reply.forged("bad_crc", 0),)


class WrongAddress(ReplyFault):
    """A sound reply in the name of `address`."""

    forgery = "wrong_address"
    address: int = Field(ge=0, le=255)

    def spoil(self, reply: Reply, rng: np.random.Generator) -> Sequence[Reply]:
        """Forged."""
        return (reply.forged("wrong_address", self.address),)


class WrongFunction(ReplyFault):
    """A sound reply to another `function`."""

    forgery = "wrong_function"
    function: int = Field(ge=0, le=255)

    def spoil(self, reply: Reply, rng: np.random.Generator) -> Sequence[Reply]:
        """Forged."""
        return (reply.forged("wrong_function", self.function),)


class Exceptional(ReplyFault):
    """The dialect's refusal with `code` in place of the reply."""

    forgery = "exception"
    code: int = Field(ge=0, le=255)

    def spoil(self, reply: Reply, rng: np.random.Generator) -> Sequence[Reply]:
        """Forged."""
        return (reply.forged("exception", self.code),)


class FaultyInstrument:
    """An Instrument whose replies suffer `faults`, each on what the one before left.

    ValueError when the instrument's dialect knows no such false reply.
    """

    def __init__(self, instrument: Instrument, faults: Iterable[Fault], rng: np.random.Generator) -> None:
        self._instrument = instrument
        self._rng = rng
        self._faults = [(fault, Gate(fault, rng)) for fault in faults if isinstance(fault, ReplyFault)]
        self._replies: list[Reply] = []
        for fault, _ in self._faults:
            if fault.forgery is not None and fault.forgery not in instrument.forgeries:
                raise ValueError(f"fault {fault.kind!r} on {fault.on!r}: this dialect has no such reply")

    @property
    def forgeries(self) -> Mapping[str, Forgery]:
        """Those of the instrument."""
        return self._instrument.forgeries

    @property
    def next_wake_ns(self) -> int | None:
        """The instrument's, or the beginning of the next spoilt reply."""
        wakes = [reply.begin_ns for reply in self._replies[:1]]
        if self._instrument.next_wake_ns is not None:
            wakes.append(self._instrument.next_wake_ns)
        return min(wakes, default=None)

    def received(self, data: bytes, now_ns: int) -> None:
        """The instrument hears as before."""
        self._instrument.received(data, now_ns)

    def wake(self, now_ns: int) -> bytes:
        """What it begins to send at `now_ns`, spoilt."""
        data = self._instrument.wake(now_ns)
        if data:
            replies: list[Reply] = [Reply(now_ns, data, self._instrument.forgeries)]
            for fault, gate in self._faults:
                if gate.strikes(now_ns):
                    replies = [spoilt for reply in replies for spoilt in fault.spoil(reply, self._rng)]
                    replies = [reply for reply in replies if reply.data]
            self._replies = sorted(self._replies + replies, key=lambda reply: reply.begin_ns)
        if self._replies and self._replies[0].begin_ns <= now_ns:
            return self._replies.pop(0).data
        return b""
