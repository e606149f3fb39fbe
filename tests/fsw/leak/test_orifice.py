"""Golden numbers: reported cases of real stations, textbook flow functions, and foreign integrators."""

import math

import pytest
from scipy.integrate import quad, solve_ivp

from fsw.leak import orifice
from fsw.leak.fluid import GASES, Gas, GasName
from fsw.quantity import Measured

AIR = Gas(8.31446261815324 / 287.05, 1.4)
MMHG = 133.322


def test_psi_and_critical_ratio_of_a_diatomic_gas():
    assert orifice.psi(1.4) == pytest.approx(0.684731, abs=5e-7)
    assert orifice.critical_ratio(1.4) == pytest.approx(0.528, abs=5e-4)


def test_the_specific_constant_of_dry_air():
    assert GASES[GasName.AIR].specific_constant == pytest.approx(287.05, abs=0.01)


@pytest.mark.parametrize(("dp_kpa", "ml_per_s"), [(49, 3.65), (147, 6.32), (196, 7.30)])
def test_a_0_8_mm_hole_in_a_coolant_loop(dp_kpa, ml_per_s):
    flux = orifice.liquid_flux(dp_kpa * 1e3, 0.0, 692.0)
    flow = 0.61 * orifice.area_m2(0.8e-3) * flux / 692.0
    assert flow * 1e6 == pytest.approx(ml_per_s, abs=0.005)
    assert orifice.diameter_m(flow * 692.0, 0.61, flux) == pytest.approx(0.8e-3, rel=1e-12)


def test_a_cabin_that_loses_0_8_mmhg_an_hour_has_a_hole_of_1_46_mm():
    rate = 916 * 0.8 * MMHG / 3600 / (287.05 * 295)
    hole = orifice.diameter_m(rate, 0.8, orifice.gas_flux(101_325, 0.0, 295.0, AIR))
    assert hole * 1e3 == pytest.approx(1.46, abs=0.005)


def test_a_cabin_that_loses_1_678_kg_a_day_has_a_hole_of_0_360_mm():
    hole = orifice.diameter_m(1.678 / 86400, 0.8, orifice.gas_flux(101_325, 0.0, 295.0, AIR))
    assert hole * 1e3 == pytest.approx(0.360, abs=0.0005)


@pytest.mark.parametrize(("first", "last", "hours", "tau_h"), [(733, 643, 12, 91.6), (730, 678, 11.5, 155.6)])
def test_time_constant_of_the_transfer_compartment(first, last, hours, tau_h):
    assert orifice.decay_tau_s(first * MMHG, last * MMHG, hours * 3600) / 3600 == pytest.approx(
        tau_h, abs=0.05
    )


def test_unchoked_flow_meets_choked_flow_at_the_critical_ratio():
    p = 3e5
    critical = p * orifice.critical_ratio(1.4)
    choked = orifice.gas_flux(p, 0.0, 300.0, AIR)
    assert orifice.gas_flux(p, critical * 0.999, 300.0, AIR) == choked
    assert orifice.gas_flux(p, critical * 1.001, 300.0, AIR) == pytest.approx(choked, rel=1e-5)


def test_unchoked_flow_at_a_small_difference_is_bernoulli():
    p, dp = 1e5, 50.0
    assert orifice.gas_flux(p + dp, p, 300.0, AIR) == pytest.approx(
        math.sqrt(2 * p / (287.05 * 300) * dp), rel=1e-3
    )


def test_nothing_flows_against_the_pressure_outside():
    assert orifice.gas_flux(1e5, 1e5, 300.0, AIR) == 0.0
    assert orifice.liquid_flux(0.9e5, 1e5, 692.0) == 0.0
    assert math.isnan(orifice.hole_m(Measured(1e-3, 1e-4), Measured(0.7, 0.1), 0.0).value)


def test_choked_decay_follows_its_time_constant():
    tau = orifice.choked_tau_s(2e-3, 0.1e-3, 0.7, 293.0, AIR)
    rate = 0.7 * orifice.area_m2(0.1e-3) * orifice.gas_flux(6e5, 0.0, 293.0, AIR)
    inventory = 6e5 * 2e-3 / (287.05 * 293.0)
    assert inventory / rate == pytest.approx(tau, rel=1e-12)
    assert orifice.gas_time_s(tau, 6e5, 3e5, 0.0, AIR) == pytest.approx(tau * math.log(2), rel=1e-12)


