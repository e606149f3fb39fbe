"""Every fault of the closed list, byte for byte or value for value."""

import math

import numpy as np
import pytest
from fastcrc.crc16 import modbus as reference_crc

from hil import faults, instruments
from hil.faults import Babbler, FaultyInstrument, FaultySource
from hil.wire import Line, MemoryWire

S = 1_000_000_000
MS = 1_000_000
B = 1_041_667
READ_PRESSURE = bytes.fromhex("01 03 00 02 00 02 65 CB")
REPLY = bytes.fromhex("01 03 04 3F 81 B2 2D 12 B2")
DONE_AT = 8 * B + 7 * B // 2 + 2 * MS + 9 * B


def rng(seed=7):
    return np.random.default_rng(seed)


def fault(kind, **keys):
    return faults.options({"kind": kind, "on": "rig/pt1"} | keys)


def slave():
    table = {
        "kind": "modbus",
        "address": 1,
        "channels": [{"register": 2, "reads": "r.pressure", "unit": "bar"}],
    }
    return instruments.build(instruments.options(table), lambda _: lambda _: 101325.0, B)


def paroscientific():
    table = {"kind": "paroscientific", "unit": "hPa", "pressure": {"reads": "r.pressure"}}
    return instruments.build(instruments.options(table), lambda _: lambda _: 101325.0, B)


def asked(*listed, instrument=None, request=READ_PRESSURE, times=1, apart_ns=100 * MS):
    """(when, what) the host hears after asking `times` at intervals, with these faults on the instrument."""
    wire = MemoryWire(Line([FaultyInstrument(instrument or slave(), listed, rng())], B))
    heard = []
    for i in range(times):
        wire.received(request, i * apart_ns)
        until_ns = (i + 1) * apart_ns if i < times - 1 else 10 * S
        while (wake := wire.next_wake_ns) is not None and wake < until_ns:
            if data := wire.due(wake):
                heard.append((wake, data))
    return heard


def sealed(body):
    return body + reference_crc(body).to_bytes(2, "little")


def test_without_faults_an_instrument_is_as_before():
    assert asked() == [(DONE_AT, REPLY)]


