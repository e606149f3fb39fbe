"""The port on real ptys and sockets: it opens, loses and finds its line again without ever blocking."""

import os
import pty
import select
import socket
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from fsw.bus import port as port_module
from fsw.bus.port import Event, Port, Settings

WAIT_S = 5.0


class Plug:
    """A pty behind a stable name, as an adapter behind /dev/serial/by-id: each plug-in makes a new pty."""

    def __init__(self, folder: Path) -> None:
        self.name = folder / "usb-FTDI_rig"
        self.far = -1

    def plug_in(self) -> None:
        self.far, near = pty.openpty()
        tty.setraw(near)
        path = os.ttyname(near)
        os.close(near)
        self.name.unlink(missing_ok=True)
        self.name.symlink_to(path)

    def swap(self) -> None:
        """Comes back as another device: the new pty is there before the number of the old one is free."""
        old, name = self.far, self.name.readlink()
        self.plug_in()
        assert self.name.readlink() != name
        os.close(old)

    def pull(self) -> None:
        self.name.unlink()
        os.close(self.far)
        self.far = -1


@pytest.fixture
def plug(tmp_path: Path) -> Iterator[Plug]:
    plug = Plug(tmp_path)
    yield plug
    if plug.far >= 0:
        os.close(plug.far)


@pytest.fixture
def port(plug: Plug, monkeypatch: pytest.MonkeyPatch) -> Iterator[Port]:
    monkeypatch.setattr(port_module, "RETRY_S", 0.05)
    port = Port(Settings(str(plug.name), baud=19200, format="8E1"), "bus")
    port.start()
    yield port
    port.close()


def step(port: Port) -> tuple[Event, bytes]:
    """The next event other than NOTHING, waited for as the executive does."""
    with select.epoll() as epoll:
        epoll.register(port.fileno(), select.EPOLLIN)
        give_up_s = time.monotonic() + WAIT_S
        while time.monotonic() < give_up_s:
            if epoll.poll(0.2):
                event, data = port.step()
                if event is not Event.NOTHING:
                    return event, data
    raise AssertionError("nothing happened")


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def quiet(port: Port) -> bool:
    """Nothing is to be done, so a loop that waits on the port does not spin."""
    with select.epoll() as epoll:
        epoll.register(port.fileno(), select.EPOLLIN)
        return not epoll.poll(0.05)


def test_bytes_go_out_and_come_in_unchanged(plug: Plug, port: Port) -> None:
    plug.plug_in()
    assert step(port) == (Event.OPENED, b"")
    assert port.error == ""
    everything = bytes(range(256))
    port.write(everything)
    assert os.read(plug.far, 512) == everything
    os.write(plug.far, everything)
    got = b""
    while len(got) < len(everything):
        event, data = step(port)
        assert event is Event.DATA
        got += data
    assert got == everything
    assert quiet(port)
    assert port.step() == (Event.NOTHING, b"")


def test_a_port_that_is_missing_at_start_is_waited_for(plug: Plug, port: Port) -> None:
    time.sleep(0.15)
    assert port.step() == (Event.NOTHING, b"")
    assert quiet(port)
    assert port.error == "No such file or directory"
    port.write(b"dropped")
    plug.plug_in()
    assert step(port) == (Event.OPENED, b"")


def test_an_unplugged_line_is_lost_once_and_found_again_under_another_name(plug: Plug, port: Port) -> None:
    plug.plug_in()
    assert step(port) == (Event.OPENED, b"")
    fd = port.fileno()
    for _ in range(3):
        plug.swap()
        assert step(port) == (Event.LOST, b"")
        assert port.error
        assert step(port) == (Event.OPENED, b"")
        os.write(plug.far, b"back")
        assert step(port) == (Event.DATA, b"back")
    assert port.fileno() == fd


def test_a_loss_that_a_write_finds_is_told_by_the_next_step(plug: Plug, port: Port) -> None:
    plug.plug_in()
    assert step(port) == (Event.OPENED, b"")
    plug.pull()
    port.write(b"anybody there?")
    assert step(port) == (Event.LOST, b"")


