"""What run_train.sh prints, from its rows (JSON lines on stdin): {case, side, pair, ours, theirs}.

    summary.py pair        a line for each row
    summary.py case NAME   the table of a case: ratio of each side over its pairs, memory, first step
    summary.py reached     CASE=IMAGES_PER_S of ours, for bench_roofline

Fails where the two sides of a row do not train the same number of parameters.
"""
import json
import statistics
import sys

PYPI = ("eager", "compile")  # sides of which the quicker one is "PyTorch"


def median(rows, side, key):
    return statistics.median(row[side][key] for row in rows)


def ratios(rows):
    return sorted(row["ours"]["images_per_s"] / row["theirs"]["images_per_s"] for row in rows)


def check(row):
    ours, theirs = row["ours"]["params"], row["theirs"]["params"]
    if ours != theirs:
        sys.exit("%s, %s: ours has %d parameters, theirs %d: not the same network" % (row["case"], row["side"], ours, theirs))


def print_pair(row):
    ours, theirs = row["ours"], row["theirs"]
    print("%s pair %d: mnas %.1f, %s %.1f images/s, ratio %.2f" % (
        row["case"], row["pair"], ours["images_per_s"], theirs["peer"], theirs["images_per_s"], ratios([row])[0]))


def print_side(rows, mark):
    ratio = ratios(rows)
    ours_mb, theirs_mb = median(rows, "ours", "peak_mb"), median(rows, "theirs", "peak_mb")
    idle_mb = median(rows, "theirs", "idle_mb")
    print("  %-32s %8.1f %8.1f   %5.2f %7.2f %7.2f   %6.0f %6.0f (%4.0f) %5.2f   %6.2f %6.2f %s" % (
        rows[0]["theirs"]["peer"] if rows[0]["side"] != "single" else "mnas, one thread",
        median(rows, "ours", "images_per_s"), median(rows, "theirs", "images_per_s"), statistics.median(ratio), ratio[0],
        ratio[-1], ours_mb, theirs_mb, idle_mb, ours_mb / theirs_mb, median(rows, "ours", "first_step_s"),
        median(rows, "theirs", "first_step_s"), mark))


def print_case(name, rows):
    sides = {}
    for row in rows:
        if row["case"] == name:
            sides.setdefault(row["side"], []).append(row)
    best = max((s for s in sides if s in PYPI), key=lambda s: median(sides[s], "theirs", "images_per_s"), default=None)
    first = next(iter(sides.values()))
    print("%s: %d parameters on both sides, %d pairs" % (name, first[0]["ours"]["params"], len(first)))
    print("  %-32s %8s %8s   %5s %7s %7s   %6s %6s %6s %5s   %6s %6s" % (
        "", "images/s", "", "ratio", "", "", "peak", "MB", "(idle)", "share", "first", "step, s"))
    print("  %-32s %8s %8s   %5s %7s %7s   %6s %6s %6s %5s   %6s %6s" % (
        "against", "ours", "theirs", "med", "lowest", "highest", "ours", "theirs", "", "", "ours", "theirs"))
    for side, of_side in sides.items():
        print_side(of_side, "<- PyTorch" if side == best else "")


def print_reached(rows):
    for name in dict.fromkeys(row["case"] for row in rows):
        print("%s=%.2f" % (name, median([row for row in rows if row["case"] == name], "ours", "images_per_s")))


def main():
    rows = [json.loads(line) for line in sys.stdin]
    for row in rows:
        check(row)
    if sys.argv[1] == "pair":
        for row in rows:
            print_pair(row)
    elif sys.argv[1] == "case":
        print_case(sys.argv[2], rows)
    else:
        print_reached(rows)


main()
