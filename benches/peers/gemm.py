"""A float32 product of a size that j0_machine.py leaves out."""
import peers
from common import args_for, run
from j0_machine import gemm

if __name__ == "__main__":
    run("gemm", {"gemm/2048x2048x2048": gemm(2048, 2048, 2048)}, args_for("gemm"), block_ms=300, versions=("torch", "numpy"))
