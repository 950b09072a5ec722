"""The three products of a convolution one by one, in torch: forward, gradient by the input, gradient by the weights."""
import peers
import torch, torch.nn.functional as F
import common
from common import args_for, run

torch.set_num_threads(common.THREADS)
torch.manual_seed(0)


def product(which, batch, channels, size, cl):
    def setup():
        f = torch.channels_last if cl else torch.contiguous_format
        x, dy = (torch.randn(batch, channels, size, size).to(memory_format=f) for _ in range(2))
        w = torch.randn(channels, channels, 3, 3).to(memory_format=f)
        if which == "forward":
            return lambda: F.conv2d(x, w, padding=1) is None
        mask = [which == "input gradient", which == "weight gradient", False]
        back = torch.ops.aten.convolution_backward
        return lambda: back(dy, x, w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, mask) is None
    return setup


if __name__ == "__main__":
    cases = {}
    for which in ("forward", "input gradient", "weight gradient"):
        for batch, channels, size in ((32, 64, 32), (32, 128, 16)):
            cases[f"{batch}x{channels}x{size}x{size}->{channels}k3/{which}"] = {
                name: product(which, batch, channels, size, cl)
                for name, cl in (("torch", False), ("torch_channels_last", True))}
    run("conv", cases, args_for("conv"), versions=("torch",))
