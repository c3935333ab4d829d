"""`mnas simulate` on the recorded tables, one call for each seed, so that arms can be compared seed by seed. Answers are kept; where
the program or what it reads of the table has changed, it is simulated anew."""
import csv
import hashlib
import json
import shlex
import subprocess

FIRST_SEED = 1000  # settings of the strategies were tuned on seeds below 100


class Simulator:
    def __init__(self, program, folder, n_seeds):
        self.program, self.folder, self.n_seeds = program, folder, n_seeds
        self.path = folder / "simulations.jsonl"
        self.program_digest = hashlib.sha1(open(program, "rb").read()).hexdigest()
        self.known = {}
        for line in self.path.read_text().splitlines() if self.path.exists() else []:
            try:
                entry = json.loads(line)
                self.known[entry["asked"]] = entry["answer"]
            except (ValueError, KeyError):
                continue

    def words(self, table, trials, strategies, target=None, reward=None):
        decisions = "layer*" if table.endswith("flat") else "block*"
        words = ["simulate", "--table", f"{table}.csv", "--decisions", decisions, "--accuracy", "s1_epoch9", "--trials", str(trials),
                 "--strategies", strategies]
        if target:
            words += ["--latency", "ms", "--target", f"{target:.6g}", "--reward", reward]
        return words

    def command(self, *args, **more):
        """As a reader would type it."""
        return "mnas " + " ".join(map(shlex.quote, self.words(*args, **more))) + f" --seeds {self.n_seeds} --seed {FIRST_SEED}"

    def run(self, table, *args, **more):
        """[for each seed {strategy: {n: point}}]"""
        words = self.words(table, *args, **more)
        with open(self.folder / f"{table}.csv", newline="") as file:
            read = [[v for k, v in row.items() if k.startswith(("block", "layer")) or k in ("ms", "s1_epoch9")] for row in csv.DictReader(file)]
        digest = hashlib.sha1((self.program_digest + repr(read)).encode()).hexdigest()
        return [self.one(words + ["--seeds", "1", "--seed", str(FIRST_SEED + k)], digest) for k in range(self.n_seeds)]

    def rungs(self, columns, epochs, keep, strategies, trials, target, reward):
        """([of each strategy], [of each rung], the command): all seeds in one call, which knows the interval over them."""
        words = ["simulate", "--table", "small-28-wide.csv", "--decisions", "block*", "--accuracy", "s1_epoch9", "--latency", "ms",
                 "--target", f"{target:.3g}", "--reward", reward, "--rows-only", "--rungs", columns, "--rung-epochs", epochs, "--rung-keep", str(keep),
                 "--trials", str(trials), "--strategies", strategies, "--seeds", str(self.n_seeds), "--seed", str(FIRST_SEED)]
        answer = self.ask(words, hashlib.sha1((self.program_digest + (self.folder / "small-28-wide.csv").read_text()).encode()).hexdigest())
        return answer["strategies"], answer["rungs"], "mnas " + " ".join(map(shlex.quote, words))

    def one(self, words, digest):
        return {s["name"]: {p["n"]: p for p in s["curve"]} for s in self.ask(words + ["--threads", "1"], digest)["strategies"]}

    def ask(self, words, digest):
        asked = digest + " " + " ".join(words)
        if asked not in self.known:
            done = subprocess.run([self.program, *words, "--json"], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if done.returncode:
                raise RuntimeError(done.stderr.strip())
            self.known[asked] = json.loads(done.stdout)
            with open(self.path, "a") as file:
                file.write(json.dumps(dict(asked=asked, answer=self.known[asked])) + "\n")
        return self.known[asked]
