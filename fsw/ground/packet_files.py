"""Files of packets, damage included, as chunks of the sample packets TM[129,130] that follow one another."""

import binascii
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fsw.board.board import Board
from fsw.packets import event, frame, samples
from fsw.packets.field import layout

SUFFIX = ".tm"
CHUNK_PACKETS = 2048
LOOK_BYTES = 1 << 16  # looked at at once for the next packet behind damage
COUNTER = 1 << 16  # of packets of one kind
FRESH_SEQUENCE = 64  # packets that a first tick sends at most, in practice

_HEADER = layout(frame.HEADER)
_APID, _SEQUENCE, _STATUS = 0x7FF, 0x3FFF, 0xF
_TELEMETRY, _TELEMETRY_BITS = 0x0800, 0xF800
_CODE = 0xFF_FFFF_FFFF_FFFF
_COUNT = layout([samples.COUNT]).size
_TRAILER = layout([frame.TRAILER]).size
_TABLE_CRC = slice(-_TRAILER - 4, -_TRAILER)


@dataclass(slots=True)
class Jump:
    """A sample packet that does not follow the one before."""

    expected: int
    counter: int
    sequence: int


@dataclass(slots=True)
class Chunk:
    """Consecutive sample packets: whole ticks."""

    jump: Jump | None = None
    codes: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)  # told before it


class PacketFiles:
    """Files in the order in which they were written; a folder stands for the segments in it."""

    def __init__(self, paths: Sequence[Path], board: Board) -> None:
        self.paths = [each for path in paths for each in segments(path)]
        self.size = sum(path.stat().st_size for path in self.paths)
        self.position = 0
        self.foreign: dict[int, int] = {}  # APIDs that are not the board's: packets
        self._board = board
        self._other_limits: set[int] = set()  # CRCs that were told

    def chunks(self) -> Iterator[Chunk]:
        """The sample packets of all files; a chunk ends where the next packet does not follow."""
        chunk, expected = Chunk(), 0
        first = True
        before = 0
        for path in self.paths:
            for found in self._packets(path, before):
                if isinstance(found, str):
                    if chunk.bodies:
                        yield chunk
                        chunk = Chunk()
                    chunk.remarks.append(found)
                    continue
                sequence, status, counter, code, body = found
                follows = counter == expected and not (first and sequence > FRESH_SEQUENCE)
                full = len(chunk.bodies) >= CHUNK_PACKETS and code != chunk.codes[-1]
                if chunk.bodies and (full or not follows):
                    yield chunk
                    chunk = Chunk()
                if not follows:
                    chunk.jump = Jump(expected, counter, sequence)
                chunk.codes.append(code)
                chunk.statuses.append(status)
                chunk.bodies.append(body)
                expected, first = (counter + 1) % COUNTER, False
            before += path.stat().st_size
        if chunk.bodies or chunk.remarks:
            yield chunk

    def _packets(self, path: Path, before: int) -> Iterator[tuple[int, int, int, int, bytes] | str]:
        """(sequence, status, counter, time code, body) of each sample packet of our APID, and what to tell."""
        data, size = _content(path)
        offset, apid = 0, _TELEMETRY | self._board.apid
        unpack, crc = _HEADER.unpack_from, binascii.crc_hqx
        while offset < size:
            end = offset
            if offset + frame.OVERHEAD_BYTES <= size:
                packet_id, sequence, length, version, service, subservice, counter, _, code = unpack(
                    data, offset
                )
                end = offset + length + 7
            packet = data[offset:end]
            if (
                end - offset < frame.OVERHEAD_BYTES
                or end > size
                or packet_id & _TELEMETRY_BITS != _TELEMETRY
                or code >> 56 != frame.P_FIELD
                or crc(packet, 0xFFFF)
            ):
                offset, text = _behind_damage(path, data, offset, size)
                yield text
                continue
            offset = end
            self.position = before + offset
            if packet_id != apid:
                self.foreign[packet_id & _APID] = self.foreign.get(packet_id & _APID, 0) + 1
            elif service == samples.SERVICE and subservice == samples.SUBSERVICE:
                body = packet[_HEADER.size + _COUNT : -_TRAILER]
                if len(body) % samples.ENTRY_BYTES:
                    yield f"{path}: the packet before offset {offset} is no list of samples"
                    continue
                yield sequence & _SEQUENCE, version & _STATUS, counter, code & _CODE, body
            elif service == event.SERVICE and subservice in event.SUBSERVICES:
                yield from self._foreign_limits(int.from_bytes(packet[_TABLE_CRC]))

    def _foreign_limits(self, table_crc: int) -> Iterator[str]:
        """Once for each table of limits that is not the board's."""
        if table_crc != self._board.limits_crc32 and table_crc not in self._other_limits:
            self._other_limits.add(table_crc)
            yield (
                f"its alarms were judged by limits with CRC-32 {table_crc:08x}, those of {self._board.path} have "
                f"{self._board.limits_crc32:08x}: the replay need not agree"
            )


def segments(path: Path) -> list[Path]:
    """The files of a recording: itself, or those of its folder in their order."""
    return sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]


def _content(path: Path) -> tuple[bytes | mmap.mmap, int]:
    with path.open("rb") as file:
        try:
            data: bytes | mmap.mmap = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (ValueError, OSError):  # empty, or a pipe
            data = file.read()
    return data, len(data)


def _behind_damage(path: Path, data: bytes | mmap.mmap, offset: int, size: int) -> tuple[int, str]:
    """Where the next packet may begin, and what lies before it."""
    end, torn = offset, False
    while end < size:
        stretch = next(frame.split(data[end : end + LOOK_BYTES]))
        if stretch.frame is not None:
            break
        torn = stretch.torn and end + len(stretch.data) >= size
        whole_window = len(stretch.data) == LOOK_BYTES
        # A packet may begin in one window and end in the next.
        end += len(stretch.data) - (frame.MAX_PACKET_BYTES if whole_window else 0)
    end = min(end, size)
    what = "are an unfinished packet" if torn else "are no packet and were passed over"
    return end, f"{path}: {end - offset} bytes at offset {offset} {what}"
