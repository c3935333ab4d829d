#!/usr/bin/env python3
"""The paper's experiments at this scale: docs/EXPERIMENTS.md.

    bench/experiments MNAS CACHE record      train and measure into the folder CACHE; resumes"""
import argparse
import sys

import record
from cache import Cache


def main():
    parser = argparse.ArgumentParser(prog="experiments")
    parser.add_argument("mnas")
    parser.add_argument("cache")
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    cache = Cache(options.cache, write=True)
    jobs = [job for job in record.plan(options.mnas) if options.only in job.group]
    left = record.record(options.mnas, cache, jobs, options.minutes)
    print(f"{left} left", file=sys.stderr)


if __name__ == "__main__":
    main()
