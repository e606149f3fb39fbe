import itertools
import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spacepackets.ecss.tm import PusTm

from fsw.packets import frame
from fsw.packets.frame import Framer, PacketError
from tests.golden import GOLDEN_ALARM

GOLDEN_NS = 1_790_000_000_123_456_789
STEP_NS = 10**9 / 2**24


def framer(apid: int = 100, unix_ns: int = GOLDEN_NS, status: int = 0) -> Framer:
    made = Framer(apid)
    made.set_time(unix_ns, status)
    return made


def test_the_golden_packet_comes_out_byte_for_byte():
    assert framer().frame(5, 4, 0, GOLDEN_ALARM[21:-2]) == GOLDEN_ALARM


def test_the_golden_packet_is_taken_apart():
    found = frame.parse(GOLDEN_ALARM)
    assert (found.apid, found.sequence, found.status) == (100, 0, 0)
    assert (found.service, found.subservice, found.counter, found.destination) == (5, 4, 0, 0)
    assert found.body == GOLDEN_ALARM[21:-2]
    assert 0 <= GOLDEN_NS - found.unix_ns < STEP_NS


@given(
    st.integers(0, 2046),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 15),
    st.integers(0, 2**32 * 10**9 - 1),
    st.binary(max_size=frame.MAX_BODY_BYTES),
)
def test_spacepackets_reads_every_packet(apid, service, subservice, status, unix_ns, body):
    packet = framer(apid, unix_ns, status).frame(service, subservice, 0, body)
    theirs = PusTm.unpack(packet, timestamp_len=8)
    assert (theirs.apid, theirs.service, theirs.message_subtype) == (apid, service, subservice)
    assert bytes(theirs.source_data) == body
    assert theirs.pus_tm_sec_header.spacecraft_time_ref == status
    time = bytes(theirs.timestamp)
    assert time[0] == 0x2F
    instant_ns = int.from_bytes(time[1:5]) * 10**9 + int.from_bytes(time[5:]) * STEP_NS
    slack_ns = 1e-3 * STEP_NS + math.ulp(instant_ns)  # spacepackets tells it as a double
    assert -slack_ns <= unix_ns - instant_ns < STEP_NS + slack_ns
    ours = frame.parse(packet)
    assert (ours.apid, ours.service, ours.subservice, ours.status, ours.body) == (
        apid,
        service,
        subservice,
        status,
        body,
    )


def test_a_packet_of_spacepackets_is_read():
    theirs = PusTm(
        apid=33,
        service=17,
        message_subtype=2,
        timestamp=bytes.fromhex("2f6ab13b80800000"),
        source_data=b"",
        seq_count=16383,
        message_counter=65535,
        destination_id=7,
    )
    found = frame.parse(bytes(theirs.pack()))
    assert found == (33, 16383, 0, 17, 2, 65535, 7, 1_790_000_000_500_000_000, b"")


@given(st.integers(0, 2**56 - 1))
def test_a_time_code_survives_the_way_through_nanoseconds(code):
    assert frame.cuc(frame.unix_ns(0x2F << 56 | code)) == 0x2F << 56 | code


def test_a_wall_clock_far_off_is_packed_all_the_same():
    for unix_ns in (-5 * 10**9, 0, 2**32 * 10**9, 10**20):
        assert frame.parse(framer(unix_ns=unix_ns).frame(17, 2, 0)).service == 17


def test_one_sequence_for_the_apid_and_one_counter_for_each_kind():
    sender = framer()
    sent = [frame.parse(sender.frame(service, 2, 0)) for service in (17, 5, 17, 5, 17)]
    assert [each.sequence for each in sent] == [0, 1, 2, 3, 4]
    assert [each.counter for each in sent] == [0, 0, 1, 1, 2]


def test_the_counters_wrap():
    sender = framer()
    for _ in range(16384):
        sender.frame(17, 2, 0)
    assert frame.parse(sender.frame(17, 2, 0)).sequence == 0
    for _ in range(65536 - 16385):
        sender.frame(17, 2, 0)
    assert frame.parse(sender.frame(17, 2, 0)).counter == 0


