"""Limits: those of the file in SI, and the companions that every channel and vessel gets without being asked."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from fsw.board.budget import ms, worst_latency_ns
from fsw.board.ids import FIRST_EVENT, Ids
from fsw.board.instrument import Bound
from fsw.board.parameter import Declared, Directory, Scope, departs
from fsw.board.problem import Problems
from fsw.board.schema import Level, LimitTable
from fsw.board.vessel import VesselSpec
from fsw.filters import Channel
from fsw.leak.vessel import EXCEEDED_SIGMA
from fsw.limits import Check, Limit, OnBad
from fsw.limits import problems as refused

LEVELS: tuple[Level, ...] = ("low_low", "low", "high", "high_high")
DEFAULT_SEVERITY: dict[Level, int] = {"low_low": 3, "low": 2, "high": 2, "high_high": 3}
COMPANION_SEVERITY = 3
SPIKE_SEVERITY = 1  # the filter has dealt with it
SPIKES_CHATTER = {"chatter_n": 5, "chatter_window_ns": 60_000_000_000}
LEAK_SEVERITY = 4
FOUND_SEVERITY = 3  # of a leak that may still be below the leak_limit, which has an alarm of its own
# A leak just found is near the threshold: the evidence must be gone, and for a while, before it is taken back.
LEAK_RETURNS_BELOW = 0.5
LEAK_RETURNS_AFTER_NS = 10_000_000_000
KEYS = {  # a limit's field -> the key it is written with, where they differ
    "low_low, low, high, high_high": "",  # the limit as a whole
    "n": "votes",
    "m": "votes",
    "off_n": "return_votes",
    "on_delay_ns": "on_delay",
    "off_delay_ns": "off_delay",
    "max_age_ns": "max_age",
}


VOTING = {"n", "m", "off_n"}  # sound or not whatever the parameter is


class Draft(NamedTuple):
    """A limit that has no id yet, and where it was written ("" for a companion)."""

    name: str
    path: str
    keys: dict[str, Any]


def drafts(
    scope: Scope, bound: list[Bound], channels: Sequence[Channel], vessels: Sequence[VesselSpec]
) -> Iterator[Draft]:
    """All limits: the file's first, then the companions of channels, then the leak alarms of vessels."""
    for name, table in scope.file.limits.items():
        path = f"limits.{name}"
        with scope.problems.at(f"{path}.parameter", table.parameter):
            declared = scope.directory[table.parameter]
            yield Draft(name, path, _written(scope, path, table, declared))
            continue
        yield Draft(name, path, {"row": 0, "check": Check.LIMIT, **_votes(table)})  # to judge the rest
    yield from _of_channels(bound, scope.directory)
    yield from _of_jumps(channels, scope.directory)
    yield from _of_vessels(vessels, scope.directory)
    yield from _of_fusions(vessels, scope.directory)


def limits(found: list[Draft], ids: Ids, problems: Problems) -> tuple[Limit, ...]:
    """The drafts with their ids, in order of id; what the limits room refuses is a problem of the file's key."""
    numbers = ids.alarms(draft.name for draft in found)
    made = tuple(
        Limit(id=number, name=draft.name, event=FIRST_EVENT + number, **draft.keys)
        for number, draft in sorted((numbers[draft.name], draft) for draft in found)
    )
    paths = {draft.name: draft.path for draft in found}
    known = tuple(problem.path for problem in problems)
    for wrong in refused(made):
        path = paths.get(wrong.name)
        if path and wrong.field not in VOTING and any(each.startswith(f"{path}.") for each in known):
            continue  # a stand-in for what could not be read is judged: that has been said
        path = ".".join(filter(None, (paths.get(wrong.name), KEYS.get(wrong.field, wrong.field))))
        problems.add(path, wrong.value, wrong.text)
    return made


