import pytest

from fsw.packets import frame, heartbeat
from fsw.packets.frame import PacketError


def test_a_heartbeat_is_the_frame_alone():
    packet = frame.Framer(100).frame(heartbeat.SERVICE, heartbeat.SUBSERVICE, 0, heartbeat.pack())
    assert len(packet) == 23
    assert heartbeat.unpack(frame.parse(packet).body) is None


def test_a_heartbeat_with_a_body_is_none():
    with pytest.raises(PacketError):
        heartbeat.unpack(b"\0")
