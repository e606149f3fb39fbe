import socket
import time

import pytest
from pydantic import ValidationError

from fsw.sinks.udp import Options, Sink, address


@pytest.fixture
def listener():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(5)
        yield udp


def sink(to: str) -> Sink:
    return Sink(Options(to=to), "rig")


def test_each_packet_is_a_datagram(listener):
    one = sink(f"127.0.0.1:{listener.getsockname()[1]}")
    one.send([b"first", b"second"])
    one.send([])
    assert [listener.recv(2000), listener.recv(2000)] == [b"first", b"second"]
    assert one.dropped == 0
    one.close()


def has_localhost() -> bool:
    """A bare root file system may know no name at all, not even this one."""
    try:
        return bool(socket.getaddrinfo("localhost", 1, type=socket.SOCK_DGRAM))
    except OSError:
        return False


@pytest.mark.skipif(not has_localhost(), reason="this machine does not know localhost by name")
def test_a_name_is_looked_up_beside_the_loop(listener):
    one = sink(f"localhost:{listener.getsockname()[1]}")
    listener.settimeout(0.05)
    deadline_s = time.monotonic() + 5
    while time.monotonic() < deadline_s:
        one.send([b"x"])
        try:
            assert listener.recv(10) == b"x"
            break
        except TimeoutError:
            continue
    else:
        pytest.fail("nothing came")
    one.close()


def test_nobody_listening_is_counted_and_who_comes_later_gets_all_from_then_on():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    one = sink(f"127.0.0.1:{port}")
    for _ in range(10):
        one.send([b"lost"])
    assert 9 <= one.dropped <= 10
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", port))
        listener.settimeout(5)
        one.send([b"found"])
        assert listener.recv(100) == b"found"
    assert one.dropped == 10
    one.close()


@pytest.mark.parametrize("to", ["240.0.0.1:9", "no-such-name.invalid:9", "[2001:db8::1]:9"])
def test_a_peer_that_cannot_be_reached_never_raises_and_never_waits(to):
    one = sink(to)
    began_s = time.monotonic()
    for _ in range(100):
        one.send([b"x"])
    assert time.monotonic() - began_s < 0.5
    one.close()


def test_a_packet_that_cannot_be_sent_is_counted():
    one = sink("255.255.255.255:1")
    one.send([bytes(70_000)])  # larger than any datagram
    assert one.dropped == 1
    one.close()


@pytest.mark.parametrize("to", ["", "host", "host:", ":1", "host:0", "host:65536", "host:x", "host:１"])
def test_what_is_no_address_is_refused_with_an_example(to):
    with pytest.raises(ValidationError, match="host:port"):
        Options(to=to)


def test_a_name_that_no_host_can_have_is_refused():
    with pytest.raises(ValidationError, match="name of a host"):
        Options(to="x" * 70 + ".invalid:9")


def test_an_ipv6_address_stands_in_brackets():
    assert address("[::1]:10025") == ("::1", 10025)
