//! `cu/indexing.cu`: elements by their positions.

use hyperglow_core::op::{Op, Spec};
use hyperglow_core::{DType, Result};

use super::axes::{Axes, around, words};
use super::{bits, suffix};
use crate::cuda::gpu::modules::File;
use crate::cuda::kernel::{BLOCK, CudaKernel, Launch};
use crate::cuda::refusal::Refusal;

/// Threads that keep a device busy, where a line is divided into ranges. A constant: the number of ranges changes no bits.
const ENOUGH_THREADS: usize = 1 << 14;

/// x[.., index[i], ..] along `axis`.
pub(super) fn take(op: &Op, x: &Spec, index: &Spec, output: &Spec, axis: usize) -> CudaKernel {
    let [_, count, inner] = around(output.shape.dims(), axis);
    let extent = x.shape[axis];
    let size = output.shape.size();
    let name = format!("take_{}_{}", bits(x.dtype), suffix(index.dtype));
    let launch = Launch::over(File::Indexing, name, size)
        .input(0)
        .input(1)
        .output();
    let launch = launch.ints([size, count, extent, inner]);
    checked(op, 1, index, axis, extent, (size > 0).then_some(launch))
}

/// x[index[i, j], j] for axis 0.
pub(super) fn gather(op: &Op, x: &Spec, index: &Spec, axis: usize) -> Result<CudaKernel> {
    let strides = x.shape.strides();
    let size = index.shape.size();
    let name = format!("gather_{}_{}", bits(x.dtype), suffix(index.dtype));
    let launch = Launch::over(File::Indexing, name, size)
        .input(0)
        .input(1)
        .output()
        .ints([size]);
    let launch = launch
        .arg(words(&[&others(index, &strides, axis).words(op)?]))
        .ints([x.shape[axis], strides[axis]]);
    Ok(checked(
        op,
        1,
        index,
        axis,
        x.shape[axis],
        (size > 0).then_some(launch),
    ))
}

/// Zeros plus the source's slices at `index` along `axis`.
pub(super) fn index_add(
    op: &Op,
    index: &Spec,
    source: &Spec,
    output: &Spec,
    axis: usize,
) -> Result<CudaKernel> {
    add_lines(op, index, source, output, axis, true)
}

/// Zeros plus the source at `index`.
pub(super) fn scatter_add(
    op: &Op,
    index: &Spec,
    source: &Spec,
    output: &Spec,
    axis: usize,
) -> Result<CudaKernel> {
    add_lines(op, index, source, output, axis, false)
}

fn add_lines(
    op: &Op,
    index: &Spec,
    source: &Spec,
    output: &Spec,
    axis: usize,
    shared_index: bool,
) -> Result<CudaKernel> {
    let size = output.shape.size();
    let zeros = Launch::over(File::Indexing, format!("zero_{}", bits(output.dtype)), size);
    let zeros = (size > 0).then(|| zeros.output().ints([size]));
    let strides = output.shape.strides();
    let [outer, length, inner] = around(source.shape.dims(), axis);
    let (count, extent) = (outer * inner, output.shape[axis]);
    let parts = (ENOUGH_THREADS / count.max(1)).clamp(1, extent.max(1));
    // The other axes of the source, as distances in the result.
    let axes = (0..source.shape.rank()).filter(|&i| i != axis);
    let axes = Axes::new(axes.map(|i| (source.shape[i], strides[i])));
    let lines = [
        count,
        length,
        inner,
        extent,
        strides[axis],
        parts,
        usize::from(shared_index),
    ];
    // Sums wrap, so signed and unsigned integers are the same.
    let dtype = match output.dtype {
        DType::I32 => "u32",
        DType::I64 => "u64",
        other => suffix(other),
    };
    let name = format!("scatter_add_{dtype}_{}", suffix(index.dtype));
    let add = Launch::over(File::Indexing, name, count * parts)
        .input(0)
        .input(1)
        .output();
    let add = add.arg(words(&[&lines.map(|value| value as i64), &axes.words(op)?]));
    let add = (size > 0 && count * length > 0).then_some(add);
    Ok(checked(op, 0, index, axis, extent, zeros.into_iter().chain(add)))
}

/// The axes of `index` as distances of `strides`, and 0 on `axis`.
fn others(index: &Spec, strides: &[usize], axis: usize) -> Axes {
    let distance = |i: usize| if i == axis { 0 } else { strides[i] };
    Axes::new((0..index.shape.rank()).map(|i| (index.shape[i], distance(i))))
}

/// Launches after a check of the indices, which are operand `number`.
fn checked(
    op: &Op,
    number: usize,
    index: &Spec,
    axis: usize,
    extent: usize,
    launches: impl IntoIterator<Item = Launch>,
) -> CudaKernel {
    let count = index.shape.size();
    let check = Launch::new(File::Indexing, format!("check_{}", suffix(index.dtype)), 1, BLOCK)
        .shared(BLOCK as usize * 8)
        .input(number)
        .ints([count, extent])
        .refusal();
    let check = (count > 0).then_some(check);
    CudaKernel::of(check.into_iter().chain(launches)).refuses(Refusal::Index {
        op: op.name(),
        indices: index.shape.clone(),
        axis,
        extent,
    })
}
