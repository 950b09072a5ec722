"""KSG as NPEET computes it: cKDTree, one query after the other, on the cases of the yardstick's mutual information."""
import math
import numpy as np
import peers
import j3_mi
from common import args_for, run


def npeet(x, y):
    from scipy.spatial import cKDTree
    from scipy.special import digamma
    k = j3_mi.K

    def f():
        z = np.hstack([x, y])
        tree = cKDTree(z)
        radius = [tree.query(p, k + 1, p=math.inf)[0][k] for p in z]

        def marginal(v):
            t = cKDTree(v)
            counts = (len(t.query_ball_point(p, r - 1e-15, p=math.inf)) for p, r in zip(v, radius))
            return np.mean([digamma(c) for c in counts])
        return digamma(k) + digamma(len(x)) - marginal(x) - marginal(y)
    return f


if __name__ == "__main__":
    a, cases = args_for("NPEET"), {}
    for d in (1, 2, 3, 5, 10):
        x, y = j3_mi.data(10000, d)
        cases[f"ksg/d={d}/n=10000"] = {"npeet_loop": lambda x=x, y=y: npeet(x, y)}
    run("npeet", cases, a, block_ms=200, blocks=5, versions=("numpy", "scipy"), note="value in nats")
