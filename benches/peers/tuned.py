"""J1 in torch processes that keep the memory they free: transparent huge pages, or a malloc that returns nothing to the system.
The steps are those of j1_notebook.py, with fused SGD."""
import sys
import peers
import j1_notebook
from common import External, args_for, run

TUNED = {"thp": ["THP_MEM_ALLOC_ENABLE=1"],
         "malloc": ["MALLOC_MMAP_MAX_=0", "MALLOC_TRIM_THRESHOLD_=17179869184", "MALLOC_TOP_PAD_=268435456"]}
STEPS = ("b_torch_fused_sgd", "c_torch_hsic_fused_sgd")

if __name__ == "__main__":
    a = args_for("tuned")
    w = {f"{s}_{t}": External(["env", *env, sys.executable, j1_notebook.__file__, "--worker", s])
         for s in STEPS for t, env in TUNED.items()}
    run("tuned", {"j1": w}, a, block_ms=600, versions=("torch",))
    for p in w.values():
        p.close()
