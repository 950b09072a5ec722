//! The macro-kernel: a block of the result on one thread. It goes over blocks of k, within them over blocks of columns
//! packed for the micro-kernel, within them over blocks of rows (Goto and van de Geijn, "Anatomy of high-performance
//! matrix multiplication", 2008).
//!
//! Every element of the result is computed by the same operations in the same order whatever block it is
//! computed in: k ascending within a block of [`block_terms`], blocks added in order.

use std::ops::Range;

use super::micro_kernel::{
    GemmElement, LINE_ELEMENTS, LeftPanel, MicroKernels, OutTile, RightPanel, TILE_ROWS, prefetch_l2,
};
use super::pack::{Matrix, PackRight, pack_left};
use crate::cpu::level::{Kind, Level};

/// Terms per block (KC): a packed panel of columns then stays in the first-level cache, a block of panels in the
/// second. Where a panel is one line wide, as with AVX2, twice as many terms are.
pub(crate) fn block_terms(level: Level) -> usize {
    match level.kind() {
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2 => 256,
        _ => 128,
    }
}

/// Columns per block (NC).
pub(crate) const BLOCK_COLUMNS: usize = 512;
/// Elements packed at a time of the left operand: rows per block (MC) times terms per block.
const BLOCK_ELEMENTS: usize = 192 * 128;

/// Rows packed at a time (MC), whole tiles.
fn block_rows(level: Level) -> usize {
    BLOCK_ELEMENTS / block_terms(level)
}

/// The left operand.
#[derive(Clone, Copy)]
pub(crate) enum LeftOperand<'a, T> {
    /// As it lies in memory: read in place if its columns are neighbors, else packed on the way.
    Matrix(Matrix<'a, T>),
    /// As it lies in memory, packed on the way.
    Pack(Matrix<'a, T>),
    /// As it lies in memory, of which rows are neighbors, read in place: when it is used once.
    InPlace(Matrix<'a, T>),
    /// All of it packed: per block of k, per tile of rows. With the number of rows.
    Packed(&'a [T], usize),
}

/// The right operand.
pub(crate) enum RightOperand<'a, T, R> {
    /// Packed on the way.
    Pack(&'a R),
    /// All of it packed: per block of k, per panel. With the number of columns.
    Packed(&'a [T], usize),
}

/// Where the block's result goes.
#[derive(Clone, Copy)]
pub(crate) struct OutBlock<'a, T> {
    /// Its first element.
    pub start: *mut T,
    /// Elements between rows.
    pub stride: usize,
    /// Added to what is there.
    pub add: bool,
    /// What will be wanted when the block is done.
    pub prefetch: Prefetch<'a>,
}

/// Matrices of the whole result's shape. The block's part of each is prefetched while the block is computed.
#[derive(Clone, Copy)]
pub(crate) struct Prefetch<'a> {
    /// The address of each. It is only prefetched, so it need not be valid.
    pub matrices: &'a [usize],
    /// Elements between rows.
    pub stride: usize,
}

impl Prefetch<'_> {
    pub const NONE: Prefetch<'static> = Prefetch {
        matrices: &[],
        stride: 0,
    };

    /// Prefetches a tile of elements of `size` bytes.
    #[inline]
    pub fn request(&self, size: usize, rows: Range<usize>, cols: Range<usize>) {
        for matrix in self.matrices {
            for row in rows.clone() {
                let line = matrix + row * self.stride * size;
                for byte in (cols.start * size..cols.end * size).step_by(64) {
                    prefetch_l2(std::ptr::without_provenance::<u8>(line + byte));
                }
            }
        }
    }
}

/// Elements of `work` that [`macro_kernel`] wants for a block of at most `rows` by `cols`; `pack_left` when the left
/// operand has to be packed, `pack_right` when the right one has to be.
pub(crate) fn work_len<T: GemmElement>(
    level: Level,
    k: usize,
    rows: usize,
    cols: usize,
    left: bool,
    right: bool,
) -> usize {
    let depth = k.min(block_terms(level));
    let packed_rows = if left {
        rows.min(block_rows(level)).next_multiple_of(TILE_ROWS)
    } else {
        0
    };
    let packed_cols = if right {
        T::micro_kernels(level).padded(cols.min(BLOCK_COLUMNS))
    } else {
        0
    };
    depth * (packed_rows + packed_cols) + 16
}

/// `target = left[rows, ..] right[.., cols]` over `k` terms.
///
/// # Safety
/// The target must be writable for the block's rows and columns, and used by no other task. Columns of a packed
/// right operand start at a multiple of the tile's width, rows of a packed left one at a multiple of [`TILE_ROWS`].
#[expect(
    clippy::too_many_arguments,
    reason = "three matrices, the part to compute, and where to work"
)]
pub(crate) unsafe fn macro_kernel<T: GemmElement, R: PackRight<T>>(
    level: Level,
    k: usize,
    left: LeftOperand<'_, T>,
    rows: Range<usize>,
    right: &RightOperand<'_, T, R>,
    cols: Range<usize>,
    target: OutBlock<'_, T>,
    work: &mut [T],
) {
    // SAFETY: as the caller promises.
    unsafe {
        macro_kernel_with(
            T::micro_kernels(level),
            level,
            k,
            left,
            rows,
            right,
            cols,
            target,
            work,
        )
    }
}

