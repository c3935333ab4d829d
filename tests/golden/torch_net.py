#!/usr/bin/python3
"""Makes the fixtures of test_torch.c: a whole MnasNet-style network trained three steps by PyTorch, in double precision.

    /usr/bin/python3 tests/golden/torch_net.py tests/golden      (Debian's python3-torch)

Three networks: `same` (TensorFlow's padding, unbiased moving variance, RMSProp and SGD), `symmetric` (k // 2, biased), and
`swish`: `same` with hard swish in stem, head and every second block, and swish in the others. Each file holds the images (NHWC), labels, all weights before (none of them zero), the loss and all gradients of step 1, and all
weights after each of three steps of either optimiser. Nothing here reads our own code: the network is written out by hand in
torch, with the tensor names of timm. The networks' block strings stand in test_torch.c.
"""
import json
import math
import struct
import sys

import numpy
import torch
import torch.nn.functional as F

STEPS = 3
LR, MOMENTUM, RMS_DECAY, EPSILON = 0.02, 0.9, 0.9, 1e-3
WEIGHT_DECAY, SMOOTHING, BN_MOMENTUM, BN_EPSILON = 1e-2, 0.1, 0.9, 1e-3
BATCH, SIZE, CHANNELS, CLASSES, STEM, HEAD = 6, 30, 3, 7, 6, 12

# (op, repeats, kernel, stride, expand, in, out, se_ratio, skip). No beta may have a gradient that is zero by its nature: what
# a linear layer adds to a whole map is lost in a 1x1 convolution with batch-norm behind it, so every map also reaches a
# convolution with padding.
BLOCKS = [
    ("mbconv", 1, 3, 1, 1, 6, 6, 0, "none"),      # 15 x 15: MobileNetV2's first block
    ("mbconv", 2, 5, 2, 3, 6, 6, 0.5, "pool"),    # an odd size: 15 -> 8; SE; skippool without 1x1, then a residual
    ("mbconv", 1, 3, 2, 2, 6, 6, 0, "pool"),      # an even size: 8 -> 4
    ("sep", 1, 3, 1, 1, 6, 10, 0.25, "pool"),     # skippool with 1x1
    ("conv", 2, 3, 2, 1, 10, 8, 0.25, "identity"),  # 4 -> 2; residual around a plain convolution
]


