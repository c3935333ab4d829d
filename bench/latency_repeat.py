#!/usr/bin/env python3
"""latency_repeat.py - can a latency be relied on here? Three experiments with `mnas measure` as a user runs it, and a table.

    bench/latency_repeat.py build/mnas OUT                        all three: about an hour
    bench/latency_repeat.py build/mnas OUT --only same --minutes 5
    bench/latency_repeat.py OUT                                   the table of what is there so far

same   one network again and again over some minutes: standard deviation over median, refusals, the noise floor
load   a busy loop on the very core, as strong, stronger (nice -20), or of real-time priority (others get nothing of that core
       meanwhile); measured as root and as an ordinary user: the largest error of what was reported, refusals
pairs  two networks some 3 % apart, which long measurements chose: how often one try names the faster one

Each measurement is a line in OUT/*.jsonl, so that an interrupted run goes on where it was (remove the file to begin afresh).
A refusal is a line, too. The machine should be idle; what it does meanwhile stands in each line. Devices other than local: --device.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time

LOOP = "while :; do :; done"
LOADS = {
    "none": [],
    "equal": ["sh", "-c", LOOP],
    "stronger": ["nice", "-n", "-20", "sh", "-c", LOOP],
    "real-time": ["chrt", "-f", "50", "sh", "-c", LOOP],
}
NOBODY = 65534


class Bench:
    def __init__(self, mnas, out, device):
        self.mnas, self.out, self.device = mnas, out, device
        self.cache = out / "cache"  # a reference of its own
        self.cache.mkdir(parents=True, exist_ok=True)
        self.cache.chmod(0o777)

    def lines(self, name):
        path = self.out / f"{name}.jsonl"
        return [json.loads(line) for line in path.open()] if path.exists() else []

    def add(self, name, line):
        with (self.out / f"{name}.jsonl").open("a") as f:
            f.write(json.dumps(line) + "\n")

    def measure(self, model, extra="", user=None):
        """{"ms": ...} or {"refused": why}."""
        device = self.device + (("," if ":" in self.device else ":") + extra if extra else "")
        command = [self.mnas, "measure", str(model), "--no-layers", "--json", "--device", device]
        if user is not None:
            command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] + command
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "MNAS_CACHE_DIR": str(self.cache)})
        line = {"time": time.time(), "model": str(model).split("/")[-1].removesuffix(".yaml")}
        if done.returncode:
            return {**line, "refused": done.stderr.strip().splitlines()[-1][:900]}
        result = json.loads(done.stdout)
        latency = result.get("latency", result)
        keep = ("raw_ms", "drift_frac", "spread_frac", "rounds", "n_refused", "elapsed_s", "load_after", "core", "ci_low_ms", "ci_high_ms")
        return {**line, "ms": latency["median_ms"], **{key: latency.get(key) for key in keep}}

    # ---- same

    def same(self, model, n, minutes):
        for i in range(len(self.lines("same")), n):
            begun = time.time()
            self.add("same", self.measure(model))
            if i + 1 < n:
                time.sleep(max(0, minutes * 60 / n - (time.time() - begun)))

    # ---- load

    def core(self):
        line = self.measure("mnasnet-b1@0.5", "wide")
        return line.get("core", -1)

    def load(self, model, n):
        core = self.core()
        users = {"root": None, "user": NOBODY} if os.geteuid() == 0 else {"user": None}
        for load, loop in LOADS.items():
            if os.geteuid() != 0 and load in ("stronger", "real-time"):
                continue
            for user, uid in users.items():
                done = sum(line["load"] == load and line["user"] == user for line in self.lines("load"))
                for _ in range(done, n):
                    busy = subprocess.Popen(["taskset", "-c", str(core)] + loop) if loop and core >= 0 else None
                    try:
                        line = self.measure(model, "timeout=10", user=uid)  # a starved process may never come to its end
                    finally:
                        if busy:
                            busy.kill()
                            busy.wait()
                    self.add("load", {**line, "load": load, "user": user})

    # ---- pairs

    def variant(self, head):
        """MnasNet-B1 of half the width with so many filters before its classifier: the last layers take a tenth of its time."""
        path = self.out / f"head{head}.yaml"
        if not path.exists():
            text = subprocess.run([self.mnas, "zoo", "mnasnet-b1@0.5"], capture_output=True, text=True, check=True).stdout
            lines = [f"head: {head}" if line.startswith("head:") else f"name: head{head}" if line.startswith("name:") else line
                     for line in text.splitlines()]
            path.write_text("\n".join(lines) + "\n")
        return path

    def choose_pair(self):
        """The widest, and the one next to 3 % below it, by long measurements in turns."""
        heads = (1280, 1088, 992, 928, 864)
        while len(self.lines("truth")) < 6 * len(heads):
            head = heads[len(self.lines("truth")) % len(heads)]
            self.add("truth", self.measure(self.variant(head), "rounds=20,max-rounds=60,ci=0.005,wide"))
        ms = {head: statistics.median([line["ms"] for line in self.lines("truth") if line["model"] == f"head{head}" and "ms" in line]
                                      or [float("nan")]) for head in heads}
        near = min(heads[1:], key=lambda head: abs(1 - ms[head] / ms[heads[0]] - 0.03))
        return heads[0], near, 1 - ms[near] / ms[heads[0]]

    def pairs(self, n):
        wide, near, apart = self.choose_pair()
        for i in range(len(self.lines("pairs")), n):
            order = (wide, near) if i % 2 else (near, wide)
            got = {head: self.measure(self.variant(head)) for head in order}
            self.add("pairs", {"slow": got[wide], "fast": got[near], "apart": apart})

    # ---- the table

    def table(self):
        self.table_same()
        self.table_load()
        self.table_pairs()

    def table_same(self):
        lines = self.lines("same")
        ms = [line["ms"] for line in lines if "ms" in line]
        if len(ms) < 2:
            return
        raw = [line["raw_ms"] for line in lines if "ms" in line]
        spent = [line["elapsed_s"] for line in lines if "ms" in line]
        median, minutes = statistics.median(ms), (lines[-1]["time"] - lines[0]["time"]) / 60
        print(f"same     {lines[0]['model']}, {len(lines)} times over {minutes:.0f} min: {median:.4f} ms, {statistics.median(spent):.1f} s each")
        print(f"         standard deviation / median   {statistics.stdev(ms) / median:6.2%}   (aim: under 1 %)")
        print(f"         of what the clock said        {statistics.stdev(raw) / statistics.median(raw):6.2%}")
        print(f"         range                         {min(ms) / median - 1:+6.2%} {max(ms) / median - 1:+6.2%}")
        print(f"         refused                       {1 - len(ms) / len(lines):6.1%}   (aim: at most 20 %)")
        floor = statistics.median([line["spread_frac"] for line in lines if "ms" in line])
        print(f"         noise floor: rounds of one measurement differ by {floor:.2%} (median absolute deviation over median)")

    def table_load(self):
        lines = self.lines("load")
        calm = [line["ms"] for line in lines if "ms" in line and line["load"] == "none"] + \
               [line["ms"] for line in self.lines("same") if "ms" in line]
        if not lines or not calm:
            return
        truth = statistics.median(calm)
        print(f"load     busy loop on the core of {lines[0]['model']}, {truth:.4f} ms when calm (aim: no error over 3 %)")
        print("         loop        measured by   tries   refused   largest error")
        for load in LOADS:
            for user in ("root", "user"):
                some = [line for line in lines if line["load"] == load and line["user"] == user]
                if not some:
                    continue
                errors = [line["ms"] / truth - 1 for line in some if "ms" in line]
                worst = f"{max(errors, key=abs):+13.2%}" if errors else "            -"
                print(f"         {load:11} {user:11} {len(some):7} {sum('ms' not in line for line in some):9}   {worst}")

    def table_pairs(self):
        lines = self.lines("pairs")
        both = [line for line in lines if "ms" in line["slow"] and "ms" in line["fast"]]
        if not both:
            return
        right = sum(line["fast"]["ms"] < line["slow"]["ms"] for line in both)
        gaps = [1 - line["fast"]["ms"] / line["slow"]["ms"] for line in both]
        print(f"pairs    networks {lines[-1]['apart']:.2%} apart by long measurements; {len(lines)} tries, {len(lines) - len(both)} with a refusal")
        print(f"         faster named right            {right} of {len(both)} = {right / len(both):.1%}   (aim: 95 %)")
        print(f"         found apart                   {statistics.median(gaps):.2%}, from {min(gaps):+.2%} to {max(gaps):+.2%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="+", metavar="[MNAS] OUT")
    parser.add_argument("--only", choices=["same", "load", "pairs"], action="append")
    parser.add_argument("--model", default="mnasnet-b1@0.5")
    parser.add_argument("--device", default="local")
    parser.add_argument("--minutes", type=float, default=20, help="of `same` [20]")
    parser.add_argument("--times", type=int, default=20, help="measurements of `same` [20]")
    parser.add_argument("--tries", type=int, default=10, help="measurements of `load` in each situation [10]")
    parser.add_argument("--pairs", type=int, default=100, help="tries of `pairs` [100]")
    args = parser.parse_args()
    if len(args.words) > 2:
        parser.error("give the program and a folder, or the folder alone")
    out = pathlib.Path(args.words[-1])
    bench = Bench(shutil.which(args.words[0]) or args.words[0], out, args.device)
    try:
        if len(args.words) == 2:
            for name, run in {"same": lambda: bench.same(args.model, args.times, args.minutes),
                              "load": lambda: bench.load(args.model, args.tries),
                              "pairs": lambda: bench.pairs(args.pairs)}.items():
                if not args.only or name in args.only:
                    run()
    except KeyboardInterrupt:
        print("interrupted; the same command goes on")
    bench.table()


if __name__ == "__main__":
    main()
