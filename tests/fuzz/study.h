/* study.h - for the targets that are about a study: everything read that can be read of one. */
#ifndef MNAS_TESTS_FUZZ_STUDY_H
#define MNAS_TESTS_FUZZ_STUDY_H

/* `path` may lie in fuzz.h's own buffer. */
void fuzz_read_study(const char *path);
/* What a search that goes on does with it. */
void fuzz_write_study(const char *path);

#endif
