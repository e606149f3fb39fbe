"""`fsw xtce`: the board's packets as an XTCE database, for ground systems."""

import sys
from pathlib import Path

import click

from fsw.board.load import load
from fsw.board.problem import BoardErrors
from fsw.packets import xtce

EXAMPLES = """\b
Examples:
  fsw xtce bench_rig > bench_rig.xml
  fsw xtce my_rig.toml --output my_rig.xml
"""


@click.command(epilog=EXAMPLES)
@click.argument("board")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File; standard output if none."
)
def command(board: str, output: Path | None) -> None:
    """Write the XTCE 1.2 database of BOARD, a file or the name of a shipped board.

    Yamcs, space_packet_parser and others decode the board's packets from it. What they call pt1-pressure is
    the parameter pt1.pressure: XTCE allows no dots in names.
    """
    try:
        found = load(board)
    except BoardErrors as errors:
        click.echo(str(errors), err=True)
        sys.exit(2)
    if output is not None and output.exists() and output.samefile(found.path):
        raise click.BadParameter(f"{output} is the board file: write elsewhere", param_hint="--output")
    document = xtce.document(
        found.name,
        found.apid,
        found.parameters,
        {each.sid: each.rows for each in found.housekeeping},
        {limit.id: limit.name for limit in found.limits},
        {phase.id: phase.name for phase in found.phases},
    )
    if found.ids.added:
        click.echo(
            f"{board}: has ids that are not locked yet; run `fsw check {board}` first to keep them", err=True
        )
    if output is None:
        click.echo(document, nl=False)
        return
    try:
        output.write_text(document, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output}: cannot be written: {error.strerror}") from None
