//! The layout of an operation, a function of its shapes: tiles, the algorithm of inner products, and the offsets in
//! scratch.

use std::any::TypeId;
use std::ops::Range;

use hyperglow_core::op::Spec;
use hyperglow_core::similarity::{Products, Similarity};

use super::differences::MAX_DIFFERENCE_NUMBERS;
use super::rows::{Extent, SUM_LANES};
use crate::cpu::gemm::{GemmElement, PANEL_LINES, panels_words, work_len};
use crate::cpu::level::Level;

/// Most samples of the algorithm by columns, which computes a set's Gram matrix first.
const MAX_FEW_SAMPLES: usize = 128;
/// Most elements of a set whose samples are packed once for all tiles.
const MAX_PACKED_ELEMENTS: usize = 1 << 23;
/// Fewest numbers per sample for matrix instructions: with fewer, splitting costs more than it gains.
const MIN_BF16X3_COLUMNS: usize = 64;
/// Fewest columns of a block of few samples; a block's columns are a multiple of it.
const FEW_BLOCK_COLUMNS: usize = 128;
/// Most blocks of few samples.
const MAX_FEW_BLOCKS: usize = 16;

/// The use of samples and distances after the inner products.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Value,
    Gradient,
    /// Only distances are used.
    Densities,
}

/// How the inner products of a set are computed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum GramAlgorithm {
    /// No inner products.
    Nothing,
    /// Distances from differences, without inner products.
    Differences,
    /// The whole Gram matrix, by blocks of columns.
    Columns,
    /// Tile by tile, each tile packs its operands.
    Pack,
    /// Tile by tile, operands packed before.
    Packed,
    /// Tile by tile, operands packed before for matrix instructions.
    Bf16x3,
}

pub(super) struct Geometry {
    pub products: Products,
    /// Number of samples.
    pub m: usize,
    /// Rows and columns of a tile: whole registers, and whole tiles of the matrix product.
    pub side: usize,
    /// Whether the gradient reads the samples after the inner products.
    pub keeps: bool,
    /// Numbers per sample of each set.
    pub widths: Box<[usize]>,
    pub algorithms: Box<[GramAlgorithm]>,
    /// Offsets in scratch of each set's samples, packed samples, samples packed for matrix instructions, factors and inner
    /// products, each with the end of the last set.
    pub x: Box<[usize]>,
    pub packed: Box<[usize]>,
    pub bf16x3: Box<[usize]>,
    pub factors: Box<[usize]>,
    pub grams: Box<[usize]>,
}

/// A tile on or above the diagonal.
pub(super) struct Tile {
    /// The samples of the tile's rows and columns.
    pub rows: Range<usize>,
    pub cols: Range<usize>,
    pub extent: Extent,
}

/// Running totals, from 0.
fn running(counts: impl Iterator<Item = usize>) -> Box<[usize]> {
    let mut total = 0;
    let ends = counts.map(|count| {
        total += count;
        total
    });
    std::iter::once(0).chain(ends).collect()
}

/// The end of the last set.
pub(super) fn end(offsets: &[usize]) -> usize {
    *offsets.last().expect("one more than sets")
}

/// Whether matrix instructions compute inner products of `d` numbers.
pub(super) fn uses_bf16x3<T: 'static>(similarity: Similarity, d: usize, level: Level) -> bool {
    let has_products = !matches!(similarity, Similarity::Laplacian { .. } | Similarity::Equal);
    level.matrix() && TypeId::of::<T>() == TypeId::of::<f32>() && has_products && d >= MIN_BF16X3_COLUMNS
}

