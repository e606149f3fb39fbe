"""Lines and instruments: who is asked what and when, how a reply becomes SI, and whether the line has time for it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from fsw.board import kinds
from fsw.board.budget import Turn, ms
from fsw.board.parameter import Declared, Directory, absolute, rate_unit, si_unit
from fsw.board.problem import Problems, did_you_mean
from fsw.board.schema import BoardFile
from fsw.board.schema import Channel as ChannelTable
from fsw.bus.poller import Poll
from fsw.bus.port import Settings
from fsw.bus.protocols import Exchange, Timing
from fsw.filters import Channel
from fsw.quantity import STANDARD_ATMOSPHERE_PA, Reference, parse, parse_pressure
from fsw.unit import scale

MOST_RATE_SAMPLES = 100_000  # in the window of one channel's rate
ANY_LINE = Settings("")  # in place of one that is wrong or not there, to judge its instruments
FEWEST_RATE_SAMPLES = 3  # a slope with an error takes three


@dataclass(frozen=True, slots=True)
class Bound:
    """One instrument with its dialect and its times."""

    name: str
    options: Any  # an `Instrument` table that is also the dialect's `Options`
    dialect: ModuleType
    exchanges: tuple[tuple[Exchange, tuple[str, ...]], ...]
    timing: Timing
    interval_ns: int  # between two of its samples


def lines(file: BoardFile, problems: Problems) -> dict[str, Settings]:
    """The settings of each line's port."""
    found = {}
    for name, line in file.lines.items():
        with problems.at(f"lines.{name}.device", line.device):
            found[name] = Settings(device=line.device, baud=line.baud, format=line.format)
    return found


def bind(
    file: BoardFile, settings: Mapping[str, Settings], period_ns: int, problems: Problems
) -> list[Bound]:
    """Each instrument with the exchanges that its dialect makes of its channels."""
    bound = []
    for name, options in file.instruments.items():
        path = f"instruments.{name}"
        line = file.lines.get(options.line)
        if line is None:
            problems.add(
                f"{path}.line", options.line, f"is not a line; {did_you_mean(options.line, file.lines)}"
            )
        dialect = kinds.dialects()[options.dialect]
        byte_ns = settings.get(options.line, ANY_LINE).byte_ns
        with problems.at(path, None):
            own = dialect.timing(options, byte_ns)
            timeout_ns = own.timeout_ns if options.timeout is None else options.timeout
            timing = Timing(
                gap_ns=own.gap_ns if options.gap is None else options.gap,
                timeout_ns=timeout_ns,
                quiet_ns=max(own.quiet_ns, timeout_ns),  # a reply may come as late as one is waited for
            )
            exchanges = tuple(dialect.exchanges(options, options.channels))
            bound.append(Bound(name, options, dialect, exchanges, timing, options.every * period_ns))
            if line is not None and options.think + line.latency > timing.timeout_ns:
                problems.add(
                    f"{path}.timeout",
                    ms(timing.timeout_ns),
                    f"is shorter than think {ms(options.think)} + line latency {ms(line.latency)}: raise timeout",
                )
    return bound


def parameters(bound: list[Bound], problems: Problems) -> Iterator[Declared]:
    """Of each channel: as received, despiked, its rate; of each instrument: its fault."""
    for each in bound:
        for name, channel in each.options.channels.items():
            path = f"instruments.{each.name}.channels.{name}"
            unit = si_unit(channel.quantity)
            common = {"max_age_ns": channel.stale_after, "interval_ns": each.interval_ns}
            level = common | {
                "is_pressure": channel.quantity == "pressure",
                "reference": channel.reference or Reference.ABSOLUTE,
                "ambient_pa": _ambient_pa(path, channel, problems),
                "timeout_ns": each.timing.timeout_ns,
            }
            of = f"{channel.quantity} of {each.name}.{name}"
            yield Declared(f"{each.name}.{name}.raw", unit, f"{of}, as received", **level)
            yield Declared(f"{each.name}.{name}", unit, f"{of}, despiked", **level)
            yield Declared(f"{each.name}.{name}.rate", rate_unit(unit), f"{of}, change in time", **common)
            yield Declared(f"{each.name}.{name}.spike", unit, f"{of}, how far off a spike was", **common)
            if channel.max_rate is not None:
                yield Declared(f"{each.name}.{name}.jump", unit, f"{of}, how far it jumped", **common)
        yield Declared(
            f"{each.name}.fault", "", f"why {each.name} gives no value", interval_ns=each.interval_ns
        )


