//! Copies parts of the operands into the order in which tiles read them.

use std::ops::Range;

use super::tile::ROWS;
use crate::cpu::element::Element;
use crate::cpu::level::{Level, versions};

/// A matrix in memory; strides count elements.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    pub data: &'a [T],
    /// Between rows.
    pub row: usize,
    /// Between columns.
    pub col: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// The transpose.
    pub fn t(self) -> Matrix<'a, T> {
        Matrix {
            row: self.col,
            col: self.row,
            ..self
        }
    }
    /// The matrix that starts at element `start`.
    pub fn from(self, start: usize) -> Matrix<'a, T> {
        Matrix {
            data: &self.data[start..],
            ..self
        }
    }
}

/// A right operand: something that can be packed.
pub(crate) trait Right<T>: Sync {
    /// Writes rows `ks` of columns `cols`, for each row `width` elements of which those beyond `cols` are 0.
    fn pack(&self, level: Level, ks: Range<usize>, cols: Range<usize>, width: usize, out: &mut [T]);
}

impl<T: Element> Right<T> for Matrix<'_, T> {
    fn pack(&self, level: Level, ks: Range<usize>, cols: Range<usize>, width: usize, out: &mut [T]) {
        if self.col == 1 {
            for (line, k) in out.chunks_exact_mut(width).zip(ks) {
                let from = k * self.row;
                let (valid, rest) = line.split_at_mut(cols.len());
                valid.copy_from_slice(&self.data[from + cols.start..from + cols.end]);
                rest.fill(T::ZERO);
            }
        } else {
            let start = ks.start * self.row + cols.start * self.col;
            let count = ks.len();
            if cols.len() < width {
                out[..count * width].fill(T::ZERO);
            }
            if count > 0 && !cols.is_empty() {
                transpose(
                    level,
                    &self.data[start..],
                    (self.row, self.col),
                    (count, cols.len()),
                    out,
                    width,
                );
            }
        }
    }
}

/// Packs rows `rows` and columns `ks` of a left operand in tiles of [`ROWS`] rows: for each k a tile's rows; rows
/// that do not exist are 0.
pub(crate) fn pack_left<T: Element>(
    level: Level,
    a: Matrix<'_, T>,
    rows: Range<usize>,
    ks: Range<usize>,
    out: &mut [T],
) {
    let tile = ks.len() * ROWS;
    for (i, out) in rows.clone().step_by(ROWS).zip(out.chunks_exact_mut(tile.max(1))) {
        let valid = ROWS.min(rows.end - i);
        if valid < ROWS {
            out.fill(T::ZERO);
        }
        let start = i * a.row + ks.start * a.col;
        transpose(
            level,
            &a.data[start..],
            (a.col, a.row),
            (ks.len(), valid),
            out,
            ROWS,
        );
    }
}

versions! {
    /// `out[r * width + c] = x[r * row + c * col]` for r, c below the extents.
    pub(crate) fn transpose[T: Element](x: &[T], strides: (usize, usize), extents: (usize, usize), out: &mut [T], width: usize) {
        let ((row, col), (rows, cols)) = (strides, extents);
        assert!(rows == 0 || cols == 0 || (rows - 1) * row + (cols - 1) * col < x.len());
        assert!(rows == 0 || cols == 0 || (rows - 1) * width + cols <= out.len());
        // Blocks of a cache line each way, so that lines are used up while they are near.
        const SIDE: usize = 16;
        for r0 in (0..rows).step_by(SIDE) {
            let r1 = rows.min(r0 + SIDE);
            for c0 in (0..cols).step_by(SIDE) {
                let c1 = cols.min(c0 + SIDE);
                for r in r0..r1 {
                    for c in c0..c1 {
                        // SAFETY: r and c are below the extents, whose last element was checked above.
                        unsafe { *out.get_unchecked_mut(r * width + c) = *x.get_unchecked(r * row + c * col) };
                    }
                }
            }
        }
    }
}
