"""Phases through the real program: what is declared is no leak, what is not is one, and foreign software reads it."""

import io
import json
import math
import random
import shutil
import struct
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ccsdspy
import pytest
from ccsdspy import PacketField
from space_packet_parser import load_xtce
from spacepackets.ecss.tm import PusTm

from tests.board_text import HEAD, PT, TANK, TT
from tests.octets import split

from .conftest import FSW

VALVE = """
[instruments.v3]
line = "bus"
dialect = "modbus_rtu"
address = 3
[instruments.v3.channels.state]
quantity = "ratio"
unit = ""
register = 40003
type = "u16"
noise = "0.01"
"""
LOW = """
[limits.low]
parameter = "pt.pressure"
low = "5.5 bar absolute"
"""
BLOWDOWN = """
[phases.blowdown]
vessels = ["tank"]
time_out = "{time_out}"
settle = "30 s"
{begins}
"""
BY_VALVE = 'parameter = "v3.state"\nabove = 0.5'
FULL_BAR, LOSS_BAR_PER_S, BEGIN_S, END_S, LAST_S = 6.0, 5e-3, 300, 440, 800
# p V M / (R T) of nitrogen in 4 L at 22 degC: physics, not our code.
KG_PER_BAR = 1e5 * 4e-3 * 28.0134e-3 / (8.314462618 * 295.15)
OCCURRENCE = (130, 1)
LEARNED_S = 204.8  # 8 batches of 256 samples at 10 Hz


