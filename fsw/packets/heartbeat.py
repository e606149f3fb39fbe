"""The heartbeat, TM[17,2]: an "are you alive" report, sent unasked. As in PUS its body is empty."""

from fsw.packets.frame import PacketError

SERVICE = 17
SUBSERVICE = 2
FIELDS = ()


def pack() -> bytes:
    """The empty body."""
    return b""


def unpack(body: bytes) -> None:
    """Nothing; PacketError when there is something."""
    if body:
        raise PacketError(f"a heartbeat with a body of {len(body)} bytes")
