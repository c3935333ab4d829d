#!/usr/bin/env python3
"""Are our weights timm's? Compares networks of ours with timm's own, in both directions, with random weights.

    python3 tests/golden/timm_check.py names > tests/golden/timm_names.txt
    python3 tests/golden/timm_check.py check build/tests/test_timm_weights

`names` prints the tensors of every network below as timm makes it: the list which test_timm_weights.c compares with ours.
`check` saves timm's weights with the safetensors library, has the C program load them, run the same images and save them
again, and then demands that

    - the logits of each of our executors (reference loops, training engine, XNNPACK) equal timm's,
    - our file opens with the safetensors library, its tensors are timm's bit for bit, and its metadata is there,
    - timm loads our file with strict=True and gives the very same logits,
    - all that both with PyTorch's padding and epsilon (timm's default) and TensorFlow's (our zoo's), while the logits of one
      and the other do differ: the comparison can fail.

Nothing is downloaded: no pretrained weights.
"""
import os
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


def random_net(name):
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
        net.train()(torch.randn(8, 3, 96, 96))  # statistics of real maps ...
        for norm in norms:                      # ... which then are somewhat off
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


def main():
    if sys.argv[1:] == ["names"]:
        print_names()
    elif len(sys.argv) == 3 and sys.argv[1] == "check":
        torch.set_num_threads(2)
        with tempfile.TemporaryDirectory() as folder:
            for ours, theirs, sides in NETS:
                check_net(sys.argv[2], folder, ours, theirs, sides)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
