#include "ull_channel.h"

#include <math.h>

static const double STEP_SIGMAS = 6.0;
static const double S_PER_NS = 1e-9;

static void put(const ull_table *table, uint32_t row, double value, double sigma, int64_t time_ns,
                unsigned quality) {
    table->value[row] = value;
    table->sigma[row] = sigma;
    table->time_ns[row] = time_ns;
    table->quality[row] = (uint8_t)quality;
}

/* `later_ns` is later than `earlier_ns`; the difference may exceed int64. */
static uint64_t gap_ns(int64_t later_ns, int64_t earlier_ns) {
    return (uint64_t)later_ns - (uint64_t)earlier_ns;
}

ull_status ull_channel_init(ull_channel *channel, const ull_channel_settings *settings, double *hampel_memory,
                            ull_slope_sample *rate_ring) {
    if (!channel || !settings || !(settings->low < settings->high) || !(settings->max_rate_per_s > 0.0) ||
        settings->max_age_ns < 1) {
        return ULL_ARGUMENT;
    }
    *channel = (ull_channel){.settings = *settings, .newest_ns = INT64_MIN, .despiked_ns = INT64_MIN};
    ull_status status = ull_hampel_init(&channel->hampel, hampel_memory, settings->hampel_window,
                                        settings->hampel_k, settings->sigma_min);
    if (status != ULL_OK) return status;
    return ull_slope_init(&channel->rate, rate_ring, settings->rate_capacity, settings->rate_window_ns,
                          settings->sigma_min);
}

static int can_step(const ull_channel_settings *settings, int64_t from_ns, double from, int64_t to_ns,
                    double to) {
    const double dt_s = (double)gap_ns(to_ns, from_ns) * S_PER_NS;
    return fabs(to - from) <= settings->max_rate_per_s * dt_s + STEP_SIGMAS * settings->sigma_min;
}

static void go_far(ull_channel *channel, double value) {
    if (channel->far_run == 0) channel->far_from = channel->accepted;
    if (channel->far_run <= ULL_CHANNEL_SPIKE) channel->far_run++;
    channel->far = value;
}

/* By how much the samples before this one were off, if they were a spike; else 0. Off the middle between the samples
 * before and after: off the median a steady ramp is, too. */
static double spike_over(const ull_channel *channel, double value) {
    if (channel->far_run == 0 || channel->far_run > ULL_CHANNEL_SPIKE) return 0.0;
    const double off = channel->far - 0.5 * (channel->far_from + value);
    return fabs(value - channel->far_from) <= 0.5 * fabs(off) ? off : 0.0;
}

/* Beside a step the Hampel filter lets outliers pass, and with them a spike. */
static int is_passed_far(const ull_channel *channel, double value, const ull_hampel_verdict *verdict) {
    const double far = channel->settings.hampel_k * verdict->scale;
    return channel->has_accepted && fabs(value - verdict->median) > far && fabs(value - channel->accepted) > far;
}

/* Whether to believe the value now. The longer the silence, the farther the last accepted sample lets garbage
 * step: past max_age it proves nothing. */
static int is_plausible(ull_channel *channel, int64_t time_ns, double value) {
    const ull_channel_settings *settings = &channel->settings;
    channel->jump = 0.0;
    if (!channel->has_accepted) return 1;
    const int distrusted = channel->strange >= ULL_CHANNEL_STRANGE;
    /* With time any value comes within reach of the last accepted one; a run that began out of reach stays so. */
    const int stays_out = channel->odd_run > 0 && channel->odd_out &&
                          fabs(value - channel->odd) < fabs(value - channel->accepted);
    const int reachable =
        !stays_out && can_step(settings, channel->accepted_ns, channel->accepted, time_ns, value);
    const int recent = gap_ns(time_ns, channel->accepted_ns) < (uint64_t)settings->max_age_ns;
    if (reachable && recent && !distrusted) {
        if (channel->strange > 0) channel->strange--;
        return 1;
    }
    const int agrees =
        channel->odd_run > 0 && can_step(settings, channel->odd_ns, channel->odd, time_ns, value);
    if (channel->odd_run > 0 && !agrees && channel->strange < 2 * ULL_CHANNEL_STRANGE) channel->strange++;
    channel->odd_run = agrees ? channel->odd_run + 1 : 1;
    channel->odd_ns = time_ns;
    channel->odd = value;
    channel->odd_out = !reachable;
    const unsigned needed =
        channel->strange >= ULL_CHANNEL_STRANGE ? ULL_CHANNEL_AGREE_AGAIN : ULL_CHANNEL_AGREE;
    if (channel->odd_run < needed) {
        if (!reachable) go_far(channel, value);
        return 0;
    }
    channel->strange = 0;
    channel->far_run = 0;
    if (!reachable) {
        channel->jump = value - channel->accepted;
        ull_hampel_clear(&channel->hampel);
        ull_slope_clear(&channel->rate);
    }
    return 1;
}

static int is_measured(double value, unsigned quality) {
    return (quality & (ULL_GOOD | ULL_UNCERTAIN)) && !(quality & (ULL_BAD | ULL_STALE)) && isfinite(value);
}

static void refuse(ull_channel *channel, const ull_table *table, int64_t time_ns, unsigned source) {
    put(table, channel->settings.row, NAN, NAN, time_ns, ULL_BAD | source);
    put(table, channel->settings.rate_row, NAN, NAN, time_ns, ULL_BAD | source);
}

