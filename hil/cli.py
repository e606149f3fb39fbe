"""The `hil` command: run scenarios against the real `fsw`, or only serve their instruments."""

import contextlib
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console

from hil import expect, junit, prerequisite, scenario, summary
from hil.rig import Rig
from hil.sweep import sweep

FAILED, WRONG_FILE = 1, 2
LOG_LINES = 20


def _terminated(*_: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ullage", prog_name="hil")
def main() -> None:
    """Prove a leak monitor: the real `fsw` command against faked instruments and the plant behind them.

    \b
    hil list                                   the scenarios that are shipped
    hil run ms22                               one of them, in virtual time
    hil run my_leak.toml --report out          your own, with a page of plots
    hil run ms22 cabin_leak --junit hil.xml    several, for a CI system
    hil sweep ms22 --seeds 59                  many runs: P(detect), delay, false alarms
    hil demo                                   the MS-22 leak in real time, to look at
    hil serve bench_rig_leak                   only the fakes, for a person at a rig
    """
    signal.signal(signal.SIGTERM, _terminated)  # so that nothing is left behind then either


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a page of plots and the evidence here.",
)
@click.option(
    "--junit",
    "junit_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the verdicts as JUnit XML.",
)
@click.option("--real/--virtual", default=None, help="Real time or virtual time, whatever the scenario says.")
@click.option("--live", is_flag=True, help="Show the numbers and alarms while it runs.")
def run(
    files: tuple[str, ...], report: Path | None, junit_file: Path | None, real: bool | None, live: bool
) -> None:
    """Run scenarios (files, or shipped ones by name) and judge what the monitor made of them.

    Prints a line for each expectation, with what was measured. Exit code 0: all met; 1: not all, or the
    program under test failed; 2: a file is wrong or something is missing, and nothing was run.

    \b
    hil run ms22
    hil run ms22 ms21 --report out --junit out/hil.xml
    hil run demo --live
    """
    cases = _cases(files)
    _check_surroundings(report, junit_file)
    results = [_run(case, report, real, live) for case in cases]
    if junit_file is not None:
        junit.write(junit_file, results)
        click.echo(f"verdicts: {junit_file}")
    sys.exit(0 if all(result.passed for result in results) else FAILED)


@main.command()
@click.option(
    "--report", type=click.Path(file_okay=False, path_type=Path), default=Path("runs/demo"), show_default=True
)
def demo(report: Path) -> None:
    """The MS-22 leak in real time: a 0.8 mm hole opens at 20 s, the monitor finds it. About 90 seconds."""
    (case,) = _cases(("demo",))
    _check_surroundings(report, None)
    sys.exit(0 if _run(case, report, real=None, live=True).passed else FAILED)


@main.command(name="list")
def list_() -> None:
    """The scenarios that are shipped."""
    for name in scenario.names():
        click.echo(f"{name:20} {scenario.title(name)}")


@main.command()
@click.argument("file")
def serve(file: str) -> None:
    """Only the fakes of a scenario, each line on a pseudo-terminal, until interrupted.

    \b
    hil serve bench_rig_leak
    fsw run bench_rig --device bus=/tmp/hil-.../bus       (in another terminal)
    """
    from hil import bench, realtime  # noqa: PLC0415
    from hil.evidence import Recording  # noqa: PLC0415

    (case,) = _cases((file,))
    rig = Rig(case)
    with tempfile.TemporaryDirectory(prefix="hil-") as folder, contextlib.ExitStack() as stack:
        wires = bench.open_wires(rig, Path(folder), stack)
        for line in wires:
            click.echo(f"{line}: {Path(folder) / line}")
        devices = " ".join(f"--device {line}={Path(folder) / line}" for line in wires)
        click.echo(f"fsw run {case.board_argument} {devices}\nCtrl-C ends it.")
        with contextlib.suppress(KeyboardInterrupt):
            realtime.run(rig, realtime.Plugs(wires, None), None, Recording(), lambda _: None)


main.add_command(sweep)


def _cases(files: tuple[str, ...]) -> list[scenario.Case]:
    """All of them, or exit with everything that is wrong in any."""
    cases, wrong = [], []
    for file in files:
        try:
            cases.append(scenario.load(file))
            Rig(cases[-1])
        except (ValueError, OSError) as error:  # of the scenario or of its board
            wrong.append(str(error))
    if wrong:
        click.echo("\n".join(wrong), err=True)
        sys.exit(WRONG_FILE)
    return cases


def _check_surroundings(report: Path | None, junit_file: Path | None) -> None:
    wanted = {"space_packet_parser": "bench"} | ({"bokeh": "ground"} if report else {})
    prerequisite.check(wanted, filter(None, (report, junit_file.parent if junit_file else None)))


def _run(case: scenario.Case, report: Path | None, real: bool | None, live: bool) -> junit.Result:
    from hil.bench import Bench  # noqa: PLC0415  (space_packet_parser and its like are slow to import)
    from hil.live import LiveView, Progress  # noqa: PLC0415
    from hil.program import ProgramError  # noqa: PLC0415

    real = case.scenario.clock == "real" if real is None else real
    clock = "real" if real else "virtual"
    about = f"board {case.board.name}, {clock} time, seed {case.scenario.seed}"
    click.echo(f"{case.name}: {case.scenario.title or 'untitled'} ({about})")
    began_s = time.monotonic()
    try:
        bench = Bench(case)
        if live:
            with LiveView(case, bench.background, Console()) as view:
                evidence = bench.run(real=real, watch=view.watch)
        else:
            evidence = bench.run(real=real, watch=Progress(case, Console(stderr=True), time.monotonic).watch)
        verdicts = expect.judge(evidence, case.expectations)
    except ProgramError as error:
        click.echo(f"  FAILED  {error}", err=True)
        return junit.Result(case.name, (), time.monotonic() - began_s, str(error))
    for verdict in verdicts:
        click.echo(f"  {'met   ' if verdict.passed else 'FAILED'}  {verdict.expected}: {verdict.measured}")
    for what, text in summary.lines(evidence):
        click.echo(f"          {what}: {text}")
    met = sum(verdict.passed for verdict in verdicts)
    took = f"{evidence.end_ns / 1e9:.0f} s in {evidence.wall_s:.1f} s, {evidence.speed:.0f} times real time"
    click.echo(f"  {met} of {len(verdicts)} expectations met; {took}")
    if evidence.log and met < len(verdicts):
        click.echo("  the monitor's own output:")
        for line in evidence.log.splitlines()[-LOG_LINES:]:
            click.echo(f"  | {line}")
    if report is not None:
        from hil.report import write  # noqa: PLC0415  (bokeh)

        click.echo(f"  report: {write(report, case, evidence, verdicts)}")
    return junit.Result(case.name, verdicts, evidence.wall_s)


if __name__ == "__main__":
    sys.exit(main())
