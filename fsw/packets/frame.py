"""The format of all that leaves the monitor: CCSDS space packet, PUS-C secondary header, CUC time, CRC-16.

Modelled on CCSDS 133.0-B, 301.0-B and ECSS-E-ST-70-41C. The header words come from
spacepackets; a packet is then put together by one prepared `struct`, since that happens every tick: 1 us,
where an object for each packet costs ten.
"""

import binascii
import mmap
import re
from collections.abc import Iterator
from typing import NamedTuple

from spacepackets.ccsds.spacepacket import (  # type: ignore[import-untyped]
    MAX_APID,
    MAX_SEQ_COUNT,
    PacketType,
    SequenceFlags,
    get_sp_packet_id_raw,
    get_sp_psc_raw,
)
from spacepackets.ecss.defs import PusVersion  # type: ignore[import-untyped]

from fsw.clock import TimeStatus
from fsw.packets.field import Field, layout, names

NS_PER_S = 1_000_000_000
# One UDP datagram on any network, tunnels included; and far below the 4093 bytes up to which this CRC-16 is
# certain to find any three flipped bits (Koopman's table of Hamming distances for 0x1021).
MAX_PACKET_BYTES = 1400
# CUC, agency-defined epoch (1970 POSIX), 4 + 3 octets. 0x1F would claim TAI, which few computers keep.
P_FIELD = 0x2F

HEADER = (
    (
        Field("VERSION", "u3", "packet version number, 0"),
        Field("TYPE", "u1", "0: telemetry"),
        Field("SEC_HDR_FLG", "u1", "1: there is a secondary header"),
        Field("PKT_APID", "u11", "application process: the board"),
    ),
    (
        Field("SEQ_FLGS", "u2", "3: unsegmented"),
        Field("SRC_SEQ_CTR", "u14", "packets of this APID so far, modulo 16384"),
    ),
    Field("PKT_LEN", "u16", "bytes of the whole packet less 7"),
    (
        Field("PUS_VERSION", "u4", "2: PUS-C"),
        Field("TIME_STATUS", "u4", "what keeps the wall clock", names(TimeStatus)),
    ),
    Field("SERVICE", "u8", "service type"),
    Field("SUBSERVICE", "u8", "message subtype"),
    Field("MSG_COUNT", "u16", "packets of this service and subtype so far, modulo 65536"),
    Field("DESTINATION", "u16", "0: anyone"),
    (
        Field("P_FIELD", "u8", "0x2F: CUC, epoch 1970 (POSIX), 4 + 3 octets"),
        Field("TIME", "t56", "when, by the wall clock"),
    ),
)
TRAILER = Field("CRC", "u16", "CRC-16 of all bytes before it: polynomial 0x1021, start 0xFFFF")

_HEADER = layout(HEADER)
_CRC = layout([TRAILER])
OVERHEAD_BYTES = _HEADER.size + _CRC.size
MAX_BODY_BYTES = MAX_PACKET_BYTES - OVERHEAD_BYTES

_TM = get_sp_packet_id_raw(PacketType.TM, True, 0)
_WHOLE = get_sp_psc_raw(SequenceFlags.UNSEGMENTED, 0)
_PUS_C = PusVersion.PUS_C << 4
# The constant bits of a header, to find the next packet after a corrupted stretch.
_HEAD = re.compile(rb"[\x08-\x0f].[\xc0-\xff].{3}[\x20-\x2f].{6}\x2f", re.DOTALL)


class PacketError(ValueError):
    """These bytes are not a packet of ours, or not any more."""


class Frame(NamedTuple):
    """A packet taken apart; `unix_ns` counts from 1970 (POSIX), cut to steps of 2**-24 s."""

    apid: int
    sequence: int
    status: int
    service: int
    subservice: int
    counter: int
    destination: int
    unix_ns: int
    body: bytes


class Stretch(NamedTuple):
    """A run of bytes from `offset` on: one whole packet, or (`frame` None) what lies between packets.

    `torn`: the last one begins as a packet does and ends before it should.
    """

    offset: int
    data: bytes
    frame: Frame | None
    torn: bool = False


