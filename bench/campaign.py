"""A healthy vessel for a month, many times over, with everything that is no leak: what does the monitor call a leak?

A gas vessel swings by +/-10 K each orbit, is refilled, has a pump that starts and stops, an instrument that drops out,
spikes, sticks and changes its unit. Simulated here in numpy, apart from all that judges it; judged by `Monitor.step`.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import lfilter
from scipy.stats import chi2

from fsw import assembly
from fsw.alarms import Transition
from fsw.arrivals import Arrivals, Columns
from fsw.board.board import Board
from fsw.board.load import load
from fsw.ground.replay import Listener
from fsw.sample import Quality

NS = 1_000_000_000
DAY_S = 86_400
ORBIT_S, SWING_K, MEAN_K = 5520.0, 10.0, 295.0
LAG_S = 120.0  # by which the gas follows the sensor on its wall
NOISE_PA, NOISE_K, PHI = 100.0, 0.02, 0.3
VOLUME_M3, NITROGEN = 0.004, 296.8
FULL_PA = 6e5
REFILL_PA, HEATING, SETTLING_S = 4e4, 0.286, 60.0
PUMP_PA = 3e3
UNIT = 14.5037738  # bar read as psi
PER_DAY = {"pump": 24, "refill": 1, "drop_out": 6, "spike": 24, "stuck": 2, "unit": 1}
NEAR_S = 900.0  # an alarm so soon after a disturbance is counted as its work

BOARD = """
[board]
name = "campaign"
rate = "1 Hz"
apid = 77
heartbeat = "1 day"
housekeeping = "1 day"
false_alarms = "{false_alarms}"

[lines.bus]
device = "/dev/null"

[instruments.pt]
line = "bus"
dialect = "modbus_rtu"
address = 1
[instruments.pt.channels.pressure]
quantity = "pressure"
unit = "bar"
reference = "absolute"
register = 40001
type = "f32"
noise = "100 Pa"
range = ["0 bar absolute", "100 bar absolute"]
max_rate = "1 bar/s"
stale_after = "5 s"
stuck_after = "30 s"

[instruments.tt]
line = "bus"
dialect = "modbus_rtu"
address = 2
[instruments.tt.channels.temperature]
quantity = "temperature"
unit = "degC"
register = 40001
type = "f32"
noise = "0.02 K"
range = ["-40 degC", "125 degC"]
max_rate = "10 K/s"
stale_after = "5 s"

[vessels.rig]
model = "gas"
pressure = "pt.pressure"
temperature = "tt.temperature"
volume = "4 L +/- 2 %"
fluid = "nitrogen"
limit = "1 bar absolute"

