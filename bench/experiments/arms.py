"""The arms: one question of the paper each, with the hypothesis, the trainings it needs beyond the tables, and the words that say
what came out. An arm's effect is positive in the paper's direction, and the rule of stats.verdict judges it."""
import math
import random
import statistics
from dataclasses import dataclass, field

import drawing
import networks
import record
import stats
from record import FULL, Job

TRIALS = 50  # of a simulated search: an eighth of small-28
SEEDS = (2, 3)  # of trainings that score what was chosen by seed 1
FINAL, FINAL_EPOCHS, FINAL_IMAGES = "final:pad=0,label-smoothing=0.05", 12, 0  # of the headline: all images, two rates for everybody
FINALS = (FINAL, FINAL + ",lr=0.04")
PUBLISHED = ("mobilenet-v2@0.15", "mobilenet-v2@0.25", "mobilenet-v2@0.35", "mobilenet-v2@0.5", "mnasnet-b1@0.15", "mnasnet-b1@0.25",
             "mnasnet-b1@0.35")


@dataclass
class Result:
    verdict: str
    effect: str
    text: str
    commands: list = field(default_factory=list)
    figures: list = field(default_factory=list)


@dataclass
class Arm:
    name: str
    hypothesis: str
    minutes: float  # of one core, beyond the tables
    run: object
    jobs: object = lambda ctx: []


def percent(interval, digits=2):
    return "{:.{d}f} ({:.{d}f} to {:.{d}f})".format(*interval, d=digits)


def table(head, rows):
    line = lambda cells: "| " + " | ".join(map(str, cells)) + " |\n"
    return line(head) + "|" + "---|" * len(head) + "\n" + "".join(map(line, rows))


def paired(a, b):
    return stats.mean_interval([x - y for x, y in zip(a, b)])


def last(curve):
    return curve[max(curve)]


def trained(ctx, some, seeds=SEEDS):
    """Latency and the full trainings with these seeds."""
    return [Job(n, "arm") for n in some] + [Job(n, "arm", FULL, seed) for seed in seeds for n in some]


def scored(ctx, network, seeds=SEEDS):
    """Accuracy in per cent, mean over trainings that chose nothing."""
    return 100 * statistics.fmean(ctx.accuracy(network, seed) for seed in seeds)


# ---- which objective ----

def chosen(ctx, reward, target, strategy="ppo", trials=TRIALS):
    """For each seed the point of the network that such a search ends with."""
    return [last(run[strategy]) for run in ctx.simulate("small-28", trials, strategy, target=target, reward=reward)]


def run_objective(ctx):
    rows, quarter, middle = [], ctx.target(0.25), ctx.target(0.5)
    cases = [("accuracy alone", "hard", 1000.0), ("soft, the paper's w", "soft", middle), (ctx.soft(), ctx.soft(), middle),
             ("hard, 25 % are as fast", "hard", quarter), ("hard, 50 % are as fast", "hard", middle)]
    found = {name: chosen(ctx, reward, target) for name, reward, target in cases}
    single = found["accuracy alone"]
    for name, _, target in cases:
        points = found[name]
        speed = stats.ratio_interval([s["chosen_second_mean"] / p["chosen_second_mean"] for s, p in zip(single, points)])
        loss = paired([p["chosen_accuracy_mean"] for p in points], [s["chosen_accuracy_mean"] for s in single])
        rows.append([name, f"{target:.4f}" if target < 100 else "none", percent(stats.mean_interval([p["chosen_accuracy_mean"] for p in points])),
                     f"{1000 * statistics.fmean(p['chosen_second_mean'] for p in points):.2f}", percent(speed), percent(loss),
                     f"{100 * statistics.fmean(p['hypervolume_share'] for p in points):.1f} %"])
        if name == cases[-1][0]:
            speedups, losses = speed, loss
    text = table(["reward", "target, ms", "accuracy, %", "latency, us", "times as fast as with accuracy alone", "points of accuracy",
                  "hypervolume of all tried"], rows)
    picture = [(name, [(p["chosen_second_mean"], p["chosen_accuracy_mean"]) for p in found[name]], False)
               for name in (cases[0][0], cases[2][0], cases[4][0])]
    drawing.scatter(ctx.figure("objective"), f"what {len(single)} searches of {TRIALS} trials end with", picture)
    return Result(stats.verdict(speedups, nothing=1), f"{percent(speedups)} times as fast, {percent(losses)} points", text,
                  [ctx.command("small-28", TRIALS, "ppo", target=t, reward=r) for _, r, t in cases[:1] + cases[-1:]], ["objective"])


