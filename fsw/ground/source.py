"""Where an operator reads packets from: a recording, a UDP port or a telemetry line, damage included."""

import mmap
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

from cobs import cobs  # type: ignore[import-untyped]

from fsw.packets.frame import Stretch, split
from fsw.sinks.serial import DELIMITER, MAX_FRAME_BYTES, open_line
from fsw.sinks.udp import address

LARGEST_DATAGRAM = 65536
READ_BYTES = 4096


def is_stream(source: str) -> bool:
    """Whether it goes on until somebody stops it."""
    return source.startswith(("udp:", "serial:"))


def read(source: str, baud: int) -> Iterator[Stretch]:
    """Stretches of FILE, udp:HOST:PORT or serial:DEVICE; offsets count bytes read. OSError, ValueError."""
    kind, _, where = source.partition(":")
    if kind == "udp" and is_stream(source):
        return _read_udp(where)
    if kind == "serial" and is_stream(source):
        return _read_line(where, baud)
    return _read_file(Path(source))


class Unstuffer:
    """Bytes of a telemetry line in, stretches out: COBS frames between zero bytes, each of bounded size."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._offset = 0

    def feed(self, data: bytes) -> Iterator[Stretch]:
        """What has come to its end with these bytes. Never raises, keeps at most one frame."""
        *ended, rest = data.split(DELIMITER)
        for part in ended:
            self._begun += part
            yield from self._end()
            self._offset += len(DELIMITER)
        self._begun += rest
        if len(self._begun) > MAX_FRAME_BYTES:
            yield self._junk()

    def _end(self) -> Iterator[Stretch]:
        if not self._begun:
            return
        try:
            (stretch,) = split(cobs.decode(bytes(self._begun)))
        except (cobs.DecodeError, ValueError):  # no frame, or not exactly one packet in it
            yield self._junk()
            return
        yield stretch._replace(offset=self._offset, torn=False)
        self._forget()

    def _junk(self) -> Stretch:
        stretch = Stretch(self._offset, bytes(self._begun), None)
        self._forget()
        return stretch

    def _forget(self) -> None:
        self._offset += len(self._begun)
        self._begun.clear()


def _read_file(path: Path) -> Iterator[Stretch]:
    with path.open("rb") as file:
        try:
            data: bytes | mmap.mmap = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (ValueError, OSError):  # empty, or a pipe
            data = file.read()
        yield from split(data)


def _read_udp(where: str) -> Iterator[Stretch]:
    host, port = address(where)
    family, _, _, _, here = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.bind(here)
        offset = 0
        while True:
            datagram = udp.recv(LARGEST_DATAGRAM)
            for stretch in split(datagram):
                yield stretch._replace(offset=offset + stretch.offset, torn=False)
            offset += len(datagram)


def _read_line(device: str, baud: int) -> Iterator[Stretch]:
    line = open_line(device, baud)
    try:
        unstuffer = Unstuffer()
        while True:
            select.select([line], [], [])
            data = os.read(line, READ_BYTES)
            if not data:
                raise OSError(f"{device} has gone")
            yield from unstuffer.feed(data)
    finally:
        os.close(line)
