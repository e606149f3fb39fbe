import math
import struct
import warnings

import pytest
from space_packet_parser.xtce.definitions import XtcePacketDefinition
from space_packet_parser.xtce.validation import validate_xtce

from fsw.alarm import State, Transition
from fsw.limit import Check, Status
from fsw.occurrence import Kind
from fsw.packets import event, frame, heartbeat, housekeeping, occurrence, samples, transition, xtce
from fsw.packets.event import Event
from fsw.sample import Quality, Sample
from fsw.table import Parameter, Table
from tests.golden import GOLDEN_ALARM

PARAMETERS = (
    Parameter(0x0101, "rig.leak_rate", "kg/s", "leak rate of the rig"),
    Parameter(0x0201, "pt1.pressure", "Pa"),
    Parameter(0x0202, "pt1.pressure.rate", "Pa/s"),
    Parameter(0x0203, "pt1.fault", ""),
)
SETS = {1: (0, 1), 2: (3, 2)}
ALARMS = {7: "rig.leak", 8: "low_pressure"}
PHASES = {1: "fill", 3: "maintenance"}
NOW_NS = 1_790_000_000_500_000_000


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("xtce") / "rig.xml"
    path.write_text(xtce.document("bench rig", 0x64, PARAMETERS, SETS, ALARMS, PHASES))
    return path


@pytest.fixture(scope="module")
def definition(path):
    return XtcePacketDefinition.from_xtce(path)


@pytest.fixture
def read(definition):
    def parse(packet):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # bits left over are a warning there
            return definition.parse_bytes(packet)

    return parse


def framed(service, subservice, body, status=2):
    framer = frame.Framer(0x64)
    framer.set_time(NOW_NS, status)
    return framer.frame(service, subservice, 0, body)


def test_the_document_is_valid_by_the_schema_of_xtce_1_2(path):
    assert validate_xtce(path).valid


def test_the_golden_alarm_is_read_by_name(read):
    alarm = read(GOLDEN_ALARM)
    assert (alarm["transition"], alarm["alarm"], alarm["parameter"]) == ("RAISE", "rig.leak", "rig.leak_rate")
    assert (alarm["previous"], alarm["state"], alarm["severity"], alarm["check"]) == (
        "NORMAL",
        "UNACK",
        "HIGH",
        "LIMIT",
    )
    assert (alarm["quality"], alarm["origin"], alarm["n"], alarm["m"]) == ("GOOD", "LIVE", 8, 10)
    assert (alarm["event"], alarm["occurrence"], alarm["tick"]) == (0x1101, 42, 123456)
    assert alarm["value"] == pytest.approx(3.25e-4, rel=1e-7)
    assert alarm["TIME"] == pytest.approx(1_790_000_000.123456789, abs=3e-7)
    assert alarm["table_crc"] == 0xDEADBEEF


@pytest.mark.parametrize("change", Transition)
@pytest.mark.parametrize("state", State)
def test_every_transition_state_and_check_has_a_name(read, change, state):
    check = Check(1 + change % len(Check))
    body = event.pack(
        Event(
            1,
            change,
            8,
            1,
            state,
            state,
            2,
            3,
            check,
            2 | 16,
            0x0201,
            1,
            1,
            1.0,
            2.0,
            math.nan,
            1.0,
            1,
            1,
            True,
        )
    )
    alarm = read(framed(5, event.subservice(change, 3), body))
    assert (alarm["transition"], alarm["previous"], alarm["state"]) == (change.name, state.name, state.name)
    assert (alarm["previous_overlay"], alarm["overlay"], alarm["check"]) == (1, 0, check.name)
    assert (alarm["quality"], alarm["origin"]) == ("UNCERTAIN", "SIM")
    assert math.isnan(alarm["sigma"])


