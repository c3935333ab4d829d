#!/bin/bash
# load.sh - images a second out of our loader beside PyTorch's DataLoader with torchvision: alternating pairs, the ratio's median and
# spread; and the same of processor time an image, which other programs disturb less.
#
#     PYTHON=python-with-torchvision bench/load.sh PHOTOS [BENCH_LOAD=build/bench/bench_load] [PAIRS=7] [SECONDS=8] [THREADS=all]
#
# PHOTOS has train/CLASS/* and val/CLASS/*; the photos are resized to 500x375 first, into a temporary folder. Both sides decode, cut a
# random part, bring it to 224x224, mirror half and normalise, batches of 64, nothing else running. PyTorch gets the best number of
# workers of 1 to 4, by the median of three rounds. A pair is one process of each, in an order that changes from pair to pair.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
photos=${1:?which photos? a folder with train/CLASS/* and val/CLASS/*}
bench=${2:-$here/../build/bench/bench_load}
pairs=${3:-7}
seconds=${4:-8}
threads=${5:-$(nproc)}
python=${PYTHON:-/usr/bin/python3}

[ -x "$bench" ] || { echo "load.sh: no $bench; build the target bench_load" >&2; exit 2; }
"$python" -c 'import torchvision' 2>/dev/null || { echo "load.sh: $python has no torchvision; PYTHON names another" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export MNAS_CACHE_DIR=$work/cache

ours() { "$bench" "imagefolder:path=$work/photos,size=224,decode=each" "$threads" "$seconds" 64 area; }
torch() { "$python" -W ignore "$here/load.py" run "$work/photos" "$1" "$seconds" 64; }

grep -m1 'model name' /proc/cpuinfo | sed 's/.*: //'
"$python" -c 'import torch, torchvision, PIL; print("PyTorch", torch.__version__, "torchvision", torchvision.__version__, "Pillow", PIL.__version__)'
"$python" "$here/load.py" make "$photos" "$work/photos"
ours > /dev/null # and its index is there
tries=""
for round in 1 2 3; do
    for w in 1 2 3 4; do tries="$tries$w $(torch "$w" | cut -d' ' -f1)"$'\n'; done
done
workers=$("$python" - <<PY
import statistics
speeds = {}
for line in """$tries""".split("\n"):
    if line:
        workers, speed = line.split()
        speeds.setdefault(workers, []).append(float(speed))
print(max(speeds, key=lambda w: statistics.median(speeds[w])))
PY
)
echo "PyTorch's workers and images/s:" $tries
echo "$threads threads of ours, $workers workers of PyTorch, $pairs pairs, $seconds s each"
rows=""
for i in $(seq "$pairs"); do
    if [ $((i % 2)) = 1 ]; then a=$(ours); b=$(torch "$workers"); else b=$(torch "$workers"); a=$(ours); fi
    echo "pair $i: ours $a, PyTorch $b (images/s, CPU ms an image)"
    rows="$rows$a $b"$'\n'
done
"$python" - <<PY
import statistics
rows = [tuple(map(float, line.split())) for line in """$rows""".split("\n") if line]
def tell(what, ours, theirs, ratio):
    ratio.sort()
    print("%s: ours %.4g, PyTorch %.4g (medians); ratio median %.2f, lowest %.2f, highest %.2f over %d pairs" % (
        what, statistics.median(ours), statistics.median(theirs), statistics.median(ratio), ratio[0], ratio[-1], len(ratio)))
tell("images/s", [r[0] for r in rows], [r[2] for r in rows], [r[0] / r[2] for r in rows])
tell("CPU ms an image", [r[1] for r in rows], [r[3] for r in rows], [r[3] / r[1] for r in rows])
PY
