"""One poll over a pty, 8 bytes out and 9 in: Port + Poller + epoll against a blocking read in C, same slave, same run.

Rounds of the three readers take turns; each round gives a median, and the table the medians of those. Byte times
and gaps are 0: what is compared is what the program costs, not the wire.
"""

import os
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Callable
from pathlib import Path

from fsw.bus.poller import Counts, Poll, Poller
from fsw.bus.port import Event, Port, Settings
from fsw.bus.protocols import Exchange, modbus_rtu

GOAL = 1.15
ROUNDS = 20
POLLS = 2000  # a round
REPLY = bytes.fromhex("01 03 04 3F 81 B2 2D 12 B2")  # Keller 33X, P1 = 1.01325 bar

# `slave FD` answers each 8 bytes with 9; `master FD POLLS` prints the median of a batch in ns for each line of stdin
C_PEER = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const unsigned char request[8] = {0x01, 0x03, 0x00, 0x02, 0x00, 0x02, 0x65, 0xCB};
static const unsigned char reply[9] = {0x01, 0x03, 0x04, 0x3F, 0x81, 0xB2, 0x2D, 0x12, 0xB2};

static int receive(int fd, unsigned char *to, size_t wanted) {
    for (size_t have = 0; have < wanted;) {
        ssize_t got = read(fd, to + have, wanted - have);
        if (got <= 0) return -1;
        have += (size_t)got;
    }
    return 0;
}

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    long long x = *(const long long *)a, y = *(const long long *)b;
    return (x > y) - (x < y);
}

int main(int count, char **words) {
    unsigned char buffer[16];
    int fd = atoi(words[2]);
    if (words[1][0] == 's') {
        while (receive(fd, buffer, sizeof request) == 0)
            if (write(fd, reply, sizeof reply) != sizeof reply) return 1;
        return 0;
    }
    int polls = count > 3 ? atoi(words[3]) : 1;
    long long *took = calloc((size_t)polls, sizeof *took);
    while (fgets((char *)buffer, sizeof buffer, stdin)) {
        for (int i = 0; i < polls; i++) {
            long long began = now_ns();
            if (write(fd, request, sizeof request) != sizeof request || receive(fd, buffer, sizeof reply)) return 1;
            took[i] = now_ns() - began;
        }
        qsort(took, (size_t)polls, sizeof *took, ascending);
        printf("%lld\n", took[polls / 2]);
        fflush(stdout);
    }
    return 0;
}
"""


def exchange() -> Exchange:
    channel = modbus_rtu.ChannelOptions.model_validate({"register": 40003, "type": "f32"})
    [(found, _)] = modbus_rtu.exchanges(modbus_rtu.Options(address=1), {"p1": channel})
    return found


def compile_peer(folder: Path) -> Path:
    source, program = folder / "peer.c", folder / "peer"
    source.write_text(C_PEER)
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        sys.exit("bench_poll: no C compiler: apt install gcc")
    subprocess.run([compiler, "-O2", "-std=c11", "-o", str(program), str(source)], check=True)
    return program


def monitored(port: Port, polls: int) -> Callable[[], float]:
    """A batch the way the monitor polls: cycle, write, one epoll, step, received, take."""
    poll = Poll(
        instrument="pt1",
        exchange=exchange(),
        rows=(0,),
        scale=(1e5,),
        offset=(0.0,),
        fault_row=1,
        every=1,
        timeout_ns=1_000_000_000,
        gap_ns=0,
        quiet_ns=0,
    )
    poller = Poller([poll], Counts(*range(2, 12)), 0, echo=False)
    epoll = select.epoll()
    epoll.register(port.fileno(), select.EPOLLIN)
    while True:
        epoll.poll()
        if port.step()[0] is Event.OPENED:
            poller.opened(0)
            break

    def batch() -> float:
        took = []
        good = 0
        for _ in range(polls):
            began_ns = time.monotonic_ns()
            port.write(poller.cycle(began_ns))
            while not (samples := [sample for sample in poller.take() if sample.row == 0]):
                epoll.poll()
                event, data = port.step()
                if event is Event.DATA:
                    poller.received(data, time.monotonic_ns())
            took.append(time.monotonic_ns() - began_ns)
            good += abs(samples[0].value - 101325.0) < 0.01
        if good != polls:
            sys.exit(f"bench_poll: only {good} of {polls} polls gave the value")
        return statistics.median(took)

    return batch


def bare(fd: int, polls: int) -> Callable[[], float]:
    """A batch of blocking os.write and os.read: what Python costs at the least."""
    request = exchange().request

    def batch() -> float:
        took = []
        for _ in range(polls):
            began_ns = time.monotonic_ns()
            os.write(fd, request)
            have = 0
            while have < len(REPLY):
                have += len(os.read(fd, 64))
            took.append(time.monotonic_ns() - began_ns)
        return statistics.median(took)

    return batch


def main() -> None:
    cpus = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        program = compile_peer(Path(folder))
        far, near = os.openpty()
        tty.setraw(near)
        slave = subprocess.Popen([program, "slave", str(far)], pass_fds=[far])
        os.sched_setaffinity(slave.pid, {cpus[-1]})
        os.sched_setaffinity(0, {cpus[0]})
        master = subprocess.Popen(
            [program, "master", str(near), str(POLLS)],
            pass_fds=[near],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert master.stdin is not None
        assert master.stdout is not None
        port = Port(Settings(os.ttyname(near)), "bus")
        port.start()
        readers = {
            "Port + Poller + epoll": monitored(port, POLLS),
            "os.write, os.read": bare(near, POLLS),
        }
        medians: dict[str, list[float]] = {"C write, read": [], **{name: [] for name in readers}}
        os.set_blocking(near, True)
        for _ in range(ROUNDS):
            master.stdin.write("\n")
            medians["C write, read"].append(float(master.stdout.readline()))
            for name, batch in readers.items():
                medians[name].append(batch())
        for process in (master, slave):
            process.kill()
            process.wait()
        port.close()
    c_ns = statistics.median(medians["C write, read"])
    print(f"{ROUNDS} rounds of {POLLS} polls, medians")
    for name, found in medians.items():
        ns = statistics.median(found)
        print(f"  {name:24} {ns / 1000:7.2f} us  {ns / c_ns:5.2f}x")
    ratio = statistics.median(medians["Port + Poller + epoll"]) / c_ns
    print(f"  poll over a pty against C: {ratio:.2f}x (goal {GOAL}x){'  MISSED' if ratio > GOAL else ''}")


if __name__ == "__main__":
    main()
