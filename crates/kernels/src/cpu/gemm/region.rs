//! The serial matrix product of a region of the result: blocks of k, within them blocks of columns packed for
//! the tiles, within them blocks of rows (after Goto and van de Geijn, "Anatomy of high-performance matrix
//! multiplication", 2008).
//!
//! Every element of the result is computed by the same operations in the same order whatever region it is
//! computed in: k ascending within a block of [`DEPTH`], blocks added in order.

use std::ops::Range;

use super::pack::{Matrix, Right, pack_left};
use super::tile::{LINE, LeftTile, OutTile, ROWS, RightTile, Tiled, Tiles, prefetch_far};
use crate::cpu::level::Level;

/// Terms per block: a packed panel of columns then stays in the first-level cache, a block of them in the second.
pub(crate) const DEPTH: usize = 128;
/// Columns per block.
pub(crate) const COLS: usize = 512;
/// Rows packed at a time.
pub(crate) const ROW_BLOCK: usize = 192;

/// The left operand.
#[derive(Clone, Copy)]
pub(crate) enum Left<'a, T> {
    /// As it lies in memory: read in place if its columns are neighbours, else packed on the way.
    Matrix(Matrix<'a, T>),
    /// As it lies in memory, of which rows are neighbours, read in place: when it is used once.
    InPlace(Matrix<'a, T>),
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
pub(crate) struct Target<'a, T> {
    /// Its first element.
    pub start: *mut T,
    /// Elements between rows.
    pub stride: usize,
    /// Added to what is there.
    pub add: bool,
    /// What will be wanted when the region is done.
    pub warm: Warm<'a>,
}

/// Matrices of the whole result's shape, of which the region's part is to be brought into the cache meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct Warm<'a> {
    /// The address of each. It is only asked for, so it need not be valid.
    pub matrices: &'a [usize],
    /// Elements between rows.
    pub stride: usize,
}

impl Warm<'_> {
    pub const NOTHING: Warm<'static> = Warm {
        matrices: &[],
        stride: 0,
    };

    /// Asks for a tile of elements of `size` bytes.
    #[inline]
    pub fn ask(&self, size: usize, rows: Range<usize>, cols: Range<usize>) {
        for matrix in self.matrices {
            for row in rows.clone() {
                let line = matrix + row * self.stride * size;
                for byte in (cols.start * size..cols.end * size).step_by(64) {
                    prefetch_far(std::ptr::without_provenance::<u8>(line + byte));
                }
            }
        }
    }
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
    target: Target<'_, T>,
    work: &mut [T],
) {
    // SAFETY: as the caller promises.
    unsafe { region_of(T::tiles(level), level, k, left, rows, right, cols, target, work) }
}

/// As [`region`], with tiles that may do something else than multiply and add.
///
/// # Safety
/// As for [`region`].
#[expect(clippy::too_many_arguments, reason = "as above")]
pub(crate) unsafe fn region_of<T: Tiled, R: Right<T>>(
    tiles: Tiles<T>,
    level: Level,
    k: usize,
    left: Left<'_, T>,
    rows: Range<usize>,
    right: &Source<'_, T, R>,
    cols: Range<usize>,
    target: Target<'_, T>,
    work: &mut [T],
) {
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
                        let tile = left_tile(left, left_work, k0, depth, r0..r1, r);
                        if k0 == 0 {
                            target.warm.ask(size_of::<T>(), r..r1.min(r + ROWS), c..c + valid);
                        }
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
                            kernel(depth, tile, RightTile::Packed(panel), out);
                        }
                    }
                }
            }
        }
    }
}

/// The rows from `r` on of a block of `depth` terms from `k0` on, whose rows are `block`.
fn left_tile<T: Tiled>(
    left: Left<'_, T>,
    work: &[T],
    k0: usize,
    depth: usize,
    block: Range<usize>,
    r: usize,
) -> LeftTile<T> {
    match left {
        Left::Matrix(a) if a.col == 1 => {
            let at = |r: usize, k: usize| a.data.as_ptr().wrapping_add(r * a.row + k);
            let ahead = if r + ROWS < block.end {
                at(r + ROWS, k0)
            } else {
                at(block.start, k0 + depth)
            };
            LeftTile::Rows {
                start: a.data[r * a.row + k0..].as_ptr(),
                stride: a.row,
                ahead,
            }
        }
        Left::InPlace(a) => {
            let at = |r: usize, k: usize| a.data.as_ptr().wrapping_add(r + k * a.col);
            // A line of a column serves some tiles; near the end the next block's first line is asked for.
            let ahead = if r + LINE < block.end {
                at(r + LINE, k0)
            } else {
                at(block.start, k0 + depth)
            };
            LeftTile::Columns {
                start: a.data[r + k0 * a.col..].as_ptr(),
                stride: a.col,
                ahead,
            }
        }
        Left::Matrix(_) => packed_tile(&work[(r - block.start) * depth..]),
        Left::Packed(all, m) => packed_tile(&all[k0 * m.next_multiple_of(ROWS) + r * depth..]),
    }
}

fn packed_tile<T>(tile: &[T]) -> LeftTile<T> {
    let start = tile.as_ptr();
    LeftTile::Columns {
        start,
        stride: ROWS,
        ahead: start.wrapping_add(4 * LINE),
    }
}
