//! `cu/neighbors.cu`: distances between rows, which are never stored all at once.

use hyperglow_core::op::{Metric, Spec};

use super::suffix;
use super::tiles::{Tiles, pairs_of};
use crate::cuda::gpu::modules::File;
use crate::cuda::kernel::{BLOCK, CudaKernel, Launch};

/// Blocks that keep every multiprocessor busy. A constant, so that the order of a sum is the same on every device.
const ENOUGH_BLOCKS: usize = 512;
/// `DIGIT`; `struct Median` in bytes, and where its bins begin; `struct Seen` in bytes.
const DIGIT: usize = 11;
const BINS: usize = 1 << DIGIT;
const MEDIAN: usize = 24 + BINS * 8;
const SEEN: usize = 32;

/// Tiles of the distances, and the parts that a row of tiles is split into.
fn tiles(x: &Spec) -> (Tiles, usize) {
    let n = x.shape[0];
    let tiles = Tiles::of_pairs(n, x.dtype);
    let down = tiles.across(n).max(1);
    (tiles, (ENOUGH_BLOCKS / down).clamp(1, down))
}

/// For each row the `k` nearest others.
pub(super) fn nearest(x: &Spec, k: usize, metric: Metric) -> CudaKernel {
    let (n, d) = (x.shape[0], x.shape[1]);
    let (tiles, splits) = tiles(x);
    let lists = splits * k * n;
    let index = (lists * x.dtype.size()).next_multiple_of(256);
    let held = index + (lists * 4).next_multiple_of(256);
    let taken = held + (splits * n * 4).next_multiple_of(256);
    let find = tiles.launch(File::Neighbors, "neighbors", tiles.across(n) * splits, 0);
    let find = find.input(0).ints([n, d]).flag(metric == Metric::Euclidean);
    let find = find.ints([k, splits]).scratch(0).scratch(index).scratch(held);
    let merge = Launch::over(File::Neighbors, format!("neighbors_merge_{}", suffix(x.dtype)), n);
    let merge = merge.scratch(0).scratch(index).scratch(held).scratch(taken);
    let merge = merge.output().ints([n, k, splits]);
    CudaKernel::of([find, merge]).scratch(taken + splits * n * 4)
}

/// For each row the number of others within its radius.
pub(super) fn count_within(x: &Spec, metric: Metric, closed: bool) -> CudaKernel {
    let (n, d) = (x.shape[0], x.shape[1]);
    if n == 0 {
        return CudaKernel::default();
    }
    let (tiles, splits) = tiles(x);
    let count = tiles.launch(File::Neighbors, "within", tiles.across(n) * splits, 0);
    let count = count.input(0).input(1).ints([n, d]);
    let count = count.flag(metric == Metric::Euclidean).flag(closed);
    let count = count.ints([splits]).scratch(0);
    let sum = Launch::over(File::Neighbors, "within_sum", n);
    let sum = sum.scratch(0).output().ints([n, splits]);
    CudaKernel::of([count, sum]).scratch(splits * n * 4)
}

/// The median distance of all pairs of rows.
pub(super) fn median_distance(x: &Spec) -> CudaKernel {
    let (n, d, dtype) = (x.shape[0], x.shape[1], suffix(x.dtype));
    let tiles = Tiles::of_pairs(n, x.dtype);
    let pairs = n * (n - 1) / 2;
    let blocks = pairs_of(tiles.across(n)).min(2 * ENOUGH_BLOCKS);
    let seen = MEDIAN.next_multiple_of(256);
    let mut launches = vec![
        Launch::new(File::Neighbors, "median_start", 1, BLOCK)
            .scratch(0)
            .ints([pairs]),
        Launch::over(File::Neighbors, format!("median_finite_{dtype}"), x.shape.size())
            .input(0)
            .ints([x.shape.size()])
            .scratch(0),
    ];
    let bits = 8 * x.dtype.size();
    for digit in (0..bits.div_ceil(DIGIT)).rev() {
        let (shift, known) = (digit * DIGIT, (digit + 1) * DIGIT);
        let known = if known >= bits { 64 } else { known };
        let count = tiles.launch(File::Neighbors, "median_count", blocks, BINS * 4);
        let count = count.input(0).ints([n, d]).scratch(0);
        launches.push(count.ints([shift, known]));
        let pick = Launch::new(File::Neighbors, "median_digit", 1, BLOCK);
        let pick = pick.shared(BLOCK as usize * 8).scratch(0);
        launches.push(pick.ints([shift]));
    }
    let rest = tiles.launch(File::Neighbors, "median_rest", blocks, 0);
    launches.push(rest.input(0).ints([n, d]).scratch(0).scratch(seen));
    let finish = Launch::new(File::Neighbors, format!("median_finish_{dtype}"), 1, 1);
    let finish = finish.scratch(0).scratch(seen).ints([blocks, pairs]);
    launches.push(finish.output());
    CudaKernel::of(launches).scratch(seen + blocks * SEEN)
}
