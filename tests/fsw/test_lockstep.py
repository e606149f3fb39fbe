"""The program's end of lock-step, byte by byte as docs/lockstep.md has it, over a socket and with a shipped board."""

import json
import socket
import struct
import threading
from contextlib import contextmanager

import pytest

from fsw.board.load import load
from fsw.commands.run import run_in_lockstep
from fsw.lockstep import LockstepError

MS = 1_000_000
TICK = 100 * MS
TIME, DATA, LOST, OPENED, STOP = range(5)
WRITE, PACKET = 1, 2


@contextmanager
def program():
    """`tell(now, kind, ...)` gives (next wake, items); `broken()` what the program ended with."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.settimeout(20)
    errors = []

    def serve():
        try:
            run_in_lockstep(load("bench_rig"), far, [])
        except LockstepError as error:
            errors.append(str(error))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    hello = json.loads(near.recv(1 << 16))
    assert hello["period_ns"] == TICK

    def tell(now_ns, kind=TIME, line=0, payload=b"", horizon_ns=None):
        horizon_ns = now_ns if horizon_ns is None else horizon_ns
        near.send(struct.pack(">qqBB", now_ns, horizon_ns, kind, line) + payload)
        reply = near.recv(1 << 20)
        if not reply:
            thread.join(20)
            return None
        items, at = [], 8
        while at < len(reply):
            when_ns, kind, line, length = struct.unpack_from(">qBBI", reply, at)
            items.append((when_ns, kind, reply[at + 14 : at + 14 + length]))
            at += 14 + length
        return struct.unpack_from(">q", reply)[0], items

    tell.errors = errors
    with near:
        yield tell


def instants(items):
    return sorted({when_ns for when_ns, _, _ in items})


def test_without_a_horizon_every_instant_is_asked_for():
    with program() as tell:
        assert tell(0) == (TICK, [])
        wake_ns, items = tell(TICK)
        assert wake_ns == 2 * TICK
        assert instants(items) == [TICK]


def test_up_to_the_horizon_the_program_goes_from_tick_to_tick_by_itself():
    with program() as tell:
        wake_ns, items = tell(0, horizon_ns=5 * TICK)
    assert instants(items) == [TICK, 2 * TICK, 3 * TICK, 4 * TICK]
    assert wake_ns == 5 * TICK  # the horizon itself belongs to the bench


def test_it_stops_where_it_writes_for_somebody_may_answer():
    with program() as tell:
        tell(0, OPENED)
        wake_ns, items = tell(0, horizon_ns=5 * TICK)
        assert instants(items) == [TICK]
        assert [kind for _, kind, _ in items].count(WRITE) == 1
        assert TICK < wake_ns < 2 * TICK  # the deadline of that request
        # No answer: at the deadline it is done with pt1, and once the line has been quiet it asks tt1.
        _, items = tell(TICK + 1, horizon_ns=50 * TICK)
        assert items[-1][1] == WRITE
        assert items[-1][2][:1] == b"\x02"


def test_the_packets_do_not_depend_on_the_horizon():
    def packets(horizon_ns):
        now_ns, found = 0, []
        with program() as tell:
            while now_ns < 20 * TICK:
                now_ns, items = tell(now_ns, horizon_ns=min(now_ns + horizon_ns, 20 * TICK))
                found += items
        return found

    assert packets(0) == packets(7 * TICK + 1) == packets(20 * TICK)


def test_a_reply_stays_within_a_datagram_however_far_the_horizon():
    with program() as tell:
        wake_ns, items = tell(0, horizon_ns=100_000 * TICK)
        assert sum(14 + len(payload) for _, _, payload in items) < 40_000
        assert wake_ns == items[-1][0] + TICK
        assert tell(wake_ns, horizon_ns=wake_ns + TICK)[1]  # and it goes on from there


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ((4, TIME, 0, b"", 4), "time went back from 5 to 4 ns"),
        ((6, TIME, 0, b"", 5), "a horizon at 5 ns, but it is 6 ns already"),
        ((6, DATA, 1, b"x", 6), "line 1; the board has 1"),
        ((6, 9, 0, b"", 6), "message kind 9"),
    ],
)
def test_what_breaks_the_protocol_is_named(message, cause):
    with program() as tell:
        tell(5)
        assert tell(*message) is None
        assert cause in tell.errors[0]


def test_stop_ends_it():
    with program() as tell:
        tell(0)
        assert tell(7, STOP) == (7, [])
        assert tell.errors == []
