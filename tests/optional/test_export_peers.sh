#!/usr/bin/env bash
# test_export_peers.sh - exported networks by the programs they are exported for: ONNX's checker, ONNX Runtime, OpenVINO, LiteRT. Skipped
# where Python has none of them; MNAS_PYTHON names another interpreter, e.g. of a virtual environment made with
#     python3 -m venv venv && venv/bin/pip install numpy onnx onnxruntime openvino ai-edge-litert
#
#     test_export_peers.sh BUILD/mnas
set -euo pipefail

optional=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${MNAS_PYTHON:-python3}
program=$(dirname "${1:?usage: test_export_peers.sh BUILD/mnas}")/tests/test_exporters

if ! reason=$("$python" -c 'import numpy' 2>&1); then
    echo "skipped: $python: $(tail -n 1 <<<"$reason") (MNAS_PYTHON names another interpreter)"
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$program" write "$tmp"
"$python" "$optional/export_peers.py" "$tmp"
