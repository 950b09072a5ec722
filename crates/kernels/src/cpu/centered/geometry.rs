//! Everything about an operation that its shapes decide: tiles, how inner products are computed, and where in scratch
//! what is made of the samples begins.

use std::any::TypeId;
use std::ops::Range;

use hyperglow_core::op::Spec;
use hyperglow_core::similarity::{Products, Similarity};

use super::differences::MAX_DIFFERENCE_NUMBERS;
use super::rows::{Extent, LANES};
use crate::cpu::gemm::{GemmElement, PANEL_LINES, panels_words, work_len};
use crate::cpu::level::Level;

/// Samples that are few: all inner products of a set are added up by columns, before anything else.
const FEW: usize = 128;
/// Elements of samples up to which they are packed once for all tiles.
const SHARED: usize = 1 << 23;
/// Numbers per sample from which on matrix instructions are worth splitting numbers.
const WIDE: usize = 64;
/// Columns of a block of few samples, of which there are at most so many.
const COLUMNS: (usize, usize) = (128, 16);

/// Whether samples are wanted again after their inner products are known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Value,
    Gradient,
    /// Distances alone are wanted.
    Densities,
}

/// How the inner products of a set are computed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum GramAlgorithm {
    /// There are none.
    Nothing,
    /// Distances instead, from differences.
    Differences,
    /// All of them at once, by columns.
    Columns,
    /// Tile by tile, packed on the way.
    Pack,
    /// Tile by tile, packed before.
    Packed,
    /// The same, for matrix instructions.
    Bf16x3,
}

pub(super) struct Geometry {
    pub products: Products,
    /// Samples.
    pub m: usize,
    /// Rows and columns of a tile: whole registers, and whole tiles of the matrix product.
    pub side: usize,
    /// Samples are wanted again when their inner products are known.
    pub keeps: bool,
    /// Numbers per sample, of each set.
    pub widths: Box<[usize]>,
    pub algorithms: Box<[GramAlgorithm]>,
    /// Where in scratch the samples, the packed ones, those packed for matrix instructions, the factors and the inner
    /// products of each set begin, and where the last end.
    pub x: Box<[usize]>,
    pub packed: Box<[usize]>,
    pub bf16x3: Box<[usize]>,
    pub factors: Box<[usize]>,
    pub grams: Box<[usize]>,
}

/// A tile on or above the diagonal.
pub(super) struct Tile {
    /// The samples of its rows and of its columns.
    pub rows: Range<usize>,
    pub cols: Range<usize>,
    pub extent: Extent,
}

/// Running totals: of none, of the first, ...
fn running(counts: impl Iterator<Item = usize>) -> Box<[usize]> {
    let mut total = 0;
    let ends = counts.map(|count| {
        total += count;
        total
    });
    std::iter::once(0).chain(ends).collect()
}

/// Where the last end.
pub(super) fn end(offsets: &[usize]) -> usize {
    *offsets.last().expect("one more than sets")
}

/// Whether matrix instructions make inner products of so many numbers.
pub(super) fn uses_bf16x3<T: 'static>(similarity: Similarity, d: usize, level: Level) -> bool {
    let has_products = !matches!(similarity, Similarity::Laplacian { .. } | Similarity::Equal);
    level.matrix() && TypeId::of::<T>() == TypeId::of::<f32>() && has_products && d >= WIDE
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
        let side = match m {
            0..=512 => 64,
            _ => 192,
        };
        let widths: Box<[usize]> = samples.iter().map(|x| x.shape[1]).collect();
        let algorithm = |(&similarity, &d): (&Similarity, &usize)| match () {
            () if similarity == Similarity::Equal => GramAlgorithm::Nothing,
            () if purpose == Purpose::Densities && d <= MAX_DIFFERENCE_NUMBERS => GramAlgorithm::Differences,
            () if m <= FEW => GramAlgorithm::Columns,
            () if m * d > SHARED => GramAlgorithm::Pack,
            () if uses_bf16x3::<T>(similarity, d, level) => GramAlgorithm::Bf16x3,
            () => GramAlgorithm::Packed,
        };
        let algorithms: Box<[GramAlgorithm]> =
            products.similarities.iter().zip(&widths).map(algorithm).collect();
        let of_ways = |count: &dyn Fn(GramAlgorithm, usize) -> usize| {
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
            x: of_ways(&|algorithm, d| match algorithm {
                GramAlgorithm::Columns if purpose != Purpose::Gradient => 0,
                _ => m * d,
            }),
            packed: of_ways(&|algorithm, d| match algorithm {
                GramAlgorithm::Differences => m.next_multiple_of(LANES) * d,
                GramAlgorithm::Packed => T::micro_kernels(level).padded(m) * d,
                _ => 0,
            }),
            bf16x3: of_ways(&|algorithm, d| match algorithm {
                GramAlgorithm::Bf16x3 => 2 * blocks * panels_words(side, d),
                _ => 0,
            }),
            grams: of_ways(&|algorithm, _| match algorithm {
                GramAlgorithm::Columns => stride * stride,
                _ => 0,
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

    /// Numbers per set that there is one of for each sample: as many as fill registers.
    pub fn padded(&self) -> usize {
        self.m.next_multiple_of(LANES)
    }

    /// Elements between rows of inner products of few samples.
    pub fn stride(&self) -> usize {
        self.m.next_multiple_of(PANEL_LINES)
    }

    /// Columns of a block of few samples of set `a`.
    pub fn columns(&self, a: usize) -> usize {
        let (least, blocks) = COLUMNS;
        self.widths[a].div_ceil(blocks).max(1).next_multiple_of(least)
    }

    /// Blocks of columns of few samples of set `a`.
    pub fn column_blocks(&self, a: usize) -> usize {
        match self.algorithms[a] {
            GramAlgorithm::Columns => self.widths[a].div_ceil(self.columns(a)).max(1),
            _ => 0,
        }
    }

    /// Numbers per sample of the widest set.
    pub fn widest(&self) -> usize {
        self.widths.iter().copied().max().unwrap_or(0)
    }

    /// Elements of a worker's work space for inner products of a tile.
    pub fn work<T: GemmElement>(&self, level: Level) -> usize {
        work_len::<T>(level, self.widest(), self.side, self.side, false, true).next_multiple_of(LANES)
    }

    /// Elements of a worker's place for a panel of samples that are not kept.
    pub fn panel_len(&self) -> usize {
        let can_split = self.algorithms.contains(&GramAlgorithm::Bf16x3);
        if can_split && !self.keeps {
            PANEL_LINES * self.widest()
        } else {
            0
        }
    }
}
