"""Instrument channels: arrivals are gated, despiked and differentiated into table rows, in one C call a tick.

The order of judgement is written in `csrc/ull_channel.h`. All is SI; nothing here knows what a channel measures.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fsw._core import ffi, lib
from fsw.arrivals import Arrivals
from fsw.sample import Sample
from fsw.table import Table

BATCH = 1024  # arrivals handed to C at once; more are taken in several turns


@dataclass(frozen=True, slots=True)
class Channel:
    """One instrument channel: where it is read, where it is written, and what is believable of it (SI)."""

    raw_row: int
    row: int
    rate_row: int
    noise: float  # declared standard deviation of one sample
    resolution: float = 0.0  # step of the reading; 0 when unknown
    low: float = -math.inf
    high: float = math.inf
    max_rate: float = math.inf  # largest believable rate of change per second
    window: int = 15  # samples looked at for an outlier; odd
    k: float = 6.0  # an outlier is so many standard deviations from the median
    rate_window_ns: int = 10_000_000_000
    rate_capacity: int = 1024  # samples kept for the rate; at least the window times the sampling rate
    max_age_ns: int = 1_000_000_000
    fault_row: int | None = None  # the instrument's, to say why a value is refused here
    spike_row: int | None = None  # how far off a spike was
    jump_row: int | None = None  # how far it jumped

    def __post_init__(self) -> None:
        """Raise ValueError naming the field, its value and its bound."""
        window_min, window_max = lib.ULL_HAMPEL_WINDOW_MIN, lib.ULL_HAMPEL_WINDOW_MAX
        rate_max = lib.ULL_SLOPE_WINDOW_MAX_NS
        for field, sound, bound in (
            (
                "noise",
                0 <= self.noise < math.inf and self.sigma_min > 0,
                "finite and positive (or resolution is)",
            ),
            ("resolution", 0 <= self.resolution < math.inf, "finite and not negative"),
            ("low", self.low < self.high, "below high"),
            ("max_rate", self.max_rate > 0, "positive"),
            (
                "window",
                self.window % 2 and window_min <= self.window <= window_max,
                f"odd, {window_min}..{window_max}",
            ),
            ("k", 0 < self.k < math.inf, "finite and positive"),
            ("rate_window_ns", 1 <= self.rate_window_ns <= rate_max, f"1..{rate_max}"),
            ("rate_capacity", self.rate_capacity >= 2, "at least 2"),
            ("max_age_ns", self.max_age_ns >= 1, "at least 1"),
        ):
            if not sound:
                raise ValueError(
                    f"channel of row {self.row}: {field} = {getattr(self, field)} must be {bound}"
                )

    @property
    def own_rows(self) -> list[int]:
        """All that nobody else writes."""
        rows = (self.raw_row, self.row, self.rate_row, self.spike_row, self.jump_row)
        return [row for row in rows if row is not None]

    @property
    def sigma_min(self) -> float:
        """The least standard deviation that one sample is believed to have: coarse steps are noise too."""
        return max(self.noise, self.resolution / math.sqrt(12.0))


def _row(row: int | None) -> int:
    return int(lib.ULL_CHANNEL_NO_ROW) if row is None else row


class Filters:
    """All channels of a board over one table; keeps the C state and its buffers."""

    def __init__(self, channels: Sequence[Channel], table: Table) -> None:
        written = [row for channel in channels for row in channel.own_rows]
        if len(set(written)) != len(written) or any(not 0 <= row < len(table) for row in written):
            raise ValueError(f"channel rows {written} must all differ and lie in 0..{len(table) - 1}")
        self._count = len(channels)
        self._channels: Any = ffi.new("ull_channel[]", max(1, self._count))
        self._channel_of_row: Any = ffi.new("int32_t[]", [-1] * len(table))
        columns = (table.value, table.sigma, table.time_ns, table.quality)
        self._table: Any = ffi.new("ull_table *", (*columns, len(table)))
        self._kept: list[Any] = [*columns]  # memory that C points to
        for index, channel in enumerate(channels):
            self._channel_of_row[channel.raw_row] = index
            self._begin(self._channels + index, channel)
        self._row: Any = ffi.new("uint32_t[]", BATCH)
        self._time_ns: Any = ffi.new("int64_t[]", BATCH)
        self._value: Any = ffi.new("double[]", BATCH)
        self._quality: Any = ffi.new("uint8_t[]", BATCH)
        self._refused: Any = ffi.new("uint64_t *")

    def _begin(self, state: Any, channel: Channel) -> None:
        settings: Any = ffi.new(
            "ull_channel_settings *",
            {
                "raw_row": channel.raw_row,
                "row": channel.row,
                "rate_row": channel.rate_row,
                "fault_row": _row(channel.fault_row),
                "spike_row": _row(channel.spike_row),
                "jump_row": _row(channel.jump_row),
                "sigma_min": channel.sigma_min,
                "low": channel.low,
                "high": channel.high,
                "max_rate_per_s": channel.max_rate,
                "max_age_ns": channel.max_age_ns,
                "hampel_window": channel.window,
                "hampel_k": channel.k,
                "rate_window_ns": channel.rate_window_ns,
                "rate_capacity": channel.rate_capacity,
            },
        )
        hampel_memory = ffi.new("double[]", 2 * channel.window)
        rate_ring = ffi.new("ull_slope_sample[]", channel.rate_capacity)
        self._kept += (hampel_memory, rate_ring)
        if lib.ull_channel_init(state, settings, hampel_memory, rate_ring) != lib.ULL_OK:
            raise ValueError(f"the C core refuses {channel}")

    @property
    def refused(self) -> int:
        """Samples not taken since the start: not later than the one before on the same channel."""
        return int(self._refused[0])

    def push(self, now_ns: int, arrivals: Sequence[Sample]) -> None:
        """Take the arrivals since the last tick, in order, and mark STALE what is too old at `now_ns`.

        An arrival for a row that is no channel's is written as it came.
        """
        if isinstance(arrivals, Arrivals):
            columns, first = arrivals.columns, arrivals.first
            lib.ull_channel_push_many(
                self._channels,
                self._count,
                self._channel_of_row,
                self._table,
                now_ns,
                columns.row + first,
                columns.time_ns + first,
                columns.value + first,
                columns.quality + first,
                arrivals.end - first,
                self._refused,
            )
            return
        for start in range(0, max(1, len(arrivals)), BATCH):
            batch = arrivals[start : start + BATCH]
            size = len(batch)
            if size:
                row, time_ns, value, quality, _ = zip(*batch, strict=True)
                self._row[0:size] = row
                self._time_ns[0:size] = time_ns
                self._value[0:size] = value
                self._quality[0:size] = quality
            lib.ull_channel_push_many(
                self._channels,
                self._count,
                self._channel_of_row,
                self._table,
                now_ns,
                self._row,
                self._time_ns,
                self._value,
                self._quality,
                size,
                self._refused,
            )
