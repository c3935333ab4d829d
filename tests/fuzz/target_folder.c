/* A folder of images: which names are classes, which files are theirs, and what the splits are made of.
 *
 * Input: a line each, the kind of the file's content (one character: J and P begin as JPEG and PNG do) and its path. Paths
 * that lead out of the folder are not made.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "data/folder_list.h"
#include "fuzz.h"

enum { MAX_FILES = 24, MAX_PATH = 300 };

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk) {
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static void make_file(const char *root, const char *line) {
    char path[MAX_PATH + 513], *slash;
    if (strlen(line) < 2 || strlen(line) > MAX_PATH || strstr(line, "..")) return;
    snprintf(path, sizeof path, "%s/%s", root, line + 1);
    if (!(slash = strrchr(path, '/'))) return;
    *slash = '\0';
    if (mnas_file_mkdirs(path) < 0) return;
    *slash = '/';
    FILE *f = fopen(path, "wb");
    if (!f) return; /* a folder, or no name that the file system takes */
    fputs(line[0] == 'J'   ? "\xff\xd8\xff\xe0 and so on"
          : line[0] == 'P' ? "\x89PNG\r\n\x1a\n and so on"
                           : "text",
          f);
    fclose(f);
}

static void read_folder(const char *root) {
    mnas_folder_list list;
    if (mnas_folder_read(&list, root, "", true) == 0 && mnas_folder_sniff(&list) == 0) {
        mnas_folder_split(&list, 0.2, 0.1, 1);
        for (size_t i = 0; i < list.n_files; i++) {
            FUZZ_CHECK(list.files[i].label < list.n_classes && list.files[i].split <= MNAS_SPLIT_TEST);
            FUZZ_CHECK(strlen(mnas_folder_name(&list, &list.files[i])) > 0);
        }
    }
    mnas_folder_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char root[512], *text = fuzz_text(data, n), *rest = NULL;
    int made = 0;
    snprintf(root, sizeof root, "%s", fuzz_path("images"));
    mkdir(root, 0700);
    for (char *line = strtok_r(text, "\n", &rest); line && made < MAX_FILES;
         line = strtok_r(NULL, "\n", &rest), made++)
        make_file(root, line);
    read_folder(root);
    nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(text);
    return 0;
}
