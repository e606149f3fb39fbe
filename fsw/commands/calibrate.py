"""`fsw calibrate`: learn noise, temperature and zero leak of healthy vessels from a recording."""

import contextlib
import datetime
import hashlib
import importlib.metadata
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console

from fsw.board.board import Board
from fsw.board.calibration import CalibrationFile, Made, learned_with, path_for
from fsw.board.ids import replace_file
from fsw.board.load import load
from fsw.board.problem import BoardErrors, did_you_mean
from fsw.commands.replay import NS_PER_S, UNREADABLE, WRONG, instant, opened, period, watched
from fsw.ground.calibrate import calibrate
from fsw.ground.finding import TWO_SIDED_95, Teller
from fsw.ground.healthy import Healthy
from fsw.ground.packet_files import segments
from fsw.ground.recording import Recording, RecordingError, WrongBoardError
from fsw.ground.series import NotHealthyError
from fsw.leak.calibration import Calibration

NOT_HEALTHY = 3  # exit code
CHUNK = 1 << 20
EXAMPLES = """\b
Examples:
  fsw calibrate bench_rig.toml recordings/bench_rig --from 2026-09-21T20:00 --to 2026-09-22T06:00
  fsw calibrate bench_rig.toml night.csv --out tried.cal.toml
  fsw calibrate bench_rig.toml night.csv --vessel rig --force
"""


@click.command(epilog=EXAMPLES)
@click.argument("board")
@click.argument("recordings", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write there, and not to BOARD.cal.toml beside the board.",
)
@click.option("--force", is_flag=True, help="Replace a calibration that is there already.")
@click.option("--vessel", "vessels", multiple=True, metavar="NAME", help="Only this one (may be repeated).")
@click.option(
    "--settle",
    callback=period,
    default="5 min",
    show_default=True,
    help="How long a vessel is not at rest after an event of the recording.",
)
@click.option(
    "--from",
    "from_ns",
    callback=instant,
    metavar="TIME",
    help="Begin there: seconds as recorded, or ISO 8601 (naive: UTC).",
)
@click.option("--to", "to_ns", callback=instant, metavar="TIME", help="End there.")
def command(
    board: str,
    recordings: tuple[Path, ...],
    out: Path | None,
    force: bool,
    vessels: tuple[str, ...],
    settle: int,
    from_ns: int | None,
    to_ns: int | None,
) -> None:
    """Learn from RECORDINGS of healthy vessels what BOARD's noise, temperature and zero leak are.

    Recordings as for `fsw replay`: segments or CSV. The result goes to BOARD.cal.toml beside the board, where
    `fsw run`, `fsw replay` and `fsw check` find it. What happened while it was recorded must be in the column `event`,
    or be left out with --from and --to: a leak alarm, a step or gaps are refused, and then nothing is written.

    \b
    Exit codes: 0 written, 1 a recording cannot be read or the file not be written, 2 wrong board or arguments,
    3 not healthy, or too short.
    """
    loaded = _load(board)
    target = path_for(loaded.path) if out is None else out
    known = [spec.name for spec in loaded.vessels]
    for name in vessels:
        if name not in known:
            raise click.BadParameter(
                f"{name!r} is no vessel; {did_you_mean(name, known)}", param_hint="--vessel"
            )
    if not known:
        raise click.UsageError(f"{loaded.path} has no vessels: there is nothing to calibrate")
    if target.exists() and not force:
        raise click.UsageError(
            f"{target} is there already: replace it with --force, or write elsewhere with --out"
        )
    try:
        found = _learned(loaded, recordings, Healthy(loaded, settle, vessels), (from_ns, to_ns))
        _write(target, found.text())
    except WrongBoardError as error:
        click.echo(f"fsw: {error}", err=True)
        sys.exit(WRONG)
    except (RecordingError, OSError) as error:
        click.echo(f"fsw: {error}", err=True)
        sys.exit(UNREADABLE)
    for name, learned in found.vessels.items():
        for line in describe(name, learned):
            click.echo(line)
    click.echo(f"written to {target}; see what it can find with: fsw check {board}")


