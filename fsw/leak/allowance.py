"""How far an inventory may move without a leak: bounds, which evidence has to exceed."""

from typing import NamedTuple

BEND = 1.5  # a change that comes and stays leaves at most so much of its mean slope in a straight line


class Allowance(NamedTuple):
    """A lasting slope; a change that comes and stays; and one that began at `settling_ns` and fades."""

    lasting_kg_per_s: float = 0.0
    passing_kg: float = 0.0
    passing_kg_per_s: float = 0.0
    settling_kg: float = 0.0
    settling_s: float = 1.0
    settling_ns: int = 0

    def over(self, span_s: float, now_ns: int) -> float:
        """The largest slope in kg/s that this can leave in the last `span_s`."""
        slope = self.lasting_kg_per_s
        if self.passing_kg > 0:
            slope += BEND * min(self.passing_kg_per_s, self.passing_kg / span_s)
        if self.settling_kg > 0:
            now_s = (now_ns - self.settling_ns) / 1e9
            slope += BEND * (self._left_kg(now_s - span_s) - self._left_kg(now_s)) / span_s
        return slope

    def _left_kg(self, time_s: float) -> float:
        gone = 1 + max(time_s, 0.0) / self.settling_s
        return self.settling_kg / (gone * gone)


NONE = Allowance()
