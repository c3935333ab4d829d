#!/usr/bin/env python3
"""The paper's experiments at this scale (docs/EXPERIMENTS.md), by one script that goes on where it was:

    python3 bench/experiments build/mnas CACHE            all arms; what is in the folder CACHE is not done again
    python3 bench/experiments build/mnas CACHE --list     arms, hypotheses, and the minutes they still take

Networks are trained and measured once, into CACHE, whichever arm wants them. Afterwards CACHE has small-28.csv and its like (one row
for each network), latency.jsonl (for --device table:file=...), results.md, and a picture for some arms. Anything may be killed at any time."""
import argparse
import json
import math
import statistics
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

import arms
import networks
import record
import stats
from cache import Cache
from simulation import Simulator


class Context:
    """What arms see: recorded figures, simulations, places for pictures."""

    def __init__(self, program, cache, n_seeds):
        self.program, self.cache = program, cache
        self.simulator = Simulator(program, cache.folder, n_seeds)
        self.tables = {name: networks.every(program, name) for name in record.SPACES}
        self.tables[record.WIDE] = record.shuffled(program, record.WIDE)[:record.WIDE_SAMPLE]

    def training(self, network, epochs, seed, data=None, recipe=None, images=None):
        return self.cache.trainings.get((network.key, data or record.DATA, recipe or record.RECIPE, record.IMAGES if images is None else images,
                                         epochs, seed))

    def has(self, network, epochs, seed):
        return self.training(network, epochs, seed) is not None

    def curve(self, network, seed):
        return self.training(network, record.FULL, seed)["accuracy_frac"]

    def accuracy(self, network, seed, epochs=record.FULL, data=None, recipe=None, images=None):
        return self.training(network, epochs, seed, data, recipe, images)["accuracy_frac"][-1]

    def ms(self, network):
        latency = self.cache.latencies.get(network.key)
        return latency and latency["ms"]

    def macs(self, network):
        return self.cache.costs[network.key]["macs"]

    def rows(self, name):
        """[(network, ms, accuracy with seed 1)] of those known whole."""
        return [(n, self.ms(n), self.accuracy(n, 1)) for n in self.tables[name] if self.ms(n) and self.has(n, record.FULL, 1)]

    def wide_rows(self):
        """[(network, ms, accuracy with seed 1, averaged weights)]"""
        curve = lambda n: self.training(n, record.WIDE_EPOCHS, 1, recipe=record.WIDE_RECIPE)
        return [(n, self.ms(n), curve(n)["accuracy_frac"][-1]) for n in self.tables[record.WIDE] if self.ms(n) and curve(n)]

    def target(self, share, name="small-28"):
        """The latency below which that share of the networks lies."""
        return float(f"{stats.quantile([ms for _, ms, _ in self.rows(name)], share):.3g}")

    def soft(self, rows=None):
        """The soft reward with an exponent as the paper chose its own: doubling the latency is worth what it gains along the front."""
        best = [(math.log(ms), math.log(accuracy)) for ms, accuracy in stats.front([(ms, a) for _, ms, a in rows or self.rows("small-28")])]
        return f"soft:w={-stats.slope(best):.3f}"

    def simulate(self, name, *args, **more):
        return self.simulator.run(name, *args, **more)

    def rungs(self, *args):
        return self.simulator.rungs(*args)

    def command(self, name, *args, **more):
        return self.simulator.command(name, *args, **more)

    def figure(self, name):
        return self.cache.folder / f"experiment-{name}.svg"


