#!/usr/bin/env python3
"""exp_macs.py - multiply-adds against latency, out of what exp_macs.sh measured: rank correlations, pairs of equal multiply-adds,
latency models on networks they never saw, and a picture.

    bench/exp_macs.py MNAS OUT ENGINE

Correlations are of the first 100 networks of the record, which are random ones. Intervals: 95 %, bootstrap over networks.
"""
import json
import math
import random
import re
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "experiments"))
from stats import kendall  # noqa: E402

CORRELATED, FITTED, SAMPLES = 100, 200, 1000


def mnas(program, *words):
    return json.loads(subprocess.run([program, *words, "--json"], check=True, stdout=subprocess.PIPE).stdout)


def networks(program, out, engine):
    """[(name, ms, macs, model file)] in the order of measuring; the last line of a network counts."""
    lines = {}
    for line in (out / f"{engine}.jsonl").read_text().splitlines():
        entry = json.loads(line)
        lines[entry["key"]] = entry
    known = out / "macs.json"
    macs = json.loads(known.read_text()) if known.exists() else {}
    fixed = re.findall(r"^(?:stem|stem-stride|head|dropout):.*?(?=\s*(?:#|$))", subprocess.run(
        [program, "space", "mnasnet", "--yaml"], check=True, stdout=subprocess.PIPE, text=True).stdout, re.M)
    (out / "networks").mkdir(exist_ok=True)
    result = []
    for key, entry in lines.items():
        path = out / "networks" / f"{key}.yaml"
        blocks = "".join(f"  - {block}\n" for block in entry["network"].split())
        path.write_text("\n".join(fixed) + f"\ninput: {entry['input']}\nblocks:\n{blocks}")
        if key not in macs:
            macs[key] = mnas(program, "cost", str(path), "--total")["macs"]
        result.append((entry["name"], entry["median_ms"], macs[key], path))
    known.write_text(json.dumps(macs))
    return result


def ranks(x):
    order = sorted(range(len(x)), key=lambda i: x[i])
    result, at = [0.0] * len(x), 0
    while at < len(x):
        end = at
        while end < len(x) and x[order[end]] == x[order[at]]:
            end += 1
        for i in order[at:end]:
            result[i] = (at + end - 1) / 2
        at = end
    return result


def spearman(x, y):
    a, b = ranks(x), ranks(y)
    ma, mb = statistics.mean(a), statistics.mean(b)
    top = sum((p - ma) * (q - mb) for p, q in zip(a, b))
    return top / math.sqrt(sum((p - ma) ** 2 for p in a) * sum((q - mb) ** 2 for q in b))


