#!/usr/bin/env bash
# The loop in Python that docs/ask-tell.md shows: it runs as it stands there, and finds what it looks for.
set -euo pipefail
mnas=$(realpath "$1")
page=$PWD/docs/ask-tell.md

command -v python3 >/dev/null || { echo "skipped: python3 is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$mnas" "$work/bin/mnas"
cd "$work"
awk '/^```python/ { inside = 1; next } /^```/ { inside = 0 } inside' "$page" >loop.py
[ -s loop.py ] || { echo "$page has no loop in Python" >&2; exit 1; }
PATH=$work/bin:$PATH timeout 120 python3 loop.py >said
python3 - <<'END'
import ast
best = ast.literal_eval(open("said").read())
assert best["state"] == "complete" and best["value"] <= 1, best
END
[ "$("$mnas" show toy.db --json | grep -c '"state": "complete"')" = 40 ]
