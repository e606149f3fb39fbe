"""Flow through a hole, the hole from the flow, how long a vessel lasts. Pure functions, absolute pressures, SI.

A flux here is mass flow per effective area, kg/(s m2) = mdot / (Cd A). The laws are those of a short hole
(inertia); a long thin leak is viscous and scales with p1^2 - p2^2 (gas) or dp (liquid) instead: its diameter is then
only an equivalent one.
"""

import math
from collections.abc import Callable

from fsw.leak.fluid import Gas
from fsw.quantity import Measured

# Gauss-Legendre on [-1, 1], 8 points (Abramowitz & Stegun, table 25.4): exact to degree 15.
_NODES = (
    (0.1834346424956498, 0.3626837833783620),
    (0.5255324099163290, 0.3137066458778873),
    (0.7966664774136267, 0.2223810344533745),
    (0.9602898564975363, 0.1012285362903763),
)


def psi(gamma: float) -> float:
    """The choked flow function: flux = psi p / sqrt(Rs T)."""
    return float(math.sqrt(gamma) * (2 / (gamma + 1)) ** ((gamma + 1) / (2 * (gamma - 1))))


def critical_ratio(gamma: float) -> float:
    """p_out / p at and below which the flow is choked: 0.528 for air."""
    return float((2 / (gamma + 1)) ** (gamma / (gamma - 1)))


def gas_flux(pressure_pa: float, outside_pa: float, temperature_k: float, gas: Gas) -> float:
    """Isentropic flux, choked or not; 0 when the pressure outside is not below."""
    if pressure_pa <= outside_pa:
        return 0.0
    gamma = gas.gamma
    speed = math.sqrt(gas.specific_constant * temperature_k)
    ratio = outside_pa / pressure_pa
    if ratio <= critical_ratio(gamma):
        return pressure_pa * psi(gamma) / speed
    expansion: float = ratio ** (2 / gamma) - ratio ** ((gamma + 1) / gamma)
    return pressure_pa / speed * math.sqrt(2 * gamma / (gamma - 1) * expansion)


def gas_fading(pressure_pa: float, outside_pa: float, gas: Gas) -> float:
    """d ln(flux) / d ln(pressure) at one temperature: 1 choked, more below; 0 when nothing flows."""
    if pressure_pa <= outside_pa:
        return 0.0
    gamma = gas.gamma
    ratio = outside_pa / pressure_pa
    if ratio <= critical_ratio(gamma):
        return 1.0
    a, b = 2 / gamma, (gamma + 1) / gamma
    first, second = ratio**a, ratio**b
    return float(1 - (a * first - b * second) / (2 * (first - second)))


def liquid_flux(pressure_pa: float, outside_pa: float, density: float) -> float:
    """Bernoulli: sqrt(2 rho dp); `outside_pa` is the vapour pressure where that is higher."""
    return math.sqrt(2 * density * max(pressure_pa - outside_pa, 0.0))


def area_m2(diameter_m: float) -> float:
    """Of a round hole."""
    return math.pi / 4 * diameter_m**2


def diameter_m(rate_kg_per_s: float, cd: float, flux: float) -> float:
    """The round hole that passes the rate: sqrt(4 mdot / (pi Cd flux)); NaN where nothing can flow."""
    return math.sqrt(4 * rate_kg_per_s / (math.pi * cd * flux)) if flux > 0 else math.nan


def hole_m(rate_kg_per_s: Measured, cd: Measured, flux: float) -> Measured:
    """The hole with its standard error.

    The error is what one standard error more of leak adds, and that of Cd: the usual propagation for a clear leak,
    and for one that is lost in the noise an upper bound at value + sigma (a rate below 0 counts as 0).
    """
    rate = max(rate_kg_per_s.value, 0.0)
    value = diameter_m(rate, cd.value, flux)
    wider = diameter_m(rate + rate_kg_per_s.sigma, cd.value, flux)
    return Measured(value, math.hypot(wider - value, value / 2 * cd.sigma / cd.value))


