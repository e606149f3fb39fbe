"""Golden numbers of sealed gas volumes."""

import pytest

from fsw.leak import gas
from fsw.leak.fluid import Gas
from fsw.leak.state import State
from fsw.quantity import Measured

from .plant import CABIN

AIR = Gas(8.31446261815324 / 287.05, 1.4)


def model(**keys):
    return gas.model(gas.Options(**{**CABIN, **keys}))


def state(pressure_pa, temperature_k, noise_pa=0.0, noise_k=0.0):
    return State(Measured(pressure_pa, noise_pa), Measured(temperature_k, noise_k))


def test_the_vacuum_decay_of_40_cfr_1065_644():
    leak = gas.two_point_mol_per_s(0.002, (25_300, 293.15), (50_600, 293.15), 70, molar_gas_constant=8.314472)
    assert leak == pytest.approx(-2.965705e-4, abs=5e-11)  # inward


def test_1_678_kg_a_day_in_the_units_that_people_use():
    rate = 1.678 / 86400
    assert gas.throughput(rate, 295.0, AIR) == pytest.approx(1.645, abs=5e-4)
    assert gas.throughput(rate, 273.15, AIR) == pytest.approx(1.523, abs=5e-4)
    assert gas.throughput(rate, 273.15, AIR) * 592.15 == pytest.approx(902, abs=0.5)  # sccm
    pa_per_s = gas.throughput(rate, 295.0, AIR) / 916
    assert pa_per_s * 86400 / 133.322 == pytest.approx(1.16, abs=0.005)  # mmHg a day


def test_a_zero_leak_in_sccm_is_converted_at_0_degc():
    assert model(zero_leak="902 sccm").zero_leak_kg_per_s * 86400 == pytest.approx(1.678, rel=2e-3)


def test_the_reference_temperature_of_a_throughput_matters_by_7_3_percent():
    at_0 = model(zero_leak="10 mbar*L/s").zero_leak_kg_per_s
    at_20 = model(zero_leak="10 mbar*L/s", throughput_at="20 degC").zero_leak_kg_per_s
    assert at_0 / at_20 == pytest.approx(1.073, abs=5e-4)


def test_a_volume_rate_of_gas_is_refused():
    with pytest.raises(ValueError, match="zero_leak"):
        model(zero_leak="3 mL/day")


def test_a_mole_of_air_at_standard_conditions_fills_22_414_litres():
    inventory = model(volume="22.41396954 L").inventory(state(101_325, 273.15))
    assert inventory.kg == pytest.approx(28.96546e-3, rel=1e-8)


def test_noise_and_scale_are_kept_apart():
    inventory = model(volume="10 L +/- 2 %").inventory(state(2e5, 300.0, noise_pa=200.0, noise_k=0.3))
    assert inventory.noise_kg / inventory.kg == pytest.approx(2**0.5 * 1e-3)
    assert inventory.scale == pytest.approx(0.02)
    assert inventory.sigma_kg / inventory.kg == pytest.approx((0.02**2 + 2e-6) ** 0.5)


@pytest.mark.parametrize(("bar", "pa_per_s"), [(1, 0.095), (3, 0.284), (7, 0.663)])
def test_an_unseen_drift_of_1_k_an_hour_reads_as(bar, pa_per_s):
    p, t = bar * 1e5, 293.15
    inventory = model().inventory(state(p, t))
    assert inventory.kg_per_k / 3600 * p / inventory.kg == pytest.approx(pa_per_s, abs=5e-4)


def test_the_time_to_the_limit_does_not_know_the_error_of_the_volume():
    rate = Measured(1e-4, 1e-6)
    for volume in ("10 L", "10 L +/- 20 %"):
        vessel = model(volume=volume, limit="1 bar absolute")
        now = state(2e5, 300.0)
        left = vessel.time_left(now, vessel.inventory(now), rate).to_limit_s
        # tau ln 2, tau = m / mdot, m = 2e5 * 0.01 / (287.05 * 300)
        assert left.value == pytest.approx(0.0232248 / 1e-4 * 0.693147, rel=1e-4)
        assert left.sigma / left.value == pytest.approx(0.01)
