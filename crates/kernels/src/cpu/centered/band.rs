//! A band of rows of tiles of the gradient's matrix T: see [`gradient`](super::gradient).

use std::ops::Range;

use super::geometry::Geometry;
use super::rows::Real;

/// Most bytes of the tiles of a band, if a band has several rows of tiles.
const BAND_BYTES: usize = 48 << 20;

/// Largest number of tiles of a band.
pub(super) fn band_tiles<T>(g: &Geometry) -> usize {
    (BAND_BYTES / (g.side * g.side * size_of::<T>())).clamp(g.blocks(), g.tiles())
}

/// Rows of tiles `first..end` of T, on and above the diagonal.
pub(super) struct Band<'a, T> {
    pub first: usize,
    pub end: usize,
    pub tiles: &'a mut [T],
}

impl<T: Real> Band<'_, T> {
    /// Rows of tiles.
    pub fn rows(&self) -> Range<usize> {
        self.first..self.end
    }

    /// Whether it is the first band.
    pub fn is_first(&self) -> bool {
        self.first == 0
    }

    /// The elements of tile (row, column), with a stride of `side` between rows.
    pub fn tile(&self, g: &Geometry, row: usize, column: usize) -> &[T] {
        let at = self.at(g, row, column);
        &self.tiles[at..at + g.side * g.side]
    }

    /// Offset of tile (row, column).
    pub fn at(&self, g: &Geometry, row: usize, column: usize) -> usize {
        (g.tile_at(row, column) - g.tile_at(self.first, self.first)) * g.side * g.side
    }
}
