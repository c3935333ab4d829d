"""The networks and cases of bench/train_step.c, in plain numbers that every framework's script builds from.

Widths, strides and repeats are written out here once more, not taken from mnas: that both sides count the same parameters
is a check (run_train.sh makes it), not a consequence.
"""
from collections import namedtuple

Case = namedtuple("Case", "net multiplier size stem_stride batch")
CASES = {
    "b1-224": Case("b1", 1.0, 224, 2, 32),
    "b1-32": Case("b1", 0.5, 32, 1, 128),
    "a1-224": Case("a1", 1.0, 224, 2, 32),
    "mbv2-224": Case("mbv2", 1.0, 224, 2, 32),
}
CLASSES, STEM, HEAD, DROPOUT, SMOOTHING = 1000, 32, 1280, 0.2, 0.1
BN_EPSILON, BN_KEPT = 1e-3, 0.99
RMSPROP = {"lr": 0.001, "rho": 0.9, "momentum": 0.9, "epsilon": 0.001, "decay": 1e-5}

Block = namedtuple("Block", "repeats kernel stride expand out se")  # se: squeeze to this share of the input's width
BLOCKS = {
    "b1": [Block(1, 3, 1, 1, 16, 0), Block(3, 3, 2, 3, 24, 0), Block(3, 5, 2, 3, 40, 0), Block(3, 5, 2, 6, 80, 0),
           Block(2, 3, 1, 6, 96, 0), Block(4, 5, 2, 6, 192, 0), Block(1, 3, 1, 6, 320, 0)],
    "a1": [Block(1, 3, 1, 1, 16, 0), Block(2, 3, 2, 6, 24, 0), Block(3, 5, 2, 3, 40, 0.25), Block(4, 3, 2, 6, 80, 0),
           Block(2, 3, 1, 6, 112, 0.25), Block(3, 5, 2, 6, 160, 0.25), Block(1, 3, 1, 6, 320, 0)],
    "mbv2": [Block(1, 3, 1, 1, 16, 0), Block(2, 3, 2, 6, 24, 0), Block(3, 3, 2, 6, 32, 0), Block(4, 3, 2, 6, 64, 0),
             Block(3, 3, 1, 6, 96, 0), Block(3, 3, 2, 6, 160, 0), Block(1, 3, 1, 6, 320, 0)],
}

# An inverted residual: 1x1 to mid (none where mid == c_in), depthwise, squeeze-and-excitation of se filters (0: none),
# 1x1 to c_out.
Layer = namedtuple("Layer", "c_in mid c_out kernel stride se residual")


def width(filters, multiplier):
    """MnasNet's rounding: the nearest multiple of 8, never below 0.9 of what was asked for."""
    rounded = max(8, int(filters * multiplier + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters * multiplier else rounded


def relu6(case):
    return case.net == "mbv2"


def layers(case):
    """All inverted residuals between the stem and the head, in order."""
    c, found = width(STEM, case.multiplier), []
    for block in BLOCKS[case.net]:
        out = width(block.out, case.multiplier)
        for i in range(block.repeats):
            stride = block.stride if i == 0 else 1
            found.append(Layer(c, c * block.expand, out, block.kernel, stride, int(c * block.se),
                               stride == 1 and c == out))
            c = out
    return found


# ---- the network as functions of its parameters: what TensorFlow's and JAX's scripts share ----


def parameters(case):
    """Shapes in the order in which forward() takes them: [k, k, in, out] or depthwise [k, k, c], then gamma and beta; biases."""
    found = []

    def unit(*shape):
        found.extend([shape, (shape[-1],), (shape[-1],)])

    first = layers(case)[0].c_in
    unit(3, 3, 3, first)
    for layer in layers(case):
        if layer.mid != layer.c_in:
            unit(1, 1, layer.c_in, layer.mid)
        unit(layer.kernel, layer.kernel, layer.mid)
        if layer.se:
            found.extend([(layer.mid, layer.se), (layer.se,), (layer.se, layer.mid), (layer.mid,)])
        unit(1, 1, layer.mid, layer.c_out)
    unit(1, 1, layers(case)[-1].c_out, HEAD)
    return found + [(HEAD, CLASSES), (CLASSES,)]


def forward(case, x, values, ops):
    """Logits of x [n, h, w, 3]. ops: conv and depthwise (x, weight, stride), norm (x, gamma, beta), act (x), squeeze (x, its
    four parameters), mean (x over the map), dropout (x)."""
    take = iter(values).__next__

    def unit(x, conv, stride=1, act=True):
        x = ops.norm(conv(x, take(), stride), take(), take())
        return ops.act(x) if act else x

    x = unit(x, ops.conv, case.stem_stride)
    for layer in layers(case):
        y = unit(x, ops.conv) if layer.mid != layer.c_in else x
        y = unit(y, ops.depthwise, layer.stride)
        y = ops.squeeze(y, take(), take(), take(), take()) if layer.se else y
        y = unit(y, ops.conv, act=False)
        x = x + y if layer.residual else y
    x = ops.dropout(ops.mean(unit(x, ops.conv)))
    return x @ take() + take()
