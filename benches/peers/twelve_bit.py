"""Trains the networks of examples/twelve-bit.ts with PyTorch and prints the seconds of an epoch as one JSON line: the median
of `epochs` epochs.

    python twelve_bit.py ACTIVATION SEEDS EPOCHS THREADS

`batched`: all seeds in one network with a first axis of seeds, as ours; `one_by_one`: a network after the other, as the published
programs do.
"""
import json, statistics, sys, time
import torch

activation, seeds, epochs, threads = sys.argv[1], *map(int, sys.argv[2:5])
torch.set_num_threads(threads)
WIDTHS, BATCH = (12, 10, 7, 5, 4, 3, 2), 256
f = torch.tanh if activation == "tanh" else torch.relu
X = (torch.arange(4096)[:, None] >> torch.arange(11, -1, -1) & 1).float()
Y = torch.randint(0, 2, (4096,))                     # which labels they are does not change the time


def train(count):
    w = [(torch.randn(count, i, o) / o ** 0.5).requires_grad_() for i, o in zip(WIDTHS, WIDTHS[1:])]
    b = [torch.zeros(count, 1, o, requires_grad=True) for o in WIDTHS[1:]]
    adam = torch.optim.Adam(w + b, 4e-4, eps=1e-7, fused=True)

    def epoch():
        order = torch.stack([torch.randperm(4096)[:3277] for _ in range(count)])
        for index in order.split(BATCH, 1):
            h = X[index]
            for k, (wk, bk) in enumerate(zip(w, b)):
                h = torch.baddbmm(bk, h, wk)
                if k < len(w) - 1:
                    h = f(h)
            loss = torch.nn.functional.cross_entropy(h.flatten(0, 1), Y[index].flatten(), reduction="sum") / index.shape[1]
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
    epoch()
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        epoch()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


print(json.dumps({"batched": train(seeds), "one_by_one": seeds * train(1), "torch": torch.__version__}))
