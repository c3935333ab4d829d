#!/usr/bin/env bash
# bench/experiments: its networks are those that mnas makes of the same choices; what was recorded is taken up again, half lines are
# not; the judging rule. No network is trained: the rest of the script tries itself with --quick.
set -euo pipefail
mnas=$(realpath "$1")
command -v python3 >/dev/null || { echo "skipped: python3 is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 bench/experiments "$mnas" "$work/none" --list >"$work/list"
grep -q '^headline ' "$work/list"
if python3 bench/experiments "$mnas" "$work/none" --list --only nonsense 2>/dev/null; then echo "an unknown arm is taken"; exit 1; fi
[ ! -e "$work/none" ] || { echo "--list writes"; exit 1; }

PYTHONDONTWRITEBYTECODE=1 python3 - "$mnas" "$work" <<'END'
import json, subprocess, sys
sys.path.insert(0, "bench/experiments")
import networks, record, stats
from cache import Cache
mnas, work = sys.argv[1:]

for space, number in (("small-28", 432), ("small-28-flat", 256), ("small-28-blocks", 64)):
    assert len({n.key for n in networks.every(mnas, space)}) == number, space
flat = {n.key for n in networks.every(mnas, "small-28-flat")}
assert {n.key for n in networks.every(mnas, "small-28-blocks")} < flat

first = networks.every(mnas, "small-28")[0]  # every first choice
open(f"{work}/first.yaml", "w").write(first.yaml())
said = json.loads(subprocess.check_output([mnas, "cost", f"{work}/first.yaml", "--total", "--json"]))
assert said["macs"] > 100000 and first.scaled(0.5).key != first.key

cache = Cache(f"{work}/cache")
cache.claim()
job = record.Job(first, "test", 9)
assert not job.done(cache)
cache.append(dict(kind="training", **job.entry, accuracy_frac=[0.5] * 9, seconds=1))
open(cache.path, "a").write('{"kind": "cost", "key": "half a li')
again = Cache(f"{work}/cache")
assert job.done(again) and not again.costs
again.append(dict(kind="cost", key=first.key, macs=1, params=1))
assert Cache(f"{work}/cache").costs and job.done(Cache(f"{work}/cache"))
assert record.row(first, again)["s1_epoch9"] == 0.5

assert stats.verdict((1.0, 0.5, 1.5)) == "shows" and stats.verdict((0.1, -0.5, 0.7), matters=0.2) == "cannot tell"
assert stats.verdict((0.0, -0.1, 0.1), matters=0.2) == stats.verdict((-2.0, -3.0, -1.0)) == "does not show here"
assert stats.front([(2, 5), (1, 3), (3, 4)]) == [(1, 3), (2, 5)] and stats.quantile([3, 1, 2], 0.5) == 2
assert stats.kendall([1, 2, 3], [1, 3, 2]) == 1 / 3
low, high = stats.mean_interval([0.0, 1.0] * 50)[1:]
assert 0.38 < low < 0.43 and 0.57 < high < 0.62
END
