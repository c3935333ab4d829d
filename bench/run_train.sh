#!/bin/bash
# run_train.sh - a training step of ours beside other frameworks': alternating pairs, the ratio's median and spread, memory,
# the time to the first step, the share of the roofline.
#
#     PEERS=DIR bench/run_train.sh [BUILD=build] [PAIRS=7] [SECONDS=8] [THREADS=all] [CASES="b1-224 b1-32 a1-224 mbv2-224"]
#
# PEERS is the folder made by setup_peers.sh; without it Debian's PyTorch alone is measured. SIDES names who is compared:
#     eager compile   PyTorch 2.x of PyPI; the quicker of the two is marked as PyTorch
#     debian          PyTorch 1.13 of Debian 12
#     single          ours with one thread: what the threads gain
#     tensorflow jax  from PyPI
# PRECISION=bf16 trains in bf16 on both sides. ROWS=FILE keeps every figure as JSON lines.
#
# A pair is one process of each, one right after the other, in an order that changes from pair to pair, so that whatever else
# the machine does hits both alike. PyTorch gets tcmalloc, or where that is missing glibc's malloc that keeps its memory (no
# mmap, no trim): its best cases. What torch.compile compiled is kept in PEERS; its compiling is outside the clock.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/../build} pairs=${2:-7} seconds=${3:-8} threads=${4:-$(nproc)}
cases=${5:-b1-224 b1-32 a1-224 mbv2-224}
peers=${PEERS:-} precision=${PRECISION:-f32} debian=${DEBIAN_PYTHON:-/usr/bin/python3}
rows=${ROWS:-$(mktemp)}
[ -n "${ROWS:-}" ] || trap 'rm -f "$rows"' EXIT

die() { echo "run_train.sh: $2" >&2; exit "$1"; }
bench=$build/bench/bench_train_step
[ -x "$bench" ] || die 2 "no $bench; build the target bench"
if [ -n "$peers" ]; then sides=${SIDES:-eager compile debian single}; else sides=${SIDES:-debian single}; fi

malloc=(MALLOC_MMAP_THRESHOLD_=17179869184 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456)
tcmalloc=$(find "$peers/tcmalloc" -name 'libtcmalloc_minimal.so.4' 2>/dev/null | head -n 1 || true)
[ -z "$tcmalloc" ] || malloc=("LD_PRELOAD=$tcmalloc" TCMALLOC_RELEASE_RATE=0)
ours_options=() torch_options=()
[ "$precision" = f32 ] || { ours_options=("precision=$precision"); torch_options=("$precision"); }

ours() { "$bench" "$1" "$threads" "$seconds" "${ours_options[@]}"; }
python() { # interpreter, script, arguments
    env "${malloc[@]}" OMP_NUM_THREADS="$threads" TORCHINDUCTOR_CACHE_DIR="$peers/inductor-cache" "$@" 2>"$rows.err" ||
        { cat "$rows.err" >&2; return 1; }
}
peer() { # side, case, seconds
    case $1 in
    eager) python "$peers/torch/bin/python" "$here/train_step.py" "$2" "$threads" "$3" "${torch_options[@]}" ;;
    compile) python "$peers/torch/bin/python" "$here/train_step.py" "$2" "$threads" "$3" compile "${torch_options[@]}" ;;
    debian) python "$debian" "$here/train_step.py" "$2" "$threads" "$3" "${torch_options[@]}" ;;
    single) "$bench" "$2" 1 "$3" "${ours_options[@]}" ;;
    tensorflow | jax) python "$peers/$1/bin/python" "$here/peers/$1_step.py" "$2" "$threads" "$3" ;;
    *) die 2 "unknown side '$1'; known: eager compile debian single tensorflow jax" ;;
    esac
}

check() { # side: that it can run
    case $1 in
    eager | compile) [ -x "$peers/torch/bin/python" ] ;;
    debian) "$debian" -c 'import torch' 2>/dev/null ;;
    tensorflow | jax) [ -x "$peers/$1/bin/python" ] ;;
    esac || die 77 "no $1 here: bench/setup_peers.sh DIR, then PEERS=DIR (debian: apt install python3-torch), or leave it out of SIDES"
}

for side in $sides; do check "$side"; done
load=$(cut -d' ' -f1 /proc/loadavg)
grep -m1 'model name' /proc/cpuinfo | sed 's/.*: //'
echo "$threads threads, $precision, $pairs pairs of $seconds s each, load $load, ${malloc[0]##*/}"
awk "BEGIN { exit !($load > 0.5) }" &&
    echo "run_train.sh: load $load: other work runs here, and none of the figures below is to be trusted" >&2
for c in $cases; do
    for side in $sides; do # what is compiled once is compiled here
        [ "$side" != compile ] || peer "$side" "$c" 0 >/dev/null
    done
    for i in $(seq "$pairs"); do
        for side in $sides; do
            if [ $((i % 2)) = 1 ]; then a=$(ours "$c"); b=$(peer "$side" "$c" "$seconds")
            else b=$(peer "$side" "$c" "$seconds"); a=$(ours "$c"); fi
            echo "{\"case\": \"$c\", \"side\": \"$side\", \"pair\": $i, \"ours\": $a, \"theirs\": $b}" |
                tee -a "$rows" | /usr/bin/python3 "$here/peers/summary.py" pair
        done
    done
    /usr/bin/python3 "$here/peers/summary.py" case "$c" <"$rows"
done
rm -f "$rows.err"
echo
"$build/bench/bench_roofline" "$threads" "$precision" $(/usr/bin/python3 "$here/peers/summary.py" reached <"$rows")
