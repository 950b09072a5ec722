"""Programs mapped over samples or networks, as good users of torch.func and jax.vmap write them, from the same weights and data.

ensemble/...    A step of gradient descent of 20 perceptrons on one batch: separate PyTorch steps, torch.func.vmap, jax.vmap under jit.
per-sample/...  The gradient of every sample.
squares/...     The sum over samples of the squares of these gradients (the diagonal of an empirical Fisher matrix).
"""
import numpy as np
import peers
import common
from common import args_for, run

ENSEMBLE = "ensemble/20 x 784-100-10/m=128"
PER_SAMPLE, SQUARES = "per-sample/784-100-100-10/m=256", "squares/784-100-100-10/m=256"
# Widths, batch, networks (0: one without an axis of networks).
NETS = {ENSEMBLE: ((784, 100, 10), 128, 20), PER_SAMPLE: ((784, 100, 100, 10), 256, 0),
        SQUARES: ((784, 100, 100, 10), 256, 0)}
RATE = 0.01


def data(case):
    """Inputs, labels, and kernels [.., out, in] and biases [.., out] in turn."""
    widths, batch, networks = NETS[case]
    g = np.random.default_rng(0)
    front = (networks,) if networks else ()
    uniform = lambda i, *shape: (g.uniform(-1, 1, front + shape) / np.sqrt(i)).astype(np.float32)
    layers = [a for i, o in zip(widths, widths[1:]) for a in (uniform(i, o, i), uniform(i, o))]
    return g.standard_normal((batch, widths[0])).astype(np.float32), g.integers(0, widths[-1], batch), layers


def torch_parts(case):
    import torch, torch.nn.functional as F
    torch.set_num_threads(common.THREADS)
    x, y, layers = data(case)

    def loss(p, x, y):
        for i in range(0, len(p), 2):
            x = F.linear(torch.relu(x) if i else x, p[i], p[i + 1])
        return F.cross_entropy(x, y)
    return torch.from_numpy(x), torch.from_numpy(y), [torch.from_numpy(a) for a in layers], loss


def torch_loop():
    """Twenty separate steps."""
    import torch
    x, y, stacked, loss = torch_parts(ENSEMBLE)
    nets = [[a[n].clone().requires_grad_() for a in stacked] for n in range(len(stacked[0]))]
    opts = [torch.optim.SGD(p, RATE) for p in nets]

    def step():
        total = 0.0
        for p, opt in zip(nets, opts):
            opt.zero_grad(set_to_none=True)
            value = loss(p, x, y)
            value.backward()
            opt.step()
            total += value.item()
        return total
    return step


def torch_vmap(compiled=False):
    import torch
    x, y, p, loss = torch_parts(ENSEMBLE)
    each = torch.func.vmap(torch.func.grad_and_value(loss), (0, None, None))

    def update(p, x, y):
        g, v = each(p, x, y)
        return [a - RATE * b for a, b in zip(p, g)], v.sum()
    if compiled:
        update = torch.compile(update, dynamic=False)
    hold = [p]

    def step():
        with torch.no_grad():
            hold[0], v = update(hold[0], x, y)
        return v.item()
    return step


def torch_samples(case, compiled=False):
    import torch
    x, y, p, loss = torch_parts(case)
    each = torch.func.vmap(torch.func.grad(lambda p, x, y: loss(p, x[None], y[None])), (None, 0, 0))

    def sums(p, x, y):
        g = each(p, x, y)
        if case == PER_SAMPLE:
            return g, g[-1].square().sum()
        g = [a.square().sum(0) for a in g]
        return g, sum(a.sum() for a in g)
    if compiled:
        sums = torch.compile(sums, dynamic=False)

    def step():
        with torch.no_grad():
            _, v = sums(p, x, y)
        return v.item()
    return step


def jax_parts(case):
    import jax, jax.numpy as jnp
    x, y, layers = data(case)

    def loss(p, x, y):
        for i in range(0, len(p), 2):
            x = (jax.nn.relu(x) if i else x) @ p[i].T + p[i + 1]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1))
    return jnp.asarray(x), jnp.asarray(y), [jnp.asarray(a) for a in layers], loss


def jax_ensemble():
    import jax
    x, y, p, loss = jax_parts(ENSEMBLE)

    def update(p, x, y):
        v, g = jax.vmap(jax.value_and_grad(loss), (0, None, None))(p, x, y)
        return [a - RATE * b for a, b in zip(p, g)], v.sum()
    update = jax.jit(update, donate_argnums=0)
    hold = [p]

    def step():
        hold[0], v = update(hold[0], x, y)
        return float(v)
    return step


def jax_samples(case):
    import jax
    x, y, p, loss = jax_parts(case)
    each = jax.vmap(jax.grad(lambda p, x, y: loss(p, x[None], y[None])), (None, 0, 0))

    def sums(p, x, y):
        g = each(p, x, y)
        if case == PER_SAMPLE:
            return g, (g[-1] ** 2).sum()
        g = [(a ** 2).sum(0) for a in g]
        return g, sum(a.sum() for a in g)
    sums = jax.jit(sums)

    def step():
        g, v = sums(p, x, y)
        jax.block_until_ready(g)
        return float(v)
    return step


if __name__ == "__main__":
    cases = {ENSEMBLE: {"torch_loop": torch_loop, "torch_vmap": torch_vmap, "torch_vmap_compile": lambda: torch_vmap(True),
                        "jax_vmap": jax_ensemble}}
    for case in (PER_SAMPLE, SQUARES):
        cases[case] = {"torch_vmap": lambda case=case: torch_samples(case),
                       "torch_vmap_compile": lambda case=case: torch_samples(case, True),
                       "jax_vmap": lambda case=case: jax_samples(case)}
    run("maps", cases, args_for("maps"), versions=("torch", "jax"))
