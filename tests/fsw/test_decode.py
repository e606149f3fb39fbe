import binascii
import dataclasses
import json
import math
import os
import pty
import random
import select
import signal
import socket
import subprocess
import sys
import time
import tty

import pytest
from click.testing import CliRunner
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

from fsw.alarm import State, Transition
from fsw.commands.decode import command
from fsw.ground.decode import Advice, Names, report, tidy, to_json
from fsw.ground.source import Unstuffer
from fsw.limit import Check
from fsw.occurrence import Kind
from fsw.packets import event, frame, housekeeping, occurrence, samples, transition
from fsw.packets.event import Event
from fsw.sample import Quality, Sample
from fsw.table import Parameter, Table

PARAMETERS = (Parameter(0x0101, "rig.leak_rate", "kg/s"), Parameter(0x0203, "pt1.fault", ""))
NAMES = Names({each.id: each for each in PARAMETERS}, {7: "rig.leak"}, {1: PARAMETERS})
GOLDEN_ALARM = bytes.fromhex(
    "0864c0000038200504000000002f6ab13b801f9add110101010007002a014401010101080a"
    "39aa64c33951b71737388ca439aa64c30001e240deadbeef6c4a"
)


def test_packets_of_another_apid_keep_their_ids() -> None:
    for apid, named in ((100, True), (None, True), (101, False)):
        (text,) = texts(GOLDEN_ALARM, dataclasses.replace(NAMES, apid=apid))
        assert ("rig.leak" in text, "alarm 7" in text) == (named, not named)


def test_a_board_of_another_apid_is_told_once(tmp_path) -> None:
    path = tmp_path / "run.tm"
    path.write_bytes(GOLDEN_ALARM * 3)
    done = CliRunner().invoke(command, [str(path), "--board", "soyuz_ms"])
    assert done.exit_code == 0
    assert done.stderr.count("APID 100 is not that of soyuz_ms, 101") == 1


def every_kind() -> list[bytes]:
    """One packet of each kind and one that nobody knows."""
    framer = frame.Framer(100)
    framer.set_time(1_790_000_000_123_456_789, 2)
    table = Table(PARAMETERS)
    table.write(0, 3.25e-4, 1.1e-5, 0, Quality.GOOD)
    table.write(1, 1.0, math.nan, 0, Quality.GOOD)
    alarm = Event(
        1, Transition.RTN, 9, 2, State.UNACK, State.RTN_UNACK, 2, 3, 5, 4, 999, 1, 1, *[math.nan] * 4, 9, 9
    )
    entry = transition.Entry(7, 0x0101, 1, math.inf, 2e-4, 0, 4, 1_790_000_000_000_000_000)
    arrivals = [Sample(0, -2_500_000, 3.2512345678901e-4), Sample(1, 0, math.nan, Quality.BAD)]
    return [
        GOLDEN_ALARM,
        framer.frame(5, 1, 0, event.pack(alarm)),
        framer.frame(12, 12, 0, transition.pack([entry])),
        framer.frame(3, 25, 0, housekeeping.pack(1, table, (0, 1))),
        framer.frame(17, 2, 0),
        framer.frame(129, 130, 0, samples.pack(arrivals, (0x0101, 0x0203), 0, Quality.SIM)[0]),
        framer.frame(200, 1, 0, b"\xca\xfe"),
        framer.frame(5, 4, 0, b"\xca\xfe"),
    ]


def texts(data: bytes, names: Names) -> list[str]:
    return [report(stretch, names).text for stretch in frame.split(data)]


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


def test_housekeeping_in_full_has_a_parameter_a_line_with_names_units_and_faults(tmp_path):
    path = tmp_path / "a.tm"
    path.write_bytes(every_kind()[3])
    (stretch,) = frame.split(path.read_bytes())
    assert report(stretch, NAMES).details == (
        "rig.leak_rate = 0.000325 ± 1.1e-05 kg/s",
        "pt1.fault = NO_REPLY",
    )
    lines = run(str(path), "--verbose").stdout.splitlines()
    assert [line.startswith("    ") for line in lines] == [False, True, True]
    assert lines[1] == "    [0] = 0.000325 ± 1.1e-05"


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


pieces = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(every_kind()),
    st.builds(
        lambda packet, at, bit: (
            packet[: at % len(packet)]
            + bytes([packet[at % len(packet)] ^ 1 << bit])
            + packet[at % len(packet) + 1 :]
        ),
        st.sampled_from(every_kind()),
        st.integers(0, 100),
        st.integers(0, 7),
    ),
    st.builds(
        lambda service, body: frame.Framer(1).frame(*service, 0, body),
        st.sampled_from([(5, 4), (12, 12), (3, 25), (17, 2), (129, 130), (1, 1)]),
        st.binary(max_size=60),
    ),
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(pieces, max_size=8).map(b"".join))
def test_any_bytes_are_told_to_the_last_one(data):
    told = 0
    for stretch in frame.split(data):
        said = report(stretch, NAMES)
        assert "\n" not in said.text
        json.loads(to_json(said.json))
        told += len(stretch.data)
    assert told == len(data)


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces, max_size=8), st.integers(1, 50))
def test_any_bytes_on_a_line_are_told_however_they_are_cut(parts, size):
    data = b"\0".join(cobs.encode(part) if number % 2 else part for number, part in enumerate(parts))
    whole = list(Unstuffer().feed(data + b"\0"))
    one, cut = Unstuffer(), []
    for first in range(0, len(data), size):
        cut += one.feed(data[first : first + size])
    cut += one.feed(b"\0")
    assert cut == whole
    for stretch in whole:
        to_json(report(stretch, NAMES).json)


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


