/* The operating system's side, on the machine that runs the test; privileges are not needed. */
#define _GNU_SOURCE
#include "check.h"
#include "ull_linux_rt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int wait_ms(int fd, int timeout_ms) {
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    return poll(&readable, 1, timeout_ms);
}

static void a_timer_fires_once_at_its_deadline(void) {
    int fd;
    uint64_t fired = 99;
    CHECK(ull_linux_timer_open(&fd) == ULL_OK);
    CHECK(ull_linux_timer_read(fd, &fired) == ULL_OK && fired == 0);
    const int64_t deadline_ns = now_ns() + 20000000;
    CHECK(ull_linux_timer_arm(fd, deadline_ns) == ULL_OK);
    CHECK(wait_ms(fd, 10000) == 1 && now_ns() >= deadline_ns);
    CHECK(ull_linux_timer_read(fd, &fired) == ULL_OK && fired == 1);
    CHECK(ull_linux_timer_read(fd, &fired) == ULL_OK && fired == 0);
    CHECK(ull_linux_timer_arm(fd, 1) == ULL_OK && wait_ms(fd, 10000) == 1); /* long past: at once */
    CHECK(ull_linux_timer_arm(fd, 0) == ULL_OK && wait_ms(fd, 0) == 0);
    CHECK(ull_linux_timer_arm(fd, -1) == ULL_ARGUMENT);
    CHECK(close(fd) == 0);
    CHECK(ull_linux_timer_arm(fd, 1) == ULL_SYSTEM && errno == EBADF);
    CHECK(ull_linux_timer_read(fd, &fired) == ULL_SYSTEM && errno == EBADF);
}

static void timer_slack_is_what_was_set(void) {
    CHECK(ull_linux_timer_slack(0) == ULL_ARGUMENT);
    CHECK(ull_linux_timer_slack(1) == ULL_OK);
    CHECK(prctl(PR_GET_TIMERSLACK, 0L, 0L, 0L, 0L) == 1);
}

static void a_priority_out_of_bounds_is_refused(void) {
    CHECK(ull_linux_fifo(0) == ULL_ARGUMENT);
    CHECK(ull_linux_fifo(100) == ULL_ARGUMENT);
}

static void the_wall_clock_says_whether_it_is_kept(void) {
    struct timex clock = {.modes = 0};
    int synchronised = -1;
    CHECK(ull_linux_clock_synchronised(&synchronised) == ULL_OK);
    CHECK(adjtimex(&clock) >= 0 && synchronised == !(clock.status & STA_UNSYNC));
}

static void a_pty_is_not_a_port(void) {
    const int fd = posix_openpt(O_RDWR | O_NOCTTY);
    ull_linux_serial_counts counts;
    CHECK(fd >= 0);
    CHECK(ull_linux_low_latency(fd) == ULL_SYSTEM && (errno == ENOTTY || errno == EINVAL));
    CHECK(ull_linux_count_serial_errors(fd, &counts) == ULL_SYSTEM && (errno == ENOTTY || errno == EINVAL));
    CHECK(close(fd) == 0);
}

int main(void) {
    a_timer_fires_once_at_its_deadline();
    timer_slack_is_what_was_set();
    a_priority_out_of_bounds_is_refused();
    the_wall_clock_says_whether_it_is_kept();
    a_pty_is_not_a_port();
    return 0;
}
