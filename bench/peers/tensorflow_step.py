"""The training step in TensorFlow: one tf.function, NHWC, its own RMSProp kernel.

    tensorflow_step.py CASE THREADS SECONDS [xla]
"""
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf  # noqa: E402 - it reads the level when it is imported

import clock  # noqa: E402
import nets  # noqa: E402


class Ops:
    def __init__(self, case):
        self.limit = tf.nn.relu6 if nets.relu6(case) else tf.nn.relu
        self.statistics = []  # of each batch-norm: mean, variance

    def conv(self, x, weight, stride):
        return tf.nn.conv2d(x, weight, stride, "SAME")

    def depthwise(self, x, weight, stride):
        return tf.nn.depthwise_conv2d(x, weight[..., None], [1, stride, stride, 1], "SAME")

    def norm(self, x, gamma, beta):
        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=nets.BN_EPSILON)
        self.statistics += [mean, variance]
        return y

    def act(self, x):
        return self.limit(x)

    def squeeze(self, x, reduce, reduce_bias, expand, expand_bias):
        pooled = tf.nn.relu(tf.reduce_mean(x, (1, 2)) @ reduce + reduce_bias)
        return x * tf.sigmoid(pooled @ expand + expand_bias)[:, None, None, :]

    def mean(self, x):
        return tf.reduce_mean(x, (1, 2))

    def dropout(self, x):
        return tf.nn.dropout(x, nets.DROPOUT)


def fresh(shape):
    if len(shape) == 1:
        return tf.Variable(tf.ones(shape))
    return tf.Variable(tf.random.normal(shape, stddev=0.1))


def main():
    case, threads, seconds, options = nets.CASES[sys.argv[1]], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.random.set_seed(1)
    values = [fresh(shape) for shape in nets.parameters(case)]
    squares = [tf.Variable(tf.ones(v.shape)) for v in values]
    momenta = [tf.Variable(tf.zeros(v.shape)) for v in values]
    moving = []
    images = tf.random.uniform([case.batch, case.size, case.size, 3], -1, 1)
    labels = tf.random.uniform([case.batch], maxval=nets.CLASSES, dtype=tf.int32)
    wanted = tf.one_hot(labels, nets.CLASSES) * (1 - nets.SMOOTHING) + nets.SMOOTHING / nets.CLASSES
    o = nets.RMSPROP

    @tf.function(jit_compile="xla" in options)
    def step(images, wanted):
        ops = Ops(case)
        with tf.GradientTape() as tape:
            logits = nets.forward(case, images, values, ops)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(wanted, logits))
        gradients = tape.gradient(loss, values)
        if not moving:  # while it is traced
            with tf.init_scope():
                moving.extend(tf.Variable(tf.zeros(s.shape)) for s in ops.statistics)
        for kept, seen in zip(moving, ops.statistics):
            kept.assign(nets.BN_KEPT * kept + (1 - nets.BN_KEPT) * seen)
        for value, square, momentum, gradient in zip(values, squares, momenta, gradients):
            tf.raw_ops.ResourceApplyRMSProp(
                var=value.handle, ms=square.handle, mom=momentum.handle, lr=o["lr"], rho=o["rho"], momentum=o["momentum"],
                epsilon=o["epsilon"], grad=gradient + o["decay"] * value)
        return loss

    clock.run(lambda: step(images, wanted).numpy(), case.batch, seconds, peer=" ".join(["TensorFlow", tf.__version__, *options]),
              params=sum(int(tf.size(v)) for v in values))


main()
