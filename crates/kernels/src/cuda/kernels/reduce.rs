//! `cu/reduce.cu`: sums and extrema over axes, and positions of maxima.

use hyperglow_core::op::{Op, Reduction, Spec};
use hyperglow_core::{DType, Result};

use super::axes::{Axes, around, words};
use super::suffix;
use crate::cuda::gpu::modules::File;
use crate::cuda::kernel::{BLOCK, CudaKernel, Launch};

/// Blocks that keep every multiprocessor busy. A constant, so that the order of a sum is the same on every device.
const ENOUGH_BLOCKS: usize = 512;
/// Minimal number of terms of a split.
const SPLIT_TERMS: usize = 4096;
/// Results of a block of columns, and rows of its threads.
const COLUMNS: usize = 32;
const ROWS: u32 = 8;

/// A reduction over `axes`.
pub(super) fn reduce(op: &Op, kind: Reduction, axes: &[usize], x: &Spec) -> Result<CudaKernel> {
    let strides = x.shape.strides();
    let of = |reduced: bool| {
        let axis = |i: usize| (axes.contains(&i) == reduced).then(|| (x.shape[i], strides[i]));
        Axes::new((0..x.shape.rank()).filter_map(axis))
    };
    let (kept, reduced) = (of(false), of(true));
    let (outputs, terms) = (kept.size(), reduced.size());
    if outputs == 0 {
        return Ok(CudaKernel::default());
    }
    let columns = kept
        .last()
        .is_some_and(|(extent, stride)| stride == 1 && extent > 1);
    let blocks = if columns {
        outputs.div_ceil(COLUMNS)
    } else {
        outputs
    };
    let splits = (ENOUGH_BLOCKS / blocks).min(terms / SPLIT_TERMS).max(1);
    let how = match kind {
        Reduction::Sum => "sum",
        Reduction::Max => "max",
        Reduction::Min => "min",
    };
    // Partial results are wider than elements where sums are.
    let width = if kind == Reduction::Sum { 8 } else { x.dtype.size() };
    let dtype = suffix(x.dtype);
    let counts = [outputs as i64, terms as i64, splits as i64];
    let layout = words(&[&counts, &kept.words(op)?, &reduced.words(op)?]);
    let launch = if columns {
        let launch = Launch::new(
            File::Reduce,
            format!("{how}_columns_{dtype}"),
            blocks * splits,
            COLUMNS as u32,
        );
        Launch {
            block: [COLUMNS as u32, ROWS, 1],
            ..launch
        }
    } else {
        Launch::new(
            File::Reduce,
            format!("{how}_rows_{dtype}"),
            blocks * splits,
            threads_for(terms / splits),
        )
    };
    let threads = launch.block[0] * launch.block[1];
    let launch = launch
        .shared(threads as usize * width)
        .input(0)
        .output()
        .scratch(0)
        .arg(layout);
    if splits == 1 {
        return Ok(CudaKernel::of([launch]));
    }
    let last = Launch::over(File::Reduce, format!("{how}_partial_{dtype}"), outputs);
    let last = last.scratch(0).output().ints([outputs, splits]);
    Ok(CudaKernel::of([launch, last]).scratch(outputs * splits * width))
}

/// The index of the first maximum along `axis`.
pub(super) fn arg_max(x: &Spec, axis: usize) -> CudaKernel {
    let [outer, extent, inner] = around(x.shape.dims(), axis);
    if outer * inner == 0 {
        return CudaKernel::default();
    }
    // A value with its position.
    let width = if x.dtype == DType::Bool {
        16
    } else {
        x.dtype.size().next_multiple_of(8) + 8
    };
    let threads = threads_for(extent);
    let launch = Launch::new(
        File::Reduce,
        format!("arg_max_{}", suffix(x.dtype)),
        outer * inner,
        threads,
    );
    CudaKernel::of([launch
        .shared(threads as usize * width)
        .input(0)
        .output()
        .ints([extent, inner])])
}

/// Threads of a block for so many terms: a power of two.
fn threads_for(terms: usize) -> u32 {
    (terms.div_ceil(4).next_power_of_two() as u32).clamp(32, BLOCK)
}
