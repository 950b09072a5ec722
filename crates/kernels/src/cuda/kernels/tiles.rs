//! `cu/tiles.h`: tiles of results whose terms are pairs of elements.

use hyperglow_core::DType;

use super::suffix;
use crate::cuda::gpu::modules::File;
use crate::cuda::kernel::{BLOCK, Launch};

/// Terms that go through shared memory together.
const DEPTH: usize = 16;
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
        4 * DEPTH * (self.side() + self.lines.min(4)) * self.dtype.size()
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
