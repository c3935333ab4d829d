#!/usr/bin/python3
"""The other half of train_step.c: the same network, batch, loss and optimiser in PyTorch, channels_last.

    train_step.py CASE THREADS SECONDS [compile] [autotune] [bf16] [nchw]

Plain: eager. compile: torch.compile of forward and loss, and of the optimiser's update, behind a C++ wrapper; its compiling is over
before the clock starts. autotune: max-autotune, which gained nothing on CPUs. bf16: autocast. run_train.sh sets malloc so that freed memory is kept and reused: without that PyTorch spends a
third of its time in page faults, and the comparison would be of allocators.
"""
import sys

import torch
from torch import nn

from peers import clock, nets


def unit(c_in, c_out, kernel=1, stride=1, groups=1, act=None):
    layers = [nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False),
              nn.BatchNorm2d(c_out, eps=nets.BN_EPSILON, momentum=1 - nets.BN_KEPT)]
    return layers + ([act(inplace=True)] if act else [])


class Squeeze(nn.Module):
    def __init__(self, c, reduced):
        super().__init__()
        self.gate = nn.Sequential(nn.Conv2d(c, reduced, 1), nn.ReLU(inplace=True), nn.Conv2d(reduced, c, 1), nn.Sigmoid())

    def forward(self, x):
        return x * self.gate(x.mean((2, 3), keepdim=True))


class Layer(nn.Module):
    def __init__(self, layer, act):
        super().__init__()
        self.residual = layer.residual
        units = unit(layer.c_in, layer.mid, act=act) if layer.mid != layer.c_in else []
        units += unit(layer.mid, layer.mid, layer.kernel, layer.stride, layer.mid, act)
        units += [Squeeze(layer.mid, layer.se)] if layer.se else []
        self.body = nn.Sequential(*units, *unit(layer.mid, layer.c_out))

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


def network(case):
    act = nn.ReLU6 if nets.relu6(case) else nn.ReLU
    layers = nets.layers(case)
    return nn.Sequential(
        *unit(3, layers[0].c_in, 3, case.stem_stride, act=act), *(Layer(layer, act) for layer in layers),
        *unit(layers[-1].c_out, nets.HEAD, act=act), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(nets.DROPOUT),
        nn.Linear(nets.HEAD, nets.CLASSES))


def compiled(parts, options):
    import torch._inductor.config as inductor
    inductor.cpp_wrapper = True  # 3 % on small maps, nothing on large ones
    mode = "max-autotune" if "autotune" in options else None
    return [torch.compile(part, mode=mode) for part in parts]


def main():
    name, threads, seconds, options = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
    case, o = nets.CASES[name], nets.RMSPROP
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    layout = torch.contiguous_format if "nchw" in options else torch.channels_last
    net = network(case).to(memory_format=layout).train()
    images = torch.rand(case.batch, 3, case.size, case.size).mul_(2).sub_(1).contiguous(memory_format=layout)
    labels = torch.randint(0, nets.CLASSES, (case.batch,))
    criterion = nn.CrossEntropyLoss(label_smoothing=nets.SMOOTHING)
    optimizer = torch.optim.RMSprop(net.parameters(), lr=o["lr"], alpha=o["rho"], eps=o["epsilon"], momentum=o["momentum"],
                                    weight_decay=o["decay"], foreach=True)

    def loss_of(x, y):
        with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in options):
            return criterion(net(x), y)

    update = optimizer.step
    if "compile" in options:
        loss_of, update = compiled([loss_of, update], options)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss_of(images, labels).backward()
        update()

    clock.run(step, case.batch, seconds, peer=" ".join(["PyTorch", torch.__version__, *(options or ["eager"])]),
              params=sum(p.numel() for p in net.parameters()))


main()
