"""The training step in JAX: one jitted function of hand-written lax convolutions, NHWC, buffers donated.

    jax_step.py CASE THREADS SECONDS [grouped]

Depthwise convolutions are sums of shifted products, which XLA fuses: a third of the time of lax's grouped convolution (grouped),
whose gradients XLA's CPU backend leaves to a slow loop.
"""
import os
import sys

# XLA has as many threads as the process may use cores, and no option for it.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[2])])
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

import clock  # noqa: E402
import nets  # noqa: E402


class Ops:
    def __init__(self, case, key):
        self.limit = jax.nn.relu6 if nets.relu6(case) else jax.nn.relu
        self.key = key
        self.statistics = []  # of each batch-norm: mean, variance

    def conv(self, x, weight, stride, groups=1):
        pad = weight.shape[0] // 2
        return jax.lax.conv_general_dilated(x, weight, (stride, stride), ((pad, pad), (pad, pad)), feature_group_count=groups,
                                            dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def depthwise(self, x, weight, stride):
        if "grouped" in sys.argv:
            return self.conv(x, weight[:, :, None, :], stride, x.shape[-1])
        k, h, w = weight.shape[0], x.shape[1], x.shape[2]
        x = jnp.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)))
        return sum(x[:, i:i + h:stride, j:j + w:stride] * weight[i, j] for i in range(k) for j in range(k))

    def norm(self, x, gamma, beta):
        mean, square = jnp.mean(x, (0, 1, 2)), jnp.mean(x * x, (0, 1, 2))
        variance = square - mean * mean
        self.statistics += [mean, variance]
        return (x - mean) * (gamma * jax.lax.rsqrt(variance + nets.BN_EPSILON)) + beta

    def act(self, x):
        return self.limit(x)

    def squeeze(self, x, reduce, reduce_bias, expand, expand_bias):
        pooled = jax.nn.relu(self.mean(x) @ reduce + reduce_bias)
        return x * jax.nn.sigmoid(pooled @ expand + expand_bias)[:, None, None, :]

    def mean(self, x):
        return jnp.mean(x, (1, 2))

    def dropout(self, x):
        kept = jax.random.bernoulli(self.key, 1 - nets.DROPOUT, x.shape)
        return jnp.where(kept, x / (1 - nets.DROPOUT), 0)


def update(value, gradient, square, momentum):
    o = nets.RMSPROP
    gradient = gradient + o["decay"] * value
    square = o["rho"] * square + (1 - o["rho"]) * gradient * gradient
    momentum = o["momentum"] * momentum + o["lr"] * gradient * jax.lax.rsqrt(square + o["epsilon"])
    return value - momentum, square, momentum


def train_step(case, state, images, wanted):
    values, squares, momenta, moving, key = state
    key, used = jax.random.split(key)

    def loss_of(values):
        ops = Ops(case, used)
        logits = nets.forward(case, images, values, ops)
        return -jnp.mean(jnp.sum(wanted * jax.nn.log_softmax(logits), 1)), ops.statistics

    (loss, seen), gradients = jax.value_and_grad(loss_of, has_aux=True)(values)
    moving = [nets.BN_KEPT * kept + (1 - nets.BN_KEPT) * new for kept, new in zip(moving, seen)]
    values, squares, momenta = zip(*map(update, values, gradients, squares, momenta))
    return (list(values), list(squares), list(momenta), moving, key), loss


def main():
    case, seconds = nets.CASES[sys.argv[1]], float(sys.argv[3])
    shapes = nets.parameters(case)
    keys = jax.random.split(jax.random.key(1), len(shapes) + 3)
    values = [jnp.ones(s) if len(s) == 1 else 0.1 * jax.random.normal(k, s) for s, k in zip(shapes, keys)]
    norms = [shape[-1] for shape in shapes if len(shape) in (3, 4)]  # a batch-norm behind each
    moving = [jnp.zeros(c) for c in norms for _ in range(2)]
    state = [(values, [jnp.ones(s) for s in shapes], [jnp.zeros(s) for s in shapes], moving, keys[-1])]
    images = jax.random.uniform(keys[-2], (case.batch, case.size, case.size, 3), minval=-1, maxval=1)
    labels = jax.random.randint(keys[-3], (case.batch,), 0, nets.CLASSES)
    wanted = jax.nn.one_hot(labels, nets.CLASSES) * (1 - nets.SMOOTHING) + nets.SMOOTHING / nets.CLASSES
    jitted = jax.jit(lambda state, images, wanted: train_step(case, state, images, wanted), donate_argnums=0)

    def step():
        state[0], loss = jitted(state[0], images, wanted)
        loss.block_until_ready()
        state[0][0][0].block_until_ready()

    clock.run(step, case.batch, seconds, peer=" ".join(["JAX", jax.__version__, *sys.argv[4:]]), params=sum(v.size for v in values))


main()
