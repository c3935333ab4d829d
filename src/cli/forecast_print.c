/* forecast_print.c - see forecast_print.h. It forecasts nothing. Ranges hold eight cases of ten. */
#include "cli/forecast_print.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/human.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"

/* "4 to 6 minutes", "20 to 40 s", "3 to 5 hours"; one number where both ends look alike. */
static void duration_range(mnas_str *s, mnas_range seconds) {
    static const struct {
        double seconds;
        const char *name;
    } units[] = {{1, "s"}, {60, "minutes"}, {3600, "hours"}, {86400, "days"}};
    char low[MNAS_HUMAN_BYTES], high[MNAS_HUMAN_BYTES];
    int unit = seconds.high < 100 ? 0 : seconds.high < 100 * 60 ? 1 : seconds.high < 72 * 3600 ? 2 : 3;
    const double l = seconds.low / units[unit].seconds, h = seconds.high / units[unit].seconds;
    snprintf(low, sizeof low, "%.*f", l < 9.95 ? 1 : 0, l);
    snprintf(high, sizeof high, "%.*f", h < 9.95 ? 1 : 0, h);
    if (strcmp(low, high) == 0)
        mnas_str_appendf(s, "%s %s", high, units[unit].name);
    else
        mnas_str_appendf(s, "%s to %s %s", low, high, units[unit].name);
}

static mnas_range seconds_of(mnas_range minutes) {
    return (mnas_range){60 * minutes.low, 60 * minutes.mid, 60 * minutes.high};
}

static void bytes_text(double bytes, char buf[MNAS_HUMAN_BYTES]) {
    mnas_human_bytes(isfinite(bytes) ? (int64_t)bytes : -1, buf);
}

static void add_time(mnas_str *s, const mnas_forecast *f, double max_minutes) {
    mnas_str_appendf(s, "forecast: %d trials in ", f->n_trials);
    duration_range(s, seconds_of(f->minutes));
    mnas_str_append(s, "; one trial ");
    duration_range(s, f->trial_s);
    mnas_str_appendf(s, ", %.1f s of it measuring", f->latency_s.mid);
    if (f->n_timed > 0)
        mnas_str_appendf(s, " (steps of %d networks timed)\n", f->n_timed);
    else
        mnas_str_append(s, " (from this study's trials)\n");
    if (f->trained_share < 1)
        mnas_str_appendf(s, "forecast: rungs train %.1f %% of the epochs that these trials have\n",
                         100 * f->trained_share);
    if (f->minutes.high > max_minutes) /* false for NaN */
        mnas_str_appendf(s, "forecast: --max-minutes %g %s end it earlier\n", max_minutes,
                         f->minutes.low > max_minutes ? "will" : "may");
    if (isnan(f->final_minutes.mid)) return;
    mnas_str_append(s, "forecast: final training afterwards ");
    duration_range(s, seconds_of(f->final_minutes));
    mnas_str_append(s, "\n");
}

static void add_memory(mnas_str *s, const mnas_forecast *f) {
    char low[MNAS_HUMAN_BYTES], high[MNAS_HUMAN_BYTES], have[MNAS_HUMAN_BYTES];
    bytes_text(f->peak_bytes.low, low);
    bytes_text(f->peak_bytes.high, high);
    bytes_text(f->free_bytes, have);
    mnas_str_appendf(s, "forecast: memory %s to %s for each training", low, high);
    if (isfinite(f->free_bytes)) mnas_str_appendf(s, ", %s free for each", have);
    if (f->too_large_frac > 0)
        mnas_str_appendf(s, "; %.0f %% of the space's networks do not fit and will not be started",
                         fmax(1, 100 * f->too_large_frac));
    mnas_str_append(s, "\n");
}

static void add_disk(mnas_str *s, const mnas_forecast *f) {
    char high[MNAS_HUMAN_BYTES], have[MNAS_HUMAN_BYTES], cache[MNAS_HUMAN_BYTES];
    bytes_text(f->disk_bytes.high, high);
    bytes_text(f->free_disk_bytes, have);
    bytes_text(f->cache_bytes, cache);
    mnas_str_appendf(
        s, "forecast: disk up to %s in the study's folder, %s free there; the images' cache has %s\n", high,
        have, cache);
    if (f->disk_bytes.high > f->free_disk_bytes)
        mnas_str_append(s, "forecast: that does not fit on the disk\n");
}

/* *text is malloc'ed. */
static int forecast_text(char **text, const mnas_forecast *forecast, double max_minutes) {
    mnas_str s = {0};
    if (forecast->n_trials > 0)
        add_time(&s, forecast, max_minutes);
    else
        mnas_str_append(&s, "forecast: no trials left to do\n");
    add_memory(&s, forecast);
    add_disk(&s, forecast);
    *text = s.data;
    if (mnas_str_ok(&s)) return 0;
    mnas_str_free(&s);
    *text = NULL;
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: the forecast's text");
}

static json_t *range_json(mnas_range r) {
    return json_pack("{s:o, s:o, s:o}", "low", mnas_json_number(r.low), "mid", mnas_json_number(r.mid),
                     "high", mnas_json_number(r.high));
}

static int print_json(const mnas_forecast *f) {
    return mnas_json_print(json_pack(
        "{s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "n_timed", f->n_timed,
        "n_trials", f->n_trials, "trial_s", range_json(f->trial_s), "latency_s", range_json(f->latency_s),
        "minutes", range_json(f->minutes), "trained_share", mnas_json_number(f->trained_share),
        "final_minutes", range_json(f->final_minutes), "peak_bytes", range_json(f->peak_bytes), "free_bytes",
        mnas_json_number(f->free_bytes), "too_large_frac", mnas_json_number(f->too_large_frac), "disk_bytes",
        range_json(f->disk_bytes), "free_disk_bytes", mnas_json_number(f->free_disk_bytes), "cache_bytes",
        mnas_json_number(f->cache_bytes), "elapsed_s", mnas_json_number(f->elapsed_s)));
}

int mnas_cli_print_forecast(const mnas_forecast *forecast, double max_minutes, bool json) {
    char *text;
    if (json) return print_json(forecast);
    int rc = forecast_text(&text, forecast, max_minutes);
    if (rc == 0) fputs(text, stdout);
    free(text);
    return rc;
}

void mnas_cli_log_forecast(const mnas_forecast *forecast, double max_minutes) {
    char *text, *rest;
    if (forecast_text(&text, forecast, max_minutes) < 0) return;
    for (const char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        mnas_log_info("%s", line);
    free(text);
}
