#!/usr/bin/env python3
"""Are our weights timm's? Compares networks of ours with timm's own, in both directions, with random weights.

    python3 tests/golden/timm_check.py names > tests/golden/timm_names.txt
    python3 tests/golden/timm_check.py check build/tests/test_timm_weights
    python3 tests/golden/timm_check.py cli build/mnas docs/weights.md

`names` prints the tensors of every network below as timm makes it: the list which test_timm_weights.c compares with ours.
`check` saves timm's weights with the safetensors library, has the C program load them, run the same images and save them
again, and then demands that

    - the logits of each of our executors (reference loops, training engine, XNNPACK) equal timm's,
    - our file opens with the safetensors library, its tensors are timm's bit for bit, and its metadata is there,
    - timm loads our file with strict=True and gives the very same logits,
    - all that both with PyTorch's padding and epsilon (timm's default, our NAME@timm) and TensorFlow's (our zoo's), while the
      logits of one and the other do differ: the comparison can fail.

`cli` does what a user does, with `mnas eval`, `mnas train` and the Python of the page: timm's weights, also halved and wrapped,
give timm's logits; what mnas has trained loads into timm with strict=True and gives the logits of mnas; a network that is in
neither zoo becomes timm's by the page's function.

Nothing is downloaded: no pretrained weights.
"""
import os
import re
import struct
import subprocess
import sys
import tempfile

import numpy
import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

ALLOWED = 1e-4  # largest difference of a logit over the largest logit
FLAVOURS = {"torch": {}, "tensorflow": {"pad_type": "same", "bn_eps": 1e-3}}  # timm's arguments
EXECUTORS = ("reference", "engine", "xnnpack")

# ours, timm's, sides of the images to run
NETS = [
    ("mnasnet-a1", "semnasnet_100", (96, 224)),
    ("mnasnet-a1@0.75", "semnasnet_075", (96,)),
    ("mnasnet-b1", "mnasnet_100", (96, 224)),
    ("mnasnet-b1@0.5", "mnasnet_050", (96,)),
    ("mnasnet-small", "mnasnet_small", (96, 224)),
    ("mobilenet-v2", "mobilenetv2_100", (96, 224)),
    ("mobilenet-v2@1.4", "mobilenetv2_140", (96,)),
]
CLI_NETS = [("mnasnet-a1", "semnasnet_100"), ("mnasnet-b1", "mnasnet_100"), ("mnasnet-b1@0.5", "mnasnet_050"),
            ("mnasnet-small", "mnasnet_small"), ("mobilenet-v1", "mobilenetv1_100"), ("mobilenet-v2", "mobilenetv2_100")]
SIDE, CLASSES, N_IMAGES, N_TRAIN = 224, 10, 6, 20  # of the images which `cli` makes


def print_names():
    print(f"# Tensors of timm {timm.__version__} (timm_check.py names): each module with its tensors' shapes.")
    for ours, theirs, _ in NETS:
        print(f"model {ours} {theirs}")
        modules = {}
        for name, tensor in timm.create_model(theirs, pretrained=False).state_dict().items():
            module, _, leaf = name.rpartition(".")
            modules.setdefault(module, []).append(f"{leaf}[{','.join(map(str, tensor.shape))}]")
        for module, tensors in modules.items():
            print(module, *tensors)


def random_net(name, images=None):
    """timm's network; all batch-norms have scales, shifts and statistics of their own, and signals neither die nor explode."""
    torch.manual_seed(len(name))
    net = timm.create_model(name, pretrained=False, drop_rate=0.0)
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(0, 0.3)
            norm.momentum = 1.0
        net.classifier.bias.normal_(0, 0.1)
        net.train()(torch.randn(8, 3, 96, 96) if images is None else images)  # statistics of real maps ...
        for norm in norms:  # ... which then are somewhat off
            norm.running_mean += 0.2 * norm.running_var.sqrt() * torch.randn_like(norm.running_mean)
            norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.7, 1.4)
            norm.momentum = 0.1
    return net.eval()


def logits_of(net, images):
    with torch.no_grad():
        return net(images).numpy()


def distance(got, want):
    return float(numpy.abs(got - want).max() / numpy.abs(want).max())


