//! `cu/matmul.cu`: matrix products.

use hyperglow_core::op::Spec;

use super::axes::words;
use super::tiles::Tiles;
use crate::cuda::gpu::modules::File;
use crate::cuda::kernel::{Arg, CudaKernel};

/// Blocks that keep most multiprocessors busy: tiles are as large as leaves so many.
const BUSY: usize = 128;

/// A product of stacks of matrices; a flag says that an operand is stored transposed.
pub(super) fn matmul(a: &Spec, b: &Spec, output: &Spec, ta: bool, tb: bool) -> CudaKernel {
    let dims = output.shape.dims();
    let (batch, &[m, n]) = dims.split_last_chunk::<2>().unwrap_or((&[], &[1, 1]));
    let rank = a.shape.rank();
    let k = a.shape[if ta { rank - 2 } else { rank - 1 }];
    let matrices: usize = batch.iter().product();
    let size = output.shape.size();
    if size == 0 {
        return CudaKernel::default();
    }
    debug_assert_eq!(b.shape.size(), matrices * k * n);
    let (tiles, blocks) = tiles_of(m, n, k, matrices, output);
    let splits = tiles.splits(blocks, k);
    let strides = |rows: usize, columns: usize, transposed: bool| {
        let step = if transposed { [1, rows] } else { [columns, 1] };
        words(&[&[rows * columns, step[0], step[1]].map(|stride| stride as i64)])
    };
    let to = if splits == 1 { Arg::Output } else { Arg::Scratch(0) };
    let launch = tiles.launch(File::Matmul, "matmul", blocks * splits, 0);
    let launch = launch.input(0).input(1).arg(to).ints([m, n, k]);
    let launch = launch.arg(strides(m, k, ta)).arg(strides(k, n, tb));
    tiles.with_splits(vec![launch.ints([splits, matrices])], 0, splits, size)
}

/// The largest tiles of which there are enough, and their number; small ones where all are few.
fn tiles_of(m: usize, n: usize, k: usize, matrices: usize, output: &Spec) -> (Tiles, usize) {
    let dtype = output.dtype;
    let of = |lines: usize| {
        let tiles = Tiles { lines, dtype };
        (tiles, matrices * tiles.across(m) * tiles.across(n))
    };
    let largest = if dtype.size() == 4 { 8 } else { 4 };
    // A tile of which most lies outside is a waste.
    let fits = |lines: usize| 8 * lines < m.min(n);
    let sizes = [8, 4, 2]
        .into_iter()
        .filter(|&lines| lines <= largest && fits(lines));
    let candidates: Vec<_> = sizes.map(of).collect();
    let busy = candidates
        .iter()
        .find(|(tiles, blocks)| blocks * tiles.splits(*blocks, k) >= BUSY);
    *busy.or(candidates.last()).unwrap_or(&of(1))
}
