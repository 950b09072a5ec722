//! Inner products of two sets of samples, by the packed matrix product or by matrix instructions. For a set with itself
//! only the blocks on and above the diagonal are computed.

use std::ops::Range;

use crate::cpu::gemm::{
    GemmElement, LeftOperand, Matrix, OutBlock, PANEL_LINES, PackRight, Prefetch, RightOperand,
    TileMultiplier, macro_kernel_with, pack_columns, pack_rows, panels_words,
};
use crate::cpu::level::Level;

/// Rows of a block on the diagonal: a multiple of the columns of every micro-kernel, and of the lanes of a register.
const DIAGONAL_ROWS: usize = 64;
/// Terms of a block of panels: the panels of a tile fit the second-level cache.
const BLOCK_TERMS: usize = 384;

/// `left[rows] right`, `d` terms each, to `out`, with `stride` elements between rows; with `smaller`, sums of the smaller of
/// both terms. `same`: left and right are the same samples.
#[expect(
    clippy::too_many_arguments,
    reason = "two matrices, what to do with them, where to put it and where to work"
)]
pub(super) fn products<T: GemmElement, R: PackRight<T>>(
    level: Level,
    smaller: bool,
    d: usize,
    (left, rows): (Matrix<'_, T>, Range<usize>),
    (right, cols): (&RightOperand<'_, T, R>, usize),
    same: bool,
    (out, stride): (&mut [T], usize),
    work: &mut [T],
) {
    assert!(cols <= stride && rows.len() * stride <= out.len());
    let tiles = T::micro_kernels_with(level, smaller);
    let part = if same { DIAGONAL_ROWS } else { rows.len() };
    for start in (0..rows.len()).step_by(part) {
        let from = if same { start } else { 0 };
        let target = OutBlock {
            start: out[start * stride + from..].as_mut_ptr(),
            stride,
            add: false,
            prefetch: Prefetch::NONE,
        };
        let part = rows.start + start..rows.end.min(rows.start + start + part);
        let left = LeftOperand::Matrix(left);
        // SAFETY: the extents were checked; blocks start at whole tiles.
        unsafe { macro_kernel_with(tiles, level, d, left, part, right, from..cols, target, work) };
    }
}

/// Words of each packed operand of [`pack`].
pub(super) fn packed_words(samples: usize, d: usize) -> usize {
    panels_words(samples, d)
}

/// Packs the samples `rows` of `count` samples of `d` numbers for matrix instructions, as left and as right operand. `rows`
/// begins at a multiple of [`PANEL_LINES`]. False if a number cannot be split.
///
/// # Safety
/// Both operands must have room for all samples, [`packed_words`], and no other task may access the panels of `rows`.
pub(super) unsafe fn pack(
    level: Level,
    (x, count, d): (&[f32], usize, usize),
    rows: Range<usize>,
    left: *mut u32,
    right: *mut u32,
) -> bool {
    let samples = Matrix {
        data: x,
        row: d,
        col: 1,
    };
    let these = 0..rows.len();
    (0..d).step_by(BLOCK_TERMS).all(|k0| {
        let terms = k0..d.min(k0 + BLOCK_TERMS);
        let start = panels_words(count, k0) + panels_words(rows.start, terms.len());
        let len = panels_words(rows.len(), terms.len());
        // SAFETY: as the caller promises.
        let [left, right] =
            [left, right].map(|operand| unsafe { std::slice::from_raw_parts_mut(operand.add(start), len) });
        pack_rows(level, samples, these.clone(), terms.clone(), left)
            && pack_columns(level, samples.t(), terms, these.clone(), right)
    })
}

/// Inner products of packed samples, `d` numbers each. `out` has room for whole panels of [`PANEL_LINES`] rows and
/// columns.
pub(super) fn of_packed<'p>(
    level: Level,
    d: usize,
    (left, rows): (&'p [u32], usize),
    (right, cols): (&'p [u32], usize),
    same: bool,
    (out, stride): (&mut [f32], usize),
) {
    let whole = |lines: usize| lines.next_multiple_of(PANEL_LINES);
    assert!(whole(cols) <= stride && whole(rows) * stride <= out.len());
    let multiplier = TileMultiplier::new(level);
    for k0 in (0..d).step_by(BLOCK_TERMS) {
        let terms = d.min(k0 + BLOCK_TERMS) - k0;
        let len = panels_words(PANEL_LINES, terms);
        let panel =
            |all: &'p [u32], lines, line| &all[panels_words(lines, k0) + line / PANEL_LINES * len..][..len];
        for c in (0..cols).step_by(PANEL_LINES) {
            let end = if same { c + 1 } else { rows };
            for r in (0..end).step_by(PANEL_LINES) {
                let (left, right) = (panel(left, rows, r), panel(right, cols, c));
                let to = out[r * stride + c..].as_mut_ptr();
                // SAFETY: there is room for whole panels, as was checked.
                unsafe { multiplier.product(left, right, to, stride, k0 > 0) };
            }
        }
    }
}
