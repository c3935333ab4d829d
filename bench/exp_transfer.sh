#!/bin/bash
# exp_transfer.sh - what weights that were trained here on other photos are worth: flowers from CIFAR-10's weights beside flowers
# from scratch.
#
#     FLOWERS=DIR CIFAR10=DIR bench/exp_transfer.sh MNAS OUT ["SEEDS" ["LEARNING RATES" [EPOCHS]]]
#
# FLOWERS has train/CLASS/* and val/CLASS/*, CIFAR10 the binary version. First CIFAR-10's 30 epochs, kept in OUT/cifar.safetensors;
# then every seed and rate both ways, in turns. What is in OUT already is not done again. bench/exp_summary.py prints the tables of
# docs/EXPERIMENTS.md from OUT.
set -euo pipefail
mnas=${1:?which mnas?} out=${2:?which folder for what comes out?}
seeds=${3:-1 2 3} rates=${4:-0.01 0.003} epochs=${5:-30}
model=mnasnet-b1@0.5 size=64
mkdir -p "$out"

[ -f "$out/cifar.safetensors" ] || "$mnas" train $model --data "cifar10:path=$CIFAR10,size=$size" --recipe short:pad=6,lr=0.01 \
    --epochs 30 --threads 1 --metrics "$out/cifar.jsonl" -o "$out/cifar.safetensors"

flowers() { # NAME RATE SEED [--weights FILE]
    local name=$out/flowers-$1-$2-$3 recipe=short:batch=32,pad=6,lr=$2 seed=$3
    shift 3
    [ -f "$name.json" ] && return
    "$mnas" train $model --data "imagefolder:path=$FLOWERS,size=$size,test=0" --recipe "$recipe" --epochs "$epochs" \
        --threads 1 --seed "$seed" --metrics "$name.jsonl" --json "$@" >"$name.part"
    mv "$name.part" "$name.json"
}

for seed in $seeds; do
    for rate in $rates; do
        flowers scratch "$rate" "$seed"
        flowers cifar "$rate" "$seed" --weights "$out/cifar.safetensors"
    done
done