def test_the_clock_may_be_set_between_two_packets():
    sender = framer()
    sender.set_time(1_000_000_000, 2)
    found = frame.parse(sender.frame(17, 2, 500_000_000))
    assert (found.unix_ns, found.status) == (1_500_000_000, 2)


def test_a_body_too_long_for_a_datagram_is_refused():
    with pytest.raises(ValueError, match="1377"):
        framer().frame(3, 25, 0, bytes(frame.MAX_BODY_BYTES + 1))
    assert len(framer().frame(3, 25, 0, bytes(frame.MAX_BODY_BYTES))) == 1400


@pytest.mark.parametrize("apid", [-1, 2047, 2048])
def test_an_apid_that_is_none_is_refused(apid):
    with pytest.raises(ValueError, match="apid"):
        Framer(apid)


def flipped(packet: bytes, bits) -> bytes:
    number = int.from_bytes(packet)
    for bit in bits:
        number ^= 1 << bit
    return number.to_bytes(len(packet))


def test_every_flip_of_one_or_two_bits_is_refused():
    bits = range(8 * len(GOLDEN_ALARM))
    for some in itertools.chain(itertools.combinations(bits, 1), itertools.combinations(bits, 2)):
        with pytest.raises(PacketError):
            frame.parse(flipped(GOLDEN_ALARM, some))


@pytest.mark.parametrize("body_bytes", [0, 40, frame.MAX_BODY_BYTES])
def test_flips_of_three_bits_are_refused(body_bytes):
    rng = random.Random(body_bytes)
    packet = framer().frame(3, 25, 0, rng.randbytes(body_bytes))
    for _ in range(10_000):
        with pytest.raises(PacketError):
            frame.parse(flipped(packet, rng.sample(range(8 * len(packet)), 3)))


@given(st.binary(max_size=200))
@example(b"")
def test_garbage_is_no_packet(data):
    with pytest.raises(PacketError):
        frame.parse(data)


def test_a_packet_cut_short_or_drawn_out_is_refused():
    for size in range(len(GOLDEN_ALARM)):
        with pytest.raises(PacketError):
            frame.parse(GOLDEN_ALARM[:size])
    with pytest.raises(PacketError):
        frame.parse(GOLDEN_ALARM + b"\0")


@settings(max_examples=300)
@given(
    st.lists(st.one_of(st.just(None), st.binary(min_size=1, max_size=60)), max_size=12), st.integers(0, 62)
)
def test_packets_are_found_between_damage_and_nothing_is_left_out(parts, torn_bytes):
    sender = framer()
    made = [(sender.frame(17, 2, 0) if part is None else part, part is None) for part in parts]
    data = b"".join(part for part, _ in made) + GOLDEN_ALARM[:torn_bytes]
    stretches = list(frame.split(data))
    assert b"".join(stretch.data for stretch in stretches) == data
    ends = list(itertools.accumulate(len(stretch.data) for stretch in stretches))
    assert [stretch.offset for stretch in stretches] == [0, *ends][: len(stretches)]
    found = [stretch.data for stretch in stretches if stretch.frame]
    assert [data for data in found if data in {part for part, whole in made if whole}] == [
        part for part, whole in made if whole
    ]
    assert not any(one.frame is None and two.frame is None for one, two in itertools.pairwise(stretches))
    assert not any(stretch.torn for stretch in stretches[:-1])


def test_a_torn_tail_is_told_from_damage():
    *_, tail = frame.split(GOLDEN_ALARM + GOLDEN_ALARM[:40])
    assert tail == (63, GOLDEN_ALARM[:40], None, True)
    *_, tail = frame.split(GOLDEN_ALARM + bytes(40))
    assert tail == (63, bytes(40), None, False)


def test_a_damaged_packet_costs_only_itself():
    data = GOLDEN_ALARM + flipped(GOLDEN_ALARM, [200]) + GOLDEN_ALARM
    assert [(stretch.offset, len(stretch.data), bool(stretch.frame)) for stretch in frame.split(data)] == [
        (0, 63, True),
        (63, 63, False),
        (126, 63, True),
    ]
