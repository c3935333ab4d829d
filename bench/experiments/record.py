"""Trains and measures networks once, into the cache that all arms share.

The order of the work makes it useful whenever it is cut: networks are shuffled, full trainings come first, then the short ones
with their own schedules and second seeds. Every finished line is kept; what is in the cache is never done again."""
import csv
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import networks
from cache import training_key

DATA, RECIPE, IMAGES, FULL = "fashion-mnist", "proxy:flip=true", 10000, 9
SPACES = ("small-28", "small-28-flat", "small-28-blocks")
LENGTHS = (1, 3, FULL)  # epochs; the shorter ones have a schedule of their own
WIDE, WIDE_SAMPLE, WIDE_EPOCHS, WIDE_RECIPE = "small-28-wide", 324, FULL, RECIPE + ",ema-decay=0.99"  # as a search with rungs trains
DEVICE = "local:rounds=3,time=20,warmup=10,ci=0.05,wide=true"
SOURCES = {}  # where data lie that are not a package's: {"cifar10": "cifar10:path=..."}
FLAT_SAMPLE = 32
QUICK = 0  # networks of each table, where the script itself is tried; 0: all
ALL_IMAGES = 55000
PER_IMAGE_S, PER_MAC_S = 1.2e-5, 1.0e-10  # of a training step on the machine of docs/EXPERIMENTS.md, one core


class Job:
    """A training, or a latency where `epochs` is 0."""

    def __init__(self, network, group, epochs=0, seed=1, data=None, recipe=None, images=None):
        self.network, self.group = network, group
        self.entry = dict(key=network.key, data=data or DATA, recipe=recipe or RECIPE, images=IMAGES if images is None else images,
                          epochs=epochs, seed=seed)

    def done(self, cache):
        return training_key(self.entry) in cache.trainings if self.entry["epochs"] else self.network.key in cache.latencies

    def expected_s(self, macs):
        if not self.entry["epochs"]:
            return 0.5
        return 0.3 + (self.entry["images"] or ALL_IMAGES) * self.entry["epochs"] * (PER_IMAGE_S + PER_MAC_S * macs)


def shuffled(program, name):
    """A space's networks in the order in which they are trained: any first part of it is a random sample."""
    some = networks.every(program, name)
    random.Random(28).shuffle(some)
    return some[:QUICK] if QUICK else some