# ---- soft against hard ----

def run_reward(ctx):
    rows, volume, inside = [], [], []
    for share in (0.25, 0.5, 0.75):
        target = ctx.target(share)
        found = {reward: chosen(ctx, reward, target) for reward in ("soft", ctx.soft(), "hard", "abs")}
        for reward, points in found.items():
            volumes = [100 * p["hypervolume_share"] for p in points]
            lat = [p["chosen_second_mean"] / target for p in points]
            rows.append([f"{1000 * target:.1f}", reward, percent(stats.mean_interval([p["chosen_accuracy_mean"] for p in points])),
                         percent(stats.mean_interval(lat)), f"{100 * statistics.fmean(l <= 1 for l in lat):.0f} %",
                         f"{100 * statistics.fmean(abs(l - 1) <= 0.1 for l in lat):.0f} %", percent(stats.mean_interval(volumes), 1)])
        volume.append([100 * (s["hypervolume_share"] - h["hypervolume_share"]) for s, h in zip(found[ctx.soft()], found["hard"])])
    effect = stats.mean_interval([statistics.fmean(of_seed) for of_seed in zip(*volume)])
    text = table(["target, us", "reward", "accuracy, %", "latency / target", "at most the target", "within 10 % of it", "hypervolume of all tried, %"], rows)
    return Result(stats.verdict(effect, matters=1), f"{percent(effect)} per cent of the whole front's hypervolume, soft over hard, mean of three targets", text,
                  [ctx.command("small-28", TRIALS, "ppo", target=ctx.target(0.5), reward=r) for r in (ctx.soft(), "hard")])


# ---- factorised against flat ----

def expected_best(blocks, others, n, share, rng, runs=300):
    """Mean best reward of n networks drawn from a space of which `share` are like blocks, the rest like others."""
    total = 0
    for _ in range(runs):
        inside = sum(rng.random() < share for _ in range(n))
        total += max(rng.choices(blocks, k=inside) + rng.choices(others, k=n - inside))
    return total / runs


def run_space(ctx):
    """Random search, as the space of a decision for each layer is sampled; its interval is over that sample."""
    w, target = float(ctx.soft().split("=")[1]), ctx.target(0.5, "small-28-flat")
    reward = lambda row: 100 * row[2] * (row[1] / target) ** w
    keys = {n.key for n in ctx.tables["small-28-blocks"]}
    blocks = [reward(r) for r in ctx.rows("small-28-flat") if r[0].key in keys]
    others = [reward(r) for r in ctx.rows("small-28-flat") if r[0].key not in keys]
    share, rng, rows, effect = len(keys) / len(ctx.tables["small-28-flat"]), random.Random(1), [], None
    again = lambda sample: rng.choices(sample, k=len(sample))
    for n in (1, 5, 10, 20):
        factorised, flat = (expected_best(blocks, others, n, part, rng, 3000) for part in (1, share))
        drawn = []
        for _ in range(200):  # both are samples of their spaces as far as they were recorded
            some = blocks if len(blocks) == len(keys) else again(blocks)
            drawn.append(expected_best(some, others, n, 1, rng) - expected_best(some, again(others), n, share, rng))
        drawn.sort()
        difference = (factorised - flat, drawn[5], drawn[-6])
        rows.append([n, f"{factorised:.2f}", f"{flat:.2f}", percent(difference)])
        effect = difference if n == 10 else effect
    text = table(["trials", "best reward, one decision for a block", "one for each layer", "difference"], rows)
    text += f"\nOf {len(keys)} networks with equal layers in a block {len(blocks)} were trained, of the other {len(ctx.tables['small-28-flat']) - len(keys)} a sample of {len(others)}.\n"
    return Result(stats.verdict(effect, matters=0.1), f"{percent(effect)} points of reward after 10 random trials", text)


