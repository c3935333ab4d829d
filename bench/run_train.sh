#!/bin/bash
# run_train.sh - a training step of ours beside PyTorch's: alternating pairs, the ratio's median and spread.
#
#     bench/run_train.sh [BENCH_TRAIN=build/bench/bench_train_step] [PAIRS=7] [SECONDS=10] [THREADS=all] [CASES="cifar imagenet"]
#
# A pair is one process of each, one after the other, in an order that changes from pair to pair, so that whatever else the
# machine does hits both alike. PyTorch's malloc keeps its memory (no mmap, no trim): its best case.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bench=${1:-$here/../build/bench/bench_train_step}
pairs=${2:-7}
seconds=${3:-10}
threads=${4:-$(nproc)}
cases=${5:-cifar imagenet}
python=${PYTHON:-/usr/bin/python3}

ours() { "$bench" "$1" "$threads" "$seconds"; }
torch() {
    MALLOC_MMAP_THRESHOLD_=17179869184 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456 \
        OMP_NUM_THREADS=$threads "$python" "$here/train_step.py" "$1" "$threads" "$seconds"
}

[ -x "$bench" ] || { echo "run_train.sh: no $bench; build the target bench_train_step" >&2; exit 2; }
"$python" -c 'import torch' 2>/dev/null || { echo "run_train.sh: $python has no torch (apt: python3-torch)" >&2; exit 77; }
grep -m1 'model name' /proc/cpuinfo | sed 's/.*: //'
echo "$threads threads, $pairs pairs, $seconds s each, $("$python" -c 'import torch; print("PyTorch", torch.__version__)')"
for c in $cases; do
    rows=""
    for i in $(seq "$pairs"); do
        if [ $((i % 2)) = 1 ]; then a=$(ours "$c"); b=$(torch "$c"); else b=$(torch "$c"); a=$(ours "$c"); fi
        echo "$c pair $i: ours $a images/s, PyTorch $b images/s"
        rows="$rows$a $b"$'\n'
    done
    "$python" - "$c" <<EOF
import statistics, sys
rows = [tuple(map(float, line.split())) for line in """$rows""".split("\n") if line]
ratio = sorted(a / b for a, b in rows)
print("%s: ours %.1f, PyTorch %.1f images/s (medians); ratio median %.2f, lowest %.2f, highest %.2f over %d pairs" % (
    sys.argv[1], statistics.median(a for a, _ in rows), statistics.median(b for _, b in rows),
    statistics.median(ratio), ratio[0], ratio[-1], len(ratio)))
EOF
done
