"""A run while it runs: each number with its error and the truth beside it, alarms as their frames arrive.

On a terminal one screen that is redrawn; without one, a plain line a second.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Self

from rich.console import Console, Group
from rich.live import Live as Screen
from rich.table import Table
from rich.text import Text

from hil.display import instant, number
from hil.evidence import Background, Recording
from hil.reader import Frame, Reader, Report, is_alarm, is_housekeeping
from hil.scenario import Case

ALARMS_SHOWN = 8
_TRUSTED = 1 | 2
_SEVERITY_STYLES = {1: "dim", 2: "yellow", 3: "dark_orange", 4: "bold red"}
_PLAIN_ROWS = ("inventory", "leak_rate", "hole", "time_to_empty")
_VESSEL_ROWS = ("inventory", "leak_rate", "leak_certainty", "hole", "time_to_limit", "time_to_empty")


class LiveView:
    """A watcher of a run (`watch`), to be used as a context manager."""

    def __init__(self, case: Case, background: Background, console: Console) -> None:
        self._case = case
        self._background = background
        self._console = console
        self._reader = Reader(background.xtce)
        self._seen = 0
        self._reports: dict[str, Report] = {}
        self._frames: deque[Frame] = deque(maxlen=ALARMS_SHOWN)
        self._rows = [*self._channel_rows(), *self._estimate_rows()]
        self._screen = Screen(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._screen is not None:
            self._screen.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._screen is not None:
            self._screen.stop()

    def watch(self, recording: Recording) -> None:
        """Read what is new and show how things stand."""
        fresh = []
        for at_ns, packet in recording.packets[self._seen :]:
            if is_alarm(packet):
                fresh.append(self._reader.frame(at_ns, packet))
            elif is_housekeeping(packet):
                self._reports |= {report.name: report for report in self._reader.reports(packet)}
        self._seen = len(recording.packets)
        self._frames.extend(fresh)
        if self._screen is not None:
            self._screen.update(self._drawn(recording.now_ns), refresh=True)
            return
        for frame in fresh:
            self._console.print(f"{instant(frame.time_ns):>9}  ** {self._told(frame)}", highlight=False)
        self._console.print(self._line(recording.now_ns), highlight=False, soft_wrap=True)

    def _channel_rows(self) -> Iterator[str]:
        for name, at in self._case.board.file.instruments.items():
            yield from (f"{name}.{channel}" for channel in at.channels)

    def _estimate_rows(self) -> Iterator[str]:
        for vessel in self._case.board.file.vessels:
            yield from (n for row in _VESSEL_ROWS if (n := f"{vessel}.{row}") in self._background.units)

    def _drawn(self, now_ns: int) -> Group:
        table = Table(
            title=f"{self._case.scenario.title or self._case.name}   {instant(now_ns)}", title_justify="left"
        )
        table.add_column("parameter")
        table.add_column("monitor", justify="right", min_width=26)
        table.add_column("truth", justify="right", min_width=12)
        for name in self._rows:
            report = self._reports.get(name)
            trusted = report is not None and report.quality & _TRUSTED
            table.add_row(
                name, Text(self._value(name), style="" if trusted else "dim"), self._truth(name, now_ns)
            )
        alarms = [
            Text(f"{instant(f.time_ns):>9}  {self._told(f)}", style=_SEVERITY_STYLES.get(f.severity, ""))
            for f in self._frames
        ]
        return Group(
            table, Text("Alarm frames", style="bold"), *(alarms or [Text("      none so far", style="dim")])
        )

    def _line(self, now_ns: int) -> str:
        """One line: the channels, and of each vessel that leaks what follows from it."""
        said = [f"{name} {self._value(name, with_sigma=False)}" for name in self._channel_rows()]
        for vessel in self._case.board.file.vessels:
            certainty = self._reports.get(f"{vessel}.leak_certainty")
            if certainty is None or not certainty.value >= 1:  # NaN: cannot tell
                said.append(f"{vessel}: no leak seen")
                continue
            names = [f"{vessel}.{row}" for row in _PLAIN_ROWS if f"{vessel}.{row}" in self._reports]
            said.append(f"{vessel} leaks: " + ", ".join(self._value(name) for name in names))
        return f"{instant(now_ns):>9}  " + "; ".join(said)

    def _value(self, name: str, *, with_sigma: bool = True) -> str:
        report = self._reports.get(name)
        if report is None:
            return "-"
        return number(
            report.value, self._background.units.get(name, ""), report.sigma if with_sigma else math.nan
        )

    def _truth(self, name: str, now_ns: int) -> str:
        truth = self._background.truth_of(name)
        value = math.nan if truth is None else truth.interpolate(now_ns)
        return number(value, self._background.units.get(name, ""))

    def _told(self, frame: Frame) -> str:
        unit = self._background.units.get(frame.parameter, "")
        value = number(frame.value, unit, frame.sigma)
        return f"{frame.transition} {frame.alarm} severity {frame.severity}: {frame.parameter} {value}"


class Progress:
    """A watcher for a run that nobody looks at closely: says how far it is, every `every_s` of waiting."""

    def __init__(
        self, case: Case, console: Console, clock: Callable[[], float], every_s: float = 5.0
    ) -> None:
        self._case = case
        self._console = console
        self._clock = clock
        self._every_s = every_s
        self._began_s = self._due_s = clock()
        self._due_s += every_s

    def watch(self, recording: Recording) -> None:
        """One line when it is time for one."""
        now_s = self._clock()
        if now_s >= self._due_s:
            self._due_s = now_s + self._every_s
            speed = recording.now_ns / 1e9 / (now_s - self._began_s)
            end = instant(self._case.scenario.duration)
            self._console.print(
                f"  {self._case.name}: {instant(recording.now_ns)} of {end}, {speed:.0f} times real time",
                highlight=False,
            )
