"""A case's network for inference as an ONNX file: convolutions with bias, batch-norm folded away, random weights.

    python onnx_net.py CASE FILE        needs onnx, numpy

Built from nets.py's plain numbers, so that the peers of run_infer.sh need none of our exporters. What a runtime fuses further is its affair.
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import nets


class Builder:
    def __init__(self, case):
        self.case, self.nodes, self.values, self.random = case, [], [], np.random.default_rng(1)

    def constant(self, *shape, scale=1.0):
        name = f"w{len(self.values)}"
        value = (self.random.standard_normal(shape) * scale).astype(np.float32)
        self.values.append(numpy_helper.from_array(value, name))
        return name

    def node(self, op, inputs, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def bound(self, value):
        name = f"w{len(self.values)}"
        self.values.append(numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    def act(self, x):
        if nets.relu6(self.case):
            return self.node("Clip", [x, self.bound(0), self.bound(6)])
        return self.node("Relu", [x])

    def conv(self, x, c_in, c_out, kernel=1, stride=1, groups=1, act=True):
        scale = (2 / (kernel * kernel * c_in / groups)) ** 0.5
        weights = [self.constant(c_out, c_in // groups, kernel, kernel, scale=scale), self.constant(c_out, scale=0.1)]
        y = self.node("Conv", [x, *weights], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4,
                      group=groups)
        return self.act(y) if act else y

    def squeeze(self, x, channels, width):
        s = self.node("GlobalAveragePool", [x])
        s = self.node("Relu", [self.conv(s, channels, width, act=False)])
        return self.node("Mul", [x, self.node("Sigmoid", [self.conv(s, width, channels, act=False)])])


def build(case):
    b, (first, *_) = Builder(case), nets.layers(case)
    x = b.conv("image", 3, first.c_in, 3, case.stem_stride)
    for layer in nets.layers(case):
        y = b.conv(x, layer.c_in, layer.mid) if layer.mid != layer.c_in else x
        y = b.conv(y, layer.mid, layer.mid, layer.kernel, layer.stride, groups=layer.mid)
        y = b.squeeze(y, layer.mid, layer.se) if layer.se else y
        y = b.conv(y, layer.mid, layer.c_out, act=False)
        x = b.node("Add", [x, y]) if layer.residual else y
    x = b.conv(x, nets.layers(case)[-1].c_out, nets.HEAD)
    x = b.node("Flatten", [b.node("GlobalAveragePool", [x])])
    weights = [b.constant(nets.CLASSES, nets.HEAD, scale=0.01), b.constant(nets.CLASSES, scale=0.01)]
    x = b.node("Gemm", [x, *weights], transB=1)
    graph = helper.make_graph(
        b.nodes, "net", [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, case.size, case.size])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, nets.CLASSES])], b.values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


if __name__ == "__main__":
    model = build(nets.CASES[sys.argv[1]])
    onnx.checker.check_model(model)
    onnx.save(model, sys.argv[2])
