"""`fsw replay`: what the monitor says, or would have said, to recorded data."""

import contextlib
import datetime
import json
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import BinaryIO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table as Grid

from fsw.board import sight
from fsw.board.board import Board
from fsw.board.load import load
from fsw.board.problem import BoardErrors
from fsw.ground.csv_recording import CsvRecording, is_csv
from fsw.ground.csv_table import parse_time
from fsw.ground.finding import Teller
from fsw.ground.packet_files import SUFFIX, segments
from fsw.ground.packet_recording import PacketRecording
from fsw.ground.recording import Item, Recording, RecordingError, Remark, WrongBoardError
from fsw.ground.replay import Found, Replay, Reported
from fsw.ground.tally import Tally, names
from fsw.quantity import parse

NS_PER_S = 1_000_000_000
UNREADABLE, WRONG = 1, 2  # exit codes
PIPE_WIDTH = 200  # of tables that no terminal bounds
BAR_ITEMS = 1000  # ticks between two looks at the bar
EXAMPLES = """\b
Examples:
  fsw replay bench_rig recordings/bench_rig
  fsw replay bench_rig decay.csv --json | jq 'select(.type == "alarm")'
  fsw replay bench_rig recordings/bench_rig --from 2026-09-21T14:00 --to 2026-09-21T15:00
  fsw replay bench_rig recordings/bench_rig --compare my_rig_with_new_limits.toml
"""


