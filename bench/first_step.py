#!/usr/bin/python3
"""Seconds from the start of `mnas train` to its first step, as somebody at a terminal sees it.

    first_step.py [MNAS=build/mnas] [RUNS=5] [ARGUMENTS OF mnas train...]

Runs the real command on a terminal of its own, waits for the progress line to say "step 1/", interrupts it. Prints each
run and the median. Default: mnasnet-b1@0.5 on fashion-mnist.
"""
import os
import pty
import signal
import statistics
import sys
import time

DEFAULT = ["mnasnet-b1@0.5", "--data", "fashion-mnist"]


def first_step_s(command):
    began = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    seen = b""
    try:
        while b"step 1/" not in seen:
            seen += os.read(terminal, 4096)
        took = time.perf_counter() - began
    except OSError:  # the command has ended
        sys.exit("first_step.py: no step was seen:\n" + seen.decode(errors="replace"))
    os.kill(pid, signal.SIGINT)
    os.waitpid(pid, 0)
    os.close(terminal)
    return took


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    mnas = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "build", "mnas")
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    command = [mnas, "train", *(sys.argv[3:] or DEFAULT)]
    took = [first_step_s(command) for _ in range(runs)]
    print(" ".join(command[1:]), "- first step after", " ".join("%.2f" % s for s in took), "s, median %.2f s" % statistics.median(took))


main()