def arguments():
    parser = argparse.ArgumentParser(prog="bench/experiments", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnas", help="the program, e.g. build/mnas")
    parser.add_argument("cache", help="folder that keeps all that was recorded")
    parser.add_argument("--list", action="store_true", help="arms and expected minutes, nothing is done")
    parser.add_argument("--only", default="", metavar="ARM,ARM", help="these arms (the table is recorded for any); `table`: no arm")
    parser.add_argument("--minutes", type=float, default=0, help="train no longer than this")
    parser.add_argument("--recorded", action="store_true", help="train nothing: what do the arms say of what is there already?")
    parser.add_argument("--seeds", type=int, default=100, help="of simulated searches (default: %(default)s)")
    parser.add_argument("--cifar10", metavar="DIR", help="CIFAR-10's binary files, for the arm photos; without them it is left out")
    parser.add_argument("--quick", action="store_true", help="tiny trainings of few networks, 5 seeds: tries the script, in 4 minutes; the figures mean nothing")
    options = parser.parse_args()
    options.mnas = str(Path(options.mnas).resolve())
    if options.cifar10:
        record.SOURCES["cifar10"] = f"cifar10:path={options.cifar10}"
    if options.quick:
        record.DATA, record.IMAGES, record.QUICK, options.seeds = "fashion-mnist:val=200", 320, 16, 5
        arms.FINAL_EPOCHS, arms.FINAL_IMAGES = 1, 320
        record.DEVICE = "local:rounds=3,runs=5,time=1,warmup=1,ci=0.5,wide=true"
    return options


def wanted(only):
    names = [name for name in only.split(",") if name]
    known = [arm.name for arm in arms.ARMS]
    for name in names:
        if name not in known + ["table"]:
            raise SystemExit(f"no arm is called {name}; there are {', '.join(known)}, and table")
    return [arm for name in names or known for arm in arms.ARMS if arm.name == name]


def print_list(options, cache):
    left = [job for job in record.table(options.mnas) if not job.done(cache)]
    print(f"{'table':<12}{record.estimate(left, cache) / 60:4.0f} min   all networks of small-28, trained and measured; every arm reads them")
    for arm in wanted(options.only):
        print(f"{arm.name:<12}{arm.minutes:4.0f} min   {arm.hypothesis}")


def run_arm(arm, context, options):
    print(f"{arm.name}: {arm.hypothesis}", file=sys.stderr)
    for _ in range(0 if options.recorded else 2):  # which networks an arm compares may depend on latencies it has just taken
        record.record(options.mnas, context.cache, arm.jobs(context), left_minutes(options))
    result = arm.run(context)
    print(f"{arm.name}: {result.verdict}: {result.effect}", file=sys.stderr)
    return dict(name=arm.name, hypothesis=arm.hypothesis, **vars(result))


def left_minutes(options):
    return max(0.001, options.minutes - (time.time() - options.began) / 60) if options.minutes else 0


def write_results(folder, fresh):
    """results.json keeps what every arm said last; results.md is made of all of them."""
    path = folder / "results.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known.update({result["name"]: result for result in fresh})
    path.write_text(json.dumps(known, indent=1))
    order = [known[arm.name] for arm in arms.ARMS if arm.name in known]
    text = arms.table(["arm", "hypothesis", "effect, 95 % interval", "verdict"],
                      [[r["name"], r["hypothesis"], r["effect"], f"**{r['verdict']}**"] for r in order])
    for r in order:
        text += f"\n### {r['name']}: {r['verdict']}\n\n{r['hypothesis'][0].upper()}{r['hypothesis'][1:]}.\n\n"
        text += "".join(["```text\n", "\n".join(r["commands"]), "\n```\n\n"]) if r["commands"] else ""
        text += r["text"] + "".join(f"\n![{f}](img/experiment-{f}.svg)\n" for f in r["figures"])
    (folder / "results.md").write_text(text)


def main():
    options = arguments()
    options.began = time.time()
    cache = Cache(options.cache)
    if options.list:
        print_list(options, cache)
        return
    if not options.recorded and record.record(options.mnas, cache, record.table(options.mnas), left_minutes(options)):
        raise SystemExit("the table is not complete yet; the same command goes on")
    context, results = Context(options.mnas, cache, options.seeds), []
    for arm in wanted(options.only):
        if arm.name == "photos" and not options.cifar10:
            print("photos: left out; --cifar10 says where the images are", file=sys.stderr)
            continue
        try:
            results.append(run_arm(arm, context, options))
            write_results(cache.folder, results)
        except (RuntimeError, TypeError, KeyError, IndexError, statistics.StatisticsError) as error:  # a training that was left out, or not reached
            print(f"{arm.name}: not done: {type(error).__name__}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