def instant(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """An option's value as wall time in ns."""
    try:
        return None if value is None else parse_time(value)[0]
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{value!r} is neither seconds nor an ISO 8601 date") from None


def period(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """An option's value as a duration in ns."""
    if value is None:
        return None
    try:
        ns = round(parse(value, "s") * NS_PER_S)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if ns <= 0:
        raise click.BadParameter(f"{value!r} must be above 0 s")
    return ns


@click.command(epilog=EXAMPLES)
@click.argument("board")
@click.argument("recordings", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: alarms, estimates, events.")
@click.option(
    "--every", callback=period, help="Print estimates so often  [default: with --json 10 s, else never]"
)
@click.option(
    "--from",
    "from_ns",
    callback=instant,
    metavar="TIME",
    help="Begin there: seconds as recorded, or ISO 8601 (naive: UTC).",
)
@click.option("--to", "to_ns", callback=instant, metavar="TIME", help="End there.")
@click.option(
    "--compare", metavar="OTHER_BOARD", help="Show what alarms OTHER_BOARD would have raised instead."
)
@click.option(
    "--write", type=click.Path(dir_okay=False, path_type=Path), help="Write the replayed packets there."
)
def command(
    board: str,
    recordings: tuple[Path, ...],
    as_json: bool,
    every: int | None,
    from_ns: int | None,
    to_ns: int | None,
    compare: str | None,
    write: Path | None,
) -> None:
    """Run RECORDINGS through the monitor that BOARD describes, as fast as it goes.

    A recording is what the recorder wrote (segments in their order, or their folder), or CSV: time_s, then a
    column "INSTRUMENT [UNIT]" each, perhaps event. The same input gives the same output.

    \b
    Exit codes: 0 replayed, 1 a recording cannot be read, 2 wrong board or arguments.
    """
    if write is not None and _is_of(write, recordings):
        raise click.BadParameter(
            f"{write} is one of the recordings, or would be: write elsewhere", param_hint="--write"
        )
    loaded = _load(board)
    other = None if compare is None else _load(compare)
    for text in sight.remarks(loaded, datetime.datetime.now(datetime.UTC)):
        click.echo(f"fsw: {text}", err=True)
    every = 10 * NS_PER_S if as_json and every is None and other is None else every
    try:
        with contextlib.ExitStack() as stack:
            out = None if write is None else stack.enter_context(write.open("wb"))
            _Command(loaded, recordings, as_json, every, (from_ns, to_ns)).run(other, out)
    except WrongBoardError as error:
        click.echo(f"fsw: {error}", err=True)
        sys.exit(WRONG)
    except BrokenPipeError:  # whoever read what we print has seen enough; click ends quietly
        raise
    except RecordingError as error:
        click.echo(f"fsw: {error}", err=True)
        sys.exit(UNREADABLE)
    except OSError as error:
        click.echo(
            f"fsw: {error.filename}: {error.strerror}" if error.filename else f"fsw: {error}", err=True
        )
        sys.exit(UNREADABLE)


class _Command:
    """One call of the command: what is replayed, and how it is shown."""

    def __init__(
        self,
        board: Board,
        paths: Sequence[Path],
        as_json: bool,
        every_ns: int | None,
        span_ns: tuple[int | None, int | None],
    ) -> None:
        self._board = board
        self._paths = paths
        self._json = as_json
        self._every_ns = every_ns
        self._span_ns = span_ns
        width = None if sys.stdout.isatty() else PIPE_WIDTH
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)
        self._errors = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def run(self, other: Board | None, out: BinaryIO | None) -> None:
        """Replay, and compare if there is another board."""
        begun_s = time.monotonic()
        before, replay, teller = self._replay(self._board, self._board.path.name, other is None, out)
        if other is None:
            if not self._json:
                self._console.print(self._summary(before, replay, teller))
            self._errors.print(_speed(replay, time.monotonic() - begun_s), style="dim")
            return
        after, replay, _ = self._replay(other, other.path.name, False, None)
        self._compare(before, after, teller, other, replay.last_ns)

    def _replay(
        self, board: Board, label: str, aloud: bool, out: BinaryIO | None
    ) -> tuple[Tally, Replay, Teller]:
        """One pass; the recording was always made with our own board, whichever judges it."""
        recording = opened(self._paths, self._board, None if board is self._board else _rows(board))
        teller, tally = Teller(board, recording.dated), Tally()
        write = None if out is None else out.writelines
        replay = Replay(board, self._every_ns if aloud else None, write)
        with contextlib.closing(watched(recording, label, self._errors)) as items:
            for found in replay.run(items, *self._span_ns):
                if isinstance(found, Reported):
                    tally.add(found, teller)
                if isinstance(found, Remark):
                    if board is self._board:
                        self._errors.print(teller.text(found)[0], style="magenta")
                elif aloud:
                    self._show(found, teller)
        if not replay.ticks:
            raise RecordingError("nothing was recorded between --from and --to")
        return tally, replay, teller

    def _show(self, found: Found, teller: Teller) -> None:
        if self._json:
            for each in teller.json(found):
                click.echo(json.dumps(each, ensure_ascii=False, allow_nan=False))
        else:
            text, style = teller.text(found)
            self._console.print(text, style=style)

    def _summary(self, tally: Tally, replay: Replay, teller: Teller) -> Grid | str:
        span_s = (replay.last_ns - replay.first_ns) / NS_PER_S
        told = f"{replay.ticks} ticks, {span_s:.1f} s from {teller.time_text(replay.first_ns)}"
        if not tally.counts:
            return f"{told}: no alarms"
        grid = Grid("alarm", "raised", "first", "active", "", title=told, title_justify="left", box=None)
        for name, count in tally.counts.items():
            still = "" if count.since_ns is None else "still is"
            active = f"{count.up_to(replay.last_ns) / NS_PER_S:.1f} s"
            grid.add_row(name, str(count.raises), teller.short_time(count.first_ns), active, still)
        return grid

    def _compare(self, before: Tally, after: Tally, teller: Teller, other: Board, last_ns: int) -> None:
        found = names(before.counts, after.counts)
        if self._json:
            for name in found:
                sides = {
                    side: None if name not in tally.counts else tally.counts[name].json(last_ns)
                    for side, tally in (("before", before), ("after", after))
                }
                click.echo(json.dumps({"type": "comparison", "alarm": name, **sides}))
            return
        title = f"before: {self._board.path}; after: {other.path}"
        grid = Grid(title=title, title_justify="left", box=None)
        grid.add_column("alarm", overflow="fold")
        for side in ("before", "after"):
            for column in ("raised", "first", "active"):
                grid.add_column(f"{column} {side}", justify="right", overflow="fold")
        for name in found:
            grid.add_row(name, *_side(before, name, teller, last_ns), *_side(after, name, teller, last_ns))
        self._console.print(grid if found else f"{title}\nno alarms with either")


def _side(tally: Tally, name: str, teller: Teller, last_ns: int) -> tuple[str, str, str]:
    count = tally.counts.get(name)
    if count is None:
        return "-", "-", "-"
    return str(count.raises), teller.short_time(count.first_ns), f"{count.up_to(last_ns) / NS_PER_S:.1f} s"


def _load(board: str) -> Board:
    try:
        return load(board)
    except BoardErrors as errors:
        click.echo(str(errors), err=True)
        sys.exit(WRONG)


def _is_of(file: Path, recordings: Sequence[Path]) -> bool:
    """Whether it is one of them, is a segment in one of their folders, or would be one."""
    would = any(path.is_dir() and path.resolve() == file.resolve().parent for path in recordings)
    return (would and file.suffix == SUFFIX) or (
        file.exists() and any(file.samefile(each) for path in recordings for each in segments(path))
    )


def _rows(board: Board) -> dict[str, int]:
    return {each.name: row for row, each in enumerate(board.parameters)}


def opened(paths: Sequence[Path], board: Board, rows: dict[str, int] | None = None) -> Recording:
    """The recording, CSV or packets; click.UsageError for a mixture."""
    kinds = {is_csv(path) for path in paths}
    if len(kinds) > 1:
        raise click.UsageError("give CSV and packets one after the other, not in one go")
    kind: Callable[..., Recording] = CsvRecording if True in kinds else PacketRecording
    return kind(paths, board, rows)


def watched(recording: Recording, label: str, errors: Console) -> Generator[Item, None, None]:
    """The recording's items, with a bar on a terminal."""
    if not errors.is_terminal:
        yield from recording.items()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task(label, total=recording.size)
        for number, item in enumerate(recording.items()):
            if number % BAR_ITEMS == 0:
                progress.update(task, completed=recording.position)
            yield item


def _speed(replay: Replay, wall_s: float) -> str:
    return f"{replay.ticks} ticks in {wall_s:.1f} s: {replay.ticks / max(wall_s, 1e-9):.0f} a second"