@pytest.mark.parametrize(("sid", "rows"), SETS.items())
def test_each_housekeeping_set_is_read_with_its_parameters(read, definition, sid, rows):
    table = Table(PARAMETERS)
    for row in range(len(PARAMETERS)):
        table.write(row, 1.5 + row, 0.25, 0, Quality.BAD)
    packet = read(framed(3, 25, housekeeping.pack(sid, table, rows, Quality.REPLAY)))
    assert (packet["SID"], packet["TIME_STATUS"]) == (sid, "NTP")
    for row in rows:
        name = PARAMETERS[row].name.replace(".", "-")
        assert packet[name] == 1.5 + row
        assert packet[f"{name}-sigma"] == 0.25
        assert packet[f"{name}-quality"] == "BAD"
        assert packet[f"{name}-origin"] == "REPLAY"
        assert (definition.parameters[name].parameter_type.unit or "") == PARAMETERS[row].unit


def test_a_heartbeat_is_read(read):
    assert read(framed(heartbeat.SERVICE, heartbeat.SUBSERVICE, heartbeat.pack()))["TIME"] == 1_790_000_000.5


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("phase", "name"), [(0, "NONE"), *PHASES.items()])
def test_an_occurrence_is_read_by_name(read, kind, phase, name):
    report = occurrence.Report(kind, 1 | 64, 0x0201, phase, NOW_NS - 60 * 10**9, -0.25, 4.5, math.nan, 99)
    packet = read(framed(130, 1, occurrence.pack(report)))
    assert (packet["kind"], packet["vessel"], packet["phase"]) == (kind.name, "pt1.pressure", name)
    assert (packet["quality"], packet["origin"], packet["tick"]) == ("GOOD", "REPLAY", 99)
    assert (packet["kg"], packet["inventory"]) == (-0.25, 4.5)
    assert packet["began"] == 1_789_999_940.5
    assert math.isnan(packet["inventory_sigma"])


def test_one_transition_is_read_by_name(read):
    entry = transition.Entry(7, 0x0101, Check.LIMIT, 1.0, 0.5, Status.WITHIN, Status.ABOVE, NOW_NS)
    packet = read(framed(12, 12, transition.pack([entry])))
    assert (packet["monitor"], packet["parameter"], packet["check"]) == ("rig.leak", "rig.leak_rate", "LIMIT")
    assert (packet["previous_status"], packet["current_status"]) == ("WITHIN", "ABOVE")
    assert packet["transition_time"] == 1_790_000_000.5


def test_several_transitions_are_read_as_bytes(read):
    entry = transition.Entry(7, 0x0101, Check.LIMIT, 1.0, 0.5, Status.WITHIN, Status.ABOVE, NOW_NS)
    packet = read(framed(12, 12, transition.pack([entry] * 3)))
    assert packet["N"] == 3
    assert len(packet["transitions"]) == 69


def test_samples_are_read_as_bytes_of_the_right_length(read):
    arrivals = [Sample(1, 0, 101_325.0), Sample(3, 0, 2.0, Quality.BAD)]
    (body,) = samples.pack(arrivals, [parameter.id for parameter in PARAMETERS], 0)
    packet = read(framed(129, 130, body))
    assert packet["N"] == 2
    first, second = struct.iter_unpack(">HBid", packet["samples"])
    assert first == (0x0201, 1, 0, 101_325.0)
    assert second == (0x0203, 4, 0, 2.0)


def test_a_board_without_alarms_or_sets_has_a_valid_document(tmp_path):
    path = tmp_path / "empty.xml"
    path.write_text(xtce.document("a/b.c", 1, (), {}, {}))
    assert validate_xtce(path).valid
    XtcePacketDefinition.from_xtce(path)


def test_two_different_fields_of_one_name_are_refused():
    twins = (Parameter(1, "a.b", "Pa"), Parameter(2, "a.b", "K"))
    with pytest.raises(ValueError, match="a-b"):
        xtce.document("x", 1, twins, {1: (0, 1)}, {})
