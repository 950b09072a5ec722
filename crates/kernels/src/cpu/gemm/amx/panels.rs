//! Panels for algorithms that gather their operands themselves, such as convolutions.

use std::ops::Range;

use super::bf16::MaxMagnitude;
use super::layout::{PANEL_STEP_WORDS, packed_words};
use super::micro_kernel::{TileRegisters, square_corners};
use super::pack::{OperandBlock, StridedOperand};
use crate::cpu::gemm::pack::Matrix;
use crate::cpu::level::Level;

/// Words of the panels of so many rows or columns and terms.
pub(crate) fn panels_words(lines: usize, terms: usize) -> usize {
    packed_words(lines, terms)
}

/// Packs rows and terms of a left operand, panel by panel. False if a number cannot be split.
pub(crate) fn pack_rows(
    level: Level,
    a: Matrix<'_, f32>,
    rows: Range<usize>,
    terms: Range<usize>,
    out: &mut [u32],
) -> bool {
    let operand = StridedOperand {
        data: a.data,
        line: a.row,
        term: a.col,
        right: false,
    };
    packed(level, operand, rows, terms, out)
}

/// Packs terms and columns of a right operand, panel by panel. False if a number cannot be split.
pub(crate) fn pack_columns(
    level: Level,
    b: Matrix<'_, f32>,
    terms: Range<usize>,
    columns: Range<usize>,
    out: &mut [u32],
) -> bool {
    let operand = StridedOperand {
        data: b.data,
        line: b.col,
        term: b.row,
        right: true,
    };
    packed(level, operand, columns, terms, out)
}

fn packed(
    level: Level,
    x: StridedOperand<'_>,
    lines: Range<usize>,
    terms: Range<usize>,
    out: &mut [u32],
) -> bool {
    assert!(level.matrix() && packed_words(lines.len(), terms.len()) <= out.len());
    // SAFETY: a level with matrix instructions has AVX-512; there is room.
    unsafe {
        let mut max_magnitude = MaxMagnitude::none();
        OperandBlock::new(x, lines, terms).all(out.as_mut_ptr(), &mut max_magnitude);
        max_magnitude.in_range()
    }
}

/// While it lives, the thread's tile registers are ready.
pub(crate) struct TileMultiplier(TileRegisters);

impl TileMultiplier {
    pub(super) fn tiles(&self) -> &TileRegisters {
        &self.0
    }

    pub fn new(level: Level) -> TileMultiplier {
        assert!(level.matrix());
        // SAFETY: a level with matrix instructions exists only where they may be used.
        TileMultiplier(unsafe { TileRegisters::new() })
    }

    /// The products of a left and a right panel, with `stride` elements between rows, written to `out` or added to what
    /// is there.
    ///
    /// # Safety
    /// `out` must have room for [`PANEL_LINES`] rows of as many columns, used by no other task.
    pub unsafe fn product(&self, left: &[u32], right: &[u32], out: *mut f32, stride: usize, add: bool) {
        assert!(left.len() == right.len() && left.len().is_multiple_of(PANEL_STEP_WORDS));
        // SAFETY: the panels hold whole steps; there is room, as the caller promises.
        unsafe {
            let places = square_corners(out, stride);
            self.0.begin(add.then_some((places, stride)));
            for (left, right) in left
                .chunks_exact(PANEL_STEP_WORDS)
                .zip(right.chunks_exact(PANEL_STEP_WORDS))
            {
                self.0.step(left.as_ptr(), right.as_ptr(), || ());
            }
            self.0.store(places, stride);
        }
    }
}
