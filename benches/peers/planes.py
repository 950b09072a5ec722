"""The information plane of a run of 50 epochs, 5 tanh layers and 2,000 samples, as numpy programs and packages measure it: an iteration is the
10 coordinates of one epoch, the epochs in turn; the whole job is 50 of them. The value is the sum of the coordinates of the first epoch in nats.

binned  30 bins on [-1, 1], each row one symbol, I(T;X) = H(T) and I(T;Y) = H(T) - sum p(y) H(T|y): the arithmetic of the published programs
        (Shwartz-Ziv and Tishby 2017; Saxe and others 2018), with numpy's rows as one void element.
kde     the bound of Kolchinsky and Tracey as Saxe and others compute it, noise variance 1e-3. infomeasure's kernel estimator is another one.
ksg     Kraskov's first estimator, k = 3, of each layer with the input (12 numbers) and with a target that is a number.
"""
import itertools
import warnings
import numpy as np
import peers
import common
import npeet
from common import args_for, run

warnings.filterwarnings("ignore")
EPOCHS, N, INPUTS, WIDTHS, VARIANCE, BINS = 50, 2000, 12, (10, 7, 5, 4, 3), 1e-3, 30


def data():
    """Inputs, labels, a target that is a number, and activations [epochs][layers]: a network whose weights grow."""
    g = np.random.default_rng(0)
    x = g.standard_normal((N, INPUTS))
    score = x @ g.standard_normal(INPUTS) / np.sqrt(INPUTS)
    target = score + 0.3 * g.standard_normal(N)
    widths = (INPUTS, *WIDTHS)
    weights = [g.standard_normal((i, o)) / np.sqrt(i) for i, o in zip(widths, widths[1:])]

    def layers(scale):
        h = x
        for w in weights:
            h = np.tanh(scale * h @ w)
            yield h
    return x, (score > 0).astype(np.int64), target[:, None], [list(layers(0.5 + 3 * e / EPOCHS)) for e in range(EPOCHS)]


X, LABELS, TARGET, ACTIVATIONS = data()


def each_epoch(pair):
    """Iterations that give the sum of the coordinates, pair(h) = (with X, with Y), of an epoch after the other."""
    epochs = itertools.cycle(ACTIVATIONS)
    return lambda: float(sum(sum(pair(h)) for h in next(epochs)))


def entropy(counts):
    p = counts / counts.sum()
    return -(p * np.log(p)).sum()


def rows_of(h):
    """The bins of each sample as one element."""
    b = np.clip(np.digitize(h, np.linspace(-1, 1, BINS + 1)) - 1, 0, BINS - 1)
    return np.ascontiguousarray(b).view(np.dtype((np.void, b.dtype.itemsize * b.shape[1]))).ravel()


def numpy_binned(h):
    rows = rows_of(h)
    whole = entropy(np.unique(rows, return_counts=True)[1])
    inside = sum((LABELS == c).mean() * entropy(np.unique(rows[LABELS == c], return_counts=True)[1]) for c in (0, 1))
    return whole, whole - inside


def infomeasure_binned(h):
    import infomeasure as im
    ids = np.unique(rows_of(h), return_inverse=True)[1]
    return im.entropy(ids, approach="discrete"), im.mutual_information(ids, LABELS, approach="discrete")


def kde_entropy(h):
    """Without the terms that depend on neither samples nor classes."""
    from scipy.special import logsumexp
    s = (h * h).sum(1)
    d = s[:, None] + s[None, :] - 2 * h @ h.T
    return -(logsumexp(d * (-0.5 / VARIANCE), axis=1) - np.log(len(h))).mean()


def numpy_kde(h):
    whole = kde_entropy(h)
    return whole, whole - sum((LABELS == c).mean() * kde_entropy(h[LABELS == c]) for c in (0, 1))


def torch_kde(h):
    """The same on torch tensors, which the published program has been written for, in a sense: it ran on Theano and TensorFlow."""
    import torch
    torch.set_num_threads(common.THREADS)

    def of(x):
        s = (x * x).sum(1)
        d = s[:, None] + s[None, :] - 2 * x @ x.T
        return -(torch.logsumexp(d * (-0.5 / VARIANCE), 1) - np.log(len(x))).mean().item()
    h = torch.from_numpy(h)
    whole = of(h)
    return whole, whole - sum((LABELS == c).mean() * of(h[torch.from_numpy(LABELS == c)]) for c in (0, 1))


def infomeasure_kernel(h):
    import infomeasure as im
    kernel = dict(approach="kernel", kernel="gaussian", bandwidth=VARIANCE ** 0.5, workers=common.THREADS)
    return tuple(im.mutual_information(h, other, **kernel) for other in (X, TARGET))


def infomeasure_ksg(h):
    import infomeasure as im
    return tuple(im.mutual_information(h, other, approach="ksg", k=3) for other in (X, TARGET))


def npeet_plus(h):
    from npeet_plus import mi
    return tuple(mi(h, other, k=3, base=np.e) for other in (X, TARGET))


def npeet_loop(h):
    """As NPEET itself computes it: one query after the other."""
    return tuple(npeet.npeet(h, other)() for other in (X, TARGET))


CASES = {"planes/binned": {"numpy": numpy_binned, "infomeasure": infomeasure_binned},
         "planes/kde": {"numpy": numpy_kde, "infomeasure_kernel": infomeasure_kernel, "torch": torch_kde},
         "planes/ksg": {"npeet_plus": npeet_plus, "npeet_loop": npeet_loop, "infomeasure": infomeasure_ksg}}

if __name__ == "__main__":
    cases = {case: {name: lambda pair=pair: each_epoch(pair) for name, pair in by.items()} for case, by in CASES.items()}
    run("planes", cases, args_for("planes"), block_ms=200, blocks=5,
        versions=("numpy", "scipy", "infomeasure", "npeet-plus", "torch"), note="value in nats")
