#!/bin/bash
# run_infer.sh - latency of one image on one thread: our engines beside other libraries, in alternating rounds.
#
#     PYTHON=~/peers/infer/bin/python bench/run_infer.sh [BUILD=build] [ROUNDS=7] [SECONDS=2] [CASES="b1-224 a1-224 mbv2-224"]
#
# SIDES names who runs: native onednn xnnpack (ours), onnxruntime openvino tflite (of PYTHON: pip install onnx onnxruntime
# openvino ai-edge-litert). A round is a fresh process of each side, one right after the other, on core CORE (the last one); the
# order turns from round to round. The figure of a process is its median; the table has its median and quartiles over the
# rounds, and of the ratio to `native` within each round.
# PREFIX="chrt -r 1" keeps other work off the core for as long as a process lasts.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/../build} rounds=${2:-7} seconds=${3:-2} cases=${4:-b1-224 a1-224 mbv2-224}
sides=${SIDES:-native onednn xnnpack onnxruntime openvino} python=${PYTHON:-python3} core=${CORE:-$(($(nproc) - 1))}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() { echo "run_infer.sh: $2" >&2; exit "$1"; }
[ -x "$build/bench/bench_infer" ] || die 2 "no $build/bench/bench_infer; build the target bench"
declare -A model=([b1-224]=mnasnet-b1 [a1-224]=mnasnet-a1 [mbv2-224]=mobilenet-v2)

files() { # case: what the other libraries read
    case " $sides " in *" onnxruntime "* | *" openvino "*)
        "$python" "$here/peers/onnx_net.py" "$1" "$work/$1.onnx" || die 77 "PYTHON needs onnx and numpy" ;;
    esac
    case " $sides " in *" tflite "*)
        "$build/mnas" export "${model[$1]}" --input 224 -o "$work/$1.tflite" >"$work/said" || die 1 "$(cat "$work/said")" ;;
    esac
}
run() { # side, case
    case $1 in
    native | onednn | xnnpack) ${PREFIX:-} taskset -c "$core" "$build/bench/bench_infer" "$2" "$1" "$seconds" ;;
    onnxruntime | openvino) ${PREFIX:-} taskset -c "$core" "$python" "$here/peers/infer.py" "$1" "$work/$2.onnx" "$seconds" ;;
    tflite) ${PREFIX:-} taskset -c "$core" "$python" "$here/peers/infer.py" tflite "$work/$2.tflite" "$seconds" ;;
    *) die 2 "unknown side '$1'; known: native onednn xnnpack onnxruntime openvino tflite" ;;
    esac
}

grep -m1 'model name' /proc/cpuinfo | sed 's/.*: //'
echo "1 thread on core $core, $rounds rounds of $seconds s, load $(cut -d' ' -f1 /proc/loadavg)"
for c in $cases; do
    files "$c"
    order=$sides
    for round in $(seq "$rounds"); do
        for side in $order; do
            ms=$(run "$side" "$c" 2>"$work/err") || { cat "$work/err" >&2; exit 1; }
            echo "{\"side\": \"$side\", \"round\": $round, \"ms\": $ms}"
        done
        order="${order#* } ${order%% *}"
    done >"$work/rows"
    echo "$c"
    /usr/bin/env python3 "$here/peers/infer_summary.py" "$sides" <"$work/rows"
done
