/* A list of files and their classes, as it comes with ImageNet's validation images. */
#include <string.h>

#include "data/label_list.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static char name_a[] = "a", name_b[] = "n01440764", name_c[] = "tench, Tinca tinca";
    static char *classes[] = {name_a, name_b, name_c};
    mnas_label_list list;
    if (mnas_label_list_read(&list, fuzz_file("list", data, n), classes, 3) == 0) {
        FUZZ_CHECK(list.n > 0);
        for (size_t i = 0; i < list.n; i++) {
            FUZZ_CHECK(list.lines[i].label >= 0 && list.lines[i].label < 3);
            if (list.has_files)
                FUZZ_CHECK(mnas_label_list_find(&list, list.lines[i].file) == list.lines[i].label);
        }
        if (list.has_files) FUZZ_CHECK(mnas_label_list_find(&list, "no/such/file.of.it") < 3);
    }
    mnas_label_list_free(&list);
    return 0;
}