# ---- scaling down against searching ----

def large_networks(ctx):
    slow = ctx.target(0.75)
    return [n for n, ms, _ in sorted(ctx.rows("small-28"), key=lambda r: -r[2]) if ms >= slow][:4]


def scaled_networks(ctx):
    return [(factor, n.scaled(factor)) for n in large_networks(ctx) for factor in (0.75, 0.5)]


def best_within(ctx, name, ms, without=()):
    """The network of a table that seed 1 found best at no more latency; None if none is so fast."""
    fitting = [(a, n) for n, m, a in ctx.rows(name) if m <= ms and n.key not in without]
    return max(fitting, key=lambda r: r[0])[1] if fitting else None


def jobs_scaling(ctx):
    scaled = [n for _, n in scaled_networks(ctx)]
    known = [ctx.ms(n) for n in scaled if ctx.ms(n)]
    return trained(ctx, scaled) + trained(ctx, [n for n in (best_within(ctx, "small-28", ms) for ms in known) if n])


def run_scaling(ctx):
    rows, gains, points = [], [], ([], [])
    for factor, small in scaled_networks(ctx):
        ms, found = ctx.ms(small), best_within(ctx, "small-28", ctx.ms(small))
        if not found:
            rows.append([factor, f"{1000 * ms:.2f}", f"{scored(ctx, small):.2f}", "none so fast", "", ""])
            continue
        points[0].append((ms, scored(ctx, small)))
        points[1].append((ctx.ms(found), scored(ctx, found)))
        gains.append(points[1][-1][1] - points[0][-1][1])
        rows.append([factor, f"{1000 * ms:.2f}", f"{scored(ctx, small):.2f}", f"{1000 * ctx.ms(found):.2f}", f"{scored(ctx, found):.2f}",
                     f"{gains[-1]:+.2f}"])
    if not gains:
        return Result("cannot tell", "no network of the space is so fast", table(["width", "us", "%", "us", "%", ""], rows))
    effect = stats.mean_interval(gains)
    drawing.scatter(ctx.figure("scaling"), "large networks scaled down, and the best of the space at that latency",
                    [("scaled down", points[0], False), ("searched", points[1], True)])
    text = table(["width", "scaled: us", "accuracy, %", "best of the space: us", "accuracy, %", "points"], rows)
    return Result(stats.verdict(effect, matters=0.2), f"{percent(effect)} points, searched over scaled", text, figures=["scaling"])


# ---- uniform against diverse layers ----

def is_uniform(network):
    c = network.choices
    return c["block1.op"] == c["block2.op"] == c["block3.op"] and c["block1.kernel"] == c["block2.kernel"] == "3"


def diverse_partners(ctx):
    """[(uniform, the network that seed 1 found best of those with the same filters and layers that are no slower; or None)]"""
    size = lambda n: (n.choices["block2.filters"], n.choices["block2.layers"])
    pairs = []
    for n, ms, _ in ctx.rows("small-28"):
        if is_uniform(n):
            fitting = [(a, o) for o, m, a in ctx.rows("small-28") if m <= ms and size(o) == size(n) and not is_uniform(o)]
            pairs.append((n, max(fitting, key=lambda r: r[0])[1] if fitting else None))
    return sorted(pairs, key=lambda p: ctx.ms(p[0]))


def jobs_diversity(ctx):
    return [Job(n, "arm", FULL, 2) for pair in diverse_partners(ctx) for n in pair if pair[1]]


def layers_of(network):
    c = network.choices
    kind = lambda b, k: f"{c[f'block{b}.op']} {k}x{k}"
    return ", ".join([kind(1, c["block1.kernel"]), kind(2, c["block2.kernel"]), kind(3, 3)])