class Framer:
    """Makes packets of bodies and keeps the counters of one APID."""

    def __init__(self, apid: int) -> None:
        if not 0 <= apid < MAX_APID:
            raise ValueError(f"apid = {apid}: must be 0 to {MAX_APID - 1} ({MAX_APID} is for idle packets)")
        self._packet_id = _TM | apid
        self._sequence = 0
        self._counters: dict[tuple[int, int], int] = {}
        self._unix_offset_ns = 0
        self._version_status = _PUS_C

    def set_time(self, unix_offset_ns: int, status: int) -> None:
        """What to add to `now_ns` for POSIX time, and what keeps the wall clock."""
        self._unix_offset_ns = unix_offset_ns
        self._version_status = _PUS_C | status & 0xF

    def unix_ns(self, now_ns: int) -> int:
        """POSIX time of an instant on the monotonic clock."""
        return now_ns + self._unix_offset_ns

    def frame(self, service: int, subservice: int, now_ns: int, body: bytes = b"") -> bytes:
        """The packet, and the counters are moved on; ValueError past MAX_BODY_BYTES."""
        if len(body) > MAX_BODY_BYTES:
            raise ValueError(f"a body of {len(body)} bytes: at most {MAX_BODY_BYTES} fit in a packet")
        kind = (service, subservice)
        counter = self._counters.get(kind, 0)
        head = _HEADER.pack(
            self._packet_id,
            _WHOLE | self._sequence,
            OVERHEAD_BYTES + len(body) - 7,
            self._version_status,
            service,
            subservice,
            counter,
            0,
            cuc(self.unix_ns(now_ns)),
        )
        self._sequence = self._sequence + 1 & MAX_SEQ_COUNT
        self._counters[kind] = counter + 1 & 0xFFFF
        packet = head + body
        return packet + _CRC.pack(binascii.crc_hqx(packet, 0xFFFF))


def cuc(unix_ns: int) -> int:
    """P-field and time code as one 64-bit number; the seconds wrap in 2106."""
    return P_FIELD << 56 | (unix_ns << 24) // NS_PER_S & 0xFFFF_FFFF_FFFF_FF


def unix_ns(time_code: int) -> int:
    """The instant of a time code, rounded up so that `cuc` gives it back; PacketError on another P-field."""
    if time_code >> 56 != P_FIELD:
        raise PacketError(f"time P-field is 0x{time_code >> 56:02X}, not 0x{P_FIELD:02X}")
    return -(-(time_code & 0xFFFF_FFFF_FFFF_FF) * NS_PER_S >> 24)


def parse(packet: bytes) -> Frame:
    """Take one packet apart; PacketError on anything but exactly one whole, undamaged packet of ours."""
    size = len(packet)
    if not OVERHEAD_BYTES <= size <= MAX_PACKET_BYTES:
        raise PacketError(f"{size} bytes: a packet has {OVERHEAD_BYTES} to {MAX_PACKET_BYTES}")
    packet_id, sequence, _, version, service, subservice, counter, destination, time = _HEADER.unpack_from(
        packet
    )
    if packet_id & ~MAX_APID != _TM or sequence & ~MAX_SEQ_COUNT != _WHOLE:
        raise PacketError("not an unsegmented telemetry packet with a secondary header")
    if _declared_bytes(packet) != size:
        raise PacketError(f"{size} bytes, but the header says {_declared_bytes(packet)}")
    if version & 0xF0 != _PUS_C:
        raise PacketError(f"PUS version {version >> 4}, not {PusVersion.PUS_C:d}")
    if binascii.crc_hqx(packet, 0xFFFF):  # over data and CRC the remainder is zero
        raise PacketError("CRC-16 does not match")
    body = bytes(packet[_HEADER.size : -_CRC.size])
    return Frame(
        packet_id & MAX_APID,
        sequence & MAX_SEQ_COUNT,
        version & 0xF,
        service,
        subservice,
        counter,
        destination,
        unix_ns(time),
        body,
    )


def split(data: bytes | mmap.mmap) -> Iterator[Stretch]:
    """Cover `data` (bytes or mmap) with whole packets and the stretches between, leaving nothing out."""
    search_from = told = 0
    while found := _HEAD.search(data, search_from):
        start = found.start()
        end = start + _declared_bytes(found[0])
        try:
            frame = parse(data[start:end])
        except PacketError:
            search_from = start + 1
            continue
        if told < start:
            yield Stretch(told, data[told:start], None)
        yield Stretch(start, data[start:end], frame)
        search_from = told = end
    if told < len(data):
        yield Stretch(told, tail := data[told:], None, _is_torn(tail))


def _is_torn(tail: bytes) -> bool:
    return len(tail) < OVERHEAD_BYTES or (_HEAD.match(tail) is not None and _declared_bytes(tail) > len(tail))


def _declared_bytes(packet: bytes) -> int:
    return 7 + int.from_bytes(packet[4:6])  # the field counts the bytes after the primary header, less one
