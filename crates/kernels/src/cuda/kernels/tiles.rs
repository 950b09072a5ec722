//! `cu/tiles.h`: tiles of results whose terms are pairs of elements.

use hyperglow_core::DType;

use super::suffix;
use crate::cuda::gpu::modules::File;
use crate::cuda::kernel::{BLOCK, CudaKernel, Launch};

/// Blocks that keep every multiprocessor busy. A constant, so that the order of a sum is the same on every device.
const ENOUGH_BLOCKS: usize = 512;
/// Minimal number of terms of a split.
const SPLIT_TERMS: usize = 128;
/// Rows and columns from which on larger tiles leave no multiprocessor idle.
const LARGE: usize = 1024;

/// A tile of 16 `lines` rows and columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
    /// `R`: rows and columns of a thread's results.
    pub lines: usize,
    pub dtype: DType,
}

impl Tiles {
    /// Tiles of the matrix of all pairs of `n` things.
    pub fn of_pairs(n: usize, dtype: DType) -> Tiles {
        Tiles {
            lines: if n < LARGE { 2 } else { 4 },
            dtype,
        }
    }
    /// Rows and columns of a tile.
    pub fn side(self) -> usize {
        16 * self.lines
    }
    /// Tiles beside each other for `n` columns.
    pub fn across(self, n: usize) -> usize {
        n.div_ceil(self.side())
    }
    /// Bytes of shared memory: `ROOM` elements.
    fn room(self) -> usize {
        // `DEPTH`: terms that go through shared memory together.
        let depth = if self.lines < 8 { 16 } else { 8 };
        4 * depth * (self.side() + self.lines.min(4)) * self.dtype.size()
    }
    /// Among how many blocks the terms of a tile are divided, where all tiles are `blocks` many.
    pub fn splits(self, blocks: usize, terms: usize) -> usize {
        (ENOUGH_BLOCKS / blocks).min(terms / SPLIT_TERMS).max(1)
    }
    /// Launches of which the last one writes the result of `size` elements, or the sums of its splits to `scratch` on; then these
    /// are added. Only the bytes of scratch before are the launches' own.
    pub fn with_splits(
        self,
        mut launches: Vec<Launch>,
        scratch: usize,
        splits: usize,
        size: usize,
    ) -> CudaKernel {
        if splits == 1 {
            return CudaKernel::of(launches).scratch(scratch);
        }
        launches.push(self.add_splits(scratch, 0, size, splits));
        CudaKernel::of(launches).scratch(scratch + splits * size * self.dtype.size())
    }
    /// A launch that adds up the splits in scratch, which become `size` elements of the output from element `to` on.
    pub fn add_splits(self, scratch: usize, to: usize, size: usize, splits: usize) -> Launch {
        let add = Launch::over(File::Matmul, format!("add_splits_{}", suffix(self.dtype)), size);
        add.scratch(scratch).output().ints([to, size, splits])
    }
    /// A launch of a kernel that computes tiles, with `more` bytes of shared memory.
    pub fn launch(self, file: File, name: &str, blocks: usize, more: usize) -> Launch {
        let name = format!("{name}_{}_{}", suffix(self.dtype), self.lines);
        Launch::new(file, name, blocks, BLOCK).shared(self.room() + more)
    }
}

/// Pairs of `n` things, equal ones and one order only.
pub(super) fn pairs_of(n: usize) -> usize {
    n * (n + 1) / 2
}
