"""Truth for the leak tests: a loop as an equation, noise, and a vessel fed through its own table."""

import math

import numpy as np

from fsw.leak.detector import Detector, Settings
from fsw.leak.state import Finding
from fsw.leak.thermal import Thermal
from fsw.leak.vessel import Inputs, Outputs, Vessel
from fsw.sample import Quality
from fsw.table import Parameter, Table

NS = 1_000_000_000
INPUTS = ("pressure", "temperature")
GOOD = int(Quality.GOOD)
YEAR_S = 365.25 * 86400

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
}


class Rig:
    """One vessel with its own table; `feed` gives it an instant and says whether a leak is certain."""

    def __init__(
        self,
        module,
        keys,
        thermal=Thermal(),  # noqa: B008
        noise_pa=100.0,
        noise_k=0.02,
        settings=Settings(),  # noqa: B008
        calibration=None,
        false_alarm_s=YEAR_S,
    ):
        self.model = module.model(module.Options(**keys))
        names = (*INPUTS, *(output.name for output in module.OUTPUTS))
        self.table = Table(Parameter(i, name, "") for i, name in enumerate(names))
        self.rows = self.table.rows
        inputs = Inputs(0, 1 if "temperature" in keys else None)
        outputs = Outputs(**{output.name: self.rows[output.name] for output in module.OUTPUTS})
        self.detector = Detector(settings, false_alarm_s, calibration)
        self.vessel = Vessel(
            "v", self.model, self.detector, thermal, inputs, outputs, calibration, settings.gap, settings.flat
        )
        self.noise_pa, self.noise_k = noise_pa, noise_k

    def feed(self, t_s, pressure_pa, temperature_k, quality=GOOD):
        time_ns = round(t_s * NS) + 1
        self.table.write(0, pressure_pa, self.noise_pa, time_ns, quality)
        self.table.write(1, temperature_k, self.noise_k, time_ns, GOOD)
        self.vessel.step(time_ns, self.table)
        return self.table.value[self.rows["leak_certainty"]] >= 1.0

    def read(self, name):
        return self.table.read(self.rows[name])

    @property
    def finding(self):
        return Finding(int(self.table.value[self.rows["verdict"]]))


def loop(
    seconds, hole_m=0.0, at_s=0.0, k=1.1, cd=0.61, temperature=lambda t: 293.0, exchange_s=math.inf, hole=None
):
    """(t, pressure, mean temperature, lost m3) at 10 Hz of the MS-22 loop leaking to vacuum: Bernoulli, p V^k.

    With `exchange_s` the gas is adiabatic with gamma = k and takes the loop's temperature with that time constant.
    `hole` in place of `hole_m`, `at_s`: the diameter as a function of time.
    """
    volume, gas_m3, p0, rho, beta, rate_hz = 44e-3, 5e-3, 196e3, 692.0, 1.2e-3, 10.0
    lost, dt = 0.0, 1 / rate_hz
    heat = 1.0  # Tg V^(k - 1) over what it was
    for i in range(int(seconds * rate_hz)):
        t = i * dt
        mean_k = temperature(t)
        share = (gas_m3 + lost - volume * beta * (mean_k - 293.0)) / gas_m3
        if math.isfinite(exchange_s):
            warm = mean_k / 293.0 * share ** (k - 1)
            heat = warm + (heat - warm) * math.exp(-dt / exchange_s)
        pressure = p0 * heat * share**-k
        yield t, pressure, mean_k, lost
        open_m = hole(t) if hole else hole_m * (t >= at_s)
        lost += cd * math.pi / 4 * open_m**2 * math.sqrt(2 * pressure / rho) * dt


def ar1(rng, n, sigma, phi):
    """Stationary AR(1) noise of standard deviation sigma."""
    white = rng.normal(0, sigma * math.sqrt(1 - phi * phi), n)
    out = np.empty(n)
    out[0] = rng.normal(0, sigma)
    for i in range(1, n):
        out[i] = phi * out[i - 1] + white[i]
    return out