def polls(line: str, bound: list[Bound], directory: Directory, problems: Problems) -> tuple[Poll, ...]:
    """What is asked on a line. The often asked come first: they would otherwise wait behind the rare."""
    found = []
    for each in sorted(
        (each for each in bound if each.options.line == line), key=lambda each: each.options.every
    ):
        conversions = {name: _conversion(each, name, directory, problems) for name in each.options.channels}
        for exchange, names in each.exchanges:
            found.append(
                Poll(
                    instrument=each.name,
                    exchange=exchange,
                    rows=tuple(directory.row(f"{each.name}.{name}.raw") for name in names),
                    scale=tuple(conversions[name][0] for name in names),
                    offset=tuple(conversions[name][1] for name in names),
                    fault_row=directory.row(f"{each.name}.fault"),
                    every=each.options.every,
                    timeout_ns=each.timing.timeout_ns,
                    gap_ns=each.timing.gap_ns,
                    quiet_ns=each.timing.quiet_ns,
                )
            )
    return tuple(found)


def turns(line_polls: tuple[Poll, ...], file: BoardFile, line: str, byte_ns: int) -> tuple[Turn, ...]:
    """The same for the time budget."""
    return tuple(
        Turn(
            instrument=poll.instrument,
            wire_ns=(len(poll.exchange.request) + poll.exchange.reply_bytes) * byte_ns,
            gap_ns=poll.gap_ns,
            think_ns=file.instruments[poll.instrument].think,
            latency_ns=file.lines[line].latency,
            every=poll.every,
        )
        for poll in line_polls
    )


def channels(bound: list[Bound], directory: Directory, problems: Problems) -> Iterator[Channel]:
    """What the filters need to know of each channel, in SI."""
    for each in bound:
        for name, table in each.options.channels.items():
            path = f"instruments.{each.name}.channels.{name}"
            before = len(problems)
            unit = si_unit(table.quantity)
            low, high = _range(path, table, directory[f"{each.name}.{name}"], problems)
            noise = _span(f"{path}.noise", table.noise, unit, 0.0, problems)
            resolution = _span(f"{path}.resolution", table.resolution, unit, 0.0, problems)
            _span(f"{path}.accuracy", table.accuracy, unit, 0.0, problems)
            max_rate = _span(f"{path}.max_rate", table.max_rate, rate_unit(unit), math.inf, problems)
            rate_samples = _rate_samples(path, table, each.interval_ns, problems)
            _check_times(path, table, each, problems)
            if len(problems) > before:
                continue
            with problems.at(path, None):
                yield Channel(
                    raw_row=directory.row(f"{each.name}.{name}.raw"),
                    row=directory.row(f"{each.name}.{name}"),
                    rate_row=directory.row(f"{each.name}.{name}.rate"),
                    noise=noise,
                    resolution=resolution,
                    low=low,
                    high=high,
                    max_rate=max_rate,
                    window=table.window,
                    k=table.spike,
                    rate_window_ns=table.rate_window,
                    rate_capacity=rate_samples,
                    max_age_ns=table.stale_after,
                    fault_row=directory.row(f"{each.name}.fault"),
                    spike_row=directory.row(f"{each.name}.{name}.spike"),
                    jump_row=None if table.max_rate is None else directory.row(f"{each.name}.{name}.jump"),
                )


def _conversion(each: Bound, name: str, directory: Directory, problems: Problems) -> tuple[float, float]:
    """`(scale, offset)` from what the instrument sends to SI, a pressure's ambient folded in."""
    table = each.options.channels[name]
    path = f"instruments.{each.name}.channels.{name}.unit"
    fixed = each.dialect.unit(each.options, table)
    if fixed is not None and table.unit not in (None, fixed):
        problems.add(path, table.unit, f"this instrument sends {fixed!r}: leave `unit` out or write it so")
    unit = table.unit if fixed is None else fixed
    if unit is None:
        problems.add(path, None, 'is missing: write what the instrument sends, such as "bar" or "degC"')
        return 1.0, 0.0
    with problems.at(path, unit):
        factor, offset = scale(
            unit, si_unit(table.quantity), difference=table.quantity == "pressure difference"
        )
        ambient_pa = directory[f"{each.name}.{name}"].ambient_pa
        return factor, offset + (ambient_pa if math.isfinite(ambient_pa) else 0.0)
    return 1.0, 0.0