def interval(measure, x, y):
    rng, values = random.Random(1), []
    for _ in range(SAMPLES):
        drawn = [rng.randrange(len(x)) for _ in x]
        values.append(measure([x[i] for i in drawn], [y[i] for i in drawn]))
    values.sort()
    return values[SAMPLES // 40], values[-SAMPLES // 40]


def print_correlations(first):
    macs, ms = [n[2] for n in first], [n[1] for n in first]
    print(f"{len(first)} networks, {min(macs) / 1e6:.0f} to {max(macs) / 1e6:.0f} million multiply-adds, {min(ms):.2f} to {max(ms):.2f} ms\n")
    print("| rank correlation of multiply-adds with latency | | 95 % interval |\n|---|---|---|")
    for name, measure in (("Kendall's tau", kendall), ("Spearman's rho", spearman)):
        low, high = interval(measure, macs, ms)
        print(f"| {name} | {measure(macs, ms):.3f} | {low:.3f} to {high:.3f} |")


def print_pairs(first):
    pairs = []
    for i, a in enumerate(first):
        for b in first[:i]:
            if abs(a[2] - b[2]) <= 0.02 * min(a[2], b[2]):
                pairs.append((max(a[1], b[1]) / min(a[1], b[1]), *sorted((a, b), key=lambda n: n[1])))
    pairs.sort(key=lambda p: -p[0])
    ratios = sorted(p[0] for p in pairs)
    print(f"\n{len(pairs)} pairs are within 2 % in multiply-adds; of half of them the slower takes {statistics.median(ratios):.2f} times as long "
          f"or more, of one in ten {ratios[int(0.9 * len(ratios))]:.2f} times. The farthest apart:\n")
    print("| multiply-adds | latency | ratio |\n|---|---|---|")
    for ratio, fast, slow in pairs[:5]:
        print(f"| {fast[2] / 1e6:.0f} M, {slow[2] / 1e6:.0f} M | {fast[1]:.2f} ms, {slow[1]:.2f} ms | {ratio:.2f} |")
    return pairs


def print_models(program, out, engine, unseen):
    print(f"\n| fitted to | layers of | stated error | error on {len(unseen)} others | within 10 % | worst | tau | MACs | table | ridge |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    percent = lambda x: "-" if x is None else f"{100 * x:.1f} %"
    for path in sorted(out.glob(f"{engine}-*.said.json"), key=lambda p: [int(n) for n in p.name.split(".")[0].split("-")[1:]]):
        said = json.loads(path.read_text())
        if said["n_networks"] > FITTED or not unseen:
            continue
        model = str(path).replace(".said.json", ".json")
        guess = [mnas(program, "device-model", "predict", model, str(n[3]))["ms"] for n in unseen]
        off = [abs(g / n[1] - 1) for g, n in zip(guess, unseen)]
        row = [said["n_networks"], said["n_layered"], percent(said["error"]["mean_frac"]), "**" + percent(statistics.mean(off)) + "**",
               f"{100 * sum(o <= 0.1 for o in off) / len(off):.0f} %", percent(max(off)), f"{kendall(guess, [n[1] for n in unseen]):.2f}"]
        print("| " + " | ".join(map(str, row + [percent(b["mean_frac"]) for b in said["baselines"]])) + " |")


def ticks(top):
    step = 10 ** math.floor(math.log10(top))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if top / s <= 7)
    return [i * step for i in range(int(top / step) + 1)]


def draw(path, first, pairs, engine):
    """Latency over multiply-adds; the pair of equal multiply-adds that is farthest apart is marked."""
    width, height, left, base = 720, 440, 64, 390
    top_x, top_y = 1.05 * max(n[2] for n in first) / 1e6, 1.05 * max(n[1] for n in first)
    x = lambda macs: left + (width - left - 20) * macs / top_x
    y = lambda ms: base - (base - 40) * ms / top_y
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
             f'<rect width="{width}" height="{height}" fill="#fff"/>',
             f'<text x="{left}" y="22" font-size="15">{len(first)} random networks of the space mnasnet at 224, {engine}</text>']
    for tick in ticks(top_x):
        parts.append(f'<path d="M{x(tick):.1f} {base}V40" stroke="#e4e4e4"/><text x="{x(tick):.1f}" y="{base + 18}" text-anchor="middle">{tick:g}</text>')
    for tick in ticks(top_y):
        parts.append(f'<path d="M{left} {y(tick):.1f}H{width - 20}" stroke="#e4e4e4"/><text x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    parts.append(f'<text x="{(left + width) / 2}" y="{height - 12}" text-anchor="middle">million multiply-adds</text>')
    parts.append(f'<text transform="translate(18 {base / 2 + 20}) rotate(-90)" text-anchor="middle">ms, one thread</text>')
    for _, ms, macs, _ in first:
        parts.append(f'<circle cx="{x(macs / 1e6):.1f}" cy="{y(ms):.1f}" r="4" fill="#2b6cb0" fill-opacity="0.7"/>')
    if pairs:
        ratio, fast, slow = pairs[0]
        for _, ms, macs, _ in (fast, slow):
            parts.append(f'<circle cx="{x(macs / 1e6):.1f}" cy="{y(ms):.1f}" r="6" fill="none" stroke="#c53030" stroke-width="2"/>')
        parts.append(f'<path d="M{x(fast[2] / 1e6):.1f} {y(fast[1]) - 7:.1f}L{x(slow[2] / 1e6):.1f} {y(slow[1]) + 7:.1f}" stroke="#c53030"/>')
        parts.append(f'<text x="{left + 16}" y="60" fill="#c53030">marked: equal multiply-adds, {ratio:.2f} times the latency</text>')
    path.write_text("\n".join(parts + ["</svg>", ""]))


def main():
    program, out, engine = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    # a model file is a word with a slash
    every = networks(program, out.resolve(), engine)
    first = every[:CORRELATED]
    print(f"\n### {engine}\n")
    print_correlations(first)
    pairs = print_pairs(first)
    print_models(program, out.resolve(), engine, every[FITTED:])
    draw(out / f"{engine}.svg", first, pairs, engine)


if __name__ == "__main__":
    main()