def vented(path: Path, events: Mapping[int, str], valve: bool = False) -> Path:
    """A slow vent from BEGIN_S to END_S: 0.7 bar in 140 s."""
    noise = random.Random(3)
    with path.open("w") as file:
        file.write("time_s,pt [bar],tt [degC],v3,event\n")
        for tick in range(10 * LAST_S):
            second = tick / 10
            lost = LOSS_BAR_PER_S * min(max(second - BEGIN_S, 0), END_S - BEGIN_S)
            pressure, temperature = FULL_BAR - lost + noise.gauss(0, 1e-3), 22 + noise.gauss(0, 0.05)
            is_open = int(valve and BEGIN_S - 5 <= second < END_S + 5)
            event = events.get(tick // 10, "") if tick % 10 == 0 else ""
            file.write(f"{second:.1f},{pressure:.5f},{temperature:.3f},{is_open},{event}\n")
    return path


def board(folder: Path, time_out: str = "10 min", begins: str = "") -> Path:
    path = folder / "vented.toml"
    blowdown = BLOWDOWN.format(time_out=time_out, begins=begins)
    path.write_text(HEAD + PT + TT + VALVE + TANK + LOW + blowdown)
    return path


def said(*arguments: object) -> list[dict[str, Any]]:
    done = subprocess.run(
        [FSW, "replay", *map(str, arguments), "--json"],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def raised(found: list[dict[str, Any]]) -> list[str]:
    return [each["alarm"] for each in found if each.get("transition") == "RAISE"]


def happened(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events, but for that the noise is known."""
    return [each for each in found if each["type"] == "event" and each["event"] != "noise known"]


def test_a_vent_that_nobody_declared_is_a_leak(tmp_path: Path) -> None:
    found = said(board(tmp_path), vented(tmp_path / "run.csv", {}))
    assert raised(found) == ["tank.leak", "low"]
    known, over = (each for each in found if each["type"] == "event")
    assert (known["event"], known["kg"]) == ("noise known", None)
    assert known["time_s"] == known["began_s"] == pytest.approx(LEARNED_S, abs=5)
    assert over["event"] == "fall"
    assert END_S < over["time_s"] < LAST_S


def test_a_vent_in_a_declared_phase_is_none_and_limits_stand(tmp_path: Path) -> None:
    csv = vented(tmp_path / "run.csv", {BEGIN_S - 5: "blowdown", END_S + 5: "end blowdown"})
    found = said(board(tmp_path), csv)
    assert raised(found) == ["low"]
    *told, vented_off = happened(found)
    assert (vented_off["event"], vented_off["vessel"], vented_off["began_s"]) == (
        "fall",
        "tank",
        pytest.approx(295, abs=1),
    )
    assert vented_off["kg"] == pytest.approx(LOSS_BAR_PER_S * (END_S - BEGIN_S) * KG_PER_BAR, rel=0.02)
    assert told == [
        {"type": "event", "time_s": 295.0, "event": "blowdown"},
        {"type": "event", "time_s": 295.0, "event": "phase begun", "vessel": "tank", "phase": "blowdown"}
        | {"kg": None, "began_s": 295.0},
        {"type": "event", "time_s": 445.0, "event": "end blowdown"},
        {"type": "event", "time_s": 445.0, "event": "phase ended", "vessel": "tank", "phase": "blowdown"}
        | {"kg": None, "began_s": 295.0},
    ]
    estimates = {each["time_s"]: each for each in found if each["type"] == "estimate"}
    for second, each in estimates.items():
        suspended = 295 <= second < 475  # it settles for 30 s
        restarting = second < LEARNED_S or 475 <= second < 480
        assert each["determined"] == (not suspended) or restarting
        assert not suspended or each["leak_kg_per_s"] is None
        assert not each["determined"] or each["leak_kg_per_s"] is not None
    lost_kg = estimates[250.0]["inventory_kg"] - estimates[470.0]["inventory_kg"]
    assert lost_kg == pytest.approx(LOSS_BAR_PER_S * (END_S - BEGIN_S) * KG_PER_BAR, rel=0.01)


def test_a_vent_that_outlasts_the_phase_is_a_leak_again(tmp_path: Path) -> None:
    csv = vented(tmp_path / "run.csv", {BEGIN_S - 5: "blowdown"})
    found = said(board(tmp_path, time_out="60 s"), csv)
    timed_out = [each["time_s"] for each in found if each.get("event") == "phase timed out"]
    leak_s = [each["time_s"] for each in found if each.get("alarm") == "tank.leak"]
    assert timed_out == [355.0]
    assert 385.0 < leak_s[0] < END_S  # settled first


@pytest.mark.parametrize("word", ["valve V3 opened", "blow down"])
def test_words_without_a_meaning_are_only_reported(tmp_path: Path, word: str) -> None:
    found = said(board(tmp_path), vented(tmp_path / "run.csv", {BEGIN_S - 5: word}))
    assert {"type": "event", "time_s": 295.0, "event": word} in found
    assert [each["event"] for each in happened(found)] == [word, "fall"]
    assert raised(found) == ["tank.leak", "low"]


def test_a_phase_by_a_valve_replays_by_itself_and_foreign_software_reads_it(tmp_path: Path) -> None:
    path, out = board(tmp_path, begins=BY_VALVE), tmp_path / "out.tm"
    first = said(path, vented(tmp_path / "run.csv", {}, valve=True), "--write", out)
    assert raised(first) == ["low"]
    assert [each["event"] for each in happened(first)] == ["phase begun", "phase ended", "fall"]

    def occurrences(found: list[dict[str, Any]]) -> list[tuple[str, str, float]]:
        return [(each["event"], each["phase"], round(each["time_s"], 3)) for each in happened(found)]

    assert occurrences(said(path, out)) == occurrences(first)  # from packets, which know no event column

    packets = [each for each in split(out.read_bytes()) if (each[7], each[8]) == OCCURRENCE]
    database = subprocess.run([FSW, "xtce", str(path)], capture_output=True, check=True).stdout
    definition = load_xtce(io.BytesIO(database))
    assert definition.parse_bytes(packets.pop(0))["kind"] == "NOISE_KNOWN"
    assert definition.parse_bytes(packets.pop())["kind"] == "FALL"  # what went out meanwhile
    begun, ended = (definition.parse_bytes(each) for each in packets)
    assert (begun["kind"], ended["kind"]) == ("PHASE_BEGUN", "PHASE_ENDED")
    for each in (begun, ended):
        assert (each["vessel"], each["phase"]) == ("tank.inventory", "blowdown")
        assert (each["quality"], each["origin"]) == ("GOOD", "REPLAY")
        assert math.isnan(each["kg"])
        assert each["began"] == begun["TIME"] == pytest.approx(295.0, abs=1.0)  # the despiking filter waits
    assert begun["inventory"] == pytest.approx(FULL_BAR * KG_PER_BAR, rel=0.01)
    assert ended["TIME"] == pytest.approx(END_S + 5, abs=1.0)
    lost_kg = LOSS_BAR_PER_S * (END_S - BEGIN_S) * KG_PER_BAR
    assert begun["inventory"] - ended["inventory"] == pytest.approx(lost_kg, rel=0.02)

    for each in packets:
        assert PusTm.unpack(each, timestamp_len=8).service == OCCURRENCE[0]
    only = tmp_path / "occurrences.tm"
    only.write_bytes(b"".join(packets))
    read = ccsdspy.FixedLength(fields()).load(str(only))
    assert list(read["service"]) == [130, 130]
    assert list(read["kind"]) == [3, 4]
    assert list(read["phase"]) == [1, 1]
    assert list(read["began_seconds"]) == [int(begun["began"])] * 2
    assert list(read["inventory"]) == [begun["inventory"], ended["inventory"]]
    assert list(read["tick"]) == [begun["tick"], ended["tick"]]

    decoded = subprocess.run(
        [FSW, "decode", str(only), "--board", str(path)], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert "TM[130,1]" in decoded[0]
    assert "phase begun blowdown: tank.inventory = " in decoded[0]
    assert "phase ended blowdown: tank.inventory = " in decoded[1]
    assert ", since 1970-01-01T00:04:55." in decoded[1]


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_reads_the_frames(start: Callable[..., Any], tmp_path: Path) -> None:
    packets = begun_and_timed_out(start, tmp_path)
    capture = tmp_path / "run.pcap"
    user0 = 147  # a link type whose meaning the reader is told
    records = b"".join(struct.pack("<IIII", 0, 0, len(each), len(each)) + each for each in packets)
    capture.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, user0) + records)
    told = 'uat:user_dlts:"User 0 (DLT=147)","ccsds","0","","0",""'
    columns = [
        part
        for name in ("ccsds.apid", "ccsds.length", "ccsds.secheader", "_ws.malformed")
        for part in ("-e", name)
    ]
    done = subprocess.run(
        ["tshark", "-r", str(capture), "-o", told, "-T", "fields", *columns],
        check=True,
        capture_output=True,
        text=True,
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [(int(apid), int(length)) for apid, length, *_ in rows] == [(5, 54 - 7)] * len(packets)
    assert all(row[2] in ("1", "True") and row[3] == "" for row in rows)


def test_a_running_monitor_sends_a_phase_at_start_and_its_time_out(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    begun, timed_out = begun_and_timed_out(start, tmp_path)

    def seconds(packet: bytes, at: int) -> float:
        """A time code of docs/packets.md, behind its P-field."""
        return int.from_bytes(packet[at + 1 : at + 8]) / 2**24

    assert seconds(timed_out, 13) - seconds(begun, 13) == pytest.approx(2.0, abs=0.2)  # the time-out
    assert begun[28:36] == begun[13:21]  # it begins now
    assert seconds(timed_out, 28) == pytest.approx(seconds(begun, 13), abs=0.01)  # a slewed clock may differ


def begun_and_timed_out(start: Callable[..., Any], folder: Path) -> list[bytes]:
    """The two packets of a phase at start, from a run whose instruments are not there."""
    fsw = start(str(board(folder, time_out="2 s", begins="at_start = true")))
    fsw.until(lambda packet: (packet[7], packet[8], packet[21]) == (*OCCURRENCE, 5))
    assert fsw.stop() == 0
    found = [packet for packet in fsw.packets if (packet[7], packet[8]) == OCCURRENCE]
    assert [packet[21] for packet in found] == [3, 5]
    return found


def fields() -> list[PacketField]:
    """TM[130,1], written out from docs/packets.md."""
    header = (("version_time", 8), ("service", 8), ("subtype", 8), ("count", 16), ("destination", 16))
    header += (("p_field", 8), ("seconds", 32), ("fraction", 24))
    body = (("kind", 8), ("layout", 8), ("flags", 8), ("vessel", 16), ("phase", 16))
    body += (("began_p_field", 8), ("began_seconds", 32), ("began_fraction", 24))
    numbers = ("kg", "inventory", "inventory_sigma")
    return [
        *(PacketField(name, "uint", bits) for name, bits in (*header, *body)),
        *(PacketField(name, "float", 32) for name in numbers),
        PacketField("tick", "uint", 32),
        PacketField("crc", "uint", 16),
    ]
