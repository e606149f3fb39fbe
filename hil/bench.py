"""One scenario, one run: the real `fsw` command against the fakes, in virtual or real time."""

import contextlib
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hil import program, realtime, truth
from hil.evidence import Background, Evidence, Recording
from hil.lockstep import Hello, Lockstep, LockstepError
from hil.program import Program, ProgramError
from hil.realtime import Plugs
from hil.rig import Rig
from hil.scenario import Case
from hil.virtual import VirtualRun
from hil.wire import PtyWire

WATCH_NS = 1_000_000_000
START_LIMIT_S = 30.0
STOP_LIMIT_S = 10.0

Watch = Callable[[Recording], None]


def _nobody(_: Recording) -> None:
    """Nobody watches."""


def background(case: Case, xtce: bytes | None = None) -> Background:
    """What can be known of a case before it runs; the same for every seed. `xtce`: of its board, if that is known."""
    parameters = case.board.parameters
    behind = {parameter.name: case.truth_of(parameter.name) for parameter in parameters}
    onsets_ns = {name: truth.onset_ns(case, name) for name in case.plants}
    return Background(
        xtce=program.output(["xtce", case.board_argument]) if xtce is None else xtce,
        units={parameter.name: parameter.unit for parameter in parameters},
        truth=truth.series(case),
        truth_names={name: variable for name, variable in behind.items() if variable is not None},
        onsets_ns={name: onset for name, onset in onsets_ns.items() if onset is not None},
        judged_ns=[at_ns for each in case.expectations for at_ns in each.judged_ns()],
    )


class Bench:
    """A case made ready; `known` is its background, where that has been worked out already."""

    def __init__(self, case: Case, known: Background | None = None) -> None:
        self._case = case
        self.background = background(case) if known is None else known

    def run(self, *, real: bool, watch: Watch = _nobody) -> Evidence:
        """Run the case to its end; ProgramError, with the program's last output, when it dies or hangs.

        `watch` sees the recording after each second of the run. Whatever happens, no process, pty or folder
        stays behind.
        """
        recording = Recording()
        rig = Rig(self._case)
        began_s = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="hil-") as name:
            (_run_real if real else _run_virtual)(self._case, rig, Path(name), recording, watch)
        recording.wall_s = time.monotonic() - began_s
        return Evidence(self.background, recording)


def _run_virtual(case: Case, rig: Rig, folder: Path, recording: Recording, watch: Watch) -> None:
    path = folder / "lockstep"
    with (
        _on_one_core(),
        contextlib.closing(_listen(path)) as lockstep,
        Program(["run", case.board_argument, "--lockstep", f"unix:{path}"], folder) as fsw,
    ):
        try:
            hello = _accept(lockstep, fsw)
            VirtualRun(rig, lockstep, hello.lines, recording).go(watch, WATCH_NS)
        except LockstepError as error:
            fsw.wait(1.0)  # a program that has just hung up is about to say why
            raise fsw.error(f"at {recording.now_ns / 1e9:.0f} s of the run, {error}") from error
        if fsw.wait(STOP_LIMIT_S) != 0:
            raise fsw.error("the program did not end well")
        recording.log = fsw.log()


@contextlib.contextmanager
def _on_one_core() -> Iterator[None]:
    """Keeps this process, and those that it starts meanwhile, on one core.

    In virtual time bench and program take turns and never run at once, so a second core is of no use to them; but to
    hand over to a core that sleeps costs several times as much as within one. Which core: any, but not the same for
    every bench on the machine.
    """
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(cores)[os.getpid() % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _listen(path: Path) -> Lockstep:
    try:
        return Lockstep(path)
    except OSError as error:  # a socket's path has 107 bytes at most
        raise ProgramError(f"cannot listen at {path} ({error}): TMPDIR should be a short path") from error


def _accept(lockstep: Lockstep, fsw: Program) -> Hello:
    deadline_s = time.monotonic() + START_LIMIT_S
    while (hello := lockstep.accept(0.2)) is None:
        if fsw.returncode is not None:
            raise fsw.error("the program ended before it connected")
        if time.monotonic() >= deadline_s:
            raise fsw.error(f"the program did not connect within {START_LIMIT_S:g} s")
    return hello


def _run_real(case: Case, rig: Rig, folder: Path, recording: Recording, watch: Watch) -> None:
    with contextlib.ExitStack() as stack:
        wires = open_wires(rig, folder, stack)
        inlet = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        inlet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        inlet.bind(("127.0.0.1", 0))
        words = ["run", case.board_argument, "--sink", f"udp:127.0.0.1:{inlet.getsockname()[1]}"]
        for line in wires:
            words += ["--device", f"{line}={folder / line}"]
        fsw = stack.enter_context(Program(words, folder))
        realtime.run(rig, Plugs(wires, inlet), fsw, recording, watch)
        fsw.stop()
        if fsw.returncode != 0:
            raise fsw.error("the program did not stop well on SIGTERM")
        recording.log = fsw.log()


def open_wires(rig: Rig, folder: Path, stack: contextlib.ExitStack) -> dict[str, PtyWire]:
    """A pty for each line of the rig, behind the link `folder`/<line>, closed with the stack."""
    wires = {}
    for name in rig.lines:
        wires[name] = PtyWire(rig.lines[name], folder / name)
        stack.callback(wires[name].close)
    return wires