/// As [`macro_kernel`], with micro-kernels that may do something else than multiply and add.
///
/// # Safety
/// As for [`macro_kernel`].
#[expect(clippy::too_many_arguments, reason = "as above")]
pub(crate) unsafe fn macro_kernel_with<T: GemmElement, R: PackRight<T>>(
    kernels: MicroKernels<T>,
    level: Level,
    k: usize,
    left: LeftOperand<'_, T>,
    rows: Range<usize>,
    right: &RightOperand<'_, T, R>,
    cols: Range<usize>,
    target: OutBlock<'_, T>,
    work: &mut [T],
) {
    let width = kernels.width();
    if k == 0 && !target.add {
        for i in 0..rows.len() {
            // SAFETY: as the caller promises.
            unsafe { std::slice::from_raw_parts_mut(target.start.add(i * target.stride), cols.len()) }
                .fill(T::ZERO);
        }
    }
    let packed_cols = match right {
        RightOperand::Pack(_) => kernels.padded(cols.len().min(BLOCK_COLUMNS)),
        RightOperand::Packed(..) => 0,
    };
    let (terms, block_rows) = (block_terms(level), block_rows(level));
    let (right_work, left_work) = work.split_at_mut(k.min(terms) * packed_cols);
    for c0 in cols.clone().step_by(BLOCK_COLUMNS) {
        let c1 = cols.end.min(c0 + BLOCK_COLUMNS);
        for k0 in (0..k).step_by(terms) {
            let ks = k0..k.min(k0 + terms);
            let depth = ks.len();
            let add = target.add || k0 > 0;
            if let RightOperand::Pack(source) = right {
                source.pack(level, ks.clone(), c0..c1, kernels.widths(), right_work);
            }
            for r0 in rows.clone().step_by(block_rows) {
                let r1 = rows.end.min(r0 + block_rows);
                match left {
                    LeftOperand::Matrix(a) if a.col == 1 => {}
                    LeftOperand::Matrix(a) | LeftOperand::Pack(a) => {
                        pack_left(level, a, r0..r1, ks.clone(), left_work);
                    }
                    LeftOperand::InPlace(_) | LeftOperand::Packed(..) => {}
                }
                for c in (c0..c1).step_by(width) {
                    let valid = width.min(c1 - c);
                    let panel = match right {
                        RightOperand::Pack(_) => right_work[(c - c0) * depth..].as_ptr(),
                        RightOperand::Packed(all, n) => all[k0 * kernels.padded(*n) + c * depth..].as_ptr(),
                    };
                    let kernel = kernels.of[valid.div_ceil(kernels.lanes) - 1];
                    for r in (r0..r1).step_by(TILE_ROWS) {
                        let tile = left_panel(left, left_work, k0, depth, r0..r1, r);
                        if k0 == 0 {
                            target
                                .prefetch
                                .request(size_of::<T>(), r..r1.min(r + TILE_ROWS), c..c + valid);
                        }
                        // SAFETY: the element lies in the block, which is the caller's to write; rows and columns
                        // beyond its end are not stored. The operands hold `depth` terms from here on: checked
                        // matrices, or packed above or before.
                        unsafe {
                            let start = target
                                .start
                                .add((r - rows.start) * target.stride + (c - cols.start));
                            let out = OutTile {
                                start,
                                stride: target.stride,
                                rows: TILE_ROWS.min(r1 - r),
                                cols: valid,
                                add,
                            };
                            kernel(depth, tile, RightPanel::Packed(panel), out);
                        }
                    }
                }
            }
        }
    }
}

/// The rows from `r` on of a block of `depth` terms from `k0` on, whose rows are `block`.
fn left_panel<T: GemmElement>(
    left: LeftOperand<'_, T>,
    work: &[T],
    k0: usize,
    depth: usize,
    block: Range<usize>,
    r: usize,
) -> LeftPanel<T> {
    match left {
        LeftOperand::Matrix(a) if a.col == 1 => {
            let at = |r: usize, k: usize| a.data.as_ptr().wrapping_add(r * a.row + k);
            let ahead = if r + TILE_ROWS < block.end {
                at(r + TILE_ROWS, k0)
            } else {
                at(block.start, k0 + depth)
            };
            LeftPanel::Rows {
                start: a.data[r * a.row + k0..].as_ptr(),
                stride: a.row,
                ahead,
            }
        }
        LeftOperand::InPlace(a) => {
            let at = |r: usize, k: usize| a.data.as_ptr().wrapping_add(r + k * a.col);
            // A line of a column serves some tiles; near the end the next block's first line is asked for.
            let ahead = if r + LINE_ELEMENTS < block.end {
                at(r + LINE_ELEMENTS, k0)
            } else {
                at(block.start, k0 + depth)
            };
            LeftPanel::Columns {
                start: a.data[r + k0 * a.col..].as_ptr(),
                stride: a.col,
                ahead,
            }
        }
        LeftOperand::Matrix(_) | LeftOperand::Pack(_) => packed_panel(&work[(r - block.start) * depth..]),
        LeftOperand::Packed(all, m) => packed_panel(&all[k0 * m.next_multiple_of(TILE_ROWS) + r * depth..]),
    }
}

fn packed_panel<T>(tile: &[T]) -> LeftPanel<T> {
    let start = tile.as_ptr();
    LeftPanel::Columns {
        start,
        stride: TILE_ROWS,
        ahead: start.wrapping_add(4 * LINE_ELEMENTS),
    }
}
