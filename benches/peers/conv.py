"""The three products of a convolution one by one, in torch: forward, gradient by the input, gradient by the weights."""
import peers
import torch, torch.nn.functional as F
import common
from common import args_for, run

torch.set_num_threads(common.THREADS)
torch.manual_seed(0)

# batch, channels, outputs, size, kernel, stride, groups
CASES = {
    "32x64x32x32->64k3": (32, 64, 64, 32, 3, 1, 1),
    "32x128x16x16->128k3": (32, 128, 128, 16, 3, 1, 1),
    "32x64x32x32->128k1": (32, 64, 128, 32, 1, 1, 1),
    "32x64x32x32->128k1 stride 2": (32, 64, 128, 32, 1, 2, 1),
    "32x64x32x32->128k3 stride 2": (32, 64, 128, 32, 3, 2, 1),
    "32x64x32x32->64k3 depthwise": (32, 64, 64, 32, 3, 1, 64),
    "32x64x32x32->64k3 4 groups": (32, 64, 64, 32, 3, 1, 4),
    "64x1x28x28->16k3": (64, 1, 16, 28, 3, 1, 1),
}


def product(which, shape, cl):
    batch, channels, outputs, size, kernel, stride, groups = shape
    pad, places = (kernel - 1) // 2, -(-size // stride)

    def setup():
        f = torch.channels_last if cl else torch.contiguous_format
        x = torch.randn(batch, channels, size, size).to(memory_format=f)
        dy = torch.randn(batch, outputs, places, places).to(memory_format=f)
        w = torch.randn(outputs, channels // groups, kernel, kernel).to(memory_format=f)
        if which == "forward":
            return lambda: F.conv2d(x, w, stride=stride, padding=pad, groups=groups) is None
        mask = [which == "input gradient", which == "weight gradient", False]
        back = torch.ops.aten.convolution_backward
        return lambda: back(dy, x, w, None, [stride, stride], [pad, pad], [1, 1], False, [0, 0], groups, mask) is None
    return setup


if __name__ == "__main__":
    cases = {}
    for which in ("forward", "input gradient", "weight gradient"):
        for case, shape in CASES.items():
            cases[f"{case}/{which}"] = {
                name: product(which, shape, cl) for name, cl in (("torch", False), ("torch_channels_last", True))}
    run("conv", cases, args_for("conv"), versions=("torch",))