impl Geometry {
    pub fn new<T: GemmElement>(
        products: &Products,
        inputs: &[&Spec],
        level: Level,
        purpose: Purpose,
    ) -> Geometry {
        let samples = &inputs[..products.sets()];
        let m = samples[0].shape[0];
        let side = if m <= 512 { 64 } else { 192 };
        let widths: Box<[usize]> = samples.iter().map(|x| x.shape[1]).collect();
        let algorithm = |(&similarity, &d): (&Similarity, &usize)| match () {
            () if similarity == Similarity::Equal => GramAlgorithm::Nothing,
            () if purpose == Purpose::Densities && d <= MAX_DIFFERENCE_NUMBERS => GramAlgorithm::Differences,
            () if m <= MAX_FEW_SAMPLES => GramAlgorithm::Columns,
            () if m * d > MAX_PACKED_ELEMENTS => GramAlgorithm::Pack,
            () if uses_bf16x3::<T>(similarity, d, level) => GramAlgorithm::Bf16x3,
            () => GramAlgorithm::Packed,
        };
        let algorithms: Box<[GramAlgorithm]> =
            products.similarities.iter().zip(&widths).map(algorithm).collect();
        let offsets = |count: &dyn Fn(GramAlgorithm, usize) -> usize| {
            running(
                algorithms
                    .iter()
                    .zip(&widths)
                    .map(|(&algorithm, &d)| count(algorithm, d)),
            )
        };
        let (stride, blocks) = (m.next_multiple_of(PANEL_LINES), m.div_ceil(side));
        Geometry {
            m,
            side,
            keeps: purpose == Purpose::Gradient,
            x: offsets(&|algorithm, d| {
                let is_unused = algorithm == GramAlgorithm::Columns && purpose != Purpose::Gradient;
                if is_unused { 0 } else { m * d }
            }),
            packed: offsets(&|algorithm, d| match algorithm {
                GramAlgorithm::Differences => m.next_multiple_of(SUM_LANES) * d,
                GramAlgorithm::Packed => T::micro_kernels(level).padded(m) * d,
                GramAlgorithm::Nothing
                | GramAlgorithm::Columns
                | GramAlgorithm::Pack
                | GramAlgorithm::Bf16x3 => 0,
            }),
            bf16x3: offsets(&|algorithm, d| {
                let is_split = algorithm == GramAlgorithm::Bf16x3;
                if is_split {
                    2 * blocks * panels_words(side, d)
                } else {
                    0
                }
            }),
            grams: offsets(&|algorithm, _| {
                let is_whole = algorithm == GramAlgorithm::Columns;
                if is_whole { stride * stride } else { 0 }
            }),
            factors: running(products.similarities.iter().map(|s| s.parameters())),
            algorithms,
            widths,
            products: products.clone(),
        }
    }

    pub fn sets(&self) -> usize {
        self.products.sets()
    }

    /// Tiles along a side of the matrices.
    pub fn blocks(&self) -> usize {
        self.m.div_ceil(self.side)
    }

    /// The samples of a block.
    pub fn block(&self, i: usize) -> Range<usize> {
        i * self.side..self.m.min((i + 1) * self.side)
    }

    /// Tiles on and above the diagonal.
    pub fn tiles(&self) -> usize {
        self.blocks() * (self.blocks() + 1) / 2
    }

    /// The number of the tile at (row, column), on or above the diagonal: row by row.
    pub fn tile_at(&self, row: usize, column: usize) -> usize {
        row * self.blocks() + column - row * (row + 1) / 2
    }

    /// (row, column) of tile `t`.
    pub fn row_column(&self, t: usize) -> (usize, usize) {
        let mut row = 0;
        while row + 1 < self.blocks() && self.tile_at(row + 1, row + 1) <= t {
            row += 1;
        }
        (row, t + row * (row + 1) / 2 - row * self.blocks())
    }

    /// Tile `t`.
    pub fn tile(&self, t: usize) -> Tile {
        let (row, column) = self.row_column(t);
        let (rows, cols) = (self.block(row), self.block(column));
        let extent = Extent {
            rows: rows.len(),
            cols: cols.len(),
            side: self.side,
            diagonal: row == column,
        };
        Tile { rows, cols, extent }
    }

    /// Length of an array with one number per sample, rounded up to whole registers.
    pub fn padded(&self) -> usize {
        self.m.next_multiple_of(SUM_LANES)
    }

    /// Elements between rows of the Gram matrix of few samples.
    pub fn stride(&self) -> usize {
        self.m.next_multiple_of(PANEL_LINES)
    }

    /// Columns of a block of few samples of set `a`.
    pub fn columns(&self, a: usize) -> usize {
        let columns = self.widths[a].div_ceil(MAX_FEW_BLOCKS).max(1);
        columns.next_multiple_of(FEW_BLOCK_COLUMNS)
    }

    /// Blocks of columns of few samples of set `a`.
    pub fn column_blocks(&self, a: usize) -> usize {
        if self.algorithms[a] == GramAlgorithm::Columns {
            self.widths[a].div_ceil(self.columns(a)).max(1)
        } else {
            0
        }
    }

    /// Numbers per sample of the widest set.
    pub fn widest(&self) -> usize {
        self.widths.iter().copied().max().unwrap_or(0)
    }

    /// Elements of a worker's work space for inner products of a tile.
    pub fn work<T: GemmElement>(&self, level: Level) -> usize {
        work_len::<T>(level, self.widest(), self.side, self.side, false, true).next_multiple_of(SUM_LANES)
    }

    /// Elements of a worker's buffer for a panel of samples that are not kept.
    pub fn panel_len(&self) -> usize {
        let can_split = self.algorithms.contains(&GramAlgorithm::Bf16x3);
        if can_split && !self.keeps {
            PANEL_LINES * self.widest()
        } else {
            0
        }
    }
}
