"""A sink that keeps what it gets, in place of one that sends it away."""

from collections.abc import Iterable


class Kept:
    """Its packets stay in `packets`."""

    def __init__(self) -> None:
        self.dropped = 0
        self.packets: list[bytes] = []

    def send(self, packets: Iterable[bytes]) -> None:
        self.packets += packets

    def close(self) -> None:
        pass
