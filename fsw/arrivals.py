"""Arrivals in columns, as the C core takes them: a recording hands them over without an object for each sample.

The live monitor has lists of `Sample`; whoever looks at `Arrivals` sees the same.
"""

from collections.abc import Iterator, Sequence
from typing import Any, overload

from fsw._core import ffi
from fsw.sample import Sample


class Columns:
    """Samples of many ticks: buffers of u32, i64, f64 and u8, all of the same length, kept alive here."""

    def __init__(self, row: Any, time_ns: Any, value: Any, quality: Any) -> None:
        self.row: Any = ffi.from_buffer("uint32_t[]", row)
        self.time_ns: Any = ffi.from_buffer("int64_t[]", time_ns)
        self.value: Any = ffi.from_buffer("double[]", value)
        self.quality: Any = ffi.from_buffer("uint8_t[]", quality)

    def sample(self, index: int) -> Sample:
        """One of them; the reason of a bad value is not in a recording."""
        return Sample(self.row[index], self.time_ns[index], self.value[index], self.quality[index])


class Arrivals(Sequence[Sample]):
    """Those from `first` to `end` of the columns: one tick."""

    __slots__ = ("columns", "end", "first")

    def __init__(self, columns: Columns, first: int, end: int) -> None:
        self.columns = columns
        self.first = first
        self.end = end

    def __len__(self) -> int:
        return self.end - self.first

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        places = range(self.first, self.end)[index]
        if isinstance(places, range):
            return [self.columns.sample(place) for place in places]
        return self.columns.sample(places)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self[:])
