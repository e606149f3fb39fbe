"""A real `fsw` process, what it sends, and foreign software around it."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

FSW = str(Path(sys.executable).with_name("fsw"))


class Running:
    """`fsw run ...` with its packets coming in over UDP."""

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
        self.inlet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inlet.bind(("127.0.0.1", 0))
        self.packets: list[bytes] = []
        self.log = folder / f"fsw-{self.inlet.getsockname()[1]}.log"
        to = f"udp:127.0.0.1:{self.inlet.getsockname()[1]}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [FSW, "run", *arguments, "--sink", to, "--samples"], stdout=log, stderr=log, env=environment
            )

    def until(self, wanted: Callable[[bytes], bool], within_s: float = 30.0) -> bytes:
        """The next packet that is wanted; all that came before are in `packets`."""
        deadline_s = time.monotonic() + within_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            self.inlet.settimeout(left_s)
            try:
                packet = self.inlet.recv(65536)
            except TimeoutError:
                break
            self.packets.append(packet)
            if wanted(packet):
                return packet
        raise AssertionError(
            f"no such packet within {within_s} s; {len(self.packets)} others; {self.log.read_text()}"
        )

    def stop(self) -> int:
        """SIGTERM, and how it ended."""
        self.process.terminate()
        return self.process.wait(10)

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self.inlet.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts `fsw run` with the arguments given; stopped at the end whatever happens."""
    started: list[Running] = []

    def begin(*arguments: str, environment: dict[str, str] | None = None) -> Running:
        started.append(Running(list(arguments), tmp_path, environment))
        return started[-1]

    yield begin
    for running in started:
        running.close()
