#define _GNU_SOURCE
#include "ull_linux_rt.h"

#include <errno.h>
#include <linux/serial.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static const int64_t NS_PER_S = 1000000000;

static ull_status answer(int result) { return result < 0 ? ULL_SYSTEM : ULL_OK; }

ull_status ull_linux_timer_open(int *fd) {
    *fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    return answer(*fd);
}

ull_status ull_linux_timer_arm(int fd, int64_t deadline_ns) {
    if (deadline_ns < 0) return ULL_ARGUMENT;
    const struct itimerspec once = {
        .it_value = {.tv_sec = (time_t)(deadline_ns / NS_PER_S), .tv_nsec = (long)(deadline_ns % NS_PER_S)}};
    return answer(timerfd_settime(fd, TFD_TIMER_ABSTIME, &once, NULL));
}

ull_status ull_linux_timer_read(int fd, uint64_t *expirations) {
    *expirations = 0;
    const ssize_t got = read(fd, expirations, sizeof *expirations);
    return got < 0 && errno == EAGAIN ? ULL_OK : answer((int)got);
}

ull_status ull_linux_timer_slack(uint64_t slack_ns) {
    if (slack_ns == 0) return ULL_ARGUMENT; /* to prctl, 0 means the default */
    return answer(prctl(PR_SET_TIMERSLACK, (unsigned long)slack_ns, 0UL, 0UL, 0UL));
}

ull_status ull_linux_lock_memory(void) { return answer(mlockall(MCL_CURRENT | MCL_FUTURE)); }

ull_status ull_linux_fifo(int priority) {
    if (priority < 1 || priority > 99) return ULL_ARGUMENT;
    const struct sched_param param = {.sched_priority = priority};
    return answer(sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param));
}

ull_status ull_linux_clock_synchronised(int *synchronised) {
    struct timex clock = {.modes = 0}; /* reads only: no privilege needed */
    const int state = adjtimex(&clock);
    *synchronised = state >= 0 && state != TIME_ERROR && !(clock.status & STA_UNSYNC);
    return answer(state);
}

ull_status ull_linux_low_latency(int fd) {
    struct serial_struct port;
    if (ioctl(fd, TIOCGSERIAL, &port) < 0) return ULL_SYSTEM;
    port.flags = (int)((unsigned)port.flags | ASYNC_LOW_LATENCY);
    return answer(ioctl(fd, TIOCSSERIAL, &port));
}

ull_status ull_linux_count_serial_errors(int fd, ull_linux_serial_counts *counts) {
    struct serial_icounter_struct icount;
    if (ioctl(fd, TIOCGICOUNT, &icount) < 0) return ULL_SYSTEM;
    *counts = (ull_linux_serial_counts){.frame = icount.frame,
                                        .overrun = icount.overrun,
                                        .parity = icount.parity,
                                        .brk = icount.brk,
                                        .buffer_overrun = icount.buf_overrun};
    return ULL_OK;
}
