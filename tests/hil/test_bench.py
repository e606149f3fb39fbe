"""The bench itself: real `fsw` processes in virtual and in real time, and what happens when the program fails."""

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hil import expect, program, scenario
from hil.bench import Bench
from hil.evidence import Recording
from hil.lockstep import PACKET, WRITE, Answer, Kind, Lockstep, LockstepError
from hil.program import Program, ProgramError
from hil.realtime import split

RIG = """
board = "my_rig.toml"
seed = 1
duration = "{duration}"
[plant.rig]
model = "gas_vessel"
volume = "4 L"
pressure = "6 bar"
gas = "nitrogen"
outside = "101.325 kPa"
cd = 0.7
leak = [{{ at = "20 s", hole = "0.2 mm" }}]
[instrument.pt1]
channels.pressure = {{ reads = "rig.pressure", noise = "100 Pa" }}
[instrument.tt1]
channels.temperature = {{ reads = "rig.temperature", noise = "0.05 K" }}
"""
LEAK = """
[[expect]]
alarm = "rig.leak"
within = ["20 s", "30 s"]
[[expect]]
parameter = "rig.hole"
at = "40 s"
within = "15 %"
inside_band = 2
"""


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    """A folder with a copy of the bench rig's board."""
    board = scenario.load("bench_rig_leak").board.path
    (tmp_path / "my_rig.toml").write_bytes(board.read_bytes())
    return tmp_path


def case_of(folder: Path, text: str, duration: str = "40 s") -> scenario.Case:
    (folder / "case.toml").write_text(RIG.format(duration=duration) + text)
    return scenario.load(str(folder / "case.toml"))


def children(parent: int) -> dict[int, str]:
    """The command lines of a process's children, by process id. (A bare machine has no `ps`.)"""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            after_name = (entry / "stat").read_text().rpartition(")")[2].split()
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # gone in between
            continue
        if int(after_name[1]) == parent and after_name[0] != "Z":
            found[int(entry.name)] = words
    return found


def descendants() -> set[str]:
    return {words for words in children(os.getpid()).values() if "fsw" in words}


def test_virtual_time_finds_the_leak_and_gives_the_same_bytes_again(rig: Path) -> None:
    bench = Bench(case_of(rig, LEAK))
    first, second = bench.run(real=False), bench.run(real=False)
    assert first.packets == second.packets
    for verdict in expect.judge(first, case_of(rig, LEAK).expectations):
        assert verdict.passed, verdict
    assert not descendants()


def test_another_seed_gives_other_bytes(rig: Path) -> None:
    runs = [
        Bench(scenario.load(str(file))).run(real=False).packets
        for file in (rig / f"seed_{seed}.toml" for seed in (1, 2))
        if file.write_text(RIG.format(duration="5 s").replace("seed = 1", f"seed = {file.stem[-1]}"))
    ]
    assert runs[0] != runs[1]


def test_the_programs_readings_are_the_plants_truth(rig: Path) -> None:
    run = Bench(case_of(rig, "", "10 s")).run(real=False)
    pressure = run.parameters["pt1.pressure"]
    # 600 kPa and 293.15 K, with noise of 100 Pa and 0.05 K: five sigma of a single sample.
    assert abs(pressure.value[-1] - 600e3) < 500
    assert abs(run.parameters["tt1.temperature"].value[-1] - 293.15) < 0.25
    assert pressure.quality[-1] == 1 | 16  # GOOD, and marked as simulated
    # m = p V M / (R T) of nitrogen: 6e5 * 4e-3 * 28.0134e-3 / (8.314463 * 293.15)
    assert run.parameters["rig.inventory"].value[-1] == pytest.approx(27.583e-3, rel=0.01)


def test_real_time_over_a_pty_gives_the_same_story(rig: Path) -> None:
    fault = '[[fault]]\nkind = "unplug"\non = "bus"\nat = "3 s"\nuntil = "5 s"\n'
    began_s = time.monotonic()
    run = Bench(case_of(rig, fault, "9 s")).run(real=True)
    assert time.monotonic() - began_s >= 9
    raised = {frame.alarm: frame.time_ns / 1e9 for frame in run.frames if frame.raises}
    assert 3 <= raised["pt1.pressure.bad"] < 4
    assert any(frame.returns and frame.alarm == "pt1.pressure.bad" for frame in run.frames)
    assert "rig.leak" not in raised
    assert abs(run.parameters["pt1.pressure"].value[-1] - 600e3) < 500
    assert not descendants()


