#!/usr/bin/env bash
# Does the fuzzing find bugs? Plant those of plants.txt in a copy of the tree and run each target until it finds its own,
# at most FUZZ_SECONDS (60): tests/fuzz/planted.sh [BUILD]. The exit code is 1 when one was not found.
#
# The inputs are those of the corpus and what libFuzzer makes of them; `runs` says how many it took.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${1:-$root/build-planted}
seconds=${FUZZ_SECONDS:-60}
rm -rf "$build/tree"
mkdir -p "$build/tree" "$build/found"
(cd "$root" && cp -rp CMakeLists.txt CMakePresets.json include spaces src tests bench docs scripts "$build/tree")
python3 - "$here/plants.txt" "$build/tree" <<'PYTHON'
import pathlib, sys
for line in open(sys.argv[1]):
    if line.startswith("#"):
        continue
    target, file, rest = line.rstrip("\n").split("|", 2)
    old, new = rest.split(" => ", 1)
    path = pathlib.Path(sys.argv[2]) / file
    text = path.read_text()
    if text.count(old) != 1:
        sys.exit(f"plants.txt: {target}: {file} has {text.count(old)} times: {old}")
    path.write_text(text.replace(old, new))
PYTHON
cmake --preset fuzz -S "$build/tree" -B "$build/build" >/dev/null
ninja -C "$build/build" fuzz_all >"$build/build.log" || { tail -20 "$build/build.log"; exit 1; }
missed=0
export UBSAN_OPTIONS=halt_on_error=1
printf '%-12s %8s %10s  %s\n' target seconds runs finding
while IFS='|' read -r name file _; do
    start=$(date +%s)
    log=$build/found/$name.log
    mkdir -p "$build/found/$name"
    if "$build/build/tests/fuzz/fuzz_$name" "$build/found/$name" "$here/corpus/$name" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -artifact_prefix="$build/found/$name-" -print_final_stats=1 >"$log" 2>&1; then
        missed=1
        finding='NOT FOUND'
    else
        finding=$(grep -m1 -oE 'SUMMARY: .*|does not hold: .*' "$log" | sed "s|$build/tree/||" | cut -c1-90)
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    printf '%-12s %8s %10s  %s\n' "$name" $(($(date +%s) - start)) "${runs:-?}" "$finding"
done < <(grep -v '^#' "$here/plants.txt")
exit $missed
