#!/usr/bin/python3
"""The other half of train_step.c: the same network, batch, loss and optimiser in PyTorch, channels_last.

    train_step.py cifar|imagenet THREADS SECONDS

Prints one line: images per second of the median step. run_train.sh sets malloc so that freed memory is kept and reused: without
that PyTorch spends a third of its time in page faults, and the comparison would be of allocators.
"""
import statistics
import sys
import time

import torch
from torch import nn

WARMUP_STEPS, MIN_STEPS = 3, 5
CASES = {  # width multiplier, input size, stem stride, batch
    "cifar": (0.5, 32, 1, 128),
    "imagenet": (1.0, 224, 2, 32),
}
BLOCKS = [  # repeats, kernel, stride, expand, out: MnasNet-B1 behind its first, separable block
    (3, 3, 2, 3, 24), (3, 5, 2, 3, 40), (3, 5, 2, 6, 80), (2, 3, 1, 6, 96), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]


def width(filters, multiplier):
    if multiplier == 1:
        return filters
    rounded = max(8, int(filters * multiplier + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters * multiplier else rounded


def unit(c_in, c_out, kernel=1, stride=1, groups=1, relu=True):
    layers = [nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False),
              nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.01)]
    return layers + ([nn.ReLU(inplace=True)] if relu else [])


class Layer(nn.Module):
    def __init__(self, c_in, c_out, kernel, stride, expand):
        super().__init__()
        mid = c_in * expand
        self.residual = stride == 1 and c_in == c_out
        self.body = nn.Sequential(*unit(c_in, mid), *unit(mid, mid, kernel, stride, mid), *unit(mid, c_out, relu=False))

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


def network(multiplier, stem_stride):
    c, first = width(32, multiplier), width(16, multiplier)
    layers = unit(3, c, 3, stem_stride) + unit(c, c, 3, 1, c) + unit(c, first, relu=False)
    c = first
    for repeats, kernel, stride, expand, out in BLOCKS:
        out = width(out, multiplier)
        for i in range(repeats):
            layers.append(Layer(c, out, kernel, stride if i == 0 else 1, expand))
            c = out
    return nn.Sequential(*layers, *unit(c, 1280), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2),
                         nn.Linear(1280, 1000))


def main():
    multiplier, size, stem_stride, batch = CASES[sys.argv[1]]
    torch.set_num_threads(int(sys.argv[2]))
    torch.manual_seed(1)
    net = network(multiplier, stem_stride).to(memory_format=torch.channels_last).train()
    images = torch.rand(batch, 3, size, size).mul_(2).sub_(1).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 1000, (batch,))
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.RMSprop(net.parameters(), lr=0.001, alpha=0.9, eps=0.001, momentum=0.9, weight_decay=1e-5,
                                    foreach=True)
    times, began, n = [], time.perf_counter(), 0
    while len(times) < MIN_STEPS or time.perf_counter() - began < float(sys.argv[3]):
        before = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(net(images), labels)
        loss.backward()
        optimizer.step()
        if n >= WARMUP_STEPS:
            times.append(time.perf_counter() - before)
        n += 1
    print("%.2f" % (batch / statistics.median(times)))


main()
