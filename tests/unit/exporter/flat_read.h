/* flat_read.h - reads FlatBuffers, trusting nothing: every offset is checked against the file, every number against its alignment. For
 * programs with cmocka included; a file that lies fails the test.
 */
#ifndef FLAT_READ_H
#define FLAT_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct flat_file {
    const uint8_t *bytes;
    size_t n;
} flat_file;

static inline uint32_t flat_u(const flat_file *f, size_t at, size_t bytes) {
    uint32_t value = 0;
    assert_true(at + bytes <= f->n);
    assert_int_equal(at % bytes, 0);
    memcpy(&value, f->bytes + at, bytes);
    return value;
}

/* Where the offset at `at` points to: always forward. */
static inline size_t flat_follow(const flat_file *f, size_t at) {
    const uint32_t offset = flat_u(f, at, 4);
    assert_true(offset > 0 && at + offset < f->n);
    return at + offset;
}

/* Where field `id` of the table is, or 0. */
static inline size_t flat_field(const flat_file *f, size_t table, int id) {
    const size_t vtable = table - (size_t)(int32_t)flat_u(f, table, 4);
    const uint32_t vtable_bytes = flat_u(f, vtable, 2), table_bytes = flat_u(f, vtable + 2, 2);
    assert_true(vtable + vtable_bytes <= f->n && table + table_bytes <= f->n && vtable_bytes >= 4);
    const size_t entry = 4 + 2 * (size_t)id;
    const uint32_t at = entry + 2 <= vtable_bytes ? flat_u(f, vtable + entry, 2) : 0;
    assert_true(at < table_bytes);
    return at ? table + at : 0;
}

static inline uint32_t flat_number(const flat_file *f, size_t table, int id, size_t bytes) {
    const size_t at = flat_field(f, table, id);
    return at ? flat_u(f, at, bytes) : 0;
}

/* A field that refers to something, or 0. */
static inline size_t flat_ref(const flat_file *f, size_t table, int id) {
    const size_t at = flat_field(f, table, id);
    return at ? flat_follow(f, at) : 0;
}

/* Items of a vector; *first is where they begin. A vector that is not there has none. */
static inline uint32_t flat_vector(const flat_file *f, size_t table, int id, size_t item_bytes,
                                   size_t *first) {
    const size_t at = flat_ref(f, table, id);
    if (!at) return 0;
    const uint32_t n = flat_u(f, at, 4);
    *first = at + 4;
    assert_true(*first + n * item_bytes <= f->n);
    assert_int_equal(*first % item_bytes, 0);
    return n;
}

/* Table i of a vector of tables. */
static inline size_t flat_item(const flat_file *f, size_t first, uint32_t i) {
    return flat_follow(f, first + 4 * (size_t)i);
}

static inline const char *flat_text(const flat_file *f, size_t table, int id) {
    size_t first = 0;
    const uint32_t n = flat_vector(f, table, id, 1, &first);
    assert_true(first && first + n < f->n && f->bytes[first + n] == 0);
    return (const char *)f->bytes + first;
}

static inline size_t flat_root(const flat_file *f, const char *identifier) {
    assert_true(f->n >= 8 && memcmp(f->bytes + 4, identifier, 4) == 0);
    return flat_follow(f, 0);
}

#endif