def describe(name: str, learned: Calibration) -> Iterator[str]:
    """A calibration for people; errors are 95 %."""
    yield f"{name}: {learned.samples} inventories, one each {learned.interval_s:.3g} s"
    yield (
        f"  noise       {learned.noise:.3g} x declared, correlation of neighbours {learned.phi:.2f};"
        f" long-run noise known to {learned.noise_error:.1%}"
    )
    thermal = (
        f"{learned.kg_per_k + learned.kg_per_k_now:.3g} +/- {TWO_SIDED_95 * learned.kg_per_k_sigma:.2g} kg/K"
    )
    lag = f", lag {learned.lag_s:.3g} s" if learned.lag_s else ""
    yield f"  temperature leaves {thermal}{lag}; it moved {learned.temperature_span_k:.2g} K"
    zero = learned.zero_leak
    yield f"  zero leak   {zero.value:.3g} +/- {TWO_SIDED_95 * zero.sigma:.2g} kg/s"
    yield f"  and beyond  up to {learned.drift_kg_per_s:.2g} kg/s lasting, {learned.swing_kg:.2g} kg passing"
    for note in learned.notes:
        yield f"  note        {note}"


def _write(target: Path, text: str) -> None:
    try:
        replace_file(target, text)
    except OSError as error:  # it names a temporary file
        raise RecordingError(f"{target} cannot be written: {error.strerror}; see --out") from error


def _load(board: str) -> Board:
    """Whatever calibration there is: a bad one is what this is to replace."""
    try:
        return load(board, calibrated=False)
    except BoardErrors as errors:
        click.echo(str(errors), err=True)
        sys.exit(WRONG)


def _learned(
    board: Board, paths: Sequence[Path], healthy: Healthy, span_ns: tuple[int | None, int | None]
) -> CalibrationFile:
    recording = opened(paths, board)
    with contextlib.closing(watched(recording, "reading", Console(stderr=True))) as items:
        healthy.read(items, recording.dated, *span_ns)
    if not healthy.ticks:
        raise RecordingError("nothing was recorded between --from and --to")
    found = _found(board, healthy, recording)
    return CalibrationFile(
        calibration=_made(board, paths, healthy, recording),
        learned_with={key: text for name in found for key, text in learned_with(board.file, name)},
        vessels=found,
    )


def _found(board: Board, healthy: Healthy, recording: Recording) -> dict[str, Calibration]:
    """The calibration of each vessel; exits with what is wrong, of all of them, where anything is."""
    teller = Teller(board, recording.dated)
    for remark in healthy.remarks:
        click.echo(teller.text(remark)[0], err=True)
    found, wrong = {}, []
    for name in healthy.vessels:
        try:
            found[name] = calibrate(*healthy.series(name))
        except NotHealthyError as error:
            at_ns = None if error.at_s is None else healthy.first_ns + round(error.at_s * NS_PER_S)
            at = "" if at_ns is None else f"at {teller.time_text(at_ns)}: "
            wrong.append(f"{name}: {at}{error}")
    if wrong:
        rest = f"; the others with {' '.join(f'--vessel {name}' for name in found)}" if found else ""
        click.echo("\n".join([f"fsw: nothing can be learned from this recording{rest}", *wrong]), err=True)
        sys.exit(NOT_HEALTHY)
    return found


def _made(board: Board, paths: Sequence[Path], healthy: Healthy, recording: Recording) -> Made:
    teller = Teller(board, recording.dated)
    return Made(
        date=datetime.datetime.now(datetime.UTC).replace(microsecond=0),
        board=board.name,
        board_crc32=f"{board.crc32:08x}",
        version=importlib.metadata.version("ullage"),
        recordings=tuple(path.name for path in paths),
        sha256=_sha256(paths),
        begin=teller.time_text(healthy.first_ns),
        end=teller.time_text(healthy.last_ns),
    )


def _sha256(paths: Sequence[Path]) -> str:
    """Of all files, as if they were one."""
    total = hashlib.sha256()
    for path in (segment for each in paths for segment in segments(each)):
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                total.update(chunk)
    return total.hexdigest()
