/* What mnas proxy-check reads: a table (first byte even) with the columns of the corpus, or a record of trainings (odd), which is added
 * to and read again. */
#include <math.h>
#include <string.h>

#include "fuzz.h"
#include "search/proxy.h"

static void read_table(const char *path) {
    const mnas_proxy_table table = {.path = path,
                                    .proxies = "a,b",
                                    .full = "full",
                                    .macs = "macs",
                                    .parameters = "params",
                                    .noise = "full,again"};
    mnas_proxy_check check;
    if (mnas_proxy_check_table(&check, &table) < 0) return;
    for (int i = 0; i < check.n_proxies; i++) {
        const mnas_proxy *p = &check.proxies[i];
        FUZZ_CHECK(p->n >= 10);
        FUZZ_CHECK(isnan(p->tau.value) || (fabs(p->tau.value) <= 1 + 1e-12 && p->tau.low <= p->tau.high));
    }
    FUZZ_CHECK(check.words && check.chosen < check.n_proxies);
    mnas_proxy_check_free(&check);
}

static void read_record(const char *path) {
    mnas_proxy_record record;
    if (mnas_proxy_record_read(&record, path, true) < 0) return;
    const int n = record.n;
    for (int i = 0; i < n; i++)
        FUZZ_CHECK(record.list[i].accuracy_frac <= 1 &&
                   (record.list[i].accuracy_frac >= 0 || isinf(record.list[i].accuracy_frac)));
    const mnas_proxy_training added = {.key = "00000000000000aa",
                                       .span = {.images = 77},
                                       .accuracy_frac = 0.5,
                                       .train_s = 1,
                                       .macs = 1,
                                       .params = 1};
    if (n == 0) memcpy(record.task, "0123456789abcdef", 17);
    const bool known = mnas_proxy_record_find(&record, added.key, &added.span, added.seed) != NULL;
    if (!known) FUZZ_CHECK(mnas_proxy_record_append(&record, path, &added) == 0);
    mnas_proxy_record_free(&record);
    FUZZ_CHECK(mnas_proxy_record_read(&record, path, false) == 0);
    FUZZ_CHECK(record.n == n + !known);
    mnas_proxy_record_free(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n == 0) return 0;
    const char *path = fuzz_file("proxy", data + 1, n - 1);
    if (data[0] & 1)
        read_record(path);
    else
        read_table(path);
    return 0;
}
