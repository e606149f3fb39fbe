"""`fsw check`: what a board file resolves to, or everything that is wrong with it."""

import datetime
import json
import math
import sys
from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from fsw.board import ids as locks
from fsw.board import sight
from fsw.board.board import Board
from fsw.board.budget import ms
from fsw.board.load import load, shipped
from fsw.board.printed_card import cards
from fsw.board.problem import BoardErrors
from fsw.board.schema import board_file
from fsw.board.vessel import describe
from fsw.leak.card import card
from fsw.limit import LEVELED

WRONG = 2  # exit code


@click.command()
@click.argument("board", required=False)
@click.option("--schema", is_flag=True, help="Print the JSON schema of board files, for editors, and stop.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print what the board resolves to, or its errors, as JSON."
)
def command(board: str | None, schema: bool, as_json: bool) -> None:
    """Print what BOARD resolves to, or all of its errors (exit code 2).

    BOARD is a file or the name of a shipped board. New parameters and alarms get their ids here: they are
    written to BOARD.ids.toml beside the board, and never change again.
    """
    if schema:
        click.echo(json.dumps(board_file().model_json_schema(), indent=2))
        return
    if board is None:
        raise click.UsageError(f"name a board file or a shipped board: {', '.join(shipped())}")
    try:
        found = load(board)
    except BoardErrors as errors:
        _print_errors(errors, as_json)
        sys.exit(WRONG)
    note = _lock(found)
    if as_json:
        click.echo(json.dumps(_summary(found), indent=2))
    else:
        _print(found, note)


def _lock(board: Board) -> str:
    """Write the new ids, if there are any; what to say about it."""
    path = locks.lock_path(board.path)
    if not board.ids.added:
        return f"ids: {path.name}, unchanged"
    try:
        locks.write(board.ids, path)
    except OSError as error:
        return (
            f"ids: NOT locked, {path} cannot be written: {error.strerror}; they hold for this file as it is"
        )
    return f"ids: new ones written to {path}; keep it with the board file"


def _print_errors(errors: BoardErrors, as_json: bool) -> None:
    if as_json:
        problems = [problem._asdict() for problem in errors.problems]
        click.echo(json.dumps({"board": errors.where, "errors": problems}, indent=2))
    else:
        click.echo(str(errors), err=True)


def _summary(board: Board) -> dict[str, object]:
    return {
        "board": board.name,
        "path": str(board.path),
        "crc32": board.crc32,
        "apid": board.apid,
        "period_ns": board.period_ns,
        "parameters": [
            {"id": p.id, "name": p.name, "unit": p.unit, "text": p.text} for p in board.parameters
        ],
        "limits": [
            {"id": limit.id, "event": limit.event, "name": limit.name, "check": limit.check.name.lower()}
            for limit in board.limits
        ],
        "phases": [
            {
                "id": phase.id,
                "name": phase.name,
                "vessels": [board.vessels[place].name for place in phase.vessels],
                "time_out_ns": phase.time_out_ns,
                "settle_ns": phase.settle_ns,
                "at_start": phase.at_start,
                "parameter": None if phase.row is None else board.parameters[phase.row].name,
                "above": None if math.isnan(phase.above) else phase.above,
                "below": None if math.isnan(phase.below) else phase.below,
            }
            for phase in board.phases
        ],
        "lines": [
            {"name": line.name, "used_ns": line.budget.used_ns, "fullest_ns": line.budget.fullest_ns}
            for line in board.lines
        ],
        "housekeeping": [{"sid": each.sid, "rows": list(each.rows)} for each in board.housekeeping],
        "cards": [
            {
                "vessel": spec.name,
                "calibrated": spec.calibration is not None,
                "sight": [
                    {key: None if math.isnan(value) else value for key, value in seen._asdict().items()}
                    | {"mostly": seen.limit or None}
                    for seen in card(sight.basis(spec, spec.model.inventory(sight.nominal(board, spec))))
                ],
            }
            for spec in board.vessels
        ],
    }


def _print(board: Board, note: str) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    console.print(f"[bold]{escape(board.name)}[/bold]  {escape(board.description)}")
    console.print(
        f"{escape(str(board.path))}, CRC-32 {board.crc32:08x}; APID {board.apid}; a tick each {ms(board.period_ns)}"
    )
    for table in (
        _lines(board),
        _instruments(board),
        _vessels(board),
        _parameters(board),
        _limits(board),
        _phases(board),
        _sinks(board),
    ):
        if table.row_count:
            console.print()
            console.print(table)
    for each in cards(board):
        console.print()
        console.print(escape(each.heading), style="bold")
        console.print(_grid("", each.columns, each.rows))
    console.print()
    for text in sight.remarks(board, datetime.datetime.now(datetime.UTC)):
        console.print(escape(text))
    console.print(escape(note))


