//! `cu/sources.cu`: positions along an axis, and random numbers.

use hyperglow_core::DType;
use hyperglow_core::op::{Distribution, Spec};

use super::suffix;
use crate::cuda::gpu::modules::File;
use crate::cuda::kernel::{CudaKernel, Launch};

/// 0, 1, 2, ... along `axis`.
pub(super) fn iota(output: &Spec, axis: usize) -> CudaKernel {
    let count = output.shape.size();
    let inner = output.shape.strides()[axis];
    let name = format!("iota_{}", suffix(output.dtype));
    let launch = Launch::over(File::Sources, name, count).output();
    CudaKernel::of((count > 0).then(|| launch.ints([count, output.shape[axis], inner])))
}

/// Random numbers, with the bits of the CPU's.
pub(super) fn random(kind: Distribution, output: &Spec) -> CudaKernel {
    let (name, of_block) = match (kind, output.dtype) {
        (Distribution::Bits, _) => ("random_bits", 4),
        (Distribution::Uniform, DType::F64) => ("uniform_f64", 2),
        (Distribution::Uniform, _) => ("uniform_f32", 4),
        (Distribution::Normal, DType::F64) => ("normal_f64", 2),
        (Distribution::Normal, _) => ("normal_f32", 2),
    };
    let count = output.shape.size();
    let launch = Launch::over(File::Sources, name, count.div_ceil(of_block))
        .input(0)
        .output();
    CudaKernel::of((count > 0).then(|| launch.ints([count])))
}