def table(program):
    """Jobs of the table that all arms read, the most useful first."""
    every = shuffled(program, "small-28")
    third = len(every) // 3
    return full(every[:third], "table") + short(every[:third // 3], "table") + full(every[third:], "table")


def flat(program):
    """A random sample of the networks whose layers differ within a block, and all whose do not."""
    blocks = shuffled(program, "small-28-blocks")
    keys = {n.key for n in networks.every(program, "small-28-blocks")}
    others = [n for n in shuffled(program, "small-28-flat") if n.key not in keys]
    return full(others[:FLAT_SAMPLE], "flat") + full(blocks, "flat")


def proxies(program):
    """Short trainings and second seeds of a third of small-28."""
    every = shuffled(program, "small-28")
    return short(every[:len(every) // 3], "proxy")


def wide(program):
    """A random sample of a space of networks of very different sizes."""
    return [job for n in shuffled(program, WIDE)[:WIDE_SAMPLE]
            for job in (Job(n, "wide"), Job(n, "wide", WIDE_EPOCHS, recipe=WIDE_RECIPE))]


def full(some, group):
    return [job for n in some for job in (Job(n, group), Job(n, group, FULL))]


def short(some, group):
    return [job for n in some for job in
            [Job(n, group, length) for length in LENGTHS[:-1]] + [Job(n, group, length, seed=2) for length in LENGTHS]]


def run_json(words, **more):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")
    return json.loads(done.stdout)


def cost(program, cache, network, file):
    if network.key not in cache.costs:
        said = run_json([program, "cost", file, "--total", "--json"])
        cache.append(dict(kind="cost", key=network.key, macs=said["macs"], params=said["params"]))
    return cache.costs[network.key]


def train(program, job, file, folder):
    metrics, entry = os.path.join(folder, "metrics.jsonl"), job.entry
    if os.path.exists(metrics):
        os.remove(metrics)
    began = time.time()
    said = run_json([program, "train", file, "--data", SOURCES.get(entry["data"], entry["data"]), "--recipe", entry["recipe"], "--max-images", str(entry["images"]),
                     "--epochs", str(entry["epochs"]), "--seed", str(entry["seed"]), "--threads", "1", "--metrics", metrics,
                     "--metrics-every", "1000000", "--json"])
    with open(metrics) as lines:
        epochs = [e["val_accuracy_frac"] for e in map(json.loads, lines) if "val_accuracy_frac" in e]
    return dict(kind="training", **entry, accuracy_frac=epochs, loss=said["val_loss"], seconds=round(time.time() - began, 3))


def measure(program, job, file, cache):
    began = time.time()
    said = run_json([program, "measure", file, "--device", DEVICE, "--no-layers", "--record", str(cache.folder / "latency.jsonl"), "--json"])
    return dict(kind="latency", key=job.network.key, device=DEVICE, ms=said["median_ms"], ci=[said["ci_low_ms"], said["ci_high_ms"]],
                seconds=round(time.time() - began, 3))


def estimate(jobs, cache):
    """Seconds that the jobs will take: by their multiply-adds, corrected by the speed seen so far."""
    mean = lambda x: sum(x) / len(x)
    known = [e["macs"] for e in cache.costs.values()] or [600e3]
    macs = lambda job: cache.costs.get(job.network.key, {}).get("macs") or mean(known)
    past = [t for t in list(cache.trainings.values())[-60:] if t["key"] in cache.costs]
    model = lambda t: 0.3 + (t["images"] or ALL_IMAGES) * t["epochs"] * (PER_IMAGE_S + PER_MAC_S * cache.costs[t["key"]]["macs"])
    factor = sum(t["seconds"] for t in past) / sum(map(model, past)) if past else 1.0
    return factor * sum(job.expected_s(macs(job)) for job in jobs)


def record(program, cache, jobs, minutes, say=lambda text: print(text, file=sys.stderr, flush=True)):
    """Does the jobs that are not in the cache until the minutes are over; returns how many are left."""
    open_jobs = [job for job in jobs if not job.done(cache)]
    if not open_jobs:
        return 0
    cache.claim()
    say(f"{len(jobs) - len(open_jobs)} of {len(jobs)} done already; the rest takes about {estimate(open_jobs, cache) / 60:.0f} minutes of one core"
        + (f"; stops after {minutes:g}" if minutes else ""))
    end, told = time.time() + 60 * minutes if minutes else None, 0
    with tempfile.TemporaryDirectory(prefix="experiments-") as folder:
        file = os.path.join(folder, "network.yaml")
        for at, job in enumerate(open_jobs):
            if end and time.time() > end:
                return len(open_jobs) - at
            if job.done(cache):  # two names of one network
                continue
            Path(file).write_text(job.network.yaml())
            try:
                cost(program, cache, job.network, file)
                cache.append(train(program, job, file, folder) if job.entry["epochs"] else measure(program, job, file, cache))
            except RuntimeError as error:
                say(f"left out: {error}")
            if time.time() - told > 30:
                told = time.time()
                write_tables(program, cache)
                say(f"{at + 1} of {len(open_jobs)}; about {estimate(open_jobs[at + 1:], cache) / 60:.0f} minutes left")
    write_tables(program, cache)
    return 0


def described(network, cache):
    found = dict(network.choices, arch=" ".join(network.layers))
    found.update({name: cache.costs.get(network.key, {}).get(name, "") for name in ("macs", "params")})
    latency = cache.latencies.get(network.key)
    found.update(ms=latency["ms"] if latency else "", ms_low=latency["ci"][0] if latency else "", ms_high=latency["ci"][1] if latency else "")
    return found


def curve_columns(prefix, entry, length):
    curve = entry["accuracy_frac"] if entry else [""] * length
    return {f"{prefix}_epoch{e}": curve[e - 1] for e in range(1, length + 1)}


def row(network, cache):
    """The columns of a network: what is not recorded yet is empty."""
    found = described(network, cache)
    for seed in (1, 2):
        for length in LENGTHS:
            entry = cache.trainings.get((network.key, DATA, RECIPE, IMAGES, length, seed))
            if length == FULL:
                found.update(curve_columns(f"s{seed}", entry, FULL))
            else:
                found[f"s{seed}_own{length}"] = entry["accuracy_frac"][-1] if entry else ""
        found[f"s{seed}_seconds"] = entry["seconds"] if entry else ""
    return found


def wide_row(network, cache):
    entry = cache.trainings.get((network.key, DATA, WIDE_RECIPE, IMAGES, WIDE_EPOCHS, 1))
    return described(network, cache) | curve_columns("s1", entry, WIDE_EPOCHS)


def write_tables(program, cache):
    for name in SPACES:
        write_csv(cache.folder / f"{name}.csv", [row(n, cache) for n in networks.every(program, name)])
    write_csv(cache.folder / f"{WIDE}.csv", [wide_row(n, cache) for n in shuffled(program, WIDE)[:WIDE_SAMPLE]])


def write_csv(path, rows):
    part = path.with_suffix(".part")
    with open(part, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, path)
