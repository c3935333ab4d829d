"""Networks of the experiments: all of a space's, the published ones, scaled ones. A network is written layer by layer, so that two
spaces that hold the same network share its trainings. Does not know accuracies or latencies."""
import itertools
import json
import re
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ATTRIBUTES = ("input: {input}\nchannels: 1\nclasses: 10\nmean: [0.2860]\nstd: [0.3530]\nstem: {stem}\nstem-stride: 2\n"
              "head: {head}\ndropout: 0\nblocks:\n")


class Network:
    """blocks, stem, head and input make the key; `choices` are those of the space it came from."""

    def __init__(self, blocks, stem=8, head=64, pixels=28, choices=None):
        self.layers = [layer for block in blocks for layer in expand(block)]
        self.stem, self.head, self.pixels, self.choices = stem, head, pixels, choices or {}

    @property
    def key(self):
        return f"{self.pixels}px stem{self.stem} head{self.head} " + " ".join(self.layers)

    def yaml(self):
        body = "".join(f"  - {layer}\n" for layer in self.layers)
        return ATTRIBUTES.format(input=self.pixels, stem=self.stem, head=self.head) + body

    def scaled(self, factor):
        """Every width times `factor`, to the nearest multiple of 4, at least 4: 8 would leave these narrow networks two widths."""
        width = lambda n: max(4, int(int(n) * factor / 4 + 0.5) * 4)
        layers = [re.sub(r"_([io])(\d+)", lambda m: f"_{m[1]}{width(m[2])}", layer) for layer in self.layers]
        return Network(layers, width(self.stem), width(self.head), self.pixels)


def expand(block):
    """The layers of a block string, one string each, in one spelling."""
    keys = dict(re.findall(r"_?([rksieo]|op)(\d+|conv|sep)(?=_|$)", re.sub(r"_noskip|_skippool", "", block)))
    extra = "".join(re.findall(r"_(?:se[\d.]+|noskip|skippool|act\w+)", block))
    op = keys.get("op", "")
    layers = []
    for at in range(int(keys["r"])):
        stride, into = (keys["s"], keys["i"]) if at == 0 else ("11", keys["o"])
        e = "1" if op else keys["e"]  # conv and sep have no expansion
        layers.append(f"r1_k{keys['k']}_s{stride}_e{e}_i{into}_o{keys['o']}{'_op' + op if op else ''}{extra}")
    return layers


def space_file(name):
    return HERE / f"{name}.yaml"


def describe(program, name):
    """([(decision, [choices])], reference blocks) of a space."""
    path = str(space_file(name))
    said = json.loads(subprocess.run([program, "space", path, "--json"], check=True, stdout=subprocess.PIPE).stdout)
    text = subprocess.run([program, "space", path], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [(d["name"], d["choices"]) for d in said["decisions"]], re.search(r"^reference: (.*)$", text, re.M)[1].split()


def decided(reference, choices):
    """The reference's blocks with the choices made; input filters follow from the block before."""
    blocks, before = [], None
    for number, block in enumerate(reference, 1):
        for name, value in choices.items():
            where, what = name.split(".")
            if int(re.sub(r"\D", "", where)) != number:
                continue
            if what == "op":
                block = re.sub(r"_op\w+?(?=_|$)", "", block)
                block = re.sub(r"_e\d+", f"_e{value[6:]}", block) if value.startswith("mbconv") else f"{block}_op{value}"
            else:
                letter = {"kernel": "k", "layers": "r", "filters": "o"}[what]
                block = re.sub(rf"(^|_){letter}\d+", rf"\g<1>{letter}{value}", block)
        if before:
            block = re.sub(r"_i\d+", f"_i{before}", block)
        before = re.search(r"_o(\d+)", block)[1]
        blocks.append(block)
    return blocks


def every(program, name):
    """All networks of a space, in the order of its encodings."""
    decisions, reference = describe(program, name)
    names = [d[0] for d in decisions]
    result = []
    for values in itertools.product(*(d[1] for d in decisions)):
        choices = dict(zip(names, values))
        result.append(Network(decided(reference, choices), choices=choices))
    return result


class Published:
    """A network of the zoo for these images, e.g. mobilenet-v2@0.15, made fit for them as `mnas finalize` does with its baselines:
    strides are kept while they leave a map of 4x4, the head has the blocks' multiplier and at least 128 filters."""
    choices = {}

    def __init__(self, program, name, pixels=28):
        text = subprocess.run([program, "zoo", name], check=True, stdout=subprocess.PIPE, text=True).stdout
        for attribute, value in (("input", pixels), ("channels", 1), ("classes", 10), ("mean", "[0.2860]"), ("std", "[0.3530]"), ("dropout", 0)):
            text = re.sub(rf"^{attribute}:.*", f"{attribute}: {value}", text, flags=re.M)
        text = re.sub(r"^head: *(\d+)", lambda m: f"head: {max(128, round(int(m[1]) * float(name.split('@')[1])))}", text, flags=re.M)
        self.map = (pixels + 1) // 2  # behind the stem
        self.name, self.text = name, re.sub(r"(?<=_s)22(?=_)", self.stride, text)
        self.key = f"{pixels}px {name} fitted"
        self.layers = re.findall(r"^ *- *(r\d\S+)", self.text, re.M)

    def stride(self, match):
        if (self.map + 1) // 2 < 4:
            return "11"
        self.map = (self.map + 1) // 2
        return match[0]

    def yaml(self):
        return self.text
