#!/usr/bin/env bash
# test_timm.sh - our weights are timm's, by timm itself: values both ways, in our executors and on the command line
# (tests/golden/timm_check.py), and the committed list of names. Skipped where Python has no timm; MNAS_PYTHON names another interpreter, e.g. of a virtual environment made with
#     python3 -m venv venv && venv/bin/pip install torch timm safetensors numpy
#
#     test_timm.sh BUILD/mnas
set -euo pipefail

golden=$(cd "$(dirname "${BASH_SOURCE[0]}")/../golden" && pwd)
python=${MNAS_PYTHON:-python3}
program=$(dirname "${1:?usage: test_timm.sh BUILD/mnas}")/tests/test_timm_weights

if ! reason=$("$python" -c 'import numpy, safetensors, timm, torch' 2>&1); then
    echo "skipped: $python: $(tail -n 1 <<<"$reason") (MNAS_PYTHON names another interpreter)"
    exit 77
fi
# The list is that of the installed timm, whatever its version: comments aside.
diff <(grep -v '^#' "$golden/timm_names.txt") <("$python" "$golden/timm_check.py" names | grep -v '^#')
echo "timm_names.txt is what timm prints"
"$python" "$golden/timm_check.py" check "$program"
"$python" "$golden/timm_check.py" cli "$1" "$golden/../../docs/weights.md"
