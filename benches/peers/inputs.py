"""Writes the arrays that the peers begin with, so that another program can begin with the same and its values be compared.

    python inputs.py JOB FOLDER

Each array becomes FOLDER/CASE/NAME.npy, where characters of the case's name that are no letters or digits become '-'. A peer's
arrays are taken from its own set-up: variables of its module, or what its iteration closes over.
"""
import inspect, os, re, sys
import numpy as np
import peers

FOLDER = sys.argv[2]


def save(case, name, array):
    folder = os.path.join(FOLDER, re.sub(r"[^A-Za-z0-9]+", "-", case))
    os.makedirs(folder, exist_ok=True)
    if hasattr(array, "detach"):
        array = array.detach().numpy()
    array = np.ascontiguousarray(array)
    np.save(os.path.join(folder, name), array.astype(np.int32) if array.dtype.kind == "i" else array)


def save_all(case, prefix, arrays):
    for i, a in enumerate(arrays):
        save(case, f"{prefix}{i}", a)


def held(step):
    """What a training step closes over."""
    return inspect.getclosurevars(step).nonlocals


def parameters(step):
    return held(step)["opt"].param_groups[0]["params"]


def j1():
    import j1_notebook
    step = j1_notebook.plain()
    save_all("j1", "p", parameters(step))
    save("j1", "order", held(step)["order"])


def j2():
    import j2_hsic
    for m in (64, 256, 1024, 4096):
        for mode in ("value", "value+grad"):
            x, y = j2_hsic.data(m)
            save(f"hsic/{mode}/m={m}", "x", x)
            save(f"hsic/{mode}/m={m}", "y", y)


def j3():
    import j3_mi
    for n in (1000, 5000, 10000):
        for kind, dims in (("ksg", (1, 2, 3, 5, 10)), ("kde", (1, 5))):
            for d in dims:
                for name, array in zip("xy", j3_mi.data(n, d)):
                    save(f"{kind}/d={d}/n={n}", name, array)
    for n, d in ((1000, 10), (10000, 10), (10000, 200)):
        for name, array in zip("xy", j3_mi.binned_data(n, d)):
            save(f"binned/d={d}/n={n}", name, array)


def j5():
    import j5_hypernet as j
    for kind in ("hmlp", "chunked_hmlp"):
        layers, embeddings = j.init(kind)
        for mode in ("plain", "dtheta", "second"):
            save(f"{kind}/{mode}", "x", j.X)
            save(f"{kind}/{mode}", "y", j.Y)
            save_all(f"{kind}/{mode}", "p", layers + [embeddings])


def j7():
    import j7_nets
    for case, by_peer in j7_nets.CASES.items():
        step = by_peer["torch"]()
        save(case, "x", held(step)["x"])
        save(case, "y", held(step)["y"])
        save_all(case, "p", parameters(step))


def small():
    import small
    for case in small.NETS:
        x, y, layers = small.data(case)
        save(case, "x", x)
        save(case, "y", y)
        save_all(case, "p", [array for layer in layers for array in layer])


def maps():
    import maps as m
    for case in m.NETS:
        x, y, layers = m.data(case)
        save(case, "x", x)
        save(case, "y", y)
        save_all(case, "p", layers)


def bottleneck():
    import bottleneck as b
    for case in b.HSIC:
        x, y, layers = b.hsic_data(case)
        save(case, "x", x)
        save(case, "y", y)
        save_all(case, "p", [array for layer in layers for array in layer])
    x, y, noise, layers = b.vib_data()
    for name, array in (("x", x), ("y", y), ("noise", noise)):
        save(b.VIB, name, array)
    save_all(b.VIB, "p", [array for layer in layers for array in layer])


def planes():
    import planes as p
    for case in p.CASES:
        for name, array in (("x", p.X), ("y", p.LABELS), ("target", p.TARGET)):
            save(case, name, array)
        for epoch, layers in enumerate(p.ACTIVATIONS):
            save_all(case, f"h{epoch}_", layers)


if __name__ == "__main__":
    {f.__name__: f for f in (j1, j2, j3, j5, j7, small, maps, bottleneck, planes)}[sys.argv[1]]()