def run_diversity(ctx):
    rows, gains = [], []
    for uniform, other in diverse_partners(ctx):
        row = [f"{uniform.choices['block1.op']}, {uniform.choices['block2.filters']} filters, {uniform.choices['block2.layers']} layers",
               f"{1000 * ctx.ms(uniform):.2f}"]
        if other:
            gains.append(100 * (ctx.accuracy(other, 2) - ctx.accuracy(uniform, 2)))
            row += [f"{100 * ctx.accuracy(uniform, 2):.2f}", layers_of(other), f"{1000 * ctx.ms(other):.2f}", f"{100 * ctx.accuracy(other, 2):.2f}",
                    f"{gains[-1]:+.2f}"]
        rows.append(row + ["", "none is so fast", "", "", ""][:7 - len(row)])
    every = [(ms, 100 * a) for _, ms, a in ctx.rows("small-28")]
    uniform = [(ms, 100 * a) for n, ms, a in ctx.rows("small-28") if is_uniform(n)]
    effect = stats.mean_interval(gains) if gains else (math.nan,) * 3
    drawing.scatter(ctx.figure("diversity"), "432 networks (seed 1), and those with the same op and kernel everywhere",
                    [("all", every, False), ("their front", stats.front(every), True), ("uniform", uniform, False)])
    text = table(["all blocks, 3x3", "us", "accuracy, %", "best of the same size, no slower", "us", "accuracy, %", "points"], rows)
    return Result(stats.verdict(effect, matters=0.2), f"{percent(effect)} points, diverse over uniform at no more latency", text, figures=["diversity"])


def photo_pairs(ctx):
    return [pair for pair in diverse_partners(ctx) if pair[1] and pair[0].choices["block2.filters"] == "16"]


def jobs_photos(ctx):
    return [Job(n, "arm", FULL, seed, "cifar10") for seed in SEEDS for pair in photo_pairs(ctx) for n in pair]


def run_photos(ctx):
    rows, gains = [], []
    accuracy = lambda n: [100 * ctx.accuracy(n, seed, data="cifar10") for seed in SEEDS]
    for uniform, other in photo_pairs(ctx):
        gains.append(statistics.fmean(a - b for a, b in zip(accuracy(other), accuracy(uniform))))
        rows.append([f"{uniform.choices['block1.op']}, {uniform.choices['block2.layers']} layers", f"{statistics.fmean(accuracy(uniform)):.2f}",
                     layers_of(other), f"{statistics.fmean(accuracy(other)):.2f}"])
    effect = stats.mean_interval(gains)
    return Result(stats.verdict(effect, matters=0.5), f"{percent(effect)} points on CIFAR-10", table(["all blocks, 3x3", "accuracy, %", "its partner", "accuracy, %"], rows))


# ---- strategies ----

STRATEGIES = {"ppo": "ppo", "ppo, nothing predicted": "ppo:screen=none", "ppo, the paper's constants": "ppo:preset=paper,screen=none,shadow=0",
              "evolution": "evolution", "local": "local", "random": "random"}


def run_strategies(ctx):
    rows, effect, lines, specs = [], None, [], ";".join(STRATEGIES.values())
    for problem, reward, target in (("reward", ctx.soft(), ctx.target(0.5)), ("accuracy alone", "hard", 1000.0)):
        runs, trials = ctx.simulate("small-28", 100, specs, target=target, reward=reward), 100
        regret = lambda spec, n: [run[spec][n]["regret_mean"] for run in runs]
        for name, spec in STRATEGIES.items():
            best = {n: stats.mean_interval(regret(spec, n)) for n in (10, 20, 50, trials)}
            gain = paired(regret("random", 50), regret(spec, 50))
            share = statistics.fmean(run[spec][50]["optimum_share"] for run in runs)
            rows.append([problem, name] + [percent(interval) for interval in best.values()] + [percent(gain), f"{100 * share:.0f} %"])
            if problem == "reward":
                lines.append((name, [(n, *interval) for n, interval in best.items()]))
                effect = gain if name == "ppo" else effect
    text = table(["searched for", "strategy", "10 trials", "20", "50", "100", "better than random at 50", "optimum at 50"], rows)
    drawing.curves(ctx.figure("strategies"), "small-28: what the best so far lacks of the optimum", lines, "trials", "points of reward")
    return Result(stats.verdict(effect), f"{percent(effect, 3)} points of reward, ppo over random at 50 trials", text,
                  [ctx.command("small-28", 100, specs, target=ctx.target(0.5), reward=ctx.soft())], ["strategies"])


