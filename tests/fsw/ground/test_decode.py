"""Packets in words and as JSON, whole ones and what is left of others."""

import binascii
import dataclasses
import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsw.alarm import State, Transition
from fsw.ground.decode import report, to_json
from fsw.ground.names import Advice, Names
from fsw.ground.wording import tidy
from fsw.limit import Check
from fsw.occurrence import Kind
from fsw.packets import event, frame, housekeeping, occurrence, transition
from fsw.sample import Quality
from fsw.table import Parameter, Table
from tests.golden import GOLDEN_ALARM

from .packets import NAMES, PARAMETERS, PIECES, every_kind


def texts(data: bytes, names: Names) -> list[str]:
    return [report(stretch, names).text for stretch in frame.split(data)]


def test_packets_of_another_apid_keep_their_ids() -> None:
    for apid, named in ((100, True), (None, True), (101, False)):
        (text,) = texts(GOLDEN_ALARM, dataclasses.replace(NAMES, apid=apid))
        assert ("rig.leak" in text, "alarm 7" in text) == (named, not named)


def test_the_golden_alarm_in_words():
    (text,) = texts(GOLDEN_ALARM, NAMES)
    assert text.split(maxsplit=4) == [
        "2026-09-21T14:13:20.123456Z",
        "FREE",
        "100#0",
        "TM[5,4]",
        "HIGH RAISE rig.leak (occurrence 42): rig.leak_rate = 0.000325 ± 1.1e-05 kg/s, limit 0.0002 kg/s, 8 of 10, "
        "peak 0.000325, NORMAL -> UNACK",
    ]


def test_without_a_board_there_are_ids():
    (text,) = texts(GOLDEN_ALARM, Names())
    assert "alarm 7 (occurrence 42): parameter 257 = 0.000325 ± 1.1e-05, limit" in text


def alarm_packet(kind: Transition = Transition.RAISE, check: Check = Check.LIMIT, **numbers: float) -> bytes:
    """Alarm 7 on pt1.fault, or on parameter 0x0101; numbers that are not given are NaN."""
    fields = dict.fromkeys(("value", "limit", "sigma", "peak"), math.nan) | numbers
    parameter = int(fields.pop("parameter", 0x0203))
    states = (State.NORMAL, State.UNACK)
    body = event.Event(7, kind, 7, 1, *states, 3, 3, check, 1, parameter, 3, 3, **fields, tick=9, table_crc=9)
    return frame.Framer(100).frame(5, 3, 0, event.pack(body))


def test_an_occurrence_in_words():
    framer = frame.Framer(100)
    framer.set_time(1_790_000_000_000_000_000, 2)
    vented = occurrence.Report(Kind.FALL, 1, 0x0400, 0, 1_789_999_990_000_000_000, -0.25, 4.5, 0.01, 9)
    begun = occurrence.Report(
        Kind.PHASE_BEGUN, 1, 0x0400, 3, 1_790_000_000_000_000_000, math.nan, 4.5, 0.01, 9
    )
    names = Names({0x0400: Parameter(0x0400, "rig.inventory", "kg")}, phases={3: "fill"})
    packets = b"".join(framer.frame(130, 1, 0, occurrence.pack(each)) for each in (vented, begun))
    said = [text.split(maxsplit=4)[4] for text in texts(packets, names)]
    assert said == [
        "fall -0.25 kg: rig.inventory = 4.5 ± 0.01 kg, since 2026-09-21T14:13:10.000000Z",
        "phase begun fill: rig.inventory = 4.5 ± 0.01 kg",
    ]
    assert [text.split(maxsplit=4)[4] for text in texts(packets, Names())] == [
        "fall -0.25 kg: parameter 1024 = 4.5 ± 0.01, since 2026-09-21T14:13:10.000000Z",
        "phase begun phase 3: parameter 1024 = 4.5 ± 0.01",
    ]


def test_a_limit_that_is_not_there_is_not_printed():
    (text,) = texts(alarm_packet(check=Check.QUALITY, value=10.0, peak=10.0), NAMES)
    assert text.endswith("(occurrence 1): pt1.fault = PORT_LOST, 3 of 3, peak PORT_LOST, NORMAL -> UNACK")
    (text,) = texts(alarm_packet(value=10.0), NAMES)
    assert text.endswith("pt1.fault = PORT_LOST, 3 of 3, NORMAL -> UNACK")
    nowhere = transition.Entry(7, 0x0203, Check.QUALITY, 1.0, math.nan, 0, 2, 1)
    (text,) = texts(frame.Framer(100).frame(12, 12, 0, transition.pack([nowhere])), NAMES)
    assert text.endswith("check rig.leak: pt1.fault = NO_REPLY, WITHIN -> INVALID")


@pytest.mark.parametrize(
    ("check", "said"), [(Check.LIMIT, "limit 2 kg/s"), (Check.STALE, "stale 2 s"), (Check.FLAT_LINE, "2 s")]
)
def test_a_limit_has_the_unit_of_its_parameter_or_is_a_time(check, said):
    (text,) = texts(alarm_packet(check=check, parameter=0x0101, value=3.0, limit=2.0, peak=3.0), NAMES)
    assert f"{said}, 3 of 3" in text
    entry = transition.Entry(7, 0x0101, check, 3.0, 2.0, 0, 4, 1)
    (text,) = texts(frame.Framer(100).frame(12, 12, 0, transition.pack([entry])), NAMES)
    assert f"limit 2 {said.split()[-1]}, WITHIN" in text