static void accept(ull_channel *channel, const ull_table *table, int64_t time_ns, double value,
                   unsigned quality) {
    const ull_channel_settings *settings = &channel->settings;
    const unsigned source = quality & ULL_SOURCE;
    unsigned trust = quality & ULL_UNCERTAIN ? ULL_UNCERTAIN : ULL_GOOD;
    if (gap_ns(time_ns, channel->despiked_ns) >= (uint64_t)settings->max_age_ns)
        ull_hampel_clear(&channel->hampel);
    channel->despiked_ns = time_ns;
    ull_hampel_verdict verdict;
    (void)ull_hampel_push(&channel->hampel, value, &verdict); /* finite: is_in_range saw to it */
    if (verdict.flagged) {
        trust = ULL_UNCERTAIN;
        go_far(channel, value);
    } else {
        const double spike = spike_over(channel, value);
        if (spike == 0.0 && channel->far_run < ULL_CHANNEL_SPIKE && is_passed_far(channel, value, &verdict))
            go_far(channel, value);
        else
            channel->far_run = 0;
        if (settings->spike_row < table->rows)
            put(table, settings->spike_row, spike, verdict.scale, time_ns, trust | source);
        if (settings->jump_row < table->rows)
            put(table, settings->jump_row, channel->jump, verdict.scale, time_ns, trust | source);
        channel->has_accepted = 1;
        channel->accepted_ns = time_ns;
        channel->accepted = value;
        (void)ull_slope_push(&channel->rate, time_ns, value); /* later than the newest: judge saw to it */
    }
    put(table, settings->row, verdict.value, verdict.scale, time_ns, trust | source);

    ull_slope_fit fit;
    ull_slope_result(&channel->rate, &fit);
    const int settled = fit.span_ns >= settings->rate_window_ns / 2 || fit.count == settings->rate_capacity;
    if (settled && isfinite(fit.sigma_slope_per_s)) {
        put(table, settings->rate_row, fit.slope_per_s, fit.sigma_slope_per_s, time_ns, trust | source);
    } else {
        put(table, settings->rate_row, NAN, NAN, time_ns, ULL_UNCERTAIN | source);
    }
}

static ull_status judge(ull_channel *channel, const ull_table *table, int64_t time_ns, double value,
                        unsigned quality) {
    if (time_ns <= channel->newest_ns) return ULL_ORDER;
    channel->newest_ns = time_ns;
    channel->fault = 0;
    if (!is_measured(value, quality)) {
        channel->odd_run = 0; /* what is not a value agrees with nothing */
        refuse(channel, table, time_ns, quality & ULL_SOURCE);
    } else if (value < channel->settings.low || value > channel->settings.high) {
        channel->odd_run = 0;
        channel->fault = ULL_FAULT_OUT_OF_RANGE;
        if (channel->has_accepted) go_far(channel, value);
        refuse(channel, table, time_ns, quality & ULL_SOURCE);
    } else if (!is_plausible(channel, time_ns, value)) {
        channel->fault = ULL_FAULT_IMPLAUSIBLE;
        refuse(channel, table, time_ns, quality & ULL_SOURCE);
    } else {
        channel->odd_run = 0;
        accept(channel, table, time_ns, value, quality);
    }
    return ULL_OK;
}

static void age(const ull_table *table, uint32_t row, int64_t now_ns, int64_t max_age_ns) {
    if (row < table->rows && now_ns > table->time_ns[row] && gap_ns(now_ns, table->time_ns[row]) >= (uint64_t)max_age_ns) {
        table->quality[row] = (uint8_t)((table->quality[row] & ULL_SOURCE) | ULL_STALE);
    }
}

ull_status ull_channel_push_many(ull_channel *channels, size_t channel_count, const int32_t *channel_of_row,
                                 const ull_table *table, int64_t now_ns, const uint32_t *row,
                                 const int64_t *time_ns, const double *value, const uint8_t *quality,
                                 size_t count, uint64_t *refused) {
    ull_status first = ULL_OK;
    for (size_t i = 0; i < count; i++) {
        ull_status status = ULL_OK;
        if (row[i] >= table->rows) {
            status = ULL_ARGUMENT;
        } else {
            const int32_t channel = channel_of_row[row[i]];
            if (channel >= 0) status = judge(&channels[channel], table, time_ns[i], value[i], quality[i]);
        }
        if (status == ULL_OK) {
            const unsigned trust = isfinite(value[i]) ? quality[i] & ULL_TRUST : ULL_BAD;
            put(table, row[i], value[i], NAN, time_ns[i], trust | (quality[i] & ULL_SOURCE));
        } else {
            ++*refused;
            if (first == ULL_OK) first = status;
        }
    }
    for (size_t i = 0; i < channel_count; i++) {
        const ull_channel_settings *settings = &channels[i].settings;
        if (channels[i].fault && settings->fault_row < table->rows) { /* after what the bus had to say of it */
            const unsigned source = table->quality[settings->row] & ULL_SOURCE;
            put(table, settings->fault_row, channels[i].fault, NAN, channels[i].newest_ns, ULL_GOOD | source);
            channels[i].fault = 0;
        }
        age(table, settings->raw_row, now_ns, settings->max_age_ns);
        age(table, settings->row, now_ns, settings->max_age_ns);
        age(table, settings->rate_row, now_ns, settings->max_age_ns);
        age(table, settings->spike_row, now_ns, settings->max_age_ns);
        age(table, settings->jump_row, now_ns, settings->max_age_ns);
    }
    return first;
}
