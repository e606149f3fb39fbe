"""What may move a vessel's inventory and is no leak: temperatures that no sensor sees, and what stirred it up."""

from fsw.leak.allowance import Allowance
from fsw.leak.calibration import Calibration
from fsw.leak.readings import Readings
from fsw.leak.state import Inventory
from fsw.leak.thermal import NS_PER_S, Thermal

ZERO_SIGMA = 1.64  # one-sided 95 %: a calibrated leak may be so much more


class Unrest:
    """Of one vessel: by the board's word, or by calibration."""

    def __init__(self, thermal: Thermal, calibration: Calibration | None, zero_leak_kg_per_s: float) -> None:
        """`zero_leak_kg_per_s`: the leak that counts as none."""
        self._thermal = thermal
        self._calibration = calibration
        self._zero_kg_per_s = _zero_bound(zero_leak_kg_per_s, calibration)
        self._settling_s = max(thermal.lag / NS_PER_S, 1.0)
        self._stirred_kg = 0.0
        self._stirred_ns: int | None = None
        self.moving_kg_per_s = 0.0  # what temperatures on the move may do, above what they may at rest
        self.moves = False

    @property
    def begun(self) -> bool:
        """Something was stirred up, if only by the start."""
        return self._stirred_ns is not None

    def forget(self) -> None:
        """Nothing was."""
        self._stirred_ns = None

    def stir(self, time_ns: int, kg: float) -> None:
        """From now on `kg` may come and go as temperatures settle, with what is left of the last time."""
        left_kg = 0.0
        if self._stirred_ns is not None:
            gone = 1 + (time_ns - self._stirred_ns) / NS_PER_S / self._settling_s
            left_kg = self._stirred_kg / (gone * gone)
        self._stirred_kg, self._stirred_ns = left_kg + kg, time_ns

    def allowance(self, time_ns: int, inventory: Inventory, readings: Readings) -> Allowance:
        """What may move the inventory and is no leak, by the board's word or by calibration."""
        thermal, calibration, per_k = self._thermal, self._calibration, inventory.kg_per_k
        if readings.inputs.temperature is None:
            rest, moved, passing_kg, swing_kg = thermal.unmeasured * per_k, 0.0, 0.0, 0.0
        else:
            # A sensor that does not move by a bit may be stuck, and then shows nothing of what the fluid does.
            stuck = readings.is_stuck
            if calibration is None:
                follows = (1.0 if stuck else thermal.mismatch) * per_k + inventory.unseen_kg_per_k
                rest = thermal.unseen_drift * per_k
                passing_kg = thermal.fastest * thermal.lag / NS_PER_S * per_k
                # A sensor that lags is off by so much, on one side while it warms up and on the other while it cools.
                swing_kg = 2 * thermal.lag / NS_PER_S * readings.k_per_s * per_k
            else:
                scale = calibration.scale(inventory.kg)
                follows = per_k if stuck else scale * calibration.kg_per_k_bound
                rest, passing_kg = scale * calibration.drift_kg_per_s, scale * calibration.swing_kg
                swing_kg = 0.0
            moved = readings.k_per_s * follows
        at_rest = Allowance(rest + self._zero_kg_per_s, passing_kg, passing_kg / self._settling_s)
        allowance = Allowance(
            at_rest.lasting_kg_per_s + moved,
            passing_kg + swing_kg,
            at_rest.passing_kg_per_s + swing_kg / (2 * self._settling_s),
            self._stirred_kg,
            self._settling_s,
            self._stirred_ns or 0,
        )
        resting_kg_per_s = at_rest.over(self._settling_s, time_ns)
        self.moving_kg_per_s = allowance.over(self._settling_s, time_ns) - resting_kg_per_s
        self.moves = self.moving_kg_per_s > resting_kg_per_s
        return allowance


def _zero_bound(declared_kg_per_s: float, calibration: Calibration | None) -> float:
    """How much more than expected counts as none: what the board declares, or the doubt about what was measured."""
    if calibration is None:
        return declared_kg_per_s
    zero = calibration.zero_leak
    return max(declared_kg_per_s - zero.value, 0.0) + ZERO_SIGMA * zero.sigma