def pads(size, kernel, stride, rule):
    if rule == "symmetric":
        return kernel // 2, kernel // 2
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Net:
    """The network as a function of a dictionary of tensors; `build` names and shapes them as it first runs."""

    def __init__(self, rule, unbiased, acts):
        self.rule, self.unbiased = rule, unbiased
        self.acts, self.act = acts, acts[0]  # block b has acts[b % 2], stem and head acts[0]
        self.params, self.moving, self.generator = {}, {}, numpy.random.RandomState(42)

    def get(self, name, shape, low, high):
        if name not in self.params:  # away from zero, either sign
            values = self.generator.uniform(low, high, shape)
            if low < 0:
                values = values + numpy.sign(values) * 0.02
            values = values.astype(numpy.float32).astype(numpy.float64)
            self.params[name] = torch.tensor(values, requires_grad=True)
        return self.params[name]

    def window(self, x, kernel, stride):
        top, bottom = pads(x.shape[2], kernel, stride, self.rule)
        left, right = pads(x.shape[3], kernel, stride, self.rule)
        return F.pad(x, (left, right, top, bottom))

    def conv(self, x, name, out, kernel=1, stride=1):
        bound = math.sqrt(6 / (kernel * kernel * x.shape[1]))
        weight = self.get(name + ".weight", (out, x.shape[1], kernel, kernel), -bound, bound)
        return F.conv2d(self.window(x, kernel, stride), weight, stride=stride)

    def depthwise(self, x, name, kernel, stride):
        bound = math.sqrt(6) / kernel
        weight = self.get(name + ".weight", (x.shape[1], 1, kernel, kernel), -bound, bound)
        return F.conv2d(self.window(x, kernel, stride), weight, stride=stride, groups=x.shape[1])

    def bn(self, x, name, active=True):
        c = x.shape[1]
        gamma = self.get(name + ".weight", (c,), 0.5, 1.5)
        beta = self.get(name + ".bias", (c,), -0.5, 0.5)
        if name not in self.moving:
            self.moving[name] = [torch.tensor(self.generator.uniform(0.1, 0.9, c).astype(numpy.float32)).double(),
                                 torch.tensor(self.generator.uniform(0.5, 2.0, c).astype(numpy.float32)).double()]
        mean, var = self.moving[name]
        self.moving[name] = [BN_MOMENTUM * mean + (1 - BN_MOMENTUM) * x.detach().mean((0, 2, 3)),
                             BN_MOMENTUM * var + (1 - BN_MOMENTUM) * x.detach().var((0, 2, 3), unbiased=self.unbiased)]
        y = F.batch_norm(x, None, None, gamma, beta, True, 0.0, BN_EPSILON)
        return self.act(y) if active else y

    def squeeze(self, x, name, width):
        c = x.shape[1]
        reduce_w = self.get(name + ".conv_reduce.weight", (width, c, 1, 1), 0.1, 1)  # its ReLU stays alive
        reduce_b = self.get(name + ".conv_reduce.bias", (width,), 0.1, 0.5)
        expand_w = self.get(name + ".conv_expand.weight", (c, width, 1, 1), -1, 1)
        expand_b = self.get(name + ".conv_expand.bias", (c,), -0.5, 0.5)
        s = x.mean((2, 3), keepdim=True)
        s = F.conv2d(F.relu(F.conv2d(s, reduce_w, reduce_b)), expand_w, expand_b)
        return x * torch.sigmoid(s)

    def pool(self, x, stride):
        """3x3 average of what is there: padding is not counted."""
        def sums(t):
            return F.avg_pool2d(self.window(t, 3, stride), 3, stride, divisor_override=1)
        return sums(x) / sums(torch.ones_like(x))

    def layer(self, x, name, op, kernel, stride, expand, width_in, out, ratio):
        if op == "conv":
            x = self.bn(self.conv(x, name + "conv", out, kernel, stride), name + "bn1")
            return self.squeeze(x, name + "se", max(1, int(ratio * width_in))) if ratio else x
        if expand > 1 and op == "mbconv":
            x = self.bn(self.conv(x, name + "conv_pw", width_in * expand), name + "bn1")
            x = self.bn(self.depthwise(x, name + "conv_dw", kernel, stride), name + "bn2")
            last, norm = "conv_pwl", "bn3"
        else:
            x = self.bn(self.depthwise(x, name + "conv_dw", kernel, stride), name + "bn1")
            last, norm = "conv_pw", "bn2"
        if ratio:
            x = self.squeeze(x, name + "se", max(1, int(ratio * width_in)))
        return self.bn(self.conv(x, name + last, out), name + norm, active=op == "sep")

    def shortcut(self, x, name, first, stride, width_in, out, skip):
        if skip == "pool" and first:
            s = self.pool(x, stride)
            if width_in != out:
                s = self.bn(self.conv(s, name + "skip_conv", out), name + "skip_bn", active=False)
            return s
        return x if skip != "none" and stride == 1 and width_in == out else None

    def forward(self, x):
        x = self.bn(self.conv(x, "conv_stem", STEM, 3, 2), "bn1")
        for b, (op, repeats, kernel, stride, expand, width_in, out, ratio, skip) in enumerate(BLOCKS):
            self.act = self.acts[b % 2]
            for l in range(repeats):
                name = "blocks.%d.%d." % (b, l)
                s, i = (stride, width_in) if l == 0 else (1, out)
                short = self.shortcut(x, name, l == 0, s, i, out, skip)
                x = self.layer(x, name, op, kernel, s, expand, i, out, ratio)
                x = x if short is None else x + short
        self.act = self.acts[0]
        x = self.bn(self.conv(x, "conv_head", HEAD), "bn2").mean((2, 3))
        bound = 1 / math.sqrt(CLASSES)
        return F.linear(x, self.get("classifier.weight", (CLASSES, HEAD), -bound, bound),
                        self.get("classifier.bias", (CLASSES,), -0.3, 0.3))

    def state(self):
        out = {name: p.detach().clone() for name, p in self.params.items()}
        for name, (mean, var) in self.moving.items():
            out[name + ".running_mean"], out[name + ".running_var"] = mean.clone(), var.clone()
        return out

    def restore(self, state):
        for name in self.params:
            self.params[name] = state[name].clone().requires_grad_(True)
        for name in self.moving:
            self.moving[name] = [state[name + ".running_mean"].clone(), state[name + ".running_var"].clone()]