def _written(scope: Scope, path: str, table: LimitTable, declared: Declared) -> dict[str, Any]:
    """A `[limits.NAME]` table in SI."""
    problems = scope.problems
    levels: dict[str, float] = {}
    for level in LEVELS:
        text = getattr(table, level)
        if text is not None:
            with problems.at(f"{path}.{level}", text):
                levels[level] = declared.value(text)
        elif level in table.severity:
            problems.add(
                f"{path}.severity.{level}", table.severity[level], f"{level} has no value: give it one"
            )
    deadband = 0.0
    with problems.at(f"{path}.deadband", table.deadband):
        deadband = declared.difference(table.deadband)
    _check_response(scope, path, table, declared)
    return dict(
        row=scope.directory.row(declared.name),
        check=Check.LIMIT,
        **levels,
        deadband=deadband,
        severity=tuple(table.severity.get(level, DEFAULT_SEVERITY[level]) for level in LEVELS),
        sigma_k=table.sigma_k,
        sure=table.mode == "sure",
        **_votes(table),
        on_delay_ns=table.on_delay,
        off_delay_ns=table.off_delay,
        max_age_ns=declared.max_age_ns if table.max_age is None else table.max_age,
        on_bad=OnBad[table.on_bad.upper()],
        latching=table.latching,
        auto_ack=table.auto_ack,
        chatter_n=table.chatter.times if table.chatter else 0,
        chatter_window_ns=table.chatter.ns if table.chatter else 0,
        remind_ns=table.remind,
        text=table.text,
        guidance=table.guidance,
    )


def _votes(table: LimitTable) -> dict[str, int]:
    votes, of = (int(word) for word in table.votes.split(" of "))
    return {"n": votes, "m": of, "off_n": table.return_votes}


def _check_response(scope: Scope, path: str, table: LimitTable, declared: Declared) -> None:
    """The worst case must lie within the `response` that the file promises."""
    if table.response is None:
        return
    votes, period_ns = int(table.votes.split(" of ")[0]), scope.period_ns
    interval_ns = declared.interval_ns or period_ns
    worst_ns = worst_latency_ns(votes, interval_ns, table.on_delay, declared.timeout_ns, period_ns)
    if worst_ns > table.response:
        scope.problems.add(
            f"{path}.response",
            ms(table.response),
            f"cannot be kept: {votes} votes each {ms(interval_ns)} + on_delay {ms(table.on_delay)}"
            f" + time-out {ms(declared.timeout_ns)} + one tick {ms(period_ns)} = {ms(worst_ns)}:"
            " ask for fewer votes, a shorter delay or time-out, or a higher rate",
        )


def _of_channels(bound: list[Bound], directory: Directory) -> Iterator[Draft]:
    """Blindness is never health: bad, stale and stuck are alarms of their own."""
    for each in bound:
        line, fault = each.options.line, f"{each.name}.fault"
        for name, channel in each.options.channels.items():
            at = f"{each.name}.{name}"
            yield _companion(
                f"{at}.bad",
                row=directory.row(at),
                check=Check.QUALITY,
                n=3,
                m=3,
                off_n=3,
                report_row=directory.row(fault),
                text=f"{each.name} gives no usable {name}",
                guidance=f"The data path or the instrument is bad, not the vessel. See {fault}"
                f" and the counts of line {line}.",
            )
            yield _companion(
                f"{at}.stale",
                row=directory.row(at),
                check=Check.STALE,
                max_age_ns=channel.stale_after,
                text=f"{each.name} has been silent on {name}",
                guidance=f"Look for the plug and the power of {each.name} and at line {line}.",
            )
            if channel.stuck_after is not None:
                yield _companion(
                    f"{at}.stuck",
                    row=directory.row(f"{at}.raw"),
                    check=Check.FLAT_LINE,
                    max_age_ns=channel.stuck_after,
                    text=f"{each.name} repeats the same {name} to the last bit",
                    guidance=f"A live {name} always shows some noise: {each.name} has frozen."
                    " Leak estimates from it are blind.",
                )


