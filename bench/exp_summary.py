#!/usr/bin/env python3
"""exp_summary.py - the tables of docs/EXPERIMENTS.md out of what exp_transfer.sh and exp_bf16.sh left in a folder.

    bench/exp_summary.py OUT

Accuracies are of the last epoch, never of the best one.
"""
import json
import statistics
import sys
from pathlib import Path


def mean_sd(values):
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else float("nan")


def runs(out, prefix, n_parts):
    """{(part, ...): {seed: path without its ending}} of the trainings that have ended."""
    found = {}
    for path in sorted(out.glob(prefix + "-*.json")):
        *parts, seed = path.name.removesuffix(".json").split("-")[1:]
        if len(parts) == n_parts:
            found.setdefault(tuple(parts), {})[int(seed)] = path.with_name(path.name.removesuffix(".json"))
    return found


def result(run):
    return json.loads(run.with_name(run.name + ".json").read_text())


def curve(run):
    """Validation accuracy after each epoch, %."""
    lines = map(json.loads, run.with_name(run.name + ".jsonl").open())
    return [100 * line["val_accuracy_frac"] for line in lines if "val_accuracy_frac" in line]


def transfer(out):
    arms = runs(out, "flowers", 2)
    if not arms:
        return
    print("| from | rate | seeds | validation, mean | standard deviation | each | loss |\n|---|---|---|---|---|---|---|")
    for (start, rate), of_seed in sorted(arms.items()):
        values = [100 * result(run)["val_accuracy_frac"] for run in of_seed.values()]
        losses = [result(run)["val_loss"] for run in of_seed.values()]
        print(f"| {start} | {rate} | {len(values)} | {mean_sd(values)[0]:.1f} % | {mean_sd(values)[1]:.1f} | "
              f"{', '.join(f'{v:.1f}' for _, v in sorted(zip(of_seed, values)))} | {statistics.mean(losses):.3f} |")
    n_epochs = min(len(curve(run)) for of_seed in arms.values() for run in of_seed.values())
    shown = [e for e in (1, 2, 3, 5, 10, 15, 20, 25, 30, 35, 40, 50, 60) if e <= n_epochs]
    print("\n| validation after epoch | " + " | ".join(map(str, shown)) + " |\n|---" * 1 + "|---" * len(shown) + "|")
    for (start, rate), of_seed in sorted(arms.items()):
        curves = [curve(run) for run in of_seed.values()]
        print(f"| {start}, {rate} | " + " | ".join(f"{statistics.mean(c[e - 1] for c in curves):.1f}" for e in shown) + " |")
    print()


def bf16(out):
    arms = runs(out, "fashion", 1)
    if not arms:
        return
    print("| seed | f32 | bf16 | bf16 less f32 | f32, s | bf16, s | CPU: f32, s | bf16, s |\n|---|---|---|---|---|---|---|---|")
    gains, ratios, cpu_ratios = [], [], []
    for seed in sorted(set(arms[("f32",)]) & set(arms[("bf16",)])):
        pair = [arms[(p,)][seed] for p in ("f32", "bf16")]
        acc = [100 * result(run)["val_accuracy_frac"] for run in pair]
        train_s = [result(run)["train_s"] for run in pair]
        cpu_s = [float(run.with_name(run.name + ".cpu_s").read_text()) for run in pair]
        gains.append(acc[1] - acc[0])
        ratios.append(train_s[0] / train_s[1])
        cpu_ratios.append(cpu_s[0] / cpu_s[1])
        print(f"| {seed} | {acc[0]:.2f} % | {acc[1]:.2f} % | {gains[-1]:+.2f} | {train_s[0]:.0f} | {train_s[1]:.0f} | "
              f"{cpu_s[0]:.1f} | {cpu_s[1]:.1f} |")
    mean, sd = mean_sd(gains)
    print(f"\nbf16 less f32: {mean:+.3f} points, standard error {sd / len(gains) ** 0.5:.3f}, standard deviation of a pair {sd:.3f}")
    for precision in ("f32", "bf16"):
        values = [100 * result(run)["val_accuracy_frac"] for run in arms[(precision,)].values()]
        print("%s: mean %.2f %%, standard deviation of a run %.2f" % (precision, *mean_sd(values)))
    print(f"f32's time through bf16's: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), "
          f"CPU {statistics.median(cpu_ratios):.2f} ({min(cpu_ratios):.2f} to {max(cpu_ratios):.2f})")


transfer(Path(sys.argv[1]))
bf16(Path(sys.argv[1]))
