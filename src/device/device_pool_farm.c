/* device_pool_farm.c - see device_pool_farm.h: a list of specs becomes members; which one to ask, and waiting for it. What happens
 * while a member is ours is in device_pool_turn.c.
 */
#include "device/device_pool_farm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "device/sentinel.h"

enum { POLL_MS = 50 };

/* ---- opening ---- */

static int add_member(mnas_farm *farm, const char *spec, size_t n) {
    mnas_farm_member *grown = realloc(farm->members, ((size_t)farm->n + 1) * sizeof *grown);
    if (!grown) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d devices of a pool", farm->n + 1);
    farm->members = grown;
    mnas_farm_member *m = &grown[farm->n];
    *m = (mnas_farm_member){.lease = {.fd = -1}};
    snprintf(m->spec, sizeof m->spec, "%.*s", (int)n, spec); /* a part of an option: it fits */
    if (n == 0 || farm->n == MNAS_POOL_MAX_MEMBERS)
        return mnas_error_set(
            MNAS_ERR_ARG, "device %d of the pool: %s; allowed: 1 to %d specs joined by \" + \"", farm->n + 1,
            n == 0 ? "nothing between two +" : "there are too many", MNAS_POOL_MAX_MEMBERS);
    for (int i = 0; i < farm->n; i++)
        if (strcmp(farm->members[i].spec, m->spec) == 0)
            return mnas_error_set(MNAS_ERR_ARG, "%s is twice in the pool; allowed: once", m->spec);
    farm->n++;
    return 0;
}

static int split_members(mnas_farm *farm, const char *list) {
    int rc = 0;
    for (const char *spec; list && rc == 0;) {
        size_t n;
        mnas_device_spec_next(&list, &spec, &n);
        rc = add_member(farm, spec, n);
    }
    return rc;
}

/* A device that is not there now may come; words that are wrong stay wrong. */
static int open_member(mnas_farm_member *m) {
    char identity[2 * MNAS_OPT_STR];
    if (strcspn(m->spec, ":") == 4 && strncmp(m->spec, "pool", 4) == 0)
        return mnas_error_set(MNAS_ERR_ARG, "%s: a pool within a pool; name its devices instead", m->spec);
    int rc = mnas_device_identity(identity, sizeof identity, m->spec);
    if (rc == 0) rc = mnas_lease_open(&m->lease, identity);
    if (rc < 0) return rc;
    rc = mnas_device_open(&m->device, m->spec);
    if (rc == MNAS_ERR_DEVICE || rc == MNAS_ERR_TIMEOUT) {
        mnas_log_debug("%s does not open yet: %s", m->spec, mnas_error_message());
        rc = 0;
    }
    return rc;
}

static int compare_specs(const void *a, const void *b) {
    return strcmp(((const mnas_farm_member *)a)->spec, ((const mnas_farm_member *)b)->spec);
}

/* The same devices are the same pool, in whatever order they are named. */
static int choose_path(mnas_farm *farm) {
    char folder[1024];
    uint64_t hash = MNAS_HASH_INIT;
    if (farm->options->state[0])
        return mnas_str_format(farm->path, sizeof farm->path, "%s", farm->options->state);
    for (int i = 0; i < farm->n; i++)
        hash = mnas_hash_bytes(hash, farm->members[i].spec, strlen(farm->members[i].spec) + 1);
    int rc = mnas_file_cache_dir(folder, sizeof folder);
    if (rc == 0) rc = mnas_str_format(farm->path, sizeof farm->path, "%s/pools", folder);
    if (rc == 0) rc = mnas_file_mkdirs(farm->path);
    if (rc == 0)
        rc = mnas_str_format(farm->path, sizeof farm->path, "%s/pools/%016llx.json", folder,
                             (unsigned long long)hash);
    return rc;
}