# ---- the headline ----

def published(ctx):
    return [networks.Published(ctx.program, name) for name in PUBLISHED]


def found_front(ctx):
    """At most six networks of the front, the fastest and the best among them."""
    best = [n for _, _, n in stats.front([(ms, a, n) for n, ms, a in ctx.wide_rows()])]
    return [best[round(i * (len(best) - 1) / 5)] for i in range(6)] if len(best) > 6 else best


def jobs_headline(ctx):
    every = published(ctx) + found_front(ctx)
    return [Job(n, "arm") for n in every] + [Job(n, "arm", FINAL_EPOCHS, SEEDS[0], recipe=recipe, images=FINAL_IMAGES) for recipe in FINALS for n in every]


def final(ctx, network):
    """Accuracy in per cent with the better rate."""
    return max(100 * ctx.accuracy(network, SEEDS[0], FINAL_EPOCHS, recipe=recipe, images=FINAL_IMAGES) for recipe in FINALS
               if ctx.training(network, FINAL_EPOCHS, SEEDS[0], recipe=recipe, images=FINAL_IMAGES))


def run_headline(ctx):
    ours = sorted(((ctx.ms(n), final(ctx, n)) for n in found_front(ctx)), key=lambda p: p[0])
    rows, ratios = [], []
    for network in published(ctx):
        ms, accuracy = ctx.ms(network), final(ctx, network)
        as_good = next((p for p in ours if p[1] >= accuracy), None)
        row = [network.name, f"{1000 * ms:.1f}", f"{accuracy:.2f}"]
        if as_good:
            row += [f"{1000 * as_good[0]:.1f}", f"{as_good[1]:.2f}", f"**{ms / as_good[0]:.2f}**"]
            ratios.append(ms / as_good[0]) if network.name.startswith("mobilenet") else None
        rows.append(row + ["none as accurate", "", ""][:6 - len(row)])
    families = [(name, [(ctx.ms(n), final(ctx, n)) for n in published(ctx) if n.name.startswith(name)], True) for name in ("mobilenet-v2", "mnasnet-b1")]
    drawing.scatter(ctx.figure("headline"), "found networks beside published ones scaled down, all trained alike",
                    families + [("found", ours, True)])
    text = table(["published", "us", "accuracy, %", "fastest found one as accurate: us", "accuracy, %", "times as fast"], rows)
    text += "\n" + table(["found: us", "accuracy, %"], [[f"{1000 * ms:.1f}", f"{accuracy:.2f}"] for ms, accuracy in ours])
    if not ratios:
        return Result("cannot tell", "no found network is as accurate", text, figures=["headline"])
    effect = stats.ratio_interval(ratios)
    return Result(stats.verdict(effect, nothing=1.8, matters=0), f"{percent(effect)} times as fast as MobileNetV2 at no less accuracy", text, figures=["headline"])


# ---- rungs ----

PLANS = (("s1_epoch1", "1,9", 4), ("s1_epoch1", "1,9", 9), ("s1_epoch3", "3,9", 3), ("s1_epoch1,s1_epoch3", "1,3,9", 3),
         ("s1_epoch9", "1,9", 4), ("s1_epoch9", "1,9", 9))  # the last two: a rung that knew the end
SEARCHERS = "random;evolution;ppo:screen=none;ppo"


def run_rungs(ctx):
    rows, commands, effect = [], [], None
    some = ctx.wide_rows()
    target, reward = statistics.median(ms for _, ms, _ in some), ctx.soft(some)
    for columns, epochs, keep in PLANS:
        strategies, rungs, command = ctx.rungs(columns, epochs, keep, SEARCHERS, 108, target, reward)
        commands.append(command)
        for s in strategies:
            r = s["rungs"]
            times = [math.inf if r[k] is None else r[k] for k in ("times_fewer", "times_low", "times_high")]
            tau = ["knows the end"] if columns == "s1_epoch9" else [f"{x['tau']:.2f}" for x in rungs[:-1]]
            rows.append([epochs, f"1 in {keep}", ", ".join(tau), s["name"], f"{r['begun_mean']:.0f}", f"{r['complete_mean']:.0f}",
                         f"{r['epochs_mean']:.0f}", f"{100 * r['hypervolume_share']:.1f} %", percent(times)])
            effect = effect or times
    text = table(["epochs of the rungs", "go on", "tau", "strategy", "begun", "whole", "epochs", "hypervolume of all", "times fewer epochs"], rows)
    return Result(stats.verdict(effect, nothing=3, matters=0), f"{percent(effect)} times fewer epochs to the same hypervolume, networks at random", text, commands)


