"""Packets to one UDP peer, one a datagram. Nothing waits: what cannot be sent now is dropped and counted."""

import contextlib
import socket
import threading
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

RESOLVE_AGAIN_S = 5.0


def address(text: str) -> tuple[str, int]:
    """Host and port of "host:port" or "[2001:db8::1]:port"; ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(
            f'{text!r}: must be "host:port" with a port from 1 to 65535, such as "192.168.1.20:10025"'
        )
    host = host.removeprefix("[").removesuffix("]")
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise ValueError(f"{host!r} cannot be the name of a host: {error}") from None
    return host, int(port)


def _checked(text: str) -> str:
    address(text)
    return text


class Options(BaseModel):
    """Where to. A name is looked up beside the loop, until it is found; packets before that are dropped."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: Annotated[str, AfterValidator(_checked)]
    samples: bool = False  # the raw samples, TM[129,130], as well: they are most of the bytes


class Sink:
    """One peer; whether anybody listens there makes no difference but to `dropped`."""

    def __init__(self, options: Options, board: str) -> None:
        self.dropped = 0
        self._address = address(options.to)
        self._peer: tuple[int, tuple[object, ...]] | None = None
        self._socket: socket.socket | None = None
        self._closed = threading.Event()
        try:
            self._peer = self._look_up(socket.AI_NUMERICHOST)
        except OSError:  # a name: looking it up may take as long as it likes
            threading.Thread(target=self._resolve, name=f"udp {options.to}", daemon=True).start()

    def send(self, packets: Sequence[bytes]) -> None:
        """Each packet in a datagram of its own."""
        for packet in packets:
            try:
                self._send(packet)
            except BlockingIOError:
                self.dropped += 1
            except OSError:
                self.dropped += 1
                self._close_socket()

    def close(self) -> None:
        """Nothing is waiting."""
        self._closed.set()
        self._close_socket()

    def _close_socket(self) -> None:  # the next packet opens another, with the routes and addresses of then
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, packet: bytes) -> None:
        if self._socket is None:
            self._socket = self._connect()
        try:
            self._socket.send(packet)
        except (
            ConnectionRefusedError
        ):  # the answer to an earlier packet: that one is lost, this one not tried yet
            self.dropped += 1
            self._socket.send(packet)

    def _connect(self) -> socket.socket:
        if self._peer is None:
            raise OSError(f"{self._address[0]} is not known yet")
        family, peer = self._peer
        udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            udp.connect(peer)
        except OSError:
            udp.close()
            raise
        return udp

    def _look_up(self, flags: int) -> tuple[int, tuple[object, ...]]:
        host, port = self._address
        family, _, _, _, peer = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags)[0]
        return family, peer

    def _resolve(self) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(OSError):
                self._peer = self._look_up(0)
                return
            self._closed.wait(RESOLVE_AGAIN_S)
