"""The timer as the executive uses it: one descriptor among others in epoll."""

import errno
import os
import select
import time

from fsw._core import ffi, lib


def test_epoll_wakes_at_the_deadline_and_not_before():
    fd = ffi.new("int *")
    fired = ffi.new("uint64_t *")
    assert lib.ull_linux_timer_open(fd) == lib.ULL_OK
    try:
        with select.epoll() as epoll:
            epoll.register(fd[0], select.EPOLLIN)
            deadline_ns = time.monotonic_ns() + 30_000_000
            assert lib.ull_linux_timer_arm(fd[0], deadline_ns) == lib.ULL_OK
            assert epoll.poll(10) == [(fd[0], select.EPOLLIN)]
            assert time.monotonic_ns() >= deadline_ns
            assert lib.ull_linux_timer_read(fd[0], fired) == lib.ULL_OK
            assert fired[0] == 1
            assert epoll.poll(0) == []
    finally:
        os.close(fd[0])


def test_a_refusal_of_the_system_leaves_its_reason_in_errno():
    master, slave = os.openpty()
    try:
        assert lib.ull_linux_low_latency(slave) == lib.ULL_SYSTEM
        assert ffi.errno in (errno.ENOTTY, errno.EINVAL)
    finally:
        os.close(master)
        os.close(slave)