# ---- the proxy ----

def run_proxy(ctx):
    every = record.shuffled(ctx.program, "small-28")  # a random third of it; what other arms trained twice was chosen for a reason
    some = [n for n in every[:len(every) // 3] if all(ctx.has(n, epochs, seed) for epochs, seed in ((1, 1), (3, 1), (FULL, 1), (FULL, 2)))]
    whole = [statistics.fmean(ctx.accuracy(n, seed) for seed in (1, 2)) for n in some]
    proxies = [("1 epoch, a schedule of its own", lambda n: ctx.accuracy(n, 1, 1)), ("3 epochs, a schedule of their own", lambda n: ctx.accuracy(n, 1, 3)),
               ("the first epoch of 9", lambda n: ctx.curve(n, 1)[0]), ("the first 3 epochs of 9", lambda n: ctx.curve(n, 1)[2]),
               ("multiply-adds alone", ctx.macs)]
    taus = [(what, stats.tau_interval([(value(n), y) for n, y in zip(some, whole)])) for what, value in proxies]
    taus.append(("seed 1 against seed 2, both 9 epochs", stats.tau_interval([(ctx.accuracy(n, 1), ctx.accuracy(n, 2)) for n in some])))
    noise = math.sqrt(statistics.fmean((100 * (ctx.accuracy(n, 1) - ctx.accuracy(n, 2))) ** 2 for n in some) / 2)
    text = (table(["proxy", "Kendall's tau with 9 epochs, mean of two seeds"], [(what, percent(tau)) for what, tau in taus]) +
            f"\nOf {len(some)} networks. Two trainings of one network differ by {noise:.2f} points (standard deviation of one), the {len(ctx.rows('small-28'))} "
            f"networks of the table by {100 * statistics.stdev(a for _, _, a in ctx.rows('small-28')):.2f}.\n")
    return Result(stats.verdict(taus[0][1], nothing=0.5), f"tau {percent(taus[0][1])} of one epoch's ranking", text)


ARMS = [
    Arm("objective", "a search that also sees latency ends with a faster network at little loss of accuracy (tables 5, figure 5)", 2, run_objective),
    Arm("reward", "the soft reward explores more of the front than the hard one (figure 6)", 4, run_reward),
    Arm("space", "one decision for a block's layers finds better networks in as many trials than one for each layer (section 4.1)", 10, run_space, lambda ctx: record.flat(ctx.program)),
    Arm("scaling", "at a small latency, searching beats scaling a large found network down (table 4)", 4, run_scaling, jobs_scaling),
    Arm("diversity", "layers that differ beat equal layers at equal latency (table 6)", 3, run_diversity, jobs_diversity),
    Arm("photos", "the diverse layers chosen on pictures of clothes beat equal ones on small photos as well (nothing in the paper)", 2, run_photos, jobs_photos),
    Arm("strategies", "the controller (PPO) beats random search (the paper names no other baseline)", 3, run_strategies),
    Arm("headline", "the found network is 1.8 times as fast as MobileNetV2 at higher accuracy (table 1)", 40, run_headline,
        lambda ctx: record.wide(ctx.program) + jobs_headline(ctx)),
    Arm("rungs", "trainings that end early where little is promised take a third of the epochs to the same front (nothing in the paper)", 20,
        run_rungs, lambda ctx: record.wide(ctx.program)),
    Arm("proxy", "a training of a ninth of the length ranks networks as the whole does, with a tau above 0.5 (section 5 trains 5 epochs)", 12, run_proxy,
        lambda ctx: record.proxies(ctx.program)),
]
