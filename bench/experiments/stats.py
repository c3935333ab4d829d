"""Intervals, fronts and the rule by which an arm is judged. Knows nothing of networks."""
import math
import random
import statistics

RESAMPLES = 2000


def mean_interval(values):
    """(mean, low, high): 95 %, bootstrap over the values, which are one for each seed or network."""
    rng = random.Random(1)
    means = sorted(statistics.fmean(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return statistics.fmean(values), means[RESAMPLES // 40], means[-RESAMPLES // 40 - 1]


def ratio_interval(values):
    """The geometric mean, likewise."""
    return tuple(map(math.exp, mean_interval([math.log(v) for v in values])))


def verdict(interval, nothing=0.0, matters=0.0):
    """What an effect's interval says, larger than `nothing` being the paper's direction. An effect that is surely below `matters`
    does not show; one that may be either is not decided."""
    _, low, high = interval
    if low > nothing:
        return "shows"
    return "does not show here" if high < nothing + matters or high <= nothing else "cannot tell"


def front(points):
    """Those of [(ms, accuracy, ...)] that none beats in both, by latency."""
    best, result = -math.inf, []
    for point in sorted(points, key=lambda p: (p[0], -p[1])):
        if point[1] > best:
            best = point[1]
            result.append(point)
    return result


def slope(points):
    """Of the least-squares line through [(x, y)]."""
    mx, my = (statistics.fmean(values) for values in zip(*points))
    return sum((x - mx) * (y - my) for x, y in points) / sum((x - mx) ** 2 for x, _ in points)


def quantile(values, share):
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def kendall(x, y):
    """tau-b"""
    together = in_x = in_y = 0
    for i in range(len(x)):
        for j in range(i):
            a = (x[i] > x[j]) - (x[i] < x[j])
            b = (y[i] > y[j]) - (y[i] < y[j])
            together += a * b
            in_x += a != 0
            in_y += b != 0
    return together / math.sqrt(in_x * in_y) if in_x and in_y else math.nan


def tau_interval(pairs):
    """(tau, low, high) of [(x, y)]: 95 %, bootstrap over the pairs."""
    rng = random.Random(1)
    values = sorted(kendall(*zip(*rng.choices(pairs, k=len(pairs)))) for _ in range(400))
    return kendall(*zip(*pairs)), values[10], values[-11]