def _ambient_pa(path: str, channel: ChannelTable, problems: Problems) -> float:
    """What to add to the instrument's value for an absolute pressure; NaN for what is no pressure."""
    for key, text in _wrong_reference(channel):
        problems.add(f"{path}.{key}", getattr(channel, key), text)
    if channel.quantity != "pressure":
        return math.nan
    if channel.reference is Reference.SEALED_GAUGE and channel.ambient is None:
        return STANDARD_ATMOSPHERE_PA  # what makers seal in
    if channel.reference in (None, Reference.ABSOLUTE) or channel.ambient is None:
        return 0.0
    with problems.at(f"{path}.ambient", channel.ambient):
        if channel.ambient[:1].isalpha():
            raise ValueError('cannot be another channel yet: write a value, as "101.325 kPa absolute"')
        level = parse_pressure(channel.ambient)
        if level.reference is not Reference.ABSOLUTE:
            raise ValueError(f'{channel.ambient!r} must be absolute, as "101.325 kPa absolute"')
        return level.value_pa
    return 0.0


def _wrong_reference(channel: ChannelTable) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) with what a pressure is measured against."""
    if channel.quantity != "pressure":
        for key in ("reference", "ambient"):
            if getattr(channel, key) is not None:
                yield key, f"belongs to a pressure, not to a {channel.quantity}: leave it out"
    elif channel.reference is None:
        yield "reference", 'is missing: write "absolute", "gauge" or "sealed gauge"'
    elif channel.reference is Reference.ABSOLUTE and channel.ambient is not None:
        yield "ambient", "means nothing for an absolute pressure: leave it out"
    elif channel.reference is Reference.GAUGE and channel.ambient is None:
        yield "ambient", 'is missing: a gauge needs what is outside, as "101.325 kPa absolute"'


def _range(path: str, table: ChannelTable, declared: Declared, problems: Problems) -> tuple[float, float]:
    if table.range is None:
        return -math.inf, math.inf
    with problems.at(f"{path}.range", list(table.range)):
        if declared.is_pressure:
            low, high = (absolute(text, declared.ambient_pa, declared.reference) for text in table.range)
        else:
            low, high = (parse(text, declared.unit) for text in table.range)
        if not low < high:
            raise ValueError("the first must be below the second")
        return low, high
    return -math.inf, math.inf


def _span(path: str, text: str | None, unit: str, default: float, problems: Problems) -> float:
    """A difference above 0."""
    with problems.at(path, text):
        found = default if text is None else parse(text, unit, difference=True)
        if text is not None and found <= 0:
            raise ValueError(f"must be above 0 {unit}")
        return found
    return default


def _rate_samples(path: str, table: ChannelTable, interval_ns: int, problems: Problems) -> int:
    samples = table.rate_window // interval_ns + 1
    if not FEWEST_RATE_SAMPLES <= samples <= MOST_RATE_SAMPLES:
        problems.add(
            f"{path}.rate_window",
            ms(table.rate_window),
            f"holds {samples} samples, one each {ms(interval_ns)}: must hold"
            f" {FEWEST_RATE_SAMPLES} to {MOST_RATE_SAMPLES}",
        )
    return max(samples + 1, FEWEST_RATE_SAMPLES)


def _check_times(path: str, table: ChannelTable, each: Bound, problems: Problems) -> None:
    if table.window % 2 == 0:
        problems.add(f"{path}.window", table.window, "must be odd: the median is the middle one")
    shortest_ns = each.interval_ns + each.timing.timeout_ns
    if table.stale_after < shortest_ns:
        problems.add(
            f"{path}.stale_after",
            ms(table.stale_after),
            f"would call a healthy instrument stale: must be at least {ms(shortest_ns)}"
            " (one interval and one time-out)",
        )
    if table.stuck_after is not None and table.stuck_after < 3 * each.interval_ns:
        problems.add(
            f"{path}.stuck_after",
            ms(table.stuck_after),
            f"must be at least {ms(3 * each.interval_ns)} (three samples)",
        )