int mnas_farm_open(mnas_farm *farm, const mnas_farm_options *options) {
    *farm = (mnas_farm){.options = options,
                        .state = mnas_pool_state_empty(),
                        .limit = mnas_limit_of(INFINITY, NULL),
                        .all_away_s = NAN};
    int rc = split_members(farm, options->devices);
    if (rc < 0) return rc;
    qsort(farm->members, (size_t)farm->n, sizeof *farm->members, compare_specs);
    for (int i = 0; i < farm->n && rc == 0; i++) rc = open_member(&farm->members[i]);
    mnas_sentinel_model(&farm->sentinel);
    if (rc == 0) rc = mnas_model_key(&farm->sentinel, farm->sentinel_key);
    if (rc == 0) rc = choose_path(farm);
    return rc < 0 ? rc : mnas_pool_state_load(&farm->state, farm->path);
}

void mnas_farm_close(mnas_farm *farm) {
    for (int i = 0; i < farm->n; i++) {
        mnas_lease_return(&farm->members[i].lease);
        mnas_device_close(farm->members[i].device);
    }
    free(farm->members);
    farm->members = NULL;
    farm->n = 0;
    mnas_pool_state_free(&farm->state);
}

/* ---- how a member stands ---- */

double mnas_farm_factor(const mnas_farm *farm, const mnas_farm_member *member) {
    const mnas_pool_record *r = mnas_pool_state_find(&farm->state, member->spec);
    const bool known = r && strcmp(farm->state.sentinel, farm->sentinel_key) == 0;
    return known ? farm->state.reference_ms / r->sentinel_ms : (double)NAN;
}

bool mnas_farm_is_unequal(const mnas_farm *farm, const mnas_farm_member *member) {
    return fabs(mnas_farm_factor(farm, member) - 1) > farm->options->differ_frac; /* false for NaN */
}

mnas_farm_standing mnas_farm_judge(const mnas_farm *farm, const mnas_farm_member *member) {
    const mnas_farm_options *o = farm->options;
    const mnas_pool_record *r = mnas_pool_state_find(&farm->state, member->spec);
    const double now_s = mnas_clock_unix_s(), factor = mnas_farm_factor(farm, member);
    if (r && !isnan(r->away_s)) {
        /* later than we ever say: the clock was put back */
        const double left_s = r->retry_s - now_s;
        return left_s <= 0 || left_s > MNAS_FARM_MAX_PAUSES * o->retry_s ? MNAS_FARM_DUE : MNAS_FARM_AWAY;
    }
    if (isnan(factor)) return MNAS_FARM_STALE;
    const double age_s = now_s - r->calibrated_s;
    if (age_s < 0 || age_s >= 60 * o->calibrate_minutes) return MNAS_FARM_STALE;
    return mnas_farm_is_unequal(farm, member) ? MNAS_FARM_UNEQUAL : MNAS_FARM_READY;
}

/* ---- waiting for one ---- */

void mnas_farm_begin(mnas_farm *farm) {
    farm->all_away_s = NAN;
    farm->unfit_status = 0;
    for (int i = 0; i < farm->n; i++) {
        farm->members[i].n_failed = 0;
        farm->members[i].unfit = false;
    }
}

static int reload(mnas_farm *farm) {
    mnas_pool_state_free(&farm->state);
    return mnas_pool_state_load(&farm->state, farm->path);
}

/* Between our look at the state and the lease another process may have found it away. */
static int take(mnas_farm *farm, mnas_farm_member *m, mnas_farm_member **out) {
    bool taken;
    int rc = mnas_lease_ask(&m->lease, &taken);
    if (rc < 0 || !taken) return rc;
    rc = reload(farm);
    if (rc == 0 && mnas_farm_judge(farm, m) <= MNAS_FARM_DUE)
        *out = m;
    else
        mnas_lease_return(&m->lease);
    return rc;
}

static bool can_do(const mnas_farm_member *m, bool layers) {
    return !m->unfit && (!layers || !m->device || mnas_device_can_measure_layers(m->device));
}

