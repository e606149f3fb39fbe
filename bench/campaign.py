"""A healthy vessel for a month, many times over, with everything that is no leak: what does the monitor call a leak?

And when an instrument fails, is that named in time? The vessel and what disturbs it are in `disturbances`, all that
judges is `Monitor.step`.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chi2

from bench.disturbances import BOARD, DAY_S, FULL_PA, NS, REFILL_PA, Fault, Rig, ticks
from bench.naming import Naming, Raise, judged
from fsw import assembly
from fsw.alarms import Transition
from fsw.board.board import Board
from fsw.board.load import load
from fsw.ground.replay import Listener
from fsw.sample import Quality

NEAR_S = 900.0  # an alarm so soon after a disturbance is counted as its work


@dataclass
class Seen:
    """What one vessel was said to do."""

    seed: int
    days: int
    leaks: list[tuple[float, str]] = field(
        default_factory=list
    )  # when, and the last disturbance if it was near
    alarms: Counter[str] = field(default_factory=Counter)
    occurrences: Counter[str] = field(default_factory=Counter)
    near_s: float = 0.0
    naming: Naming = field(default_factory=Naming)


def watch(path: str, seed: int, days: int, disturbances: bool = True) -> Seen:
    """One seed."""
    board = load(path)
    seen = Seen(seed, days)
    listeners: list[Listener] = []

    def listen(telemetry: Any) -> Listener:
        listeners.append(Listener(telemetry, packing=False))
        return listeners[0]

    monitor = assembly.monitor(board, Quality.SIM, listen)
    listener, step = listeners[0], monitor.step
    names = {limit.id: limit.name for limit in board.limits}
    rows = (monitor.table.rows["pt.pressure.raw"], monitor.table.rows["tt.temperature.raw"])
    rig = Rig(np.random.default_rng(seed), disturbances)
    marks: tuple[str, ...] = ()
    delivered: list[Any] = []
    faults: list[Fault] = []
    told: list[Raise] = []
    for number in range(days):
        if rig.level_pa > FULL_PA + 5 * REFILL_PA:
            rig.level_pa, marks = FULL_PA, ("vent",)
        day = rig.day(number)
        delivered.append(day.pressure_pa)
        faults += day.faults
        for now_ns, arrivals in ticks(day, number, rows):
            step(now_ns, arrivals, (), marks)
            marks = ()
            for event in listener.events:
                name = names[event.alarm]
                if event.transition in (Transition.RAISE, Transition.RTN):
                    raised = event.transition is Transition.RAISE
                    told.append(Raise(name, now_ns // NS - 1, raised))
                if event.transition is not Transition.RAISE:
                    continue
                seen.alarms[name] += 1
                if name == "rig.leak":
                    at_s = now_ns / NS
                    near = [kind for when, kind in day.disturbed if 0 <= at_s - when < NEAR_S]
                    seen.leaks.append((at_s, near[-1] if near else ""))
            for occurrence in listener.occurrences:
                seen.occurrences[occurrence.kind.name] += 1
        covered = np.zeros(DAY_S, bool)
        for when, _ in day.disturbed:
            place = int(when) - number * DAY_S
            covered[place : place + int(NEAR_S)] = True
        seen.near_s += float(covered.sum())
    if faults:
        seen.naming = judged(board, np.concatenate(delivered), faults, told)
    return seen


def main(argv: list[str] | None = None) -> int:
    """The campaign, and whether it kept its word."""
    parser = argparse.ArgumentParser(prog="python -m bench campaign", description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--false-alarms", default="1 per 30 days")
    parser.add_argument("--calibrate-days", type=int, default=4, help="0: without a calibration")
    parser.add_argument("--healthy", action="store_true", help="no disturbances but the thermal cycle")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "campaign.toml"
        path.write_text(BOARD.format(false_alarms=options.false_alarms))
        if options.calibrate_days:
            calibrate(path, options.calibrate_days)
        return report(options, path)


def calibrate(path: Path, days: int) -> None:
    """`fsw calibrate` on a recording of a vessel that nobody disturbs."""
    from click.testing import CliRunner  # noqa: PLC0415

    from fsw.cli import main as fsw  # noqa: PLC0415

    recording = path.with_suffix(".csv")
    rig = Rig(np.random.default_rng(10_001), disturbances=False)
    with recording.open("w") as file:
        file.write("time_s,pt [bar],tt [degC]\n")
        for number in range(days):
            day = rig.day(number)
            for at, (p, t) in enumerate(zip(day.pressure_pa, day.temperature_k, strict=True)):
                file.write(f"{number * DAY_S + at},{p / 1e5:.7f},{t - 273.15:.5f}\n")
    result = CliRunner().invoke(fsw, ["calibrate", str(path), str(recording)])
    print(result.output)
    if result.exit_code:
        raise SystemExit(result.exit_code)


def report(options: argparse.Namespace, path: Path) -> int:
    """Run all seeds and tell."""
    board: Board = load(path)
    wanted = options.days * options.seeds * DAY_S / board.vessels[0].false_alarm_s
    began = time.monotonic()
    leaks: list[tuple[int, float, str]] = []
    alarms: Counter[str] = Counter()
    occurrences: Counter[str] = Counter()
    naming = Naming()
    near_s, done = 0.0, 0
    with ProcessPoolExecutor(options.jobs) as pool:
        runs = [
            pool.submit(watch, str(path), seed, options.days, not options.healthy)
            for seed in range(options.seeds)
        ]
        for run in as_completed(runs):
            seen = run.result()
            done += 1
            leaks += [(seen.seed, at, near) for at, near in seen.leaks]
            alarms += seen.alarms
            occurrences += seen.occurrences
            near_s += seen.near_s
            naming += seen.naming
            print(f"  {done} of {options.seeds}: {len(leaks)} leak alarms", file=sys.stderr, flush=True)
    total_s = options.days * options.seeds * DAY_S
    low, high = chi2.ppf(0.025, 2 * len(leaks)) / 2 if leaks else 0.0, chi2.ppf(0.975, 2 * len(leaks) + 2) / 2
    print(f"{options.seeds} vessels x {options.days} days, false_alarms = {options.false_alarms!r}")
    print(
        f"  leak alarms without a leak: {len(leaks)} (95 %: {low:.1f} to {high:.1f}); {wanted:.1f} were allowed"
    )
    near = [each for each in leaks if each[2]]
    share = near_s / total_s
    print(
        f"  within {NEAR_S / 60:.0f} min of a disturbance: {len(near)}; such times are {share:.0%} of all,"
        f" so by chance {share * len(leaks):.1f}"
    )
    for seed, at, kind in sorted(leaks):
        print(f"    seed {seed}, day {at / DAY_S:.3f} {kind}")
    print("  alarms:", ", ".join(f"{name} {count}" for name, count in sorted(alarms.items())) or "none")
    print("  events:", ", ".join(f"{name} {count}" for name, count in sorted(occurrences.items())) or "none")
    print(naming.table())
    print(f"  {total_s / (time.monotonic() - began):.0f} ticks a second on {options.jobs} processes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
