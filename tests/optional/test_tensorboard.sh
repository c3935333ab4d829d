#!/usr/bin/env bash
# test_tensorboard.sh - TensorBoard itself reads a training's event file: the same steps and values as in the JSON lines; and
# Python's safetensors reads its checkpoint. Skipped where Python lacks them; MNAS_PYTHON names another interpreter, e.g. of
#     python3 -m venv venv && venv/bin/pip install tensorboard safetensors numpy
#
#     test_tensorboard.sh BUILD/mnas
set -euo pipefail

mnas=$(realpath "${1:?usage: test_tensorboard.sh BUILD/mnas}")
python=${MNAS_PYTHON:-python3}
if ! reason=$("$python" -c 'import numpy, safetensors, tensorboard' 2>&1); then
    echo "skipped: $python: $(tail -n 1 <<<"$reason") (MNAS_PYTHON names another interpreter)"
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export MNAS_CACHE_DIR=$tmp/cache
"$python" - "$tmp" <<'PYTHON'
import random, struct, sys
random.seed(1)
for split, n in [("train", 120), ("t10k", 10)]:
    labels = bytes(i % 2 for i in range(n))
    pixels = bytes(random.randrange(128) + 100 * (p % 28 < 14) * (1 - label) for label in labels for p in range(784))
    open(f"{sys.argv[1]}/{split}-images-idx3-ubyte", "wb").write(struct.pack(">4I", 0x803, n, 28, 28) + pixels)
    open(f"{sys.argv[1]}/{split}-labels-idx1-ubyte", "wb").write(struct.pack(">2I", 0x801, n) + labels)
PYTHON
"$mnas" train mnasnet-small@0.35 --data "idx:path=$tmp,val=20" --recipe imagenet-mnasnet:batch=20,group=10,epochs=4 --threads 1 \
    --checkpoint "$tmp/run.ckpt" --metrics "$tmp/run.jsonl" --tensorboard "$tmp/board" --metrics-every 3 >"$tmp/said"
"$python" - "$tmp" <<'PYTHON'
import json, sys
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

lines = [json.loads(line) for line in open(f"{sys.argv[1]}/run.jsonl")]
board = EventAccumulator(f"{sys.argv[1]}/board")
board.Reload()
names = {"train/loss": "loss", "train/accuracy": "accuracy_frac", "train/lr": "lr", "train/images_per_s": "images_per_s",
         "val/loss": "val_loss", "val/accuracy": "val_accuracy_frac", "val/balanced_accuracy": "val_balanced_frac"}
assert sorted(board.Tags()["scalars"]) == sorted(names), board.Tags()
for tag, key in names.items():
    wanted = [(e["step"], e[key]) for e in lines if ("val_loss" in e) == tag.startswith("val/")]
    got = [(e.step, e.value) for e in board.Scalars(tag)]
    assert len(wanted) >= 4 and [s for s, _ in got] == [s for s, _ in wanted], (tag, got, wanted)
    assert all(abs(a - b) <= 1e-6 * abs(b) for (_, a), (_, b) in zip(got, wanted)), (tag, got, wanted)
with safe_open(f"{sys.argv[1]}/run.ckpt", "np") as checkpoint:
    assert "step=20," in checkpoint.metadata()["progress"], checkpoint.metadata()
    plain = {name[6:] for name in checkpoint.keys() if name.startswith("model.")}
    kept = {name[:-8] for name in checkpoint.keys() if name.endswith(".trained")}
    assert plain == kept and checkpoint.get_tensor("model.conv_stem.weight").shape == (8, 1, 3, 3)
print(f"TensorBoard reads {len(lines)} entries as they are in the JSON lines, safetensors {len(plain)} weights")
PYTHON