def test_a_line_of_garbage_without_an_end_is_kept_within_bounds():
    one = Unstuffer()
    stretches = [stretch for _ in range(1000) for stretch in one.feed(b"\x55" * 1000)]
    assert sum(len(stretch.data) for stretch in stretches) + len(one._begun) == 1_000_000
    assert len(one._begun) <= 1500


def run(*arguments: str):
    return CliRunner().invoke(command, arguments)


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "a.tm"
    kinds = every_kind()
    path.write_bytes(kinds[0] + b"junk" + kinds[4] + GOLDEN_ALARM[:40])
    return path


def test_the_command_tells_damage_and_goes_on(recording):
    result = run(str(recording))
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert "HIGH RAISE" in lines[0]
    assert lines[1] == "corrupted: 4 bytes at offset 63 are no packet and were skipped"
    assert lines[2].endswith("heartbeat")
    assert lines[3] == "torn tail: the last 40 bytes, from offset 90, are an unfinished packet"
    assert result.stderr == "2 packets, 1 of them alarms; 1 corrupted stretches, 1 torn tails\n"


def test_the_command_prints_json_lines(recording):
    result = run(str(recording), "--json")
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["kind"] for each in objects] == ["alarm", "corrupted", "heartbeat", "torn"]
    assert objects[1] == {"kind": "corrupted", "offset": 63, "bytes": 4}
    assert objects[3] == {"kind": "torn", "offset": 90, "bytes": 40}


@pytest.mark.parametrize("data", [b"", b"\0", bytes(1000), b"\x08\x64\xc0", b"\xff" * 100_000])
def test_a_file_without_a_packet_is_told_so(tmp_path, data):
    path = tmp_path / "x"
    path.write_bytes(data)
    result = run(str(path))
    assert result.exit_code == 0
    assert result.stderr.startswith("0 packets")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("nowhere.tm", "No such file"),
        ("udp:203.0.113.1:9", "assign"),
        ("serial:/dev/nowhere", "No such file"),
        ("serial:/dev/null", "ioctl"),
    ],
)
def test_a_source_that_cannot_be_read_is_an_error_in_one_line(source, why):
    result = run(source)
    assert result.exit_code == 1
    assert f"Error: {source}: " in result.stderr
    assert why in result.stderr
    assert "0 packets" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("udp:x",), "host:port"),
        (("udp:1",), "host:port"),
        (("serial:/dev/ttyS0", "--baud", "12345"), "115200"),
        (("x.tm", "--board", "nowhere"), "nowhere"),
    ],
)
def test_wrong_arguments_are_told_apart(arguments, why):
    result = run(*arguments)
    assert result.exit_code == 2
    assert why in result.stderr
    assert "0 packets" not in result.stderr


def test_what_was_read_before_an_error_is_counted(recording):
    result = run(str(recording), "nowhere.tm")
    assert result.exit_code == 1
    assert result.stderr.startswith("2 packets, 1 of them alarms")
    assert "nowhere.tm: No such file" in result.stderr


def test_help_has_examples():
    assert "fsw decode serial:/dev/ttyUSB0" in run("--help").stdout


@pytest.fixture
def fsw():
    """The real command, as a process."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "fsw.cli", "decode", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_udp_stream_is_printed_as_it_comes_and_ends_on_ctrl_c(fsw):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    process = fsw(f"udp:127.0.0.1:{port}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        deadline_s = time.monotonic() + 20
        while not select.select([process.stdout], [], [], 0.1)[0]:
            assert time.monotonic() < deadline_s
            sender.sendto(GOLDEN_ALARM, ("127.0.0.1", port))
    assert "HIGH RAISE alarm 7" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "alarms" in errors


def test_a_serial_stream_may_be_joined_in_the_middle_and_the_end_of_the_device_is_told(fsw):
    master, slave = pty.openpty()
    tty.setraw(slave)
    process = fsw(f"serial:{os.ttyname(slave)}")
    stuffed = cobs.encode(GOLDEN_ALARM) + b"\0"
    os.write(master, stuffed[20:] + stuffed)
    first, second = process.stdout.readline(), process.stdout.readline()
    assert first.startswith("corrupted: 44 bytes at offset 0")
    assert "HIGH RAISE alarm 7" in second
    os.close(slave)
    os.close(master)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "Traceback" not in errors


def test_a_reader_that_has_seen_enough_ends_it_quietly(fsw, tmp_path):
    path = tmp_path / "long.tm"
    path.write_bytes(GOLDEN_ALARM * 20_000)
    process = fsw(str(path))
    process.stdout.readline()
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.wait(10)


def test_a_terminal_that_knows_only_ascii_is_no_trouble(tmp_path):
    path = tmp_path / "a.tm"
    path.write_bytes(GOLDEN_ALARM)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "fsw.cli", "decode", str(path)],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert "HIGH RAISE" in done.stdout