[vessels.rig.thermal]
lag = "120 s"
"""


@dataclass
class Day:
    """One day of samples at 1 Hz; NaN is a sample that never came."""

    pressure_pa: Any
    temperature_k: Any
    disturbed: list[tuple[float, str]]


@dataclass
class Rig:
    """The truth, day after day."""

    rng: np.random.Generator
    disturbances: bool = True
    level_pa: float = FULL_PA
    pump_on: bool = False
    leak_pa_per_s: float = 0.0
    _gas_k: float = MEAN_K
    _noise_pa: float = 0.0
    _settle: list[tuple[float, float]] = field(default_factory=list)  # when, kelvin

    def day(self, number: int) -> Day:
        """The samples of one day."""
        rng = self.rng
        t = number * DAY_S + np.arange(DAY_S, dtype=float)
        wall = MEAN_K + SWING_K * np.sin(2 * math.pi * t / ORBIT_S)
        keep = math.exp(-1 / LAG_S)
        gas, _ = lfilter([1 - keep], [1, -keep], wall, zi=[keep * self._gas_k])
        self._gas_k = float(gas[-1])
        amount = np.full(DAY_S, self.level_pa) - self.leak_pa_per_s * np.arange(DAY_S)
        pump = np.zeros(DAY_S)
        heat = np.zeros(DAY_S)
        found: list[tuple[float, str]] = []
        if self.disturbances:
            for place in np.sort(rng.integers(0, DAY_S, PER_DAY["pump"])):
                self.pump_on = not self.pump_on
                pump[place:] = PUMP_PA * self.pump_on
                found.append((float(t[place]), "pump"))
            for place in rng.integers(0, DAY_S - 600, PER_DAY["refill"]):
                # What it gains is let out by hand at midnight now and then, and written down as a vent.
                takes = int(rng.integers(2, 60))
                rise = np.minimum(np.maximum(np.arange(DAY_S) - place, 0) / takes, 1.0) * REFILL_PA
                amount += rise
                hot = MEAN_K * HEATING * REFILL_PA / self.level_pa
                since = np.maximum(np.arange(DAY_S) - place, 0)
                heat += (
                    hot * np.minimum(since / takes, 1.0) * np.exp(-np.maximum(since - takes, 0) / SETTLING_S)
                )
                found.append((float(t[place]), "refill"))
        self.level_pa = float(amount[-1])
        clean = (amount + pump) * (gas + heat) / MEAN_K
        white = rng.standard_normal(DAY_S) * NOISE_PA * math.sqrt(1 - PHI * PHI)
        noise, _ = lfilter([1], [1, -PHI], white, zi=[PHI * self._noise_pa])
        self._noise_pa = float(noise[-1])
        pressure = clean + noise
        temperature = wall + rng.standard_normal(DAY_S) * NOISE_K
        if self.disturbances:
            self._corrupt(t, pressure, found)
        return Day(pressure, temperature, sorted(found))

    def _corrupt(self, t: Any, pressure: Any, found: list[tuple[float, str]]) -> None:
        rng = self.rng
        for place in rng.integers(0, DAY_S, PER_DAY["spike"]):
            pressure[place] += float(rng.choice([-1, 1])) * NOISE_PA * 10 ** rng.uniform(1, 3)
            found.append((float(t[place]), "spike"))
        for kind, longest in (("drop_out", 60), ("stuck", 300), ("unit", 300)):
            for place in rng.integers(0, DAY_S - longest, PER_DAY[kind]):
                end = place + int(rng.integers(1 if kind == "drop_out" else 40, longest))
                if kind == "drop_out":
                    pressure[place:end] = np.nan
                elif kind == "stuck":
                    pressure[place:end] = pressure[place]
                else:
                    pressure[place:end] *= UNIT
                found.append((float(t[place]), kind))


def ticks(day: Day, number: int, rows: tuple[int, int]) -> Iterator[tuple[int, Arrivals]]:
    """Each second's samples, for `Monitor.step`."""
    times = (number * DAY_S + np.arange(DAY_S, dtype=np.int64) + 1) * NS
    both = np.stack([day.pressure_pa, day.temperature_k], axis=1)
    came = ~np.isnan(both)
    ends = np.cumsum(came.sum(axis=1))
    taken = came.ravel()
    columns = Columns(
        np.tile(np.array(rows, np.uint32), DAY_S)[taken],
        np.repeat(times, 2)[taken],
        np.ascontiguousarray(both.ravel()[taken]),
        np.full(int(ends[-1]), int(Quality.GOOD), np.uint8),
    )
    first = 0
    for now_ns, end in zip(times.tolist(), ends.tolist(), strict=True):
        yield now_ns, Arrivals(columns, first, end)
        first = end


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
    for number in range(days):
        if rig.level_pa > FULL_PA + 5 * REFILL_PA:
            rig.level_pa, marks = FULL_PA, ("vent",)
        day = rig.day(number)
        for now_ns, arrivals in ticks(day, number, rows):
            step(now_ns, arrivals, (), marks)
            marks = ()
            for event in listener.events:
                if event.transition is not Transition.RAISE:
                    continue
                name = names[event.alarm]
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
    print(f"  {total_s / (time.monotonic() - began):.0f} ticks a second on {options.jobs} processes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
