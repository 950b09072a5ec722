//! `cu/order.cu`: sorting and running sums.

use hyperglow_core::DType;
use hyperglow_core::op::Spec;

use super::axes::around;
use super::suffix;
use crate::cuda::gpu::modules::File;
use crate::cuda::kernel::{BLOCK, CudaKernel, Launch};

/// The first places of the stable order along `axis`: as many as the output has there.
pub(super) fn sort(x: &Spec, output: &Spec, axis: usize, descending: bool) -> CudaKernel {
    let [outer, extent, inner] = around(x.shape.dims(), axis);
    let size = outer * extent * inner;
    if output.shape.size() == 0 {
        return CudaKernel::default();
    }
    let bytes = (size * 4).next_multiple_of(256);
    let mut launches = vec![
        Launch::over(File::Order, "sort_start", size)
            .scratch(0)
            .ints([size, extent]),
    ];
    let (mut from, mut to) = (0, bytes);
    let mut width = 1;
    while width < extent {
        let merge = Launch::over(File::Order, format!("sort_merge_{}", suffix(x.dtype)), size).input(0);
        let merge = merge.scratch(from).scratch(to).ints([size, extent, inner, width]);
        launches.push(merge.flag(descending));
        (from, to) = (to, from);
        width *= 2;
    }
    let count = output.shape[axis];
    let finish = Launch::over(File::Order, "sort_finish", output.shape.size())
        .scratch(from)
        .output();
    launches.push(finish.ints([output.shape.size(), extent, inner, count]));
    CudaKernel::of(launches).scratch(2 * bytes)
}

/// The running sum along `axis`.
pub(super) fn cumsum(x: &Spec, axis: usize, reverse: bool) -> CudaKernel {
    let [outer, extent, inner] = around(x.shape.dims(), axis);
    if x.shape.size() == 0 {
        return CudaKernel::default();
    }
    // Sums wrap, so signed and unsigned integers are the same.
    let dtype = match x.dtype {
        DType::I32 => "u32",
        DType::I64 => "u64",
        other => suffix(other),
    };
    let threads = (extent.next_power_of_two() as u32).clamp(32, BLOCK);
    let launch = Launch::new(File::Order, format!("cumsum_{dtype}"), outer * inner, threads);
    let launch = launch
        .shared(threads as usize * 8)
        .input(0)
        .output()
        .ints([extent, inner]);
    CudaKernel::of([launch.flag(reverse)])
}