def _of_jumps(channels: Sequence[Channel], directory: Directory) -> Iterator[Draft]:
    """Values that are far off and come back, or stay where no believable change leads."""
    for channel in channels:
        at = directory.all[channel.row].name
        instrument = at.partition(".")[0]
        far = channel.k * channel.sigma_min
        common = {"check": Check.DISAGREE, "high": far, "low": -far, "off_n": 3}
        yield _companion(
            f"{at}.spike",
            **common,
            **SPIKES_CHATTER,
            row=channel.spike_row,
            severity=(SPIKE_SEVERITY,) * 4,
            text=f"{instrument} was far off for a sample or a few, and is back",
            guidance="A disturbed line or instrument, if it comes often: look at its cable and its supply.",
        )
        if channel.jump_row is not None:
            yield _companion(
                f"{at}.jump",
                **common,
                row=channel.jump_row,
                auto_ack=False,  # it is wrong from now on, unless somebody knows better
                text=f"{at} jumped faster than max_rate, and stays there",
                guidance=f"Another unit, range or zero of {instrument}, or a blow: compare it with another instrument.",
            )


def _companion(name: str, **keys: Any) -> Draft:
    """It ends by itself: the operator has nothing to acknowledge once the data are back."""
    return Draft(name, "", {"severity": (COMPANION_SEVERITY,) * 4, "auto_ack": True, **keys})


def _of_vessels(vessels: Sequence[VesselSpec], directory: Directory) -> Iterator[Draft]:
    """A leak that is certain."""
    for vessel in vessels:
        name = vessel.name
        keys = {
            "row": directory.row(f"{name}.leak_certainty"),
            "check": Check.LIMIT,
            "high": 1.0,
            "severity": (LEAK_SEVERITY if math.isinf(vessel.model.leak_limit_kg_per_s) else FOUND_SEVERITY,)
            * 4,
            "deadband": 1.0 - LEAK_RETURNS_BELOW,
            "off_n": 3,
            "off_delay_ns": LEAK_RETURNS_AFTER_NS,
            "report_row": directory.row(f"{name}.leak_rate"),
            "report_limit": vessel.model.zero_leak_kg_per_s,
            "text": f"{name} is leaking",
            "guidance": f"See {name}.leak_rate, .hole and .time_to_limit, each with its error, and .onset for how"
            " long. Shut off what feeds the leak if that can be done.",
        }
        yield Draft(f"{name}.leak", "", keys)
        if math.isfinite(vessel.model.leak_limit_kg_per_s):
            yield Draft(
                f"{name}.leak_limit",
                "",
                {
                    "row": directory.row(f"{name}.leak_rate"),
                    "check": Check.LIMIT,
                    "high": vessel.model.leak_limit_kg_per_s,
                    "severity": (LEAK_SEVERITY,) * 4,
                    "sigma_k": EXCEEDED_SIGMA,
                    "off_n": 3,
                    "off_delay_ns": LEAK_RETURNS_AFTER_NS,
                    "text": f"{name} leaks more than is allowed",
                    "guidance": f"{name}.leak_rate is above leak_limit by {EXCEEDED_SIGMA:g} standard errors."
                    " See .hole and .time_to_limit.",
                },
            )


def _of_fusions(vessels: Sequence[VesselSpec], directory: Directory) -> Iterator[Draft]:
    """Instruments that should agree and do not; of three the one that is wrong has an alarm of its own."""
    for vessel in vessels:
        for fused in vessel.fused:
            of, tolerance = " and ".join(fused.channels), fused.group.tolerance
            common = {"check": Check.DISAGREE, "deadband": 0.5 * tolerance, "n": 3, "m": 3, "off_n": 3}
            named = any(each.departs_row is not None for each in fused.group.instruments)
            yield _companion(
                f"{vessel.name}.disagree"
                if fused.key == "pressure"
                else f"{vessel.name}.{fused.key}_disagree",
                **common,
                row=directory.row(f"{vessel.name}.{fused.key}_spread"),
                high=tolerance,
                text=f"{of} do not agree about {vessel.name}",
                guidance="One of them is wrong. See which one departs: the others go on without it."
                if named
                else f"One of them is wrong, and nobody can say which: {vessel.name} is blind for leaks until they"
                " agree or one is unplugged. Compare both with a third.",
            )
            for channel, each in zip(fused.channels, fused.group.instruments, strict=True):
                if each.departs_row is not None:
                    yield _companion(
                        departs(vessel.name, channel),
                        **common,
                        row=each.departs_row,
                        high=tolerance,
                        low=-tolerance,
                        text=f"{channel} is wrong: the others of {vessel.name} agree without it",
                        guidance="It is left out until it is back. Calibrate or replace it.",
                    )
