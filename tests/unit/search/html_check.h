/* html_check.h - whether a report is well-formed. For programs with cmocka included. */
#ifndef HTML_CHECK_H
#define HTML_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Every tag is closed in order; '<' and '&' stand for themselves nowhere. */
static void check_balanced(const char *html) {
    char stack[32][16];
    int depth = 0;
    const char *p = strchr(html, '\n'); /* behind the doctype */
    while ((p = strpbrk(p, "<&"))) {
        if (*p == '&') {
            const char *end = p + 1 + strspn(p + 1, "#abcdefghijklmnopqrstuvwxyz0123456789");
            assert_true(*end == ';' && end > p + 1);
            p = end;
            continue;
        }
        bool closing = p[1] == '/';
        char name[16];
        size_t n = strspn(p + 1 + closing, "abcdefghijklmnopqrstuvwxyz0123456789");
        assert_in_range(n, 1, 15);
        snprintf(name, sizeof name, "%.*s", (int)n, p + 1 + closing);
        const char *end = strchr(p, '>');
        assert_non_null(end);
        if (closing) {
            assert_true(depth > 0);
            assert_string_equal(stack[--depth], name);
        } else if (end[-1] != '/') {
            assert_in_range(depth, 0, 31);
            snprintf(stack[depth++], 16, "%s", name);
        }
        p = end;
    }
    assert_int_equal(depth, 0);
}

#endif