def _grid(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Grid:
    grid = Grid(
        *columns, title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0)
    )
    for row in rows:
        grid.add_row(*(escape(cell) for cell in row))
    return grid


def _lines(board: Board) -> Grid:
    return _grid(
        "Lines, with their time budget for each cycle",
        ("line", "device", "baud", "format", "used on average", "fullest cycle", "available", "share"),
        (
            (
                line.name,
                line.settings.device,
                str(line.settings.baud),
                line.settings.format,
                ms(line.budget.used_ns),
                ms(line.budget.fullest_ns),
                ms(line.budget.period_ns),
                f"{line.budget.used_ns / line.budget.period_ns:.0%}",
            )
            for line in board.lines
        ),
    )


def _instruments(board: Board) -> Grid:
    by_row = {channel.raw_row: channel for channel in board.channels}
    rows = []
    for line in board.lines:
        for poll in line.polls:
            for row, scale, offset in zip(poll.rows, poll.scale, poll.offset, strict=True):
                channel, parameter = by_row[row], board.parameters[by_row[row].row]
                rows.append(
                    (
                        parameter.name,
                        line.name,
                        board.file.instruments[poll.instrument].dialect,
                        ms(poll.every * board.period_ns),
                        ms(poll.timeout_ns),
                        f"{scale:.7g} x {offset:+.7g}" if offset else f"{scale:.7g} x",
                        f"{channel.noise:.3g} {parameter.unit}",
                        f"{channel.low:g} .. {channel.high:g}",
                        ms(channel.max_age_ns),
                    )
                )
    columns = ("channel", "line", "dialect", "each", "time-out", "to SI", "noise", "range, SI", "stale after")
    return _grid("Instruments and channels", columns, rows)


def _vessels(board: Board) -> Grid:
    rows = []
    for vessel in board.vessels:
        for number, (key, value) in enumerate(describe(board.file.vessels[vessel.name])):
            rows.append((vessel.name if number == 0 else "", key, value))
    return _grid("Vessels", ("vessel", "key", "value"), rows)


def _parameters(board: Board) -> Grid:
    return _grid(
        "Parameters",
        ("id", "parameter", "unit", "what it is"),
        ((f"0x{p.id:04x}", p.name, p.unit, p.text) for p in board.parameters),
    )


def _limits(board: Board) -> Grid:
    rows = []
    for limit in board.limits:
        unit = board.parameters[limit.row].unit
        levels = [
            f"{name} {value:g} {unit} (severity {severity})".replace("  ", " ")
            for name, value, severity in zip(
                ("LL", "L", "H", "HH"), limit.levels, limit.severity, strict=True
            )
            if not math.isnan(value)
        ]
        if limit.check not in LEVELED:
            after = f" {ms(limit.max_age_ns)}" if limit.max_age_ns else ""
            levels = [f"{limit.check.name.lower().replace('_', ' ')}{after} (severity {max(limit.severity)})"]
        rows.append(
            (
                str(limit.id),
                f"0x{limit.event:04x}",
                limit.name,
                board.parameters[limit.row].name,
                ", ".join(levels),
                f"{limit.n} of {limit.m}",
            )
        )
    return _grid("Limits and alarms", ("id", "event", "alarm", "parameter", "condition", "votes"), rows)


def _phases(board: Board) -> Grid:
    rows = []
    for phase in board.phases:
        begins = ["at start"] if phase.at_start else []
        if phase.row is not None:
            parameter = board.parameters[phase.row]
            bound = f"below {phase.below:g}" if math.isnan(phase.above) else f"above {phase.above:g}"
            begins.append(f"{parameter.name} {bound} {parameter.unit}".strip())
        rows.append(
            (
                str(phase.id),
                phase.name,
                ", ".join(board.vessels[place].name for place in phase.vessels),
                ms(phase.time_out_ns),
                ms(phase.settle_ns),
                ", ".join([*begins, f'"{phase.name}" in a recording']),
            )
        )
    columns = ("id", "phase", "no leak is judged in", "time-out", "settle", "begins")
    return _grid("Phases", columns, rows)


def _sinks(board: Board) -> Grid:
    rows = []
    for sink in board.sinks:
        keys = ", ".join(f"{key} = {text}" for key, text in describe(sink.options) if key != "kind")
        rows.append((sink.name, sink.kind, keys))
    return _grid("Sinks", ("sink", "kind", "keys"), rows)
