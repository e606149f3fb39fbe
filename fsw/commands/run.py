"""`fsw run`: monitor a rig until told to stop."""

import datetime
import logging
import socket
import sys
from dataclasses import replace
from pathlib import Path

import click
from pydantic import BaseModel, ValidationError

from fsw import assembly, lockstep
from fsw.board import kinds, sight
from fsw.board.board import Board, SinkSpec
from fsw.board.load import BoardErrors, load
from fsw.board.problem import of_validation
from fsw.bus.port import Port
from fsw.clock import LockstepClock, MonotonicClock
from fsw.executive import Executive
from fsw.notify import from_environment
from fsw.sample import Quality
from fsw.station import Outlet, Station

BAD_INPUT = 2


def rerouted(board: Board, devices: tuple[str, ...]) -> Board:
    """The board with `LINE=DEVICE` in place of the devices it names; click.BadParameter for a line it has not."""
    places = {line.name: line for line in board.lines}
    for text in devices:
        name, sign, device = text.partition("=")
        if not sign or not device or name not in places:
            known = ", ".join(places) or "none"
            raise click.BadParameter(f"{text!r}: write LINE=DEVICE; the lines of {board.name} are: {known}")
        try:
            places[name] = replace(places[name], settings=replace(places[name].settings, device=device))
        except ValueError as error:
            raise click.BadParameter(f"{text!r}: {error}") from error
    return replace(board, lines=tuple(places[line.name] for line in board.lines))


def sink_spec(text: str) -> SinkSpec:
    """`udp:HOST:PORT`, `serial:DEVICE`, `recorder:DIRECTORY`: kind, then its first key in a board file."""
    kind, _, where = text.partition(":")
    modules = kinds.sinks()
    if kind not in modules:
        raise click.BadParameter(f"{text!r}: the kinds of sink are {', '.join(sorted(modules))}")
    options: type[BaseModel] = modules[kind].Options
    keys = {next(iter(options.model_fields)): where}
    try:
        return SinkSpec(text, kind, options.model_validate(keys))
    except ValidationError as error:
        raise click.BadParameter(f"{text!r}: {of_validation(error, options, keys)[0].text}") from error


def open_sinks(board: Board, specs: list[SinkSpec], samples: bool) -> list[Outlet]:
    """The sinks; with `samples` all of them get the raw samples, otherwise those whose options say so."""
    return [
        Outlet(kinds.sinks()[spec.kind].Sink(spec.options, board.name), samples or spec.options.samples)
        for spec in specs
    ]


def run_in_real_time(board: Board, outlets: list[Outlet]) -> None:
    """Until SIGINT, SIGTERM or SIGHUP."""
    clock = MonotonicClock()
    ports = [Port(line.settings, line.name) for line in board.lines]
    station = Station(board, assembly.pollers(board), ports, assembly.monitor(board), outlets, clock)
    Executive(station, ports, clock, *from_environment()).run()


def run_in_lockstep(board: Board, peer: socket.socket, outlets: list[Outlet]) -> None:
    """Until the bench says so."""
    clock = LockstepClock()
    outbox = lockstep.Outbox(clock)
    writers = [outbox.line(index) for index in range(len(board.lines))]
    monitor = assembly.monitor(board, Quality.SIM)
    outlets = [*outlets, Outlet(outbox, samples=True)]
    station = Station(board, assembly.pollers(board), writers, monitor, outlets, clock)
    with peer:
        lockstep.run(board, peer, clock, station, outbox)


@click.command(
    epilog="""\b
Examples:
  fsw run bench_rig
  fsw run bench_rig --device bus=/dev/ttyUSB1 --sink udp:192.168.1.20:10025
  fsw run my_rig.toml --sink recorder:/tmp/first_try --sink udp:127.0.0.1:10025
"""
)
@click.argument("board")
@click.option(
    "--device", "devices", multiple=True, metavar="LINE=DEVICE", help="Use another device for a line."
)
@click.option(
    "--sink",
    "sinks",
    multiple=True,
    metavar="KIND:WHERE",
    help="Send packets there, and not to the board's own sinks: udp:HOST:PORT, serial:DEVICE, recorder:DIRECTORY.",
)
@click.option(
    "--samples",
    is_flag=True,
    help="Send raw samples, TM[129,130], to every sink; recordings have them anyway.",
)
@click.option(
    "--lockstep", "bench", metavar="unix:PATH", help="Run in the time of a bench that listens there."
)
def command(
    board: str, devices: tuple[str, ...], sinks: tuple[str, ...], samples: bool, bench: str | None
) -> None:
    """Monitor the rig that BOARD describes: a file, or the name of a shipped board.

    Runs until SIGINT, SIGTERM or SIGHUP. A line that is missing is waited for; what is wrong shows as alarms, not
    as an exit.
    """
    logging.basicConfig(format="fsw: %(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        loaded = rerouted(load(board), devices)
    except BoardErrors as errors:
        click.echo(errors, err=True)
        sys.exit(BAD_INPUT)
    specs = [sink_spec(text) for text in sinks]
    if bench is None:
        specs = specs or list(loaded.sinks)
    logging.info(
        "%s at %g Hz; lines: %d, vessels: %d, alarms: %d; packets go to %s",
        loaded.name,
        1e9 / loaded.period_ns,
        len(loaded.lines),
        len(loaded.vessels),
        len(loaded.limits),
        bench or ", ".join(spec.name for spec in specs) or "nobody: the board has no sinks, see --sink",
    )
    for text in sight.remarks(loaded, datetime.datetime.now(datetime.UTC)):
        logging.info("%s", text)
    try:
        if bench is None:
            run_in_real_time(loaded, open_sinks(loaded, specs, samples))
        else:
            kind, _, path = bench.partition(":")
            if kind != "unix" or not path:
                raise click.BadParameter(f"{bench!r}: write unix:PATH", param_hint="--lockstep")
            peer = lockstep.connect(Path(path))
            run_in_lockstep(loaded, peer, open_sinks(loaded, specs, samples))
    except (lockstep.LockstepError, OSError) as error:
        click.echo(f"fsw: {error}", err=True)
        sys.exit(1)
    logging.info("stopped")
