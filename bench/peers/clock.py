"""The clock of every peer: median step, time to the first one, peak memory; the same as bench/train_step.c's.

run() prints one line of JSON with the keys that bench_train_step prints.
"""
import json
import os
import statistics
import time

WARMUP_STEPS, MIN_STEPS = 3, 5


def since_process_start_s():
    with open("/proc/self/stat") as stat, open("/proc/uptime") as uptime:
        started_ticks = int(stat.read().rsplit(")", 1)[1].split()[19])
        return float(uptime.read().split()[0]) - started_ticks / os.sysconf("SC_CLK_TCK")


def memory_mb(key):
    """VmHWM: the most this process ever held; VmRSS: what it holds now."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(key + ":"))


def run(step, batch, seconds, **facts):
    """step() does one whole training step and returns when it is done. facts: printed with the figures."""
    idle_mb = memory_mb("VmRSS")
    step()
    first_step_s = since_process_start_s()
    for _ in range(WARMUP_STEPS - 1):
        step()
    times, began = [], time.perf_counter()
    cpu_began = time.process_time()
    while len(times) < MIN_STEPS or time.perf_counter() - began < seconds:
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    print(json.dumps({
        **facts,
        "images_per_s": round(batch / statistics.median(times), 2),
        "fastest": round(batch / min(times), 2),
        "cpu_ms": round((time.process_time() - cpu_began) / len(times) * 1e3, 2),
        "steps": len(times),
        "peak_mb": round(memory_mb("VmHWM")),
        "idle_mb": round(idle_mb),
        "first_step_s": round(first_step_s, 2),
    }))