def run_ours(program, folder, ours, side, flavour, weights, images):
    """Logits of every executor, [executors, n, classes], and the path of the file that our program wrote."""
    paths = [os.path.join(folder, name) for name in ("images.f32", "logits.f32", "ours.safetensors")]
    images.permute(0, 2, 3, 1).contiguous().numpy().tofile(paths[0])
    args = [program, ours, side, flavour, weights, paths[0], len(images), paths[1], paths[2]]
    subprocess.run([str(a) for a in args], check=True)
    return numpy.fromfile(paths[1], numpy.float32).reshape(len(EXECUTORS), len(images), -1), paths[2]


def check_file(path, ours, fresh, net, images, want):
    with safe_open(path, framework="pt") as f:
        assert f.metadata() == {"model": ours, "format": "pt"}, f.metadata()
    state, expected = load_file(path), net.state_dict()
    assert set(state) == set(expected), set(state) ^ set(expected)
    for name, tensor in expected.items():
        assert state[name].dtype == tensor.dtype and state[name].shape == tensor.shape, name
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(state[name], tensor), name
    fresh.load_state_dict(state, strict=True)
    assert numpy.array_equal(logits_of(fresh.eval(), images), want), "timm's logits with our file differ"
    return len(state)


def check_net(program, folder, ours, theirs, sides):
    net = random_net(theirs)
    weights = os.path.join(folder, "timm.safetensors")
    save_file(net.state_dict(), weights)
    for side in sides:
        images = torch.randn(2, 3, side, side)
        wanted = {}
        for flavour, kwargs in FLAVOURS.items():
            same_net = timm.create_model(theirs, pretrained=False, **kwargs).eval()
            same_net.load_state_dict(net.state_dict(), strict=True)
            wanted[flavour] = want = logits_of(same_net, images)
            got, copy = run_ours(program, folder, ours, side, flavour, weights, images)
            distances = [distance(g, want) for g in got]
            n = check_file(copy, ours, timm.create_model(theirs, pretrained=False, **kwargs), net, images, want)
            text = ", ".join(f"{name} {d:.1e}" for name, d in zip(EXECUTORS, distances))
            print(f"{ours} = {theirs} ({flavour}), {side} x {side}: {n} tensors, largest logit {numpy.abs(want).max():.2f}, "
                  f"distance of {text}", flush=True)
            assert max(distances) <= ALLOWED, f"{ours}: allowed is {ALLOWED}"
        assert distance(*wanted.values()) > 10 * ALLOWED, f"{ours}: padding and epsilon make no difference"


def smooth_images(n, side):
    """[n, side, side, 3] bytes: coarse noise, enlarged."""
    coarse = torch.rand(n, 3, 14, 14)
    fine = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)
    return (fine * 255).byte().permute(0, 2, 3, 1).contiguous().numpy()


def write_idx(path, array):
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    with open(path, "wb") as f:
        f.write(head + array.astype(numpy.uint8).tobytes())


class Bench:
    """A dataset in a folder, and mnas on it."""

    def __init__(self, mnas, folder):
        torch.manual_seed(1)
        self.mnas, self.folder = mnas, folder
        self.images = smooth_images(N_IMAGES, SIDE)
        for name, images in (("train", smooth_images(N_TRAIN, SIDE)), ("t10k", self.images)):
            write_idx(self.path(f"{name}-images-idx3-ubyte"), images)
            write_idx(self.path(f"{name}-labels-idx1-ubyte"), numpy.arange(len(images)) % CLASSES)
        self.data = f"idx:path={folder},classes={CLASSES},val=4"

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *args, fails=False):
        env = dict(os.environ, MNAS_CACHE_DIR=self.path("cache"))
        done = subprocess.run([self.mnas, *map(str, args)], env=env, capture_output=True, text=True)
        assert (done.returncode != 0) == fails, f"mnas {args}: {done.stderr}"
        return done.stdout + done.stderr

    def logits(self, model, weights, classes):
        """What mnas says of the test images."""
        path = self.path("logits.safetensors")
        self.run("eval", model, "--weights", weights, "--data", self.data, "--split", "test", "--classes", classes,
                 "--logits", path)
        said = load_file(path)
        assert said["labels"].tolist() == [i % CLASSES for i in range(N_IMAGES)], said["labels"]
        return said["logits"].numpy()

    def normalised(self, mean, std):
        pixels = torch.from_numpy(self.images).permute(0, 3, 1, 2).float() / 255
        return (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)

    def timm_logits(self, net, mean, std):
        return logits_of(net.eval(), self.normalised(mean, std))

    def train(self, model, weights, *options):
        """A few steps; returns the file and what was said."""
        path = self.path("trained.safetensors")
        said = self.run("train", model, "--data", self.data, "--weights", weights, "--epochs", 1, "--batch", 8, "--recipe",
                        "proxy:lr=0.0001,recalibrate=0", "-o", path, *options)
        return path, said