def test_a_program_that_dies_is_an_error_with_its_last_words(rig: Path) -> None:
    case = case_of(rig, "")
    bench = Bench(case)
    case.board.path.write_text("board = 3\n")
    with pytest.raises(ProgramError, match=r"exit code 2(.|\n)*my_rig.toml"):
        bench.run(real=False)
    with pytest.raises(ProgramError, match=r"exit code 2(.|\n)*my_rig.toml"):
        bench.run(real=True)
    with pytest.raises(ProgramError, match=r"exit code 2(.|\n)*my_rig.toml"):
        Bench(case)
    assert not descendants()


def test_nothing_is_left_behind_when_the_watcher_fails(rig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(recording: Recording) -> None:
        if recording.now_ns:
            raise KeyboardInterrupt

    with tempfile.TemporaryDirectory() as short:  # a socket's path must be
        monkeypatch.setattr(tempfile, "tempdir", short)
        with pytest.raises(KeyboardInterrupt):
            Bench(case_of(rig, "")).run(real=False, watch=fail)
        assert not any(Path(short).iterdir())
    assert not descendants()


def test_a_terminated_bench_takes_the_program_with_it(rig: Path) -> None:
    case_of(rig, "", "60 s")
    words = [sys.executable, "-m", "hil.cli", "run", "--real", str(rig / "case.toml")]
    bench = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    deadline = time.monotonic() + 30
    while not any(" run " in words for words in children(bench.pid).values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    fsw = set(children(bench.pid))
    assert fsw
    bench.send_signal(signal.SIGTERM)
    assert bench.wait(20) == 128 + signal.SIGTERM
    assert not any(Path(f"/proc/{pid}").exists() for pid in fsw)


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stubborn = tmp_path / "fsw"
    stubborn.write_text("#!/bin/sh\ntrap '' TERM\necho ready\nwhile :; do sleep 0.1; done\n")
    stubborn.chmod(0o755)
    monkeypatch.setattr(program, "command", lambda: str(stubborn))
    with Program(["run"], tmp_path, grace_s=0.3) as running:
        while "ready" not in running.log():
            time.sleep(0.02)
    assert running.returncode == -signal.SIGKILL
    assert "SIGKILL" in str(running.error("over"))


def peer(path: Path, *answers: bytes) -> threading.Thread:
    """A program that says `answers` and hangs up: the hello, then one for each message."""

    def talk() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as end:
            end.connect(str(path))
            end.send(answers[0])
            for answer in answers[1:]:
                end.recv(1 << 16)
                end.send(answer)

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    return thread


HELLO = b'{"board": "x", "crc32": 1, "period_ns": 100000000, "lines": ["a", "b"]}'


def test_the_lockstep_protocol_is_read_as_it_was_agreed(tmp_path: Path) -> None:
    lockstep = Lockstep(tmp_path / "socket")
    # next_wake_ns 100 ms, then at 6 ns PACKET of one byte, then at 7 ns WRITE to line 1 of two; all big-endian
    answer = bytes.fromhex(
        "0000000005f5e100 0000000000000006 02 00 00000001 ff 0000000000000007 01 01 00000002 abcd"
    )
    thread = peer(tmp_path / "socket", HELLO, answer)
    hello = lockstep.accept(5)
    assert hello is not None
    assert hello.lines == ("a", "b")
    assert lockstep.tell(5, Kind.DATA, 1, b"xy", horizon_ns=8) == (
        100_000_000,
        [(6, PACKET, 0, b"\xff"), (7, WRITE, 1, b"\xab\xcd")],
    )
    thread.join(5)
    with pytest.raises(LockstepError, match="hung up"):
        lockstep.tell(6, Kind.TIME)
    lockstep.close()


def test_a_path_too_long_for_a_socket_is_said(rig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = rig / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with pytest.raises(ProgramError, match="TMPDIR"):
        Bench(case_of(rig, "")).run(real=False)


@pytest.mark.parametrize(
    "answer",
    [
        b"\0" * 7,
        struct.pack(">qqBBI", 0, 0, 1, 0, 5) + b"shor",
        struct.pack(">qqBBI", 0, 0, 9, 0, 0),
        struct.pack(">qqBB", 0, 0, 1, 0),
    ],
)
def test_a_broken_answer_is_refused(tmp_path: Path, answer: bytes) -> None:
    lockstep = Lockstep(tmp_path / "socket")
    peer(tmp_path / "socket", HELLO, answer)
    assert lockstep.accept(5)
    with pytest.raises(LockstepError):
        lockstep.tell(0, Kind.TIME)
    lockstep.close()


@pytest.mark.parametrize(
    "instants",
    [
        [(PACKET, 4)],  # before the message
        [(PACKET, 10)],  # the horizon itself is the bench's
        [(PACKET, 8), (PACKET, 7)],
        [(WRITE, 6), (PACKET, 7)],  # the instrument might have answered in between
    ],
)
def test_a_program_that_was_where_it_had_no_leave_to_be_is_refused(
    tmp_path: Path, instants: list[tuple[int, int]]
) -> None:
    lockstep = Lockstep(tmp_path / "socket")
    items = b"".join(struct.pack(">qBBI", at_ns, kind, 0, 0) for kind, at_ns in instants)
    peer(tmp_path / "socket", HELLO, struct.pack(">q", 100) + items)
    assert lockstep.accept(5)
    with pytest.raises(LockstepError, match=rf"did something at {instants[-1][1]} ns"):
        lockstep.tell(5, Kind.TIME, horizon_ns=10)
    lockstep.close()


def test_looking_ahead_saves_messages_and_changes_no_byte(rig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With late replies, a line that comes and goes, and noise: whatever could happen before a horizon."""
    faults = """
[[fault]]
kind = "late_reply"
on = "bus/pt1"
at = "3 s"
probability = 0.3
delay = "70 ms"
[[fault]]
kind = "babble"
on = "bus"
at = "5 s"
until = "7 s"
every = "37 ms"
[[fault]]
kind = "unplug"
on = "bus"
at = "9 s"
until = "10 s"
"""
    bench = Bench(case_of(rig, faults, "12 s"))
    told, tell = [], Lockstep.tell

    def counted(self: Lockstep, now_ns: int, *rest: Any, horizon_ns: int | None = None) -> Answer:
        told.append(now_ns)
        return tell(self, now_ns, *rest, horizon_ns=horizon_ns)

    def short_sighted(self: Lockstep, now_ns: int, *rest: Any, horizon_ns: int | None = None) -> Answer:
        return counted(self, now_ns, *rest)

    monkeypatch.setattr(Lockstep, "tell", counted)
    ahead, messages = bench.run(real=False).packets, len(told)
    told.clear()
    monkeypatch.setattr(Lockstep, "tell", short_sighted)
    assert bench.run(real=False).packets == ahead
    assert messages < 0.75 * len(told)


@pytest.mark.parametrize("hello", [b"{}", b"hello", b"[]", b"\xff"])
def test_a_broken_hello_is_refused(tmp_path: Path, hello: bytes) -> None:
    lockstep = Lockstep(tmp_path / "socket")
    peer(tmp_path / "socket", hello)
    with pytest.raises(LockstepError, match="hello"):
        lockstep.accept(5)
    lockstep.close()


def test_a_program_that_hangs_is_noticed(tmp_path: Path) -> None:
    lockstep = Lockstep(tmp_path / "socket", timeout_s=1.0)
    release = threading.Event()

    def hang() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as end:
            end.connect(str(tmp_path / "socket"))
            end.send(HELLO)
            release.wait(30)

    threading.Thread(target=hang, daemon=True).start()
    assert lockstep.accept(5)
    with pytest.raises(LockstepError, match="no answer within 1 s"):
        lockstep.tell(0, Kind.TIME)
    release.set()
    lockstep.close()


def test_a_datagram_is_split_by_the_packets_own_lengths() -> None:
    one = bytes.fromhex("0864c0000002") + b"abc"  # length field: bytes of the packet less 7
    two = bytes.fromhex("0864c0010000") + b"z"
    assert list(split(one + two)) == [one, two]
    assert list(split(one + b"\x08")) == [one, b"\x08"]
    assert list(split(b"")) == []
