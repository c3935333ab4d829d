#!/usr/bin/env bash
# Which share of each reader's lines the committed corpus reaches: tests/fuzz/coverage.sh BUILD
#
# BUILD is a build with the preset `coverage` (gcc, no libFuzzer). The readers are the first table of README.md. Each must
# reach 80 %, else the exit code is 1.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$(cd "$1" && pwd)
find "$build" -name '*.gcda' -delete
for target in $(sed -n 's/^mnas_fuzz(\([a-z_]*\) .*/\1/p' "$here/CMakeLists.txt"); do
    "$build/tests/fuzz/fuzz_$target" "$here/corpus/$target" >/dev/null
done
low=0
printf '%-32s %7s %7s  %s\n' reader lines share targets
while IFS='|' read -r _ file targets _; do
    file=$(tr -d ' `' <<<"$file")
    layer=$(cut -d/ -f2 <<<"$file")
    read -r share lines < <(cd "$build" && gcov -n "CMakeFiles/mnas_$layer.dir/$file.gcno" 2>/dev/null |
        awk -v want="File '$root/$file'" '$0 == want { hit = 1; next }
            hit && /^Lines executed/ { gsub("Lines executed:|%| of", " "); print $1, $2; exit }')
    printf '%-32s %7s %6s%%  %s\n' "$file" "${lines:-0}" "${share:-0}" "$targets"
    awk -v s="${share:-0}" 'BEGIN { exit !(s < 80) }' && low=1
done < <(sed '/^What reads/q' "$here/README.md" | grep '^| `src/')
exit $low
