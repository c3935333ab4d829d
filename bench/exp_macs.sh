#!/bin/bash
# exp_macs.sh - how far multiply-adds are from latency, and how near a latency model comes: networks of the space mnasnet at 224,
# measured with each engine.
#
#     bench/exp_macs.sh MNAS OUT ["ENGINES" [NETWORKS [LAYERED]]]
#
# OUT/ENGINE.jsonl keeps what was measured: the same command goes on where it was stopped. The first 200 networks are what models
# are fitted to, of the first LAYERED also each layer; those beyond 200 are only guessed. DEVICE=local:OPTIONS,... in front
# changes how it is measured. At its end bench/exp_macs.py prints the tables of docs/EXPERIMENTS.md and draws OUT/ENGINE.svg.
set -euo pipefail
mnas=${1:?which mnas?} out=${2:?which folder for what comes out?}
engines=${3:-xnnpack onednn} networks=${4:-260} layered=${5:-50}
device=${DEVICE:-local}
here=$(dirname "$0")
mkdir -p "$out"

fit() { # ENGINE NETWORKS LAYERED
    local separator=:
    [[ $device == *:* ]] && separator=,
    "$mnas" device-model fit --device "$device${separator}engine=$1" --space mnasnet --networks "$2" --layers "$3" \
        --record "$out/$1.jsonl" -o "$out/$1-$2-$3.json" --json >"$out/$1-$2-$3.said.json"
}

for engine in $engines; do
    fit "$engine" "$networks" "$layered"
    for n in 50 100 200; do
        if ((n <= networks)); then
            fit "$engine" "$n" 0
            fit "$engine" "$n" "$layered"
        fi
    done
    python3 "$here/exp_macs.py" "$mnas" "$out" "$engine"
done
