"""`hil sweep`: one scenario run over and over, and the detection card that comes of it."""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from hil import campaign, card, grid, prerequisite
from hil.campaign import CampaignError, Crew, Outcome, Point
from hil.grid import Dimension

FAILED, WRONG_FILE = 1, 2
PIPE_WIDTH = 200  # of a table that no terminal bounds
MOST_TOLD = 20  # runs that failed; all of them are in --out and --json
EXAMPLES = """\b
Examples:
  hil sweep bench_rig_leak                                      59 seeds: 59 of 59 prove P(detect) > 95 %
  hil sweep bench_rig_leak --vary 'plant.rig.leak.0.hole=0.05 mm,0.1 mm' --seeds 20 --out out
  hil sweep my_leak.toml --vary 'plant.tank.leak.0.hole=log(0.02 mm, 0.5 mm, 8)' --no-judge
  hil sweep my_leak.toml --vary board=old.toml,new.toml --vary 'instrument.pt1.channels.pressure.noise=50 Pa,200 Pa'
  hil sweep progress_healthy --vary 'duration=12 h' --seeds 100 --json | jq 'select(.type == "result")'
  hil sweep my_leak.toml --scheduler tcp://10.0.0.5:8786        on a dask.distributed cluster
"""


class _Stopped(BaseException):
    """A signal asks for an end; not an Exception, so that nothing on the way takes it for a failed run."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _stop(number: int, _: object) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)  # who asks twice does not want to wait for the table
    raise _Stopped(number)


def _dimension(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[Dimension]:
    try:
        found = [grid.dimension(value) for value in values]
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    keys = [each.key for each in found]
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise click.BadParameter(f"{twice[0]} is varied twice: give all of its values at once")
    return found


@click.command(epilog=EXAMPLES)
@click.argument("file")
@click.option(
    "--vary",
    "dimensions",
    multiple=True,
    callback=_dimension,
    metavar="KEY=V1,V2,...",
    help="Run with each of these values at a key of the scenario; again for another key. lin(A, B, N) and "
    "log(A, B, N) are N values from A to B.",
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=59, show_default=True, help="Runs of each combination."
)
@click.option("--first-seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--judge/--no-judge",
    default=True,
    help="Hold runs against the scenario's expectations.  [default: judge]",
)
@click.option(
    "--confidence",
    type=click.FloatRange(50, 100, max_open=True),
    default=95.0,
    show_default=True,
    metavar="PERCENT",
    help="Of each bound by itself.",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Runs at a time on this machine.  [default: one for each core]"
)
@click.option("--scheduler", metavar="tcp://HOST:PORT", help="Run on a dask.distributed cluster instead.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: each run, then each result.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write results.csv, results.json and a page of plots here.",
)
def sweep(
    file: str,
    dimensions: list[Dimension],
    seeds: int,
    first_seed: int,
    judge: bool,
    confidence: float,
    jobs: int | None,
    scheduler: str | None,
    as_json: bool,
    out: Path | None,
) -> None:
    """Measure how well a leak is found: run a scenario with every combination of values and every seed.

    In virtual time, with the real `fsw`. For each vessel: P(detect), delay and false alarms with exact bounds.
    Detected is a leak whose alarm is raised after the hole opens; raised before, or without a hole, it is false.

    \b
    Exit codes: 0 all ran and met the scenario's expectations, 1 some failed or did not, 2 wrong file or
    arguments, nothing was run; 130 and 143 after SIGINT and SIGTERM, with the results of what was run.
    """
    if jobs is not None and scheduler is not None:
        raise click.UsageError("--jobs is for this machine: a cluster has its own workers")
    wanted = {"space_packet_parser": "bench"} | ({"distributed": "sweep"} if scheduler else {})
    prerequisite.check(wanted, [out] if out else [])
    try:
        points = campaign.points(file, dimensions, judge=judge)
    except (ValueError, OSError) as error:
        _refuse(str(error))
    if not points[0].vessels:
        _refuse(f"{file}: no plant is named as a vessel of the board, so nothing is known of what leaks")
    crew = campaign.cluster(scheduler) if scheduler else campaign.local(jobs or len(os.sched_getaffinity(0)))
    _Sweep(points, dimensions, range(first_seed, first_seed + seeds), confidence / 100, as_json, out).run(
        crew
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _refuse(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(WRONG_FILE)


class _Sweep:
    """One call of the command: what is run, and how it is shown."""

    def __init__(
        self,
        points: Sequence[Point],
        dimensions: Sequence[Dimension],
        seeds: range,
        confidence: float,
        as_json: bool,
        out: Path | None,
    ) -> None:
        self._points = points
        self._dimensions = dimensions
        self._seeds = seeds
        self._confidence = confidence
        self._json = as_json
        self._out = out
        self._asked = len(points) * len(seeds)
        self._done: list[Outcome] = []
        width = None if sys.stdout.isatty() else PIPE_WIDTH
        self._console = Console(highlight=False, markup=False, emoji=False, width=width)
        self._errors = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def run(self, crew: contextlib.AbstractContextManager[Crew]) -> NoReturn:
        """All runs, or as many as come before a signal; then what they tell."""
        began_s = time.monotonic()
        ended, code, begun = "", 0, False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stop)
        try:
            with crew as (executor, words):
                self._announce(words)
                begun = True
                with self._progress() as advance:
                    for outcome in campaign.outcomes(executor, self._points, self._seeds):
                        self._done.append(outcome)
                        advance(outcome)
        except _Stopped as stopped:
            ended, code = f"stopped by {signal.Signals(stopped.number).name}", 128 + stopped.number
        except CampaignError as error:
            if not begun:
                _refuse(f"hil: {error}")
            ended, code = str(error), FAILED
        self._tell(time.monotonic() - began_s, ended)
        sys.exit(code or (FAILED if any(each.error or each.broken for each in self._done) else 0))

    def _announce(self, words: str) -> None:
        first = self._points[0]
        count = f"{_count(len(self._points), 'combination')} x {_count(len(self._seeds), 'seed')}"
        self._errors.print(f"{first.name}: {count} = {_count(self._asked, 'run')} on {words}, virtual time")
        for name in sorted({name for point in self._points for name in point.unknown}):
            self._errors.print(f"  vessel {name} is not measured: no plant has its name")

    @contextlib.contextmanager
    def _progress(self) -> Iterator[Any]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        hidden = not self._errors.is_terminal
        with Progress(*columns, console=self._errors, transient=True, disable=hidden) as bar:
            task = bar.add_task("runs", total=self._asked)
            told = 0

            def advance(outcome: Outcome) -> None:
                nonlocal told
                if self._json:
                    told_run = card.run(self._points[outcome.index], outcome, self._dimensions)
                    click.echo(json.dumps(told_run))
                for text in card.troubles(self._points, [outcome], self._dimensions):
                    told += 1
                    if told <= MOST_TOLD:
                        self._errors.print(f"  {text}")
                    elif told == MOST_TOLD + 1:
                        self._errors.print("  and more: --out and --json have them all")
                bar.advance(task)

            yield advance

    def _tell(self, took_s: float, ended: str) -> None:
        rows = card.rows(self._points, self._done, self._confidence)
        if self._json:
            for row in rows:
                click.echo(json.dumps(card.result(row, self._dimensions)))
        elif rows:
            self._console.print(self._table(rows))
        told = [f"{len(self._done)} of {self._asked} runs"] if ended else [_count(len(self._done), "run")]
        failed = sum(bool(each.error) for each in self._done)
        broken = sum(bool(each.broken) for each in self._done)
        told += [f"{failed} failed (counted as not detected)"] if failed else []
        told += [f"{broken} broke an expectation of the scenario"] if broken else []
        speed = sum(each.end_s for each in self._done) / max(took_s, 1e-9)
        told += [f"{took_s:.0f} s, {speed:.0f} times real time"]
        self._errors.print((f"{ended}: " if ended else "") + ", ".join(told))
        if self._out is not None and self._done:
            self._write(self._out, rows, ended)

    def _table(self, rows: Sequence[card.Row]) -> Table:
        bounds = f"bounds: {self._confidence * 100:g} % each"
        table = Table(title=f"{self._points[0].name}: detection card; {bounds}", title_justify="left")
        for head in (*card.columns(self._dimensions), *card.HEADS):
            table.add_column(head)
        for row in rows:
            table.add_row(*row.point.labels, *card.words(row))
        return table

    def _write(self, out: Path, rows: Sequence[card.Row], ended: str) -> None:
        runs = [card.run(self._points[each.index], each, self._dimensions) for each in self._done]
        about = {
            "scenario": self._points[0].name,
            "confidence": self._confidence,
            "vary": {each.key: each.labels for each in self._dimensions},
            "seeds": [self._seeds.start, len(self._seeds)],
            "runs_asked": self._asked,
            "ended": ended,
        }
        card.write_csv(out / "results.csv", runs, self._dimensions)
        card.write_json(
            out / "results.json", about, [card.result(row, self._dimensions) for row in rows], runs
        )
        if find_spec("bokeh") is None:
            self._errors.print("no plot: bokeh is not installed (pip install 'ullage[ground]')")
            written = "results.csv, results.json"
        else:
            from hil import sweep_report  # noqa: PLC0415  (bokeh)

            page = sweep_report.write(out, rows, self._dimensions, self._confidence)
            written = f"results.csv, results.json, {page.name}"
        self._errors.print(f"written to {out}: {written}")