static int take_any(mnas_farm *farm, bool layers, mnas_farm_member **out) {
    for (int wanted = MNAS_FARM_READY; wanted <= MNAS_FARM_DUE; wanted++)
        for (int i = 0; i < farm->n; i++) {
            mnas_farm_member *m = &farm->members[i];
            if (!can_do(m, layers) || (int)mnas_farm_judge(farm, m) != wanted) continue;
            const int rc = take(farm, m, out);
            if (rc < 0 || *out) return rc;
        }
    return 0;
}

/* Nobody waits behind us for a device that we would not take now. */
static void leave_queues(mnas_farm *farm, bool layers, bool all) {
    for (int i = 0; i < farm->n; i++) {
        mnas_farm_member *m = &farm->members[i];
        if (all || !can_do(m, layers) || mnas_farm_judge(farm, m) > MNAS_FARM_DUE)
            mnas_lease_leave(&m->lease);
    }
}

/* "adb:serial=A away for 42 s (device not found)" */
static int print_lost(char *text, size_t n, const mnas_farm *farm, const mnas_farm_member *m) {
    const mnas_pool_record *r = mnas_pool_state_find(&farm->state, m->spec);
    char since[32];
    if (!r || isnan(r->away_s))
        return snprintf(text, n, "%s %s", m->spec,
                        mnas_farm_is_unequal(farm, m) ? "left out as no equal" : "cannot do it");
    mnas_clock_duration(mnas_clock_unix_s() - r->away_s, since, sizeof since);
    return snprintf(text, n, "%s away for %s (%s)", m->spec, since, r->why);
}

static void list_lost(const mnas_farm *farm, char *text, size_t n) {
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < farm->n && used < n; i++) {
        if (used > 0) used += (size_t)snprintf(text + used, n - used, "; ");
        if (used < n) used += (size_t)print_lost(text + used, n - used, farm, &farm->members[i]);
    }
}

static int wait_for_the_lost(mnas_farm *farm) {
    char lost[900], limit[32];
    list_lost(farm, lost, sizeof lost);
    const double now_s = mnas_clock_now_s(), wait_s = 60 * farm->options->wait_minutes;
    mnas_clock_duration(wait_s, limit, sizeof limit);
    if (isnan(farm->all_away_s)) {
        farm->all_away_s = now_s;
        mnas_log_warn("no device of the pool answers: %s; waiting up to %s for one", lost, limit);
    }
    if (now_s - farm->all_away_s >= wait_s)
        return mnas_error_set(MNAS_ERR_DEVICE, "no device of the pool has answered for %s: %s", limit, lost);
    mnas_log_live("waiting for a device of the pool, %.0f s: %s", now_s - farm->all_away_s, lost);
    return 0;
}

/* Is there anybody to wait for? */
static int check_hope(mnas_farm *farm, bool layers) {
    int n_well = 0, n_away = 0;
    char lost[900];
    for (int i = 0; i < farm->n; i++) {
        if (!can_do(&farm->members[i], layers)) continue;
        const mnas_farm_standing s = mnas_farm_judge(farm, &farm->members[i]);
        n_well += s == MNAS_FARM_READY || s == MNAS_FARM_STALE;
        n_away += s == MNAS_FARM_DUE || s == MNAS_FARM_AWAY;
    }
    if (n_well > 0) farm->all_away_s = NAN;
    if (n_well > 0) return 0;
    if (farm->unfit_status < 0)
        return mnas_error_set(farm->unfit_status, "no device of the pool that answers can measure it: %s",
                              farm->unfit);
    if (n_away > 0) return wait_for_the_lost(farm);
    list_lost(farm, lost, sizeof lost);
    return mnas_error_set(MNAS_ERR_DEVICE, "the pool has no device %s: %s",
                          layers ? "that times single layers" : "left", lost);
}

