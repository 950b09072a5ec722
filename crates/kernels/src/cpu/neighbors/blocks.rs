//! Points in blocks of 32, coordinate by coordinate, so that one instruction measures many of them.

use super::measure::{Measure, Real};

/// Points of a block.
pub(super) const BLOCK: usize = 32;
/// The index of a place that holds no point.
pub(super) const NOBODY: u32 = u32::MAX;

/// Points in the order of `order`. The places after the last point hold infinity: further than any point.
#[derive(Clone, Copy)]
pub(super) struct Blocks<'a, T> {
    /// Coordinates: (blocks, d, 32).
    pub coordinates: &'a [T],
    /// Row of each place, a multiple of 32 of them.
    pub order: &'a [u32],
    /// Coordinates of a point.
    pub d: usize,
}

impl<'a, T: Real> Blocks<'a, T> {
    /// Lays out `x` (n, d) by `order`, whose length is the next multiple of 32, with [`NOBODY`] after the last row.
    pub fn new(x: &[T], d: usize, order: &'a [u32], coordinates: &'a mut [T]) -> Blocks<'a, T> {
        for (rows, block) in order.chunks(BLOCK).zip(coordinates.chunks_mut(d * BLOCK)) {
            for (lane, &row) in rows.iter().enumerate() {
                for c in 0..d {
                    block[c * BLOCK + lane] = if row == NOBODY {
                        T::HIGHEST
                    } else {
                        x[row as usize * d + c]
                    };
                }
            }
        }
        Blocks {
            coordinates,
            order,
            d,
        }
    }

    pub fn count(&self) -> usize {
        self.order.len() / BLOCK
    }

    #[inline(always)]
    pub fn coordinates(&self, block: usize) -> &'a [T] {
        &self.coordinates[block * self.d * BLOCK..(block + 1) * self.d * BLOCK]
    }

    #[inline(always)]
    pub fn rows(&self, block: usize) -> &'a [u32] {
        &self.order[block * BLOCK..(block + 1) * BLOCK]
    }
}

/// Measures from one point to the 32 of a block.
#[inline(always)]
pub(super) fn measures<T: Real, M: Measure>(point: &[T], block: &[T]) -> [T; BLOCK] {
    let mut far = [T::ZERO; BLOCK];
    for (&p, lanes) in point.iter().zip(block.chunks_exact(BLOCK)) {
        for (far, &x) in far.iter_mut().zip(lanes) {
            *far = M::add(*far, (p - x).abs());
        }
    }
    far
}

/// How many of the measures are at most `limit`.
#[inline(always)]
pub(super) fn count_within<T: Real, const N: usize>(measures: &[T; N], limit: T) -> u32 {
    measures.iter().map(|&m| u32::from(m <= limit)).sum()
}