@pytest.mark.parametrize(
    ("spoilt", "heard"),
    [
        (fault("silence"), []),
        (fault("late_reply", delay="180 ms"), [(DONE_AT + 180 * MS, REPLY)]),
        (fault("head_lost", bytes=2), [(DONE_AT - 2 * B, REPLY[2:])]),
        (fault("head_lost", bytes=20), []),
        (fault("tail_lost", bytes=3), [(DONE_AT - 3 * B, REPLY[:-3])]),
        (fault("duplicate", after="50 ms"), [(DONE_AT, REPLY), (DONE_AT + 50 * MS, REPLY)]),
        (fault("bad_crc"), [(DONE_AT, REPLY[:-1] + b"\x4d")]),
        (fault("wrong_address", address=2), [(DONE_AT, sealed(b"\x02" + REPLY[1:-2]))]),
        (fault("wrong_function", function=4), [(DONE_AT, sealed(b"\x01\x04" + REPLY[2:-2]))]),
        (fault("exception", code=2), [(DONE_AT - 4 * B, bytes.fromhex("01 83 02 C0 F1"))]),
        (
            fault("slow_bytes", spacing="5 ms"),
            [(DONE_AT - 8 * B + i * 5 * MS, REPLY[i : i + 1]) for i in range(9)],
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, faults.Fault) else "",
)
def test_a_spoilt_reply_byte_for_byte(spoilt, heard):
    assert asked(spoilt) == heard


@pytest.mark.parametrize("bits", [1, 3, 16])
def test_bit_flip_flips_as_many_bits_as_it_says(bits):
    [(_, data)] = asked(fault("bit_flip", bits=bits))
    assert (int.from_bytes(data) ^ int.from_bytes(REPLY)).bit_count() == bits
    assert len(data) == len(REPLY)


def test_junk_comes_before_an_untouched_reply():
    [(when, data)] = asked(fault("junk_before", bytes=5))
    assert data[5:] == REPLY
    assert len(data) == 14
    assert data[:5] == rng().bytes(5)
    assert when == DONE_AT + 5 * B


def test_a_collision_leaves_only_bits_of_the_reply():
    [(_, data)] = asked(fault("collision"))
    assert data != REPLY
    assert all(got & ~sent == 0 for got, sent in zip(data, REPLY, strict=True))


def test_a_paroscientific_can_answer_in_anothers_name_but_has_no_checksum_to_break():
    command = b"*0100P3\r\n"
    [(_, data)] = asked(fault("wrong_address", address=12), instrument=paroscientific(), request=command)
    assert data == b"*00121013.2500\r\n"
    with pytest.raises(ValueError, match="bad_crc"):
        FaultyInstrument(paroscientific(), [fault("bad_crc")], rng())


def test_a_late_reply_can_come_after_the_next_question():
    heard = asked(fault("late_reply", delay="150 ms", count=1), times=3)
    assert [when for when, _ in heard] == [100 * MS + DONE_AT, 150 * MS + DONE_AT, 200 * MS + DONE_AT]


def test_a_fault_keeps_to_its_time_and_its_count():
    heard = asked(fault("silence", at="0.1 s", until="0.3 s"), times=5)
    assert [when - DONE_AT for when, _ in heard] == [0, 300 * MS, 400 * MS]
    heard = asked(fault("silence", at="0.1 s", count=1), times=4)
    assert [when - DONE_AT for when, _ in heard] == [0, 200 * MS, 300 * MS]


def test_probability_is_seeded():
    runs = [len(asked(fault("silence", probability="30 %"), times=200)) for _ in range(2)]
    assert runs[0] == runs[1]
    assert 115 < runs[0] < 165


def test_faults_add_up_in_their_order():
    heard = asked(fault("exception", code=2), fault("head_lost", bytes=1), fault("stuck"))
    assert heard == [(DONE_AT - 5 * B, bytes.fromhex("83 02 C0 F1"))]


def readings(*listed, count=8, truth=lambda t: 1e5 + t / S * 100, step_ns=S):
    source = FaultySource(truth, listed, rng())
    return [source(i * step_ns) for i in range(count)]


TRUE = [1e5 + 100 * i for i in range(8)]


@pytest.mark.parametrize(
    ("spoilt", "expected"),
    [
        (fault("stuck"), [1e5] * 8),
        (fault("stuck", at="3 s", until="6 s"), [*TRUE[:3], TRUE[2], TRUE[2], TRUE[2], *TRUE[6:]]),
        (fault("spike", at="3 s", count=1, height="1 bar"), [*TRUE[:3], 200300, *TRUE[4:]]),
        (fault("step", at="3 s", height="-1 kPa"), [*TRUE[:3], *(t - 1000 for t in TRUE[3:])]),
        (
            fault("drift", at="2 s", rate="50 Pa/s"),
            [*TRUE[:2], *(t + 50 * i for i, t in enumerate(TRUE[2:]))],
        ),
        (fault("quantise", resolution="1 kPa"), [1e5] * 6 + [101000] * 2),
        (fault("inf", at="7 s"), [*TRUE[:7], math.inf]),
        (fault("inf", at="7 s", negative=True), [*TRUE[:7], -math.inf]),
        (fault("saturate", high="100200 Pa"), [*TRUE[:3], *[100200] * 5]),
        (fault("saturate", low="1.003 bar"), [*[100300] * 4, *TRUE[4:]]),
        (fault("sentinel", value="9999 Pa", until="1 s"), [9999, *TRUE[1:]]),
        (fault("unit_change", factor=0.5, at="7 s"), [*TRUE[:7], TRUE[7] / 2]),
        (fault("silence"), TRUE),
    ],
    ids=lambda value: value.kind if isinstance(value, faults.Fault) else "",
)
def test_a_spoilt_reading_value_for_value(spoilt, expected):
    assert readings(spoilt) == pytest.approx(expected, rel=1e-12)


def test_stuck_is_stuck_to_the_last_bit():
    assert len(set(readings(fault("stuck"), truth=math.sin))) == 1


def test_nan_is_not_a_number():
    assert [math.isnan(value) for value in readings(fault("nan", at="2 s", count=2))] == [
        0,
        0,
        1,
        1,
        0,
        0,
        0,
        0,
    ]


def test_noise_up_adds_noise_of_its_sigma():
    noise = np.array(readings(fault("noise_up", noise="1 kPa"), count=5000, truth=lambda _: 1e5)) - 1e5
    assert noise.std() == pytest.approx(1000, rel=0.05)
    assert abs(noise.mean()) < 60


def test_garbage_is_anything_between_its_bounds_in_a_sound_frame():
    values = np.array(readings(fault("garbage", low="1 bar", high="3 bar"), count=5000, truth=lambda _: 1e5))
    assert values.min() >= 1e5
    assert values.max() <= 3e5
    assert values.mean() == pytest.approx(2e5, rel=0.02)
    assert values.std() == pytest.approx(2e5 / math.sqrt(12), rel=0.05)
    free = readings(fault("garbage"), count=2000, truth=lambda _: 300.0)
    assert 0 <= min(free) < 10
    assert 590 < max(free) <= 600


def test_a_reading_asked_for_twice_is_spoilt_once():
    source = FaultySource(lambda _: 1e5, [fault("garbage", count=1)], rng())
    assert source(5) == source(5) != 1e5
    assert source(6) == 1e5


def wires():
    return {"rig": MemoryWire(Line([slave()], B))}


def test_unplug_pulls_the_wire_and_puts_it_back():
    plugs = wires()
    listed = [fault("unplug", on="rig", at="1 s", until="3 s"), fault("silence", on="rig")]
    history = []
    for at_ns, act in faults.actions(listed, plugs):
        act(at_ns)
        history.append((at_ns, plugs["rig"].plugged))
    assert history == [(1 * S, False), (3 * S, True)]


def test_replug_is_an_event_of_its_own():
    plugs = wires()
    listed = [fault("replug", on="rig", at="5 s"), fault("unplug", on="rig", at="2 s")]
    history = [(at_ns, act(at_ns), plugs["rig"].plugged) for at_ns, act in faults.actions(listed, plugs)]
    assert history == [(2 * S, None, False), (5 * S, None, True)]


def test_echo_gives_the_host_its_own_bytes_for_a_time():
    plugs = wires()
    wire = plugs["rig"]
    heard = []
    for at_ns, act in faults.actions([fault("echo", on="rig", at="1 s", until="2 s")], plugs):
        act(at_ns)
        wire.received(READ_PRESSURE, at_ns)
        heard.append(wire.due(at_ns + S // 2))
    assert heard == [READ_PRESSURE + REPLY, REPLY]


def test_a_line_fault_must_be_on_a_line():
    with pytest.raises(ValueError, match="rig/pt1"):
        faults.actions([fault("unplug")], wires())


def test_babble_talks_unasked_and_keeps_to_its_count():
    babbler = Babbler(fault("babble", on="rig", at="1 s", every="200 ms", bytes=4, count=3), rng())
    wire = MemoryWire(Line([babbler], B))
    heard = []
    while (wake := wire.next_wake_ns) is not None:
        if data := wire.due(wake):
            heard.append((wake, data))
    expected = rng()
    assert heard == [(S + i * 200 * MS + 4 * B, expected.bytes(4)) for i in range(3)]


def test_babble_ends_at_its_time():
    babbler = Babbler(fault("babble", on="rig", every="100 ms", until="250 ms"), rng())
    wire = MemoryWire(Line([babbler], B))
    assert len(wire.due(10 * S)) == 3 * 8
    assert wire.next_wake_ns is None


def test_a_fault_concerns_its_target_and_all_below():
    on_instrument = fault("silence")
    assert on_instrument.concerns("rig/pt1")
    assert on_instrument.concerns("rig/pt1/pressure")
    assert not on_instrument.concerns("rig/pt10")
    assert not on_instrument.concerns("rig")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"kind": "gremlin"}, "silence, late_reply"),
        ({"kind": "late_reply"}, "delay"),
        ({"kind": "late_reply", "delay": "3 Pa"}, "kind of s"),
        ({"kind": "silence", "delay": "3 s"}, "Extra inputs"),
        ({"kind": "saturate"}, "at least one"),
        ({"kind": "step", "height": "3 degC"}, "where a difference is meant"),
        ({"kind": "silence", "count": 0}, "greater than or equal to 1"),
    ],
)
def test_a_wrong_fault_is_refused(keys, said):
    with pytest.raises(ValueError, match=said):
        faults.options({"on": "rig"} | keys)


def test_every_fault_of_the_list_is_tested_here():
    """A fault that nothing strikes with is a fault of the bench."""
    source = __import__("pathlib").Path(__file__).read_text()
    assert [kind for kind in faults.FAULTS if f'fault("{kind}"' not in source] == []