int mnas_farm_lease(mnas_farm *farm, bool layers, mnas_farm_member **out) {
    int rc;
    *out = NULL;
    for (;;) {
        if ((rc = mnas_limit_check(&farm->limit)) < 0) break;
        if ((rc = reload(farm)) < 0) break;
        if ((rc = take_any(farm, layers, out)) < 0 || *out) break;
        if ((rc = check_hope(farm, layers)) < 0) break;
        leave_queues(farm, layers, false);
        mnas_clock_sleep_ms(POLL_MS);
    }
    leave_queues(farm, layers, true);
    return rc;
}

/* ---- for the doctor ---- */

/* Each that is free is asked once: one that was never asked, or failed a while ago, would be told as it was. */
static int ask_member(mnas_farm *farm, mnas_farm_member *m) {
    bool taken, ready;
    int rc = mnas_lease_ask(&m->lease, &taken);
    if (rc == 0 && taken) {
        rc = mnas_farm_prepare(farm, m, false, &ready);
        mnas_lease_return(&m->lease);
    } else {
        mnas_lease_leave(&m->lease);
    }
    return rc;
}

/* What is wrong with one member ends nothing while another measures. */
static const char *level_of_faults(const mnas_farm *farm) {
    for (int i = 0; i < farm->n; i++)
        if (mnas_farm_judge(farm, &farm->members[i]) <= MNAS_FARM_STALE) return "note";
    return "bad";
}

static void describe_calibrated(const mnas_farm *farm, const mnas_farm_member *m, const char *who,
                                mnas_findings *findings) {
    const mnas_pool_record *r = mnas_pool_state_find(&farm->state, m->spec);
    const bool unequal = mnas_farm_is_unequal(farm, m);
    char age[32];
    mnas_clock_duration(mnas_clock_unix_s() - r->calibrated_s, age, sizeof age);
    mnas_findings_add(findings, unequal ? level_of_faults(farm) : "ok", "farm",
                      "%s: %s, the sentinel network takes %.4f ms, factor %.4f, %s ago%s", m->spec, who,
                      r->sentinel_ms, mnas_farm_factor(farm, m), age,
                      unequal ? ": left out, it is no equal device" : "");
    if (unequal)
        mnas_findings_fix(findings,
                          "let it cool, or take it out of the pool; if %s is the odd one, remove %s, and "
                          "another becomes the reference",
                          farm->state.reference, farm->path);
}

static void describe_member(const mnas_farm *farm, const mnas_farm_member *m, mnas_findings *findings) {
    const mnas_pool_record *r = mnas_pool_state_find(&farm->state, m->spec);
    const int holder = mnas_lease_holder(&m->lease);
    char who[64], since[32];
    snprintf(who, sizeof who, "%s", holder == 0 ? "free" : "in use");
    if (holder > 0) snprintf(who, sizeof who, "in use by process %d", holder);
    if (r && !isnan(r->away_s)) {
        mnas_clock_duration(mnas_clock_unix_s() - r->away_s, since, sizeof since);
        mnas_findings_add(findings, level_of_faults(farm), "farm", "%s: away for %s, %s: %s", m->spec, since,
                          who, r->why);
        mnas_findings_fix(findings, "%s; it is tried again by itself when something is measured",
                          strncmp(m->spec, "command:", 8) == 0 ? "run its program by hand"
                                                               : "see that it is on and plugged in");
    } else if (isnan(mnas_farm_factor(farm, m))) {
        mnas_findings_add(findings, "ok", "farm", "%s: %s, not yet calibrated", m->spec, who);
    } else {
        describe_calibrated(farm, m, who, findings);
    }
}

void mnas_farm_describe(mnas_farm *farm, mnas_findings *findings) {
    if (reload(farm) < 0) mnas_findings_add_error(findings, "farm");
    for (int i = 0; i < farm->n; i++)
        if (ask_member(farm, &farm->members[i]) < 0) mnas_findings_add_error(findings, "farm");
    for (int i = 0; i < farm->n; i++) describe_member(farm, &farm->members[i], findings);
}
