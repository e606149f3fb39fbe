"""Random and mutated bytes into everything that reads bytes from outside: no exception that is not announced, no
hang, no memory without bound, and never a value out of a damaged frame. Seeded: a failure can be run again.
"""

import binascii
import itertools
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from cobs import cobs

from fsw import assembly
from fsw.board.load import BoardErrors, load, shipped
from fsw.bus.poller import JUNK_BYTES
from fsw.bus.protocols import Exchange
from fsw.ground.decode import report, to_json
from fsw.ground.names import Names
from fsw.ground.source import Unstuffer
from fsw.occurrence import Kind
from fsw.packets import event, frame, heartbeat, housekeeping, occurrence, samples, transition
from fsw.packets.frame import MAX_PACKET_BYTES, PacketError
from fsw.sample import Sample
from fsw.sinks import recorder
from fsw.sinks.serial import MAX_FRAME_BYTES
from fsw.table import Parameter, Table
from tests.golden import GOLDEN_ALARM

FSW = str(Path(sys.executable).with_name("fsw"))
AT_LEAST_BYTES = 100_000  # into every decoder
MS = 1_000_000


def mutated(rng: random.Random, data: bytes) -> bytes:
    """A few bytes overwritten, cut out, put in, or a single bit turned."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(4):
            case 0:
                changed[at : at + 1] = rng.randbytes(1)
            case 1:
                del changed[at : at + rng.randrange(20)]
            case 2:
                changed[at:at] = rng.randbytes(rng.randrange(20))
            case 3 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


def garbage(seeds: list[bytes], at_least: int = AT_LEAST_BYTES) -> Iterator[bytes]:
    """Inputs of `at_least` bytes in all: half mutated `seeds`, half random."""
    rng, total = random.Random(2022), 0
    for number in itertools.count():
        if total >= at_least:
            return
        data = mutated(rng, rng.choice(seeds)) if number % 2 else rng.randbytes(rng.randrange(120))
        total += len(data)
        yield data


def packets() -> list[bytes]:
    """One of each kind."""
    framer = frame.Framer(100)
    framer.set_time(1_790_000_000_123_456_789, 2)
    parameters = tuple(Parameter(0x0100 + row, f"p{row}", "Pa") for row in range(40))
    arrivals = [Sample(row, row, 1e5) for row in range(30)]
    entry = transition.Entry(7, 0x0101, 1, 1.0, 2e-4, 0, 4, 1_790_000_000_000_000_000)
    happened = occurrence.Report(Kind.FALL, 1, 0x0101, 0, 1_790_000_000_000_000_000, -0.5, 4.0, 0.01, 7)
    return [
        GOLDEN_ALARM,
        framer.frame(12, 12, 0, transition.pack([entry, entry])),
        framer.frame(3, 25, 0, housekeeping.pack(1, Table(parameters), range(40))),
        framer.frame(17, 2, 0),
        framer.frame(130, 1, 0, occurrence.pack(happened)),
        *(
            framer.frame(129, 130, 0, body)
            for body in samples.pack(arrivals, [each.id for each in parameters], 0)
        ),
    ]


def resealed(data: bytes) -> bytes:
    """As if the damage came before the packet was made: length and checksum hold."""
    if len(data) < 23:
        return data
    data = data[:4] + (len(data) - 7).to_bytes(2) + data[6:-2]
    return data + binascii.crc_hqx(data, 0xFFFF).to_bytes(2)


# --- packets


def test_a_packet_is_taken_apart_or_refused() -> None:
    for data in garbage(packets()):
        for each in (data, resealed(data)):
            try:
                frame.parse(each)
            except PacketError:
                continue


@pytest.mark.parametrize(
    ("number", "unpack"),
    [
        (0, event.unpack),
        (1, transition.unpack),
        (2, housekeeping.unpack),
        (3, heartbeat.unpack),
        (4, occurrence.unpack),
        (5, samples.unpack),
    ],
)
def test_a_body_is_unpacked_or_refused(number: int, unpack: Callable[[bytes], object]) -> None:
    for data in garbage([packets()[number][21:-2]]):
        try:
            unpack(data)
        except PacketError:
            continue


def test_a_stream_is_covered_to_the_last_byte_and_every_stretch_has_words() -> None:
    data = b"".join(resealed(each) if number % 3 else each for number, each in enumerate(garbage(packets())))
    told = 0
    for stretch in frame.split(data):
        assert stretch.offset == told
        told += len(stretch.data)
        said = report(stretch, Names())
        assert not any("\n" in line for line in (said.text, *said.details))
        json.loads(to_json(said.json))
    assert told == len(data)


def test_a_line_is_covered_and_no_more_than_a_frame_is_kept() -> None:
    stuffed = [cobs.encode(each) + b"\0" for each in packets()]
    unstuffer, fed, told = Unstuffer(), 0, 0
    for data in garbage(stuffed):
        for stretch in unstuffer.feed(data):
            told += len(stretch.data) if stretch.frame is None else 0
        fed += len(data)
        assert len(unstuffer._begun) <= MAX_FRAME_BYTES
    assert told > fed / 4
    last = [each for each in unstuffer.feed(b"\0" + stuffed[0]) if each.frame]
    assert last[-1].data == GOLDEN_ALARM


def test_no_three_flipped_bits_leave_the_checksum_of_the_longest_packet_whole() -> None:
    """Exhaustive. A CRC is linear: what a set of flips does to it is the XOR of what each does alone, and a bit's
    effect depends on its place from the end only. So it takes: none zero, no two equal, no two make a third.
    """
    bits = 8 * MAX_PACKET_BYTES
    zero = binascii.crc_hqx(bytes(MAX_PACKET_BYTES), 0)
    effects = np.empty(bits, np.uint16)
    for at in range(bits):
        flipped = bytearray(MAX_PACKET_BYTES)
        flipped[at // 8] = 0x80 >> at % 8
        effects[at] = binascii.crc_hqx(flipped, 0) ^ zero
    is_effect = np.zeros(1 << 16, bool)
    is_effect[effects] = True
    assert not is_effect[0]
    assert np.count_nonzero(is_effect) == bits
    assert not any(is_effect[effects[at] ^ effects[at + 1 :]].any() for at in range(bits))


@pytest.mark.parametrize("packet", packets(), ids=lambda packet: f"{packet[7]},{packet[8]}")
def test_no_flips_of_a_length_field_cut_an_acceptable_packet_out_of_a_stream(packet: bytes) -> None:
    """The checksum cannot speak for a packet of another length: every choice of up to three of these bits."""
    for count in (1, 2, 3):
        for places in itertools.combinations(range(16), count):
            damaged = bytearray(packet)
            damaged[4:6] = (int.from_bytes(packet[4:6]) ^ sum(1 << place for place in places)).to_bytes(2)
            stream = bytes(damaged) + GOLDEN_ALARM * 30
            accepted = [stretch.data for stretch in frame.split(stream) if stretch.frame]
            assert set(accepted) == {GOLDEN_ALARM}
            assert len(accepted) == 30


def test_flips_of_a_stuffed_frame_are_never_accepted() -> None:
    """Of one and two bits every choice, of three a hundred thousand; a flip of a COBS code moves zeros about."""
    stuffed = cobs.encode(GOLDEN_ALARM)
    bits = 8 * len(stuffed)
    rng = random.Random(3)
    threes = (tuple(rng.sample(range(bits), 3)) for _ in range(100_000))
    ones_and_twos = itertools.chain.from_iterable(itertools.combinations(range(bits), n) for n in (1, 2))
    whole = int.from_bytes(stuffed)
    for places in itertools.chain(ones_and_twos, threes):
        data = (whole ^ sum(1 << place for place in places)).to_bytes(len(stuffed))
        for part in data.split(b"\0"):
            try:
                frame.parse(cobs.decode(part))
            except (PacketError, cobs.DecodeError):
                continue
            raise AssertionError(f"accepted with the bits {places} turned")


def test_a_recorder_cuts_a_torn_end_whatever_it_is_and_keeps_all_before(tmp_path: Path) -> None:
    framer = frame.Framer(100)
    before = b"".join(framer.frame(17, 2, 0) for _ in range(20))
    for number, tail in enumerate(garbage(packets(), AT_LEAST_BYTES // 2)):
        if number % 4:  # opening and syncing takes its time
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "rig-00000000-20260101T000000Z.tm").write_bytes(before + tail)
        recording = recorder._Recording(recorder.Options(directory=folder), "rig")
        os.close(recording._start())
        recording.abandon()
        data = (folder / "rig-00000000-20260101T000000Z.tm").read_bytes()
        assert (before + tail).startswith(data)
        assert data.startswith(before)
        stretches = list(frame.split(data))
        assert stretches[-1].frame is not None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("random", random.Random(4).randbytes(2_000_000)),
        ("zeros", bytes(5_000_000)),
        ("nothing but the beginnings of long packets", GOLDEN_ALARM[:4] + b"\x05\x71" + GOLDEN_ALARM[6:21]),
        ("beginnings of packets longer than any", GOLDEN_ALARM[:4] + b"\xff\xff" + GOLDEN_ALARM[6:21]),
        ("mutated", b"".join(garbage(packets(), 2_000_000))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_big_damaged_file_is_decoded_to_its_end(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "x.tm"
    path.write_bytes(content * (1_000_000 // len(content) or 1))
    done = subprocess.run(
        [FSW, "decode", str(path), "--json"], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    damage = sum(each["bytes"] for each in objects if each["kind"] in ("corrupted", "torn"))
    assert (damage == path.stat().st_size) or any(each["kind"] == "alarm" for each in objects)


# --- instruments


def exchanges() -> list[tuple[str, Exchange]]:
    """Of every shipped board: Modbus RTU and the declarative dialect are among them."""
    return [
        (f"{name} {poll.instrument}", poll.exchange)
        for name in shipped()
        for line in load(name).lines
        for poll in line.polls
    ]


def test_an_instruments_reply_is_read_refused_or_waited_for() -> None:
    answers = [bytes.fromhex("0103043F81B22D12B2"), b"*000122.345\r\n", b"*0001ERROR-05\r\n", b"\r\n"]
    asked = exchanges()
    assert any(exchange.request.startswith(b"*") for _, exchange in asked)
    for _, exchange in asked:
        for data in garbage([*answers, exchange.request]):
            received = data[: exchange.reply_bytes + JUNK_BYTES]  # the caller's promise
            reply = exchange.read(received)
            assert reply is None or 0 < reply.consumed <= len(received)
            assert reply is None or not (reply.fault and reply.values)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_poller_fed_with_garbage_stays_bounded_and_never_stops_asking(name: str) -> None:
    board = load(name)
    rng = random.Random(5)
    for poller in assembly.pollers(board):
        now_ns = 0
        poller.opened(now_ns)
        asked = 0
        for number, data in enumerate(garbage([bytes.fromhex("0103043F81B22D12B2"), b"*000122.345\r\n"])):
            now_ns += rng.randrange(20 * MS)
            asked += bool(poller.received(data, now_ns))
            if number % 5 == 0:
                asked += bool(poller.cycle(now_ns))
            wake_ns = poller.next_wake_ns
            if wake_ns is not None and wake_ns <= now_ns:
                asked += bool(poller.wake(now_ns))
                assert poller.next_wake_ns is None or poller.next_wake_ns > now_ns  # a loop would spin
            if number % 50 == 0:
                assert len(poller.take()) < 10_000
        assert asked > 20


# --- files for people

PIECES = ["nan", "inf", '""', '"1e400 Pa"', "-1", "1e400", "[]", "{}", "[[[[]]]]", "true", '"\\u0000"', "'x'"]
PIECES += ['"9**9**9 Pa"', '"22 degC absolute"', '"10 Hz"', "0x7fffffffffffffffffff", "1979-05-27", '"é"']


def rewritten(rng: random.Random, text: str) -> str:
    """A few lines lost, doubled, moved, or with another value: mostly TOML still."""
    lines = text.splitlines()
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines))
        match rng.randrange(5):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 2 | 3 if "=" in lines[at]:
                lines[at] = lines[at].split("=")[0] + "= " + rng.choice(PIECES)
            case 4:
                lines[at] = mutated(rng, lines[at].encode()).decode(errors="replace")
    return "\n".join(lines)


@pytest.mark.parametrize("name", sorted(shipped()))
@pytest.mark.parametrize("of", ["board", "ids"])
def test_a_mutated_board_loads_or_every_problem_is_told(tmp_path: Path, name: str, of: str) -> None:
    rng = random.Random(6)
    board, ids = tmp_path / "board.toml", tmp_path / "board.ids.toml"
    board.write_text(shipped()[name].read_text())
    changed, fed = (board if of == "board" else ids), 0
    original = shipped()[name].with_suffix(".toml" if of == "board" else ".ids.toml").read_text()
    refused = []
    while fed < AT_LEAST_BYTES:
        text = rewritten(rng, original)
        changed.write_text(text)
        fed += len(text)
        try:
            load(board)
        except BoardErrors as errors:
            refused.append(errors.problems)
    assert refused
    assert all(refused)
    assert all(len(str(problem)) < 2000 for problems in refused for problem in problems)


# --- lock-step

MESSAGE = struct.Struct(">qqBB")  # docs/lockstep.md
DATA, OPENED, STOP = 1, 3, 4


class Bench:
    """The listening side, and `fsw run --lockstep` on the other."""

    def __init__(self, folder: Path) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(folder / "bench"))
        self.listener.listen(1)
        self.listener.settimeout(30)
        self.process = subprocess.Popen(
            [FSW, "run", "bench_rig", "--lockstep", f"unix:{folder / 'bench'}"],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.peer, _ = self.listener.accept()
        self.peer.settimeout(30)
        self.hello = json.loads(self.peer.recv(65536))

    def tell(self, now_ns: int, kind: int, payload: bytes = b"") -> bytes:
        self.peer.send(MESSAGE.pack(now_ns, now_ns, kind, 0) + payload)
        return self.peer.recv(1 << 20)

    def end(self) -> tuple[int, str]:
        """Exit code and what it said; it must end by itself."""
        self.peer.close()
        self.listener.close()
        timer = threading.Timer(20, self.process.kill)
        timer.start()
        _, said = self.process.communicate()
        timer.cancel()
        return self.process.returncode, said


def test_a_line_full_of_garbage_in_lock_step_is_survived(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    now_ns = 0
    bench.tell(now_ns, OPENED)
    for data in garbage([bytes.fromhex("0103043F81B22D12B2")]):
        now_ns += 3 * MS
        assert len(bench.tell(now_ns, DATA, data)) >= 8
    bench.tell(now_ns, STOP)
    code, said = bench.end()
    assert code == 0, said


@pytest.mark.parametrize("seed", range(4))
def test_a_bench_that_talks_nonsense_is_told_so_in_a_line(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    bench = Bench(tmp_path)
    for _ in range(1000):
        try:
            bench.peer.send(rng.randbytes(rng.randint(1, 200)))
            if not bench.peer.recv(1 << 20):
                break
        except OSError:  # it hung up
            break
    code, said = bench.end()
    assert code in (0, 1)
    assert "Traceback" not in said
    assert code == 0 or said.splitlines()[-1].startswith("fsw: ")
