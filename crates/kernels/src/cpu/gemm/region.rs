//! The serial matrix product of a region of the result: blocks of k, within them blocks of columns packed for
//! the tiles, within them blocks of rows (after Goto and van de Geijn, "Anatomy of high-performance matrix
//! multiplication", 2008).
//!
//! Every element of the result is computed by the same operations in the same order whatever region it is
//! computed in: k ascending within a block of [`DEPTH`], blocks added in order.

use std::ops::Range;

use super::pack::{Matrix, Right, pack_left};
use super::tile::{LeftTile, OutTile, ROWS, Tiled};
use crate::cpu::level::Level;

/// Terms per block: a packed block of columns then fits the second-level cache.
pub(crate) const DEPTH: usize = 256;
/// Columns per block.
pub(crate) const COLS: usize = 512;
/// Rows packed at a time.
pub(crate) const ROW_BLOCK: usize = 192;

/// The left operand.
#[derive(Clone, Copy)]
pub(crate) enum Left<'a, T> {
    /// As it lies in memory; packed on the way unless its columns are neighbours.
    Matrix(Matrix<'a, T>),
    /// All of it packed: per block of k, per tile of rows. With the number of rows.
    Packed(&'a [T], usize),
}

/// The right operand.
pub(crate) enum Source<'a, T, R> {
    /// Packed on the way.
    Pack(&'a R),
    /// All of it packed: per block of k, per panel. With the number of columns.
    Packed(&'a [T], usize),
}

/// Where the region's result goes.
#[derive(Clone, Copy)]
pub(crate) struct Target<T> {
    /// Its first element.
    pub start: *mut T,
    /// Elements between rows.
    pub stride: usize,
    /// Added to what is there.
    pub add: bool,
}

/// Elements of `work` that [`region`] wants for a region of at most `rows` by `cols`; `pack_left` when the left
/// operand has to be packed, `pack_right` when the right one has to be.
pub(crate) fn work_len<T: Tiled>(
    level: Level,
    k: usize,
    rows: usize,
    cols: usize,
    left: bool,
    right: bool,
) -> usize {
    let depth = k.min(DEPTH);
    let packed_rows = if left {
        rows.min(ROW_BLOCK).next_multiple_of(ROWS)
    } else {
        0
    };
    let packed_cols = if right {
        T::tiles(level).padded(cols.min(COLS))
    } else {
        0
    };
    depth * (packed_rows + packed_cols) + 16
}

/// `target = left[rows, ..] right[.., cols]` over `k` terms.
///
/// # Safety
/// The target must be writable for the region's rows and columns, and used by nobody else. Columns of a packed
/// right operand start at a multiple of the tile's width, rows of a packed left one at a multiple of [`ROWS`].
#[expect(
    clippy::too_many_arguments,
    reason = "three matrices, the part to compute, and where to work"
)]
pub(crate) unsafe fn region<T: Tiled, R: Right<T>>(
    level: Level,
    k: usize,
    left: Left<'_, T>,
    rows: Range<usize>,
    right: &Source<'_, T, R>,
    cols: Range<usize>,
    target: Target<T>,
    work: &mut [T],
) {
    let tiles = T::tiles(level);
    let width = tiles.width();
    if k == 0 && !target.add {
        for i in 0..rows.len() {
            // SAFETY: as the caller promises.
            unsafe { std::slice::from_raw_parts_mut(target.start.add(i * target.stride), cols.len()) }
                .fill(T::ZERO);
        }
    }
    let packed_cols = match right {
        Source::Pack(_) => tiles.padded(cols.len().min(COLS)),
        Source::Packed(..) => 0,
    };
    let (right_work, left_work) = work.split_at_mut(k.min(DEPTH) * packed_cols);
    for c0 in cols.clone().step_by(COLS) {
        let c1 = cols.end.min(c0 + COLS);
        for k0 in (0..k).step_by(DEPTH) {
            let ks = k0..k.min(k0 + DEPTH);
            let depth = ks.len();
            let add = target.add || k0 > 0;
            if let Source::Pack(source) = right {
                source.pack(level, ks.clone(), c0..c1, tiles.widths(), right_work);
            }
            for r0 in rows.clone().step_by(ROW_BLOCK) {
                let r1 = rows.end.min(r0 + ROW_BLOCK);
                if let Left::Matrix(a) = left
                    && a.col != 1
                {
                    pack_left(level, a, r0..r1, ks.clone(), left_work);
                }
                for c in (c0..c1).step_by(width) {
                    let valid = width.min(c1 - c);
                    let panel = match right {
                        Source::Pack(_) => right_work[(c - c0) * depth..].as_ptr(),
                        Source::Packed(all, n) => all[k0 * tiles.padded(*n) + c * depth..].as_ptr(),
                    };
                    let kernel = tiles.of[valid.div_ceil(tiles.lanes) - 1];
                    for r in (r0..r1).step_by(ROWS) {
                        let tile = match left {
                            Left::Matrix(a) if a.col == 1 => {
                                LeftTile::Rows(a.data[r * a.row + k0..].as_ptr(), a.row)
                            }
                            Left::Matrix(_) => LeftTile::Packed(left_work[(r - r0) * depth..].as_ptr()),
                            Left::Packed(all, m) => {
                                LeftTile::Packed(all[k0 * m.next_multiple_of(ROWS) + r * depth..].as_ptr())
                            }
                        };
                        // SAFETY: the element lies in the region, which is the caller's to write; rows and columns beyond
                        // its end are not stored. The operands hold `depth` terms from here on: checked matrices, or
                        // packed above or before.
                        unsafe {
                            let start = target
                                .start
                                .add((r - rows.start) * target.stride + (c - cols.start));
                            let out = OutTile {
                                start,
                                stride: target.stride,
                                rows: ROWS.min(r1 - r),
                                cols: valid,
                                add,
                            };
                            kernel(depth, tile, panel, out);
                        }
                    }
                }
            }
        }
    }
}