def choked_tau_s(volume_m3: float, diameter: float, cd: float, temperature_k: float, gas: Gas) -> float:
    """Time constant of the isothermal decay to vacuum: V / (Cd A psi sqrt(Rs T))."""
    speed = math.sqrt(gas.specific_constant * temperature_k)
    return volume_m3 / (cd * area_m2(diameter) * psi(gas.gamma) * speed)


def decay_tau_s(first_pa: float, last_pa: float, span_s: float) -> float:
    """Time constant from two pressures of one temperature."""
    return span_s / math.log(first_pa / last_pa)


def gas_time_s(tau_s: float, pressure_pa: float, limit_pa: float, outside_pa: float, gas: Gas) -> float:
    """Time for the pressure to fall to the limit, at constant temperature, through a hole of constant area.

    `tau_s` = inventory / present leak rate. inf when the pressure outside is not below the limit, 0 past the limit.
    """
    if pressure_pa <= limit_pa:
        return 0.0
    if pressure_pa <= outside_pa or limit_pa <= outside_pa > 0 or limit_pa <= 0:
        return math.inf
    present = gas_flux(pressure_pa, outside_pa, 1.0, gas) / pressure_pa  # temperature cancels
    unchoked_pa = outside_pa / critical_ratio(gas.gamma)
    choked_end_pa = min(max(limit_pa, unchoked_pa), pressure_pa)
    choked = psi(gas.gamma) / math.sqrt(gas.specific_constant)
    total = math.log(pressure_pa / choked_end_pa) / choked
    if limit_pa < choked_end_pa:  # dp / flux with p = p_out + s^2, which takes the root at p_out away
        total += _integral(
            lambda s: 2 * s / gas_flux(outside_pa + s * s, outside_pa, 1.0, gas),
            math.sqrt(limit_pa - outside_pa),
            math.sqrt(choked_end_pa - outside_pa),
        )
    return tau_s * present * total


def liquid_time_s(
    flow_m3_per_s: float,
    lost_m3: float,
    gas_m3: float,
    exponent: float,
    pressure_pa: float,
    outside_pa: float,
) -> float:
    """Time for a loop to lose `lost_m3`, driven by `gas_m3` of accumulator gas: p V^k = const.

    The flow falls with sqrt(p - p_out) from its present value; inf when it stops before that.
    To vacuum: Vg / (Q (1 + k/2)) ((1 + V/Vg)^(1 + k/2) - 1).
    """
    if lost_m3 <= 0:
        return 0.0
    if flow_m3_per_s <= 0 or pressure_pa <= outside_pa:
        return math.inf
    growth = 1 + lost_m3 / gas_m3
    if outside_pa <= 0:
        power = 1 + exponent / 2
        return float(gas_m3 / (flow_m3_per_s * power) * (growth**power - 1))
    last_pa = pressure_pa * growth**-exponent
    if last_pa <= outside_pa:
        return math.inf

    def lost_per_root(s: float) -> float:  # -dV/ds over s, again with p = p_out + s^2
        p = outside_pa + s * s
        return float(2 * gas_m3 / (exponent * p) * (pressure_pa / p) ** (1 / exponent))

    first = math.sqrt(pressure_pa - outside_pa)
    return first / flow_m3_per_s * _integral(lost_per_root, math.sqrt(last_pa - outside_pa), first)


def lost_volume_m3(gas_m3: float, exponent: float, pressure_pa: float, limit_pa: float) -> float:
    """Liquid lost until the pressure is down to the limit: Vg ((p / p_lim)^(1/k) - 1)."""
    if limit_pa <= 0:
        return math.inf
    return float(gas_m3 * ((pressure_pa / limit_pa) ** (1 / exponent) - 1))


def _integral(f: Callable[[float], float], low: float, high: float) -> float:
    middle, half = (low + high) / 2, (high - low) / 2
    return half * sum(w * (f(middle - half * x) + f(middle + half * x)) for x, w in _NODES)
