"""What was trained and measured, as JSON lines: one line each, written whole, never changed. A line that a kill cut short is
skipped, and the work behind it done again. One recorder at a time; any number of readers."""
import fcntl
import json
import os
from pathlib import Path


class Cache:
    def __init__(self, folder):
        self.folder, self.lock = Path(folder), None
        self.path = self.folder / "cache.jsonl"
        self.trainings, self.latencies, self.costs = {}, {}, {}
        if self.path.exists():
            self.read()

    def claim(self):
        """Only who records needs the folder alone."""
        if self.lock:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = open(self.folder / "lock", "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"{self.folder}: another process records here")
        self.lock = lock

    def read(self):
        for line in self.path.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
                self.take(entry)
            except (ValueError, KeyError, TypeError):
                continue

    def take(self, entry):
        if entry["kind"] == "training":
            self.trainings[training_key(entry)] = entry
        elif entry["kind"] == "latency":
            self.latencies[entry["key"]] = entry
        elif entry["kind"] == "cost":
            self.costs[entry["key"]] = entry

    def append(self, entry):
        line = json.dumps(entry) + "\n"
        with open(self.path, "ab+") as file:
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # half a line of a killed recorder
                    line = "\n" + line
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        self.take(entry)


def training_key(entry):
    return (entry["key"], entry["data"], entry["recipe"], entry["images"], entry["epochs"], entry["seed"])
