"""What the service manager hears: ready, still alive, stopping. One datagram each, silent where nobody listens."""

import os
import socket


class Notifier:
    """sd_notify(3) over $NOTIFY_SOCKET; does nothing when that is not set."""

    def __init__(self, address: str | None) -> None:
        self.socket: socket.socket | None = None
        if address:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self.socket.setblocking(False)
            self.address = "\0" + address[1:] if address.startswith("@") else address

    def tell(self, state: str) -> None:
        """Send e.g. `READY=1`; a manager that is away or slow is not our trouble."""
        if self.socket is not None:
            try:
                self.socket.sendto(state.encode(), self.address)
            except OSError:
                return


def from_environment() -> tuple[Notifier, int | None]:
    """The notifier, and how often the watchdog wants to hear from us in ns (half of its time-out), or None."""
    watchdog_usec = os.environ.get("WATCHDOG_USEC", "")
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    pet_ns = int(watchdog_usec) * 500 if watchdog_usec.isdigit() and ours else None
    return Notifier(os.environ.get("NOTIFY_SOCKET")), pet_ns
