"""The program under test: the real `fsw` command as a child process, with what it said."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

TAIL_LINES = 25


class ProgramError(RuntimeError):
    """The program under test died, hung or broke the protocol; the message ends with its last output."""


def command() -> str:
    """Path of the `fsw` command: the one installed beside this interpreter, else the one on PATH."""
    beside = Path(sys.executable).with_name("fsw")
    found = str(beside) if beside.exists() else shutil.which("fsw")
    if found is None:
        raise ProgramError(
            f"no `fsw` command beside {sys.executable} nor on PATH: install ullage with pip first"
        )
    return found


def output(arguments: Sequence[str], timeout_s: float = 60.0) -> bytes:
    """What `fsw ARGUMENTS` prints on stdout; ProgramError with its stderr when it fails or takes too long."""
    try:
        done = subprocess.run([command(), *arguments], capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as late:
        raise ProgramError(f"`fsw {' '.join(arguments)}` gave no result within {timeout_s:g} s") from late
    if done.returncode:
        raise ProgramError(
            f"`fsw {' '.join(arguments)}` ended with exit code {done.returncode}\n"
            + done.stderr.decode(errors="replace")
        )
    return done.stdout


class Program:
    """`fsw ARGUMENTS` running; a context manager that stops it (SIGTERM, then SIGKILL) in any case.

    Both its outputs go to one file in `folder`: a file can be read after a crash, and never blocks the writer
    as a full pipe would.
    """

    def __init__(self, arguments: Sequence[str], folder: Path, grace_s: float = 5.0) -> None:
        self._words = " ".join(arguments)
        self._log = folder / "fsw.log"
        self._grace_s = grace_s
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [command(), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative: ended by that signal."""
        return self._process.poll()

    def log(self) -> str:
        """All it has said so far."""
        return self._log.read_text(errors="replace")

    def error(self, what: str) -> ProgramError:
        """`what` went wrong, with the state of the program and its last lines."""
        code = self.returncode
        if code is None:
            state = "it is still running"
        elif code < 0:
            state = f"it was ended by {signal.Signals(-code).name}"
        else:
            state = f"it ended with exit code {code}"
        said = "\n".join(f"  | {line}" for line in self.log().splitlines()[-TAIL_LINES:]) or "  | (nothing)"
        return ProgramError(f"{what}: {state}. Last output of `fsw {self._words}`:\n{said}")

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code once it has ended by itself, None if it has not within `timeout_s`."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """End it if it still runs; returns when it is gone."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        if self.wait(self._grace_s) is None:
            self._process.kill()
            self._process.wait()
