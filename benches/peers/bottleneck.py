"""Training steps of the information bottleneck on MNIST as a good PyTorch user writes them, from the same weights and images.

hsic/...  One step of every layer of the HSIC bottleneck (Ma, Lewis and Kleijn 2019): seven blocks of dense, batch norm without affine and
          relu, each stepped alone by SGD on nHSIC(X, Z) - beta nHSIC(Y, Z), each on what the blocks before it give after their own step.
          What the kernels of X and Y need is made once a step. Peers differ in how the regularized inverse is taken.
vib/...   One step of the deep variational bottleneck (Alemi and others 2017): 784-1024-1024-2K, K = 256, a linear decoder, Adam.
"""
import os
import numpy as np
import peers
import common
from common import args_for, run

# Widths of the blocks, batch, sigma, beta, learning rate; published: formatted and unformatted.
HSIC = {"hsic/7x128/m=512": ([128] * 7, 512, 5.0, 50.0, 1e-4),
        "hsic/6x1024-10/m=256": ([1024] * 6 + [10], 256, 6.0, 200.0, 1e-3)}
VIB = "vib/784-1024-1024-512/m=100"
K, BETA, EPSILON, DECAY = 256, 1e-3, 1e-5, 1e-3
DIR = os.environ["MNIST_DIR"]


def mnist(batch):
    """The first images, pixels in [0, 1], and their labels."""
    x = np.fromfile(os.path.join(DIR, "train-images-idx3-ubyte"), np.uint8)[16:].reshape(-1, 784)[:batch]
    y = np.fromfile(os.path.join(DIR, "train-labels-idx1-ubyte"), np.uint8)[8:][:batch]
    return x.astype(np.float32) / 255, y.astype(np.int64)


def hsic_data(case):
    """Images, labels, and (kernel [out, in], bias) of each block."""
    widths, batch = HSIC[case][:2]
    g = np.random.default_rng(0)
    uniform = lambda i, *shape: (g.uniform(-1, 1, shape) / np.sqrt(i)).astype(np.float32)
    return *mnist(batch), [(uniform(i, o, i), uniform(i, o)) for i, o in zip([784] + widths, widths)]


def vib_data():
    """Images in [-1, 1], labels, the noise of the value that is compared, and (kernel, bias) of each layer, the decoder's last."""
    x, y = mnist(100)
    g = np.random.default_rng(0)
    shapes = [(784, 1024), (1024, 1024), (1024, 2 * K), (K, 10)]
    glorot = lambda i, o: (g.uniform(-1, 1, (o, i)) * np.sqrt(6 / (i + o))).astype(np.float32)
    noise = g.standard_normal((100, K)).astype(np.float32)
    return 2 * x - 1, y, noise, [(glorot(i, o), np.zeros(o, np.float32)) for i, o in shapes]


def linear(w, b):
    import torch, torch.nn as nn
    m = nn.Linear(w.shape[1], w.shape[0])
    m.weight.data, m.bias.data = torch.from_numpy(w.copy()), torch.from_numpy(b.copy())
    return m


# K (K + ridge I)^-1, by four ways that one may think of.
def by_inverse(k, ridge, eye):
    import torch
    return k @ torch.linalg.inv(k + ridge * eye)


def by_solving(k, ridge, eye):
    import torch
    return torch.linalg.solve(k + ridge * eye, k)


def by_cholesky(k, ridge, eye):
    import torch
    return torch.cholesky_solve(k, torch.linalg.cholesky(k + ridge * eye))


def by_identity(k, ridge, eye):
    """I - ridge (K + ridge I)^-1: a product less, for who sees it."""
    import torch
    return eye - ridge * torch.cholesky_inverse(torch.linalg.cholesky(k + ridge * eye))


def hsic_step(case, regularized, dtype="float32", compiled=False):
    import torch, torch.nn as nn, torch.nn.functional as F
    torch.set_num_threads(common.THREADS)
    _, m, sigma, beta, lr = HSIC[case]
    x, y, layers = hsic_data(case)
    wide = getattr(torch, dtype)
    x, y = torch.from_numpy(x), F.one_hot(torch.from_numpy(y), 10).float()
    eye = torch.eye(m, dtype=wide)
    blocks = [nn.Sequential(linear(w, b), nn.BatchNorm1d(len(b), affine=False), nn.ReLU()) for w, b in layers]
    opts = [torch.optim.SGD(b.parameters(), lr, weight_decay=DECAY) for b in blocks]

    def normalized(a):
        a = a.to(wide)
        s = (a * a).sum(1)
        distances = (s[:, None] + s[None, :] - 2 * a @ a.T).clamp_min(0)
        k = torch.exp(distances * (-0.5 / (sigma ** 2 * a.shape[1])))
        c = k.mean(0)
        return regularized(k - c[None, :] - c[:, None] + c.mean(), EPSILON * m, eye)

    def objective(z, mx, my):
        mz = normalized(z)
        return (mz * mx).sum() - beta * (mz * my).sum()
    if compiled:
        normalized, objective = (torch.compile(f, dynamic=False) for f in (normalized, objective))

    def step():
        with torch.no_grad():
            mx, my = normalized(x), normalized(y)
        z, total = x, 0.0
        for block, opt in zip(blocks, opts):
            loss = objective(block(z), mx, my)
            opt.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()
            total += loss.item()
            with torch.no_grad():
                z = block(z)
        return total
    return step


def vib_step(fused=False, compiled=False):
    import torch, torch.nn as nn, torch.nn.functional as F
    torch.set_num_threads(common.THREADS)
    x, y, noise, layers = vib_data()
    x, y, noise = map(torch.from_numpy, (x, y, noise))
    first, second, third, last = (linear(w, b) for w, b in layers)
    encoder, decoder = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third), last
    params = [*encoder.parameters(), *decoder.parameters()]
    opt = torch.optim.Adam(params, 1e-4, betas=(0.5, 0.999), **({"fused": True} if fused else {}))

    def loss_of(noise):
        mean, raw = encoder(x).chunk(2, 1)
        std = F.softplus(raw - 5)
        kl = 0.5 * (mean.square() + std.square() - 2 * std.log() - 1).sum(1)
        return F.cross_entropy(decoder(mean + std * noise), y) + BETA * kl.mean()
    if compiled:
        loss_of = torch.compile(loss_of, dynamic=False)

    def train(noise):
        opt.zero_grad(set_to_none=True)
        loss = loss_of(noise)
        loss.backward()
        opt.step()
        return loss.item()
    # The value that is compared is that of the first step, with noise that is given; the others draw their own.
    given = [noise]
    return lambda: train(given.pop() if given else torch.randn_like(noise))


def cases():
    """The peers of each case."""
    made = {}
    for case in HSIC:
        made[case] = {name: (lambda case=case, given=given: hsic_step(case, *given)) for name, given in {
            "torch_inv": (by_inverse,), "torch_solve": (by_solving,), "torch_cholesky": (by_cholesky,),
            "torch_identity": (by_identity,), "torch_inv_compile": (by_inverse, "float32", True),
            "torch_identity_compile": (by_identity, "float32", True), "torch_inv_f64": (by_inverse, "float64"),
            "torch_identity_f64": (by_identity, "float64")}.items()}
    made[VIB] = {"torch": vib_step, "torch_fused": lambda: vib_step(True), "torch_compile": lambda: vib_step(True, True)}
    return made


if __name__ == "__main__":
    run("bottleneck", cases(), args_for("bottleneck"), versions=("torch",))
