/* What the executive and the ports need of Linux and Python 3.11 does not offer; the one module that knows an
 * operating system. Every call answers at once; ULL_SYSTEM leaves the reason in errno. The caller owns the
 * descriptors. */
#ifndef ULL_LINUX_RT_H
#define ULL_LINUX_RT_H

#include <stdint.h>

#include "ull_status.h"

/* A timer on CLOCK_MONOTONIC to wait for in epoll: non-blocking, closed on exec, unarmed. */
ull_status ull_linux_timer_open(int *fd);

/* Fire once at the absolute `deadline_ns` (> 0), at once when that is past; replaces what was armed. 0
 * disarms. ULL_ARGUMENT: negative. */
ull_status ull_linux_timer_arm(int fd, int64_t deadline_ns);

/* How often it fired since the last read; 0 when it did not. Never waits. */
ull_status ull_linux_timer_read(int fd, uint64_t *expirations);

/* How late the kernel may wake this thread; 50000 ns unless set, 1 is the least. ULL_ARGUMENT: 0. */
ull_status ull_linux_timer_slack(uint64_t slack_ns);

/* Keep all present and future pages in memory. Without CAP_IPC_LOCK, RLIMIT_MEMLOCK bounds it. */
ull_status ull_linux_lock_memory(void);

/* Run this thread under SCHED_FIFO, children not. ULL_ARGUMENT: priority not in 1..99. Needs CAP_SYS_NICE or
 * RLIMIT_RTPRIO. */
ull_status ull_linux_fifo(int priority);

/* 1 when something (NTP, PTP) keeps the wall clock synchronised, 0 when it runs free (STA_UNSYNC). */
ull_status ull_linux_clock_synchronised(int *synchronised);

/* Have the serial port hand over bytes at once (ASYNC_LOW_LATENCY: 1 ms instead of 16 on FTDI). Lost when the
 * port closes. ULL_SYSTEM: the port has no such setting, like a pty or a CDC-ACM device (ENOTTY, EINVAL). */
ull_status ull_linux_low_latency(int fd);

/* Line errors that the driver counted since it was loaded. */
typedef struct {
    int32_t frame;
    int32_t overrun; /* of the UART */
    int32_t parity;
    int32_t brk;
    int32_t buffer_overrun; /* of the driver's buffer */
} ull_linux_serial_counts;

/* ULL_SYSTEM: the driver counts nothing, like a pty (ENOTTY, EINVAL). */
ull_status ull_linux_count_serial_errors(int fd, ull_linux_serial_counts *counts);

#endif
