//! Packing: copies parts of the operands into the order in which the micro-kernel reads them.

use std::ops::Range;

use super::micro_kernel::{PanelWidths, TILE_ROWS};
use crate::cpu::element::Element;
use crate::cpu::level::Level;
use crate::cpu::transpose::transpose;

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
pub(crate) trait PackRight<T>: Sync {
    /// Writes rows `ks` of columns `cols`, panel by panel: for each row a panel's width of elements, of which those
    /// beyond `cols` are 0.
    fn pack(&self, level: Level, ks: Range<usize>, cols: Range<usize>, widths: PanelWidths, out: &mut [T]);
}

impl<T: Element> PackRight<T> for Matrix<'_, T> {
    fn pack(&self, level: Level, ks: Range<usize>, cols: Range<usize>, widths: PanelWidths, out: &mut [T]) {
        let depth = ks.len();
        if depth == 0 {
            return;
        }
        if self.col == 1 {
            // Row by row, as they lie in memory; a row is spread over the panels.
            for (i, k) in ks.enumerate() {
                let from = &self.data[k * self.row..];
                let mut at = 0;
                for (valid, padded) in widths.panels(cols.clone()) {
                    let line = &mut out[at + i * padded..][..padded];
                    let (line, rest) = line.split_at_mut(valid.len());
                    line.copy_from_slice(&from[valid]);
                    rest.fill(T::ZERO);
                    at += padded * depth;
                }
            }
            return;
        }
        let mut at = 0;
        for (valid, padded) in widths.panels(cols) {
            let panel = &mut out[at..at + padded * depth];
            if valid.len() < padded {
                panel.fill(T::ZERO);
            }
            let start = ks.start * self.row + valid.start * self.col;
            transpose(
                level,
                &self.data[start..],
                (self.row, self.col),
                (depth, valid.len()),
                panel,
                padded,
            );
            at += padded * depth;
        }
    }
}

/// Packs rows `rows` and columns `ks` of a left operand in tiles of [`TILE_ROWS`] rows: for each k a tile's rows; rows
/// that do not exist are 0.
pub(crate) fn pack_left<T: Element>(
    level: Level,
    a: Matrix<'_, T>,
    rows: Range<usize>,
    ks: Range<usize>,
    out: &mut [T],
) {
    let tile = ks.len() * TILE_ROWS;
    for (i, out) in rows
        .clone()
        .step_by(TILE_ROWS)
        .zip(out.chunks_exact_mut(tile.max(1)))
    {
        let start = i * a.row + ks.start * a.col;
        let valid = TILE_ROWS.min(rows.end - i);
        if valid == TILE_ROWS && a.row == 1 {
            for (k, out) in out.chunks_exact_mut(TILE_ROWS).enumerate() {
                out.copy_from_slice(&a.data[start + k * a.col..][..TILE_ROWS]);
            }
            continue;
        }
        out.fill(T::ZERO);
        transpose(
            level,
            &a.data[start..],
            (a.col, a.row),
            (ks.len(), valid),
            out,
            TILE_ROWS,
        );
    }
}
