"""`fsw decode`: packets in words, or as JSON."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator

import click
from rich.console import Console

from fsw.ground import source
from fsw.ground.decode import Report, report, to_json
from fsw.ground.names import Names
from fsw.packets.frame import Stretch

EXAMPLES = """\b
Examples:
  fsw decode recordings/*.tm
  fsw decode recordings/*.tm --board bench_rig --verbose
  fsw decode recordings/*.tm --board bench_rig --json | jq 'select(.kind == "alarm")'
  fsw decode udp:0.0.0.0:10025 --board bench_rig
  fsw decode serial:/dev/ttyUSB0 --baud 115200
"""


@click.command(epilog=EXAMPLES)
@click.argument("sources", nargs=-1, required=True, metavar="FILE... | udp:HOST:PORT | serial:DEVICE")
@click.option(
    "--board",
    metavar="BOARD",
    help="Board file or shipped board, for names, units and advice instead of ids.",
)
@click.option("--verbose", "-v", is_flag=True, help="Every value of housekeeping and samples, one a line.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; NaN and infinities are null.")
@click.option("--baud", default=115200, show_default=True, help="Of a serial line.")
def command(sources: tuple[str, ...], board: str | None, verbose: bool, as_json: bool, baud: int) -> None:
    """Print packets: one line each, alarms standing out; of housekeeping, what is not GOOD.

    FILE is a recording, packets one after another. udp: listens on HOST:PORT, serial: reads a telemetry line,
    both until Ctrl-C. Bytes that are no packet are reported with offset and count, and skipped.

    \b
    Exit codes: 0 read, 1 a source cannot be read, 2 wrong board or arguments.
    """
    names = _names(board)
    show = _printer(as_json, verbose)
    kinds: Counter[str] = Counter()
    strangers: set[object] = set()
    try:
        for where in sources:
            if len(sources) > 1 and not as_json:
                click.echo(f"{where}:")
            for stretch in _read(where, baud):
                said = report(stretch, names)
                show(said)
                apid = said.json.get("apid", names.apid)
                if names.apid not in (None, apid) and apid not in strangers:
                    strangers.add(apid)
                    text = f"APID {apid} is not that of {board}, {names.apid}: its packets are shown with ids"
                    click.echo(text, err=True)
                kinds[str(said.json["kind"])] += 1
    except KeyboardInterrupt:  # how a stream ends
        pass
    except click.ClickException:
        if kinds:  # what was read until then counts
            click.echo(_summary(kinds), err=True)
        raise
    click.echo(_summary(kinds), err=True)


def _read(where: str, baud: int) -> Iterator[Stretch]:
    try:
        yield from source.read(where, baud)
    except ValueError as error:  # it is no address, no rate
        raise click.BadParameter(f"{where}: {error}") from None
    except OSError as error:
        raise click.ClickException(f"{where}: {error.strerror or error}") from None


def _names(board: str | None) -> Names:
    if board is None:
        return Names()
    from fsw.board.load import load  # noqa: PLC0415  (a second of imports that only --board needs)
    from fsw.board.problem import BoardErrors  # noqa: PLC0415

    try:
        return Names.of(load(board))
    except BoardErrors as errors:
        click.echo(str(errors), err=True)
        sys.exit(2)


def _printer(as_json: bool, verbose: bool) -> Callable[[Report], None]:
    if as_json:
        return lambda said: click.echo(to_json(said.json))
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not console.is_terminal:
        return lambda said: click.echo(_words(said, verbose))
    return lambda said: console.print(_words(said, verbose), style=said.style)


def _words(said: Report, verbose: bool) -> str:
    return "\n    ".join([said.text, *said.details]) if verbose else said.text


def _summary(kinds: Counter[str]) -> str:
    packets = kinds.total() - kinds["corrupted"] - kinds["torn"]
    damage = f"{kinds['corrupted']} corrupted stretches, {kinds['torn']} torn tails"
    return f"{packets} packets, {kinds['alarm']} of them alarms; {damage}"
