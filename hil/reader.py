"""Reads packets as a foreign ground system would: with space_packet_parser and the XTCE of `fsw xtce BOARD`.

The bench has no decoder of its own that could share a mistake with the program.
"""

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from hil.program import ProgramError

_SERVICE = slice(7, 9)  # in the PUS-C secondary header: service, subservice
_HOUSEKEEPING = bytes((3, 25))
_ALARM_SERVICE = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """One alarm event, TM[5,x], with the time it arrived; its numbers are in the parameter's SI unit."""

    time_ns: int
    alarm: str
    transition: str
    severity: int
    parameter: str
    value: float
    limit: float
    sigma: float

    @property
    def raises(self) -> bool:
        """The alarm's condition became true."""
        return self.transition == "RAISE"

    @property
    def returns(self) -> bool:
        """The alarm's condition became false again."""
        return self.transition in ("RTN", "CLEAR")


class Report(NamedTuple):
    """One parameter in a housekeeping packet, SI; `quality` as the bits of the packet's byte."""

    name: str
    value: float
    sigma: float
    quality: int


def is_alarm(packet: bytes) -> bool:
    """TM[5,x]."""
    return packet[_SERVICE][:1] == bytes((_ALARM_SERVICE,))


def is_housekeeping(packet: bytes) -> bool:
    """TM[3,25]."""
    return packet[_SERVICE] == _HOUSEKEEPING


class Reader:
    """Decodes by one XTCE document."""

    def __init__(self, xtce: bytes) -> None:
        from space_packet_parser import load_xtce  # type: ignore[import-untyped]  # noqa: PLC0415  (slow)

        self._definition = load_xtce(io.BytesIO(xtce))

    def frame(self, time_ns: int, packet: bytes) -> Frame:
        """The alarm event in `packet`, which arrived at `time_ns`."""
        fields = self._parse(packet)
        return Frame(
            time_ns,
            str(fields["alarm"]),
            str(fields["transition"]),
            int(fields["severity"].raw_value),
            str(fields["parameter"]),
            float(fields["value"]),
            float(fields["limit"]),
            float(fields["sigma"]),
        )

    def reports(self, packet: bytes) -> Iterator[Report]:
        """The parameters in a housekeeping packet. XTCE names have dashes where parameters have dots."""
        fields = self._parse(packet)
        for key in fields:
            name = key.removesuffix("-quality")
            if name == key:
                continue
            quality = fields[f"{name}-origin"].raw_value << 4 | fields[key].raw_value
            dotted = name.replace("-", ".")
            yield Report(dotted, float(fields[name]), float(fields[f"{name}-sigma"]), quality)

    def _parse(self, packet: bytes) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # it only warns when a packet is longer or shorter than described
            try:
                return self._definition.parse_bytes(packet)
            except Exception as error:
                raise ProgramError(
                    f"a packet that its own XTCE does not describe: {error}\n{packet.hex()}"
                ) from error
