"""Whole training steps of small perceptrons: cross entropy, one batch, torch eager and jax jit, from the same weights."""
import numpy as np
import peers
import common
from common import args_for, run

NETS = {"12-10-7-5-4-3-2 tanh/batch 256 adam": ((12, 10, 7, 5, 4, 3, 2), 256),
        "784-100-100-10 relu/batch 128 sgd": ((784, 100, 100, 10), 128)}


def data(case):
    """Inputs, labels, and (kernel [out, in], bias) of each layer."""
    widths, batch = NETS[case]
    g = np.random.default_rng(0)
    uniform = lambda i, *shape: (g.uniform(-1, 1, shape) / np.sqrt(i)).astype(np.float32)
    layers = [(uniform(i, o, i), uniform(i, o)) for i, o in zip(widths, widths[1:])]
    return g.standard_normal((batch, widths[0])).astype(np.float32), g.integers(0, widths[-1], batch), layers


def torch_eager(case, **kw):
    import torch, torch.nn as nn, torch.nn.functional as F
    torch.set_num_threads(common.THREADS)
    x, y, layers = data(case)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    mods = []
    for w, b in layers:
        m = nn.Linear(w.shape[1], w.shape[0])
        m.weight.data, m.bias.data = torch.from_numpy(w), torch.from_numpy(b)
        mods += [m, nn.Tanh() if "tanh" in case else nn.ReLU()]
    net = nn.Sequential(*mods[:-1])
    opt = torch.optim.Adam(net.parameters(), 1e-3, **kw) if "adam" in case else \
        torch.optim.SGD(net.parameters(), 0.01, 0.9, **kw)

    def step():
        opt.zero_grad(set_to_none=True)
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        return loss.item()
    return step


def jax_jit(case):
    import jax, jax.numpy as jnp, optax
    x, y, layers = data(case)
    f = jnp.tanh if "tanh" in case else jax.nn.relu
    opt = optax.adam(1e-3) if "adam" in case else optax.sgd(0.01, 0.9)

    def loss(p, x, y):
        for w, b in p[:-1]:
            x = f(x @ w.T + b)
        z = jax.nn.log_softmax(x @ p[-1][0].T + p[-1][1])
        return -jnp.mean(jnp.take_along_axis(z, y[:, None], 1))

    def update(p, s, x, y):
        v, g = jax.value_and_grad(loss)(p, x, y)
        d, s = opt.update(g, s, p)
        return optax.apply_updates(p, d), s, v
    update = jax.jit(update, donate_argnums=(0, 1))
    p = jax.tree.map(jnp.asarray, layers)
    hold, x, y = [p, opt.init(p)], jnp.asarray(x), jnp.asarray(y)

    def step():
        hold[0], hold[1], v = update(*hold, x, y)
        return float(v)
    return step


if __name__ == "__main__":
    cases = {c: {"torch": lambda c=c: torch_eager(c), "torch_fused": lambda c=c: torch_eager(c, fused=True),
                 "jax_jit": lambda c=c: jax_jit(c)} for c in NETS}
    run("small", cases, args_for("small"), versions=("torch", "jax", "optax"))