def step(net, images, labels, slots, optimizer):
    loss = F.cross_entropy(net.forward(images), labels, label_smoothing=SMOOTHING)
    names = list(net.params)
    gradients = dict(zip(names, torch.autograd.grad(loss, [net.params[n] for n in names])))
    for name, w in net.params.items():
        ms, mom = slots.setdefault(name, [torch.ones_like(w), torch.zeros_like(w)])
        norm = ".bn" in "." + name or "skip_bn" in name
        g = gradients[name] + (0 if norm else WEIGHT_DECAY * w.detach())
        if optimizer == "rmsprop":
            ms = RMS_DECAY * ms + (1 - RMS_DECAY) * g * g
            mom = MOMENTUM * mom + LR * g / torch.sqrt(ms + EPSILON)
            change = mom
        else:
            mom = MOMENTUM * mom + g
            change = LR * mom
        slots[name] = [ms, mom]
        net.params[name] = (w.detach() - change).requires_grad_(True)
    return loss.detach(), gradients


def save(path, tensors):
    header, at, blobs = {}, 0, []
    for name, t in tensors.items():
        a = t.numpy()
        a = numpy.ascontiguousarray(a.astype("<i4" if a.dtype == numpy.int64 else "<f4"))
        header[name] = {"dtype": "I32" if a.dtype.kind == "i" else "F32", "shape": list(a.shape),
                        "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
        blobs.append(a.tobytes())
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def make(path, rule, unbiased, acts):
    random = numpy.random.RandomState(7)
    images = torch.tensor(random.normal(size=(BATCH, CHANNELS, SIZE, SIZE)).astype(numpy.float32)).double()
    labels = torch.tensor(random.randint(0, CLASSES, BATCH))
    net = Net(rule, unbiased, acts)
    net.forward(images)  # names the tensors; its effect on the moving statistics is part of "before"
    before = {name: t.float().double() for name, t in net.state().items()}
    assert all((t != 0).all() for t in before.values())
    out = {"images": images.permute(0, 2, 3, 1), "labels": labels}
    out.update({"before/" + name: t for name, t in before.items()})
    for optimizer in ("rmsprop", "sgd"):
        net.restore(before)
        slots = {}
        for n in range(1, STEPS + 1):
            loss, gradients = step(net, images, labels, slots, optimizer)
            if n == 1 and optimizer == "rmsprop":
                out.update({"gradient/" + name: g for name, g in gradients.items()})
            out["%s%d.loss" % (optimizer, n)] = loss.reshape(1)
            out.update({"%s%d/%s" % (optimizer, n, name): t for name, t in net.state().items()})
    save(path, out)


torch.set_num_threads(1)
make(sys.argv[1] + "/torch_same.safetensors", "same", True, (F.relu, F.relu))
make(sys.argv[1] + "/torch_symmetric.safetensors", "symmetric", False, (F.relu, F.relu))
make(sys.argv[1] + "/torch_swish.safetensors", "same", True, (F.hardswish, F.silu))