@pytest.mark.parametrize("limit_pa", [3.0e5, 1.5e5, 1.02e5])
def test_decay_to_an_outside_pressure_agrees_with_an_ode_solver(limit_pa):
    p0, outside, t_k, volume = 6e5, 101_325.0, 293.0, 4e-3
    effective = 0.7 * orifice.area_m2(0.2e-3)

    def fall(_, p):
        return [-effective * orifice.gas_flux(p[0], outside, t_k, AIR) * 287.05 * t_k / volume]

    def reached(_, p):
        return p[0] - limit_pa

    reached.terminal = True
    solved = solve_ivp(fall, (0, 1e5), [p0], events=reached, rtol=1e-9, atol=1e-3)
    tau = p0 * volume / (287.05 * t_k) / (effective * orifice.gas_flux(p0, outside, t_k, AIR))
    assert orifice.gas_time_s(tau, p0, limit_pa, outside, AIR) == pytest.approx(
        solved.t_events[0][0], rel=1e-4
    )


def test_a_limit_that_the_outside_keeps_up_is_never_reached_and_one_that_is_passed_is_now():
    assert orifice.gas_time_s(100.0, 6e5, 1e5, 101_325.0, AIR) == math.inf
    assert orifice.gas_time_s(100.0, 6e5, 0.0, 0.0, AIR) == math.inf
    assert orifice.gas_time_s(100.0, 2e5, 3e5, 0.0, AIR) == 0.0


def test_time_to_lose_a_loop_to_vacuum_is_the_published_formula():
    # (2/3) ((Vg0 + V)^1.5 - Vg0^1.5) / (Cd A sqrt(2 p0 Vg0 / rho)), isothermal: 44 L, 196 kPa, 0.8 mm.
    for gas_m3, cd, hours in ((2e-3, 0.61, 5.5), (10e-3, 0.8, 2.2)):  # the range of the sources, 5.5 to 2.2 h
        area = cd * math.pi / 4 * 0.8e-3**2
        flow = area * math.sqrt(2 * 196e3 / 692)
        time_s = orifice.liquid_time_s(flow, 44e-3, gas_m3, 1.0, 196e3, 0.0)
        expected = (
            (2 / 3) * ((gas_m3 + 44e-3) ** 1.5 - gas_m3**1.5) / (area * math.sqrt(2 * 196e3 * gas_m3 / 692))
        )
        assert time_s == pytest.approx(expected, rel=1e-12)
        assert time_s / 3600 == pytest.approx(hours, abs=0.06)


@pytest.mark.parametrize("k", [1.0, 1.2, 1.4])
@pytest.mark.parametrize("outside", [0.0, 20e3, 60e3])
def test_time_to_lose_a_volume_agrees_with_quadrature_over_the_volume(k, outside):
    p, gas_m3, flow, lost = 196e3, 5e-3, 7e-6, 4e-3

    def slowness(v):
        now = p * (gas_m3 / (gas_m3 + v)) ** k
        return math.sqrt((p - outside) / (now - outside)) / flow

    expected = quad(slowness, 0, lost, epsrel=1e-10)[0]
    assert orifice.liquid_time_s(flow, lost, gas_m3, k, p, outside) == pytest.approx(expected, rel=1e-6)


def test_a_loop_that_reaches_the_pressure_outside_keeps_the_rest():
    assert orifice.liquid_time_s(7e-6, 44e-3, 5e-3, 1.0, 196e3, 101_325.0) == math.inf


def test_the_volume_at_an_alarm_pressure():
    assert orifice.lost_volume_m3(5e-3, 1.0, 196e3, 98e3) == pytest.approx(5e-3)  # Vg0 (p0 / pa - 1)


def test_the_error_of_a_hole_is_half_of_that_of_the_rate_and_of_cd():
    flux = orifice.liquid_flux(196e3, 0.0, 692.0)
    hole = orifice.hole_m(Measured(5e-3, 5e-5), Measured(0.7, 0.1), flux)
    assert hole.sigma / hole.value == pytest.approx(0.5 * math.hypot(0.01, 1 / 7), rel=0.01)


def test_the_hole_of_a_leak_lost_in_the_noise_is_bounded_by_one_sigma_more():
    flux = orifice.liquid_flux(196e3, 0.0, 692.0)
    hole = orifice.hole_m(Measured(-1e-5, 1e-4), Measured(0.7, 0.0), flux)
    assert hole.value == 0.0
    assert hole.sigma == pytest.approx(math.sqrt(4e-4 / (math.pi * 0.7 * flux)))


@pytest.mark.parametrize("outside_pa", [0.0, 80e3, 95e3, 99e3])
def test_a_gas_flow_fades_with_its_pressure_as_the_flux_does(outside_pa):
    gas = GASES[GasName.AIR]
    high, low = (orifice.gas_flux(p, outside_pa, 293.0, gas) for p in (100.01e3, 99.99e3))
    expected = math.log(high / low) / math.log(100.01 / 99.99)
    assert orifice.gas_fading(100e3, outside_pa, gas) == pytest.approx(expected, rel=1e-3)