def test_what_was_sent_before_the_line_went_is_still_read(plug: Plug, port: Port) -> None:
    plug.plug_in()
    assert step(port) == (Event.OPENED, b"")
    os.write(plug.far, b"last words")
    assert step(port) == (Event.DATA, b"last words")
    plug.pull()
    assert step(port) == (Event.LOST, b"")


def test_a_full_line_never_holds_up_the_writer(plug: Plug, port: Port) -> None:
    plug.plug_in()
    assert step(port) == (Event.OPENED, b"")
    began_s = time.monotonic()
    for _ in range(200):
        port.write(b"x" * 1000)  # nobody reads; a pty holds some 4 to 70 kB
    assert time.monotonic() - began_s < 1.0


def test_the_same_pty_opens_a_second_time_although_it_has_no_parity(plug: Plug) -> None:
    plug.plug_in()
    for form in ("8E1", "8E1", "7E1", "8N2"):
        port = Port(Settings(str(plug.name), format=form), "bus")
        port.start()
        assert step(port) == (Event.OPENED, b"")
        port.close()


def test_the_trap_that_this_avoids_is_there(plug: Plug) -> None:
    plug.plug_in()
    try:
        for _ in range(2):
            serial.Serial(str(plug.name), parity="E").close()
    except (termios.error, serial.SerialException):
        return
    pytest.skip("this C library lets a pty take parity twice")


def test_a_second_monitor_does_not_get_the_line(plug: Plug, port: Port) -> None:
    plug.plug_in()
    assert step(port) == (Event.OPENED, b"")
    second = Port(Settings(str(plug.name)), "bus")
    second.start()
    time.sleep(0.15)
    assert second.step() == (Event.NOTHING, b"")
    assert second.error == "another program has it"
    port.close()
    assert step(second) == (Event.OPENED, b"")
    second.close()


def test_an_open_that_ends_after_close_leaves_nothing_open(plug: Plug) -> None:
    before = open_files()
    plug.plug_in()
    for _ in range(20):
        port = Port(Settings(str(plug.name)), "bus")
        port.start()
        port.close()
    give_up_s = time.monotonic() + WAIT_S
    while open_files() > before + 1 and time.monotonic() < give_up_s:
        time.sleep(0.02)
    assert open_files() == before + 1  # the plug's own


def test_a_tcp_device_server_is_a_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_module, "RETRY_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = Port(Settings(f"tcp:127.0.0.1:{server.getsockname()[1]}"), "bus")
        port.start()
        for _ in range(2):
            far, _ = server.accept()
            assert step(port) == (Event.OPENED, b"")
            port.write(b"ping")
            assert far.recv(16) == b"ping"
            far.sendall(b"pong")
            assert step(port) == (Event.DATA, b"pong")
            far.close()
            assert step(port) == (Event.LOST, b"")
        port.close()


@pytest.mark.parametrize(
    ("baud", "form", "byte_ns"),
    [(9600, "8N1", 1_041_667), (19200, "8E1", 572_917), (4800, "7E1", 2_083_334), (115200, "8N2", 95_487)],
)
def test_a_character_takes_its_start_data_parity_and_stop_bits(baud: int, form: str, byte_ns: int) -> None:
    assert Settings("/dev/ttyUSB0", baud, form).byte_ns == byte_ns


@pytest.mark.parametrize(
    ("device", "form"),
    [
        ("x", "8X1"),
        ("x", "9N1"),
        ("x", "8N"),
        ("tcp:host", "8N1"),
        ("tcp::1", "8N1"),
        ("tcp:host:70000", "8N1"),
    ],
)
def test_wrong_settings_are_refused(device: str, form: str) -> None:
    with pytest.raises(ValueError, match=r"format|tcp:HOST:PORT"):
        Settings(device, format=form)


def test_no_data_is_not_a_loss(plug: Plug, port: Port) -> None:
    plug.plug_in()
    assert step(port) == (Event.OPENED, b"")
    for _ in range(100):
        assert port.step() == (Event.NOTHING, b"")
    assert quiet(port)
