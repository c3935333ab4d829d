/* jsonl.h - files of JSON lines: one object a line, each appended by one write, so that lines of several writers never mix.
 *
 * Only a line that ends counts: a process killed while it wrote leaves a last line without its end, which is skipped with a
 * warning, or taken off the file by its only writer. Nothing that stands before it is ever changed.
 */
#ifndef MNAS_BASE_JSONL_H
#define MNAS_BASE_JSONL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Of line `line`, 1-based; the object is gone afterwards. */
typedef int mnas_jsonl_reader(void *user, const json_t *object, int line);

/* Give every line to `read`, in order; empty ones are passed over. `mend`: a last line without its end is taken off. Errors
 * name file and line. MNAS_ERR_FORMAT for what is no JSON, MNAS_ERR_MISSING (or as mnas_file_read) where there is no file. */
int mnas_jsonl_read(const char *path, size_t max_bytes, bool mend, mnas_jsonl_reader *read, void *user);

/* Append `object` as a line, on disk when it returns; the file is made where it is missing. Releases `object`, also on failure;
 * NULL means that memory ran out. MNAS_ERR_FORMAT where the last line of the file is incomplete, MNAS_ERR_FULL. */
int mnas_jsonl_append(const char *path, json_t *object);

#endif