def expect_equal(what, got, want):
    assert got.shape == want.shape, (got.shape, want.shape)
    largest, apart = float(numpy.abs(want).max()), float(numpy.abs(got - want).max())
    print(f"{what}: logits up to {largest:.2f}, at most {apart:.1e} apart", flush=True)
    assert apart <= ALLOWED * max(1, largest), f"allowed is {ALLOWED}, of the largest where that is above 1"


def wrapped(state, prefix, change=lambda tensor: tensor):
    return {prefix + name: change(t) if t.is_floating_point() else t for name, t in state.items()
            if not name.endswith("num_batches_tracked") or not prefix}


def check_cli_net(bench, ours, theirs):
    ours += "@timm"
    config = timm.get_pretrained_cfg(theirs)
    mean, std = config.mean, config.std
    net = random_net(theirs, bench.normalised(mean, std))
    weights = bench.path("timm.safetensors")
    for what, prefix, change in (("as saved", "", lambda t: t), ("in float16, wrapped", "state_dict.module.", torch.Tensor.half)):
        state = wrapped(net.state_dict(), prefix, change)
        save_file(state, weights)
        read = timm.create_model(theirs)
        read.load_state_dict({k.removeprefix(prefix): v for k, v in state.items()}, strict=False)
        expect_equal(f"{theirs} -> {ours}, {what}", bench.logits(ours, weights, 1000), bench.timm_logits(read, mean, std))
    save_file(net.state_dict(), weights)
    said = bench.run("eval", ours, "--weights", weights, "--data", bench.data, fails=True)
    assert "classifier.weight is F32 [1000, " in said and "expected F32 [10, " in said, said
    for classes, n in ((), CLASSES), (("--classes", 1000), 1000):
        path, said = bench.train(ours, weights, *classes)
        assert f"begins afresh, for {n} classes" in said, said
        back = timm.create_model(theirs, num_classes=n)
        back.load_state_dict(load_file(path), strict=True)
        expect_equal(f"{ours} -> {theirs}, trained on {n} classes", bench.logits(ours, path, n),
                     bench.timm_logits(back, mean, std))


FOUND = """stem: 16
stem-stride: 1
head: 96
classes: 10
activation: swish
dropout: 0.1
blocks:
  - r1_k3_s11_e1_i16_o16_noskip
  - r2_k5_s22_e3_i16_o24_se0.25
  - r2_k3_s11_e6_i24_o32_actrelu
  - r1_k3_s22_e1_i32_o32_se0.5
"""


def check_page(bench, page):
    """The function on the page, on a network such as a search finds."""
    code = "".join(re.findall(r"```python\n(.*?)```", open(page).read(), re.S)[-1])
    names = {}
    exec(code.split("\n# ")[0], names)  # up to the lines that use it
    for padding in "same", "symmetric":
        model = bench.path("found.yaml")
        with open(model, "w") as f:
            f.write(f"padding: {padding}\n{FOUND}")
        path = bench.path("found.safetensors")
        bench.run("train", model, "--data", bench.data, "--epochs", 1, "--batch", 8, "-o", path)
        net = names["timm_net"](model)
        net.load_state_dict(load_file(path), strict=True)
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        expect_equal(f"a model file with {padding} padding -> timm", bench.logits(model, path, 0),
                     bench.timm_logits(net, mean, std))


def check_cli(mnas, page):
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(mnas, folder)
        for ours, theirs in CLI_NETS:
            check_cli_net(bench, ours, theirs)
        check_page(bench, page)


def main():
    if sys.argv[1:] == ["names"]:
        print_names()
    elif len(sys.argv) == 3 and sys.argv[1] == "check":
        torch.set_num_threads(2)
        with tempfile.TemporaryDirectory() as folder:
            for ours, theirs, sides in NETS:
                check_net(sys.argv[2], folder, ours, theirs, sides)
    elif len(sys.argv) == 4 and sys.argv[1] == "cli":
        torch.set_num_threads(2)
        check_cli(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
