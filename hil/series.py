"""One quantity over the time of a run."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Series:
    """Columns in order of time (ns since the run began), SI; the truth has sigma NaN and quality GOOD."""

    time_ns: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    sigma: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint8]

    def newest(self, time_ns: int) -> int | None:
        """Index of the last entry at or before `time_ns`."""
        index = int(np.searchsorted(self.time_ns, time_ns, side="right")) - 1
        return None if index < 0 else index

    def interpolate(self, time_ns: int) -> float:
        """The value at `time_ns`, linear between entries; NaN outside and between finite and not."""
        after = int(np.searchsorted(self.time_ns, time_ns))
        if after >= len(self.time_ns):
            return math.nan
        if self.time_ns[after] == time_ns:
            return float(self.value[after])
        if after == 0:
            return math.nan
        (t0, t1), (v0, v1) = self.time_ns[after - 1 : after + 1], self.value[after - 1 : after + 1]
        if v0 == v1:  # also of two infinities
            return float(v0)
        if not (math.isfinite(v0) and math.isfinite(v1)):
            return math.nan
        return float(v0 + (v1 - v0) * ((time_ns - t0) / (t1 - t0)))
