"""The table of run_infer.sh: JSON lines {side, round, ms: {median_ms, ...}} on stdin, the sides in order as argument."""
import json
import statistics
import sys


def quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3


def main(sides):
    by_side = {side: {} for side in sides}
    for line in sys.stdin:
        row = json.loads(line)
        by_side[row["side"]][row["round"]] = row["ms"]["median_ms"]
    ours = by_side[sides[0]]
    print("  %-12s %8s  %-17s %s to %s" % ("", "ms", "quartiles", "ratio", sides[0]))
    for side in sides:
        low, middle, high = quartiles(list(by_side[side].values()))
        ratio = quartiles([by_side[side][i] / ours[i] for i in ours])
        print("  %-12s %8.3f  %.3f to %.3f    %.2f (%.2f to %.2f)" % (side, middle, low, high, ratio[1], ratio[0], ratio[2]))


main(sys.argv[1].split())
