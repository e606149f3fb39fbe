"""Truth for the leak tests: a loop and a gas volume as equations, and a harness that feeds a vessel through the table."""

import math
from collections.abc import Callable, Iterable

import numpy as np

from fsw.leak import accumulator, gas
from fsw.leak.detector import Detector
from fsw.leak.vessel import Inputs, Outputs, Vessel
from fsw.sample import Quality
from fsw.table import Parameter, Reading, Table

NS = 1_000_000_000
ROWS = ("pressure", "temperature", "inventory", "leak_rate", "leak_certainty", "onset", "hole", "time_to_limit", "time_to_empty")

MS22 = {
    "pressure": "pt.pressure",
    "temperature": "tt.temperature",
    "volume": "44 L",
    "gas_volume": "5 L",
    "reference_pressure": "196 kPa absolute",
    "reference_temperature": "293 K",
    "density": "692 kg/m^3",
    "expansion": "1.2e-3/K",
    "limit": "100 kPa absolute",
}
CABIN = {
    "pressure": "pt.pressure",
    "temperature": "tt.temperature",
    "volume": "916 m^3",
    "fluid": "air",
    "limit": "90 kPa absolute",
    "thermal": {"unseen_drift": "0.02 K/h", "fastest": "1 K/h"},
}


class Rig:
    """One vessel with its own table; `feed` gives one instant and returns whether the leak is certain."""

    def __init__(self, module, keys, noise_pa=100.0, noise_k=0.02):
        self.options = module.Options(**keys)
        self.model = module.model(self.options)
        self.detector = Detector(self.options.detector, self.model.zero_leak_kg_per_s)
        self.table = Table(Parameter(i, name, "") for i, name in enumerate(ROWS))
        outputs = Outputs(*range(2, 9 if module is accumulator else 8))
        self.vessel = Vessel("v", self.model, self.detector, self.options.thermal, Inputs(0, 1), outputs)
        self.noise = (noise_pa, noise_k)

    def feed(self, time_ns, pressure_pa, temperature_k, quality=int(Quality.GOOD)):
        self.table.write(0, pressure_pa, self.noise[0], time_ns, quality)
        self.table.write(1, temperature_k, self.noise[1], time_ns, int(Quality.GOOD))
        self.vessel.step(time_ns, self.table)
        return self.table.value[4] >= 1.0

    def read(self, name) -> Reading:
        return self.table.read(ROWS.index(name))


def loop(seconds, hole_m=0.0, at_s=0.0, k=1.1, cd=0.61, rate_hz=10.0, temperature=lambda t: 293.0, volume=44e-3,
         gas_m3=5e-3, p0=196e3, rho=692.0, beta=1.2e-3):
    """(t, pressure, mean temperature, lost m3) of a loop leaking into vacuum: p V_g^k = const, Bernoulli."""
    lost, dt = 0.0, 1 / rate_hz
    area = math.pi / 4 * hole_m**2
    for i in range(int(seconds * rate_hz)):
        t = i * dt
        mean_k = temperature(t)
        gas_now = gas_m3 + lost - volume * beta * (mean_k - 293.0)
        pressure = p0 * (gas_m3 / gas_now) ** k
        yield t, pressure, mean_k, lost
        if t >= at_s:
            lost += cd * area * math.sqrt(2 * pressure / rho) * dt


def ar1(rng, n, sigma, phi):
    """Stationary AR(1) noise."""
    white = rng.normal(0, sigma * math.sqrt(1 - phi * phi), n)
    out = np.empty(n)
    out[0] = rng.normal(0, sigma)
    for i in range(1, n):
        out[i] = phi * out[i - 1] + white[i]
    return out
