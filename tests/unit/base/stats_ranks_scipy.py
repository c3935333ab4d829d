#!/usr/bin/env python3
"""Writes stats_ranks_scipy.h: samples, and what scipy says of them. Needs numpy and scipy; run it where the cases change:
tests/unit/base/stats_ranks_scipy.py > tests/unit/base/stats_ranks_scipy.h"""
import itertools
import numpy as np
from scipy import stats

rng = np.random.default_rng(6)


def array(values):
    return "{" + ", ".join("INFINITY" if v == np.inf else "-INFINITY" if v == -np.inf else repr(float(v)) for v in values) + "}"


def permutations(a, b):
    """Exact p values with ties: over all ways to choose."""
    ranks = stats.rankdata(np.concatenate([a, b]))
    observed = ranks[: len(a)].sum()
    sums = np.array([ranks[list(c)].sum() for c in itertools.combinations(range(len(ranks)), len(a))])
    return (sums >= observed - 1e-9).mean(), (sums <= observed + 1e-9).mean()


def test_of(a, b):
    n, tied = len(a) + len(b), len(set(np.concatenate([a, b]))) < len(a) + len(b)
    u = stats.mannwhitneyu(a, b).statistic
    if tied and n <= 50:
        greater, less = permutations(a, b)
    else:
        method = "exact" if n <= 50 else "asymptotic"
        greater, less = (stats.mannwhitneyu(a, b, alternative=s, method=method).pvalue for s in ("greater", "less"))
    return float(u / (len(a) * len(b))), float(greater), float(less)


whitney = [
    (np.round(rng.normal(1, 1, 6), 3), np.round(rng.normal(0, 1, 5), 3)),
    (rng.permutation(48)[:30] * 1.0, rng.permutation(40)[:18] + 0.5),
    (rng.integers(0, 4, 9) * 1.0, rng.integers(0, 3, 7) * 1.0),
    (np.array([-np.inf, 0.5, 0.7, 0.7]), np.array([0.2, -np.inf, -np.inf, 0.7, 0.1])),
    (np.round(rng.normal(0.3, 1, 70), 3), np.round(rng.normal(0, 1, 25), 3)),
    (rng.integers(0, 6, 60) * 1.0, rng.integers(0, 5, 40) * 1.0),
    (np.array([2.0, 2.0]), np.array([2.0, 2.0, 2.0])),
]
kendall = []
for n, levels in ((2, 9), (7, 99), (30, 5), (64, 999), (65, 40)):
    x = rng.integers(0, levels, n) * 1.0
    kendall.append((x, np.round(x * 0.6 + rng.normal(0, levels / 3, n), 1 if levels < 99 else 3)))
kendall.append((np.array([-np.inf, 1, 2, 3, -np.inf]), np.array([0.0, 2, 1, np.inf, 0])))

print("/* stats_ranks_scipy.h - written by stats_ranks_scipy.py */\n/* clang-format off */")
print("static const struct whitney_case {\n    double a[80], b[80]; size_t na, nb; double share, greater, less;\n} whitney_cases[] = {")
for a, b in whitney:
    share, greater, less = test_of(a, b)
    print(f"    {{{array(a)},\n     {array(b)},\n     {len(a)}, {len(b)}, {share!r}, {float(greater)!r}, {float(less)!r}}},")
print("};\nstatic const struct kendall_case {\n    double x[80], y[80]; size_t n; double tau;\n} kendall_cases[] = {")
for x, y in kendall:
    finite = np.nan_to_num(x, neginf=-1e9, posinf=1e9), np.nan_to_num(y, neginf=-1e9, posinf=1e9)
    print(f"    {{{array(x)},\n     {array(y)},\n     {len(x)}, {float(stats.kendalltau(*finite).statistic)!r}}},")
print("};\n/* clang-format on */")
