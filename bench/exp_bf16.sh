#!/bin/bash
# exp_bf16.sh - Fashion-MNIST with feature maps in f32 and in bf16: the same network, recipe and seeds, in turns.
#
#     bench/exp_bf16.sh MNAS OUT ["SEEDS" [EPOCHS]]
#
# The network is the reference of the space mnasnet-28. What is in OUT already is not done again. bench/exp_summary.py prints the table
# of docs/EXPERIMENTS.md from OUT.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mnas=${1:?which mnas?} out=${2:?which folder for what comes out?}
seeds=${3:-1 2 3 4 5} epochs=${4:-3}
mkdir -p "$out"

one() { # PRECISION SEED
    local name=$out/fashion-$1-$2
    [ -f "$name.json" ] && return
    local TIMEFORMAT=%U
    time "$mnas" train "$here/exp_reference28.yaml" --data fashion-mnist --recipe "short:precision=$1" --epochs "$epochs" \
        --threads 1 --seed "$2" --metrics "$name.jsonl" --json >"$name.part" 2>"$name.err"
    mv "$name.part" "$name.json"
}

for seed in $seeds; do
    if [ $((seed % 2)) = 1 ]; then order="f32 bf16"; else order="bf16 f32"; fi
    for precision in $order; do
        { one $precision "$seed"; } 2>"$out/cpu.part"
        [ -s "$out/cpu.part" ] && mv "$out/cpu.part" "$out/fashion-$precision-$seed.cpu_s"
    done
done
rm -f "$out/cpu.part"
