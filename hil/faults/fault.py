"""What all faults have in common: what they are on, and when they strike."""

import math

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from hil.quantity import Duration, Number


class Fault(BaseModel):
    """The keys of every [[fault]]; the others belong to the kind.

    From `at` (default: the start) to `until` (default: for ever), `count` replies or readings at most
    (default: all), each with `probability` (default: certain). `on` is a line, line/instrument or
    line/instrument/variable.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: str
    on: str
    at: Duration = 0
    until: Duration | None = None
    count: int | None = Field(default=None, ge=1)
    probability: Number = Field(default=1.0, gt=0, le=1)

    def concerns(self, path: str) -> bool:
        """`on` is this path or one above it."""
        return path == self.on or path.startswith(self.on + "/")


class Gate:
    """Whether a fault strikes; no random number is drawn for a certain one."""

    def __init__(self, fault: Fault, rng: np.random.Generator) -> None:
        self._fault = fault
        self._rng = rng
        self.left = math.inf if fault.count is None else fault.count

    def strikes(self, now_ns: int) -> bool:
        """Counts as a strike when True."""
        fault = self._fault
        if now_ns < fault.at or (fault.until is not None and now_ns >= fault.until) or not self.left:
            return False
        if fault.probability < 1 and self._rng.random() >= fault.probability:
            return False
        self.left -= 1
        return True
