"""docs/packets.md says what the packers do, and its example runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fsw.alarm import State, Transition
from fsw.limit import Check, Status
from fsw.occurrence import Kind
from fsw.packets import event, frame, housekeeping, occurrence, samples, transition, xtce
from fsw.packets.field import flat
from fsw.sample import Sample
from fsw.table import Parameter, Table

DOCS = (Path(__file__).parents[3] / "docs" / "packets.md").read_text()
TABLES = {
    "Every packet": (0, frame.HEADER),
    "Alarm event": (21, event.FIELDS),
    "Change of a check": (21, (transition.COUNT, *transition.FIELDS)),
    "Occurrence": (21, occurrence.FIELDS),
    "Housekeeping": (21, (housekeeping.SID, *housekeeping.fields("NAME", "", ""))),
    "Samples": (21, (samples.COUNT, *samples.FIELDS)),
}
GOLDEN_ALARM = re.search(r"^[0-9a-f]{126}$", DOCS, re.MULTILINE)[0]


@pytest.mark.parametrize("title", TABLES)
def test_every_field_stands_in_the_tables_at_its_byte(title):
    first, words = TABLES[title]
    section = DOCS.split(f"## {title}")[1].split("\n## ")[0]
    documented = re.findall(r"^\| ([\d-]+) \| `(\S+)` \| (\w\d+) \|", section, re.MULTILINE)
    expected, bit = [], 8 * first
    for field in flat(words):
        begin, end = bit // 8, (bit + field.bits - 1) // 8
        expected.append((str(begin) if begin == end else f"{begin}-{end}", field.name, field.type))
        bit += field.bits
    assert documented == expected


def test_every_code_is_explained():
    for kind in (Transition, State, event.Severity, Check, Status, Kind):
        for member in kind:
            assert f"{member.name} {member.value}" in DOCS


def test_the_example_for_space_packet_parser_runs(tmp_path):
    parameters = (Parameter(0x0101, "pt1.pressure", "Pa"),)
    document = xtce.document("bench_rig", 100, parameters, {1: (0,)}, {7: "rig.leak"})
    (tmp_path / "bench_rig.xml").write_text(document)
    framer = frame.Framer(100)
    recording = (
        bytes.fromhex(GOLDEN_ALARM)
        + framer.frame(3, 25, 0, housekeeping.pack(1, Table(parameters), (0,)))
        + framer.frame(17, 2, 0)
        + framer.frame(129, 130, 0, samples.pack([Sample(0, 0, 101_325.0)], (0x0101,), 0)[0])
    )
    (tmp_path / "recording.tm").write_bytes(recording)
    example = re.search(r"```python\n(.*?)```", DOCS, re.DOTALL)[1]
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    alarm, housekeeping_set, sampled = done.stdout.splitlines()
    assert alarm.startswith("RAISE rig.leak 0.000325")
    assert housekeeping_set == "set 1 {'pt1-pressure-sigma': nan}"
    assert sampled == "[(257, 1, 0, 101325.0)]"
