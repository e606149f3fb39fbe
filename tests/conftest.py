"""What the test folders share: hypothesis without a stop-watch, and a null-modem cable between two pseudo-terminals."""

import os
import pty
import select
import threading
import tty
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A busy machine is no defect, and CI is to say the same twice; at a desk each run tries other examples.
settings.register_profile("here", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("here")


@pytest.fixture
def wire() -> Iterator[tuple[str, str]]:
    """Two serial ports joined by a null-modem cable: the slave's end and ours."""
    masters, names = [], []
    for _ in range(2):
        master, slave = pty.openpty()
        tty.setraw(slave)
        names.append(os.ttyname(slave))
        masters += [master, slave]  # the slave is held, so that no end ever hangs up
    left, right = masters[0], masters[2]
    stop_read, stop_write = os.pipe()

    def carry() -> None:
        while True:
            ready, _, _ = select.select([left, right, stop_read], [], [])
            if stop_read in ready:
                return
            for fd in ready:
                os.write(right if fd == left else left, os.read(fd, 4096))

    cable = threading.Thread(target=carry)
    cable.start()
    yield names[0], names[1]
    os.write(stop_write, b"x")
    cable.join()
    for fd in [*masters, stop_read, stop_write]:
        os.close(fd)