@pytest.mark.parametrize("kind", Transition)
def test_what_the_board_says_to_the_operator_comes_when_it_gets_worse(kind):
    names = dataclasses.replace(NAMES, advice={7: Advice("It leaks", "Shut\nthe valve.")})
    (stretch,) = frame.split(alarm_packet(kind, value=1.0))
    said = report(stretch, names)
    worse = kind in (Transition.RAISE, Transition.ESCALATE)
    assert said.text.endswith(" -> UNACK | It leaks. Shut the valve.") == worse
    assert ("valve" in said.text) == worse
    assert ("text" in said.json, "guidance" in said.json) == (worse, worse)
    if worse:
        assert (said.json["text"], said.json["guidance"]) == ("It leaks", "Shut\nthe valve.")


@pytest.mark.parametrize(
    ("advice", "line"),
    [
        (Advice(), ""),
        (Advice(" \n", ""), ""),
        (Advice("It leaks"), " | It leaks"),
        (Advice("", "Run."), " | Run."),
        (Advice("It leaks!", "Run."), " | It leaks! Run."),
    ],
)
def test_advice_is_one_line(advice, line):
    assert str(advice) == line


def test_healthy_housekeeping_is_a_short_line():
    (text,) = texts(every_kind()[3], NAMES)
    assert text.endswith("set 1: 2 parameters, all GOOD")


def test_housekeeping_names_what_is_not_good_up_to_a_few():
    parameters = tuple(Parameter(0x0300 + row, f"pt{row}.pressure", "Pa") for row in range(150))
    table = Table(parameters)
    for row in range(150):
        table.write(row, 1e5, 1.0, 0, Quality.GOOD | Quality.SIM)
    table.write(7, math.nan, math.nan, 0, Quality.STALE | Quality.SIM)
    names = Names({}, {}, {1: parameters})

    def said() -> str:
        body = housekeeping.pack(1, table, range(150))
        return texts(frame.Framer(100).frame(3, 25, 0, body), names)[0]

    assert said().endswith("set 1: 150 parameters, 1 not GOOD: pt7.pressure [STALE|SIM]")
    for row in range(20, 120):
        table.write(row, math.nan, math.nan, 0, Quality.BAD)
    assert said().endswith("pt20.pressure [BAD], pt21.pressure [BAD], pt22.pressure [BAD] and 97 more")
    assert len(said()) < 250


def test_housekeeping_in_full_has_names_units_and_faults():
    (stretch,) = frame.split(every_kind()[3])
    assert report(stretch, NAMES).details == (
        "rig.leak_rate = 0.000325 ± 1.1e-05 kg/s",
        "pt1.fault = NO_REPLY",
    )


def test_samples_in_words_say_what_is_not_good_and_not_real():
    text = texts(every_kind()[5], NAMES)[0]
    assert "rig.leak_rate = 0.000325123 kg/s [GOOD|SIM], pt1.fault = nan [BAD|SIM]" in text


def test_every_kind_as_json_names_itself_and_nan_is_null():
    objects = [
        json.loads(to_json(report(stretch, NAMES).json)) for stretch in frame.split(b"".join(every_kind()))
    ]
    assert [each["kind"] for each in objects] == [
        "alarm",
        "alarm",
        "transitions",
        "housekeeping",
        "heartbeat",
        "samples",
        "unknown",
        "unknown",
    ]
    golden, returned, transitions, set_1, _, sampled, unknown, broken = objects
    assert (golden["time"], golden["service"], golden["subservice"]) == ("2026-09-21T14:13:20.123456Z", 5, 4)
    assert (golden["alarm_name"], golden["name"], golden["unit"]) == ("rig.leak", "rig.leak_rate", "kg/s")
    assert (golden["value"], golden["limit"], golden["sigma"]) == (3.25e-4, 2e-4, 1.1e-5)
    assert (returned["transition"], returned["value"], returned["quality"]) == ("RTN", None, "BAD")
    assert transitions["transitions"][0]["value"] is None  # infinite
    assert [each["name"] for each in set_1["parameters"]] == ["rig.leak_rate", "pt1.fault"]
    assert sampled["samples"][0]["value"] == 3.2512345678901e-4
    assert sampled["samples"][0]["offset_ns"] == -2_500_000
    assert sampled["samples"][1]["value"] is None
    assert unknown["body"] == "cafe"
    assert "40" in broken["error"]


@given(st.floats(width=32))
def test_a_tidy_number_is_the_same_f32(value):
    packed = Table(PARAMETERS)
    packed.write(0, tidy(value), value, 0, 1)
    (entry,) = housekeeping.unpack(housekeeping.pack(1, packed, [0])).entries
    assert repr(entry.value) == repr(entry.sigma)


@settings(max_examples=1000, deadline=None)
@given(st.lists(PIECES, max_size=8).map(b"".join))
def test_any_bytes_are_told_to_the_last_one(data):
    told = 0
    for stretch in frame.split(data):
        said = report(stretch, NAMES)
        assert "\n" not in said.text
        json.loads(to_json(said.json))
        told += len(stretch.data)
    assert told == len(data)


def test_ten_thousand_mutated_packets_give_no_traceback():
    rng = random.Random(1)
    kinds = every_kind()
    for number in range(10_000):
        data = bytearray(kinds[number % len(kinds)])
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data) + 1)
            match rng.randrange(3):
                case 0:
                    data[at : at + 1] = rng.randbytes(1)
                case 1:
                    del data[at : at + rng.randrange(20)]
                case 2:
                    data[at:at] = rng.randbytes(rng.randrange(20))
        if (
            number % 2 and len(data) > 23
        ):  # the damage came before the packet was made: lengths and checksum hold
            data[4:6] = (len(data) - 7).to_bytes(2)
            data[-2:] = binascii.crc_hqx(data[:-2], 0xFFFF).to_bytes(2)
        stretches = list(frame.split(bytes(data)))
        assert sum(len(stretch.data) for stretch in stretches) == len(data)
        for stretch in stretches:
            to_json(report(stretch, NAMES).json)
