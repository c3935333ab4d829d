#!/usr/bin/env python3
"""A made-up table of a cell space, for mnas simulate: 4 nodes, 6 edges, 5 operations each, 15,625 networks.

    python3 bench/cell_table.py [SEED] > cells.csv

What an operation adds is worth less the deeper it stands, sums of paths saturate, a network without a path from input
to output is at chance. `test` is the accuracy behind it all, `val` the same with the noise of a training (0.2 points). Standard
library only.
"""
import itertools
import math
import random
import sys

EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
GAIN = {1: 0.0, 2: 0.55, 3: 1.0, 4: -0.1}  # skip, 1x1, 3x3, pool; 0 is no edge


def quality(cell):
    """Of the output node; None without a path."""
    q = {0: 0.0}
    for node in (1, 2, 3):
        paths = [q[a] + GAIN[op] for (a, b), op in zip(EDGES, cell) if b == node and op and a in q]
        if paths:
            top = max(paths)
            q[node] = top + 0.35 * math.log(sum(math.exp(2 * (p - top)) for p in paths))
    return q.get(3)


def accuracy(cell, rng):
    q = quality(cell)
    if q is None:
        return 10.0
    bonus = 0.35 * (cell[3] == 1) - 0.15 * (cell[5] == 4)
    return 94.6 - 9 * math.exp(-0.9 * (q + 0.3)) + bonus + rng.gauss(0, 0.12)


def main():
    rng = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    print("arch,val,test")
    for cell in itertools.product(range(5), repeat=6):
        test = accuracy(cell, rng)
        val = test if test == 10.0 else test + rng.gauss(0, 0.2)
        print("%s,%.3f,%.3f" % ("".join(map(str, cell)), val, test))


if __name__ == "__main__":
    main()
