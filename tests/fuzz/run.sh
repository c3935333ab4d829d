#!/usr/bin/env bash
# Run fuzz targets one after the other and say how each went: tests/fuzz/run.sh BUILD [TARGET...]
#
# BUILD is a build with the preset `fuzz`. FUZZ_SECONDS is the time of each (60). New inputs go to BUILD/fuzz/TARGET and
# stay there for the next run, findings to BUILD/fuzz/TARGET-crash-... The exit code is 1 when there was one.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$1
shift
[ $# -gt 0 ] || set -- $(sed -n 's/^mnas_fuzz(\([a-z_]*\) .*/\1/p' "$here/CMakeLists.txt")
seconds=${FUZZ_SECONDS:-60}
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
found=0
printf '%-12s %8s %12s %8s %8s  %s\n' target seconds runs edges inputs verdict
for name in "$@"; do
    mkdir -p "$build/fuzz/$name"
    dict=()
    [ -f "$here/dict/$name" ] && dict=("-dict=$here/dict/$name")
    "$build/tests/fuzz/fuzz_$name" "$build/fuzz/$name" "$here/corpus/$name" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -max_len=16384 -artifact_prefix="$build/fuzz/$name-" -print_final_stats=1 "${dict[@]}" \
        >"$build/fuzz/$name.log" 2>&1
    code=$?
    verdict=clean
    if [ $code -ne 0 ]; then
        found=1
        verdict=$(grep -m1 -E 'SUMMARY|does not hold' "$build/fuzz/$name.log" | cut -c1-90)
    fi
    read -r edges runs spent < <(awk '/^#/ { sub("#", "", $1); runs = $1; for (i = 2; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
        /^Done/ { runs = $2; spent = $5 } END { print cov + 0, runs + 0, spent + 0 }' "$build/fuzz/$name.log")
    printf '%-12s %8s %12s %8s %8s  %s\n' "$name" "$spent" "$runs" "$edges" "$(ls "$build/fuzz/$name" | wc -l)" "$verdict"
done
exit $found
