//! Panels for those who bring their operands together themselves, as convolutions do.

use std::ops::Range;

use super::kernel::{PANEL, PANEL_STEP, Tiles};
use super::pack::{Operand, pack, packed_len};
use crate::cpu::gemm::pack::Matrix;
use crate::cpu::level::Level;

/// Rows, and columns, of the result that panels make.
pub(crate) const SIDE: usize = PANEL;

/// Words of the panels of so many rows or columns and terms.
pub(crate) fn panels_len(lines: usize, terms: usize) -> usize {
    packed_len(lines, terms)
}

/// Packs rows and terms of a left operand, panel by panel. False if a number cannot be split.
pub(crate) fn pack_rows(
    level: Level,
    a: Matrix<'_, f32>,
    rows: Range<usize>,
    terms: Range<usize>,
    out: &mut [u32],
) -> bool {
    let operand = Operand {
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
    let operand = Operand {
        data: b.data,
        line: b.col,
        term: b.row,
        right: true,
    };
    packed(level, operand, columns, terms, out)
}

fn packed(level: Level, x: Operand<'_>, lines: Range<usize>, terms: Range<usize>, out: &mut [u32]) -> bool {
    assert!(level.matrix());
    // SAFETY: a level with matrix instructions has AVX-512.
    unsafe { pack(level, x, lines, terms, out) }
}

/// While it lives, the thread's tile registers are ready.
pub(crate) struct Multiplier(Tiles);

impl Multiplier {
    pub fn new(level: Level) -> Multiplier {
        assert!(level.matrix());
        // SAFETY: a level with matrix instructions exists only where they may be used.
        Multiplier(unsafe { Tiles::new() })
    }

    /// The products of a left and a right panel, with `stride` elements between rows, written to `out` or added to what
    /// is there.
    ///
    /// # Safety
    /// `out` must have room for [`SIDE`] rows of as many columns, used by nobody else.
    pub unsafe fn product(&self, left: &[u32], right: &[u32], out: *mut f32, stride: usize, add: bool) {
        assert!(left.len() == right.len() && left.len().is_multiple_of(PANEL_STEP));
        let steps = left.len() / PANEL_STEP;
        if !add {
            // SAFETY: the panels hold the steps; as the caller promises.
            return unsafe { self.0.product(steps, left.as_ptr(), right.as_ptr(), out, stride) };
        }
        let mut sums = [0.0_f32; PANEL * PANEL];
        // SAFETY: the panels hold the steps, and `sums` has room.
        unsafe {
            self.0
                .product(steps, left.as_ptr(), right.as_ptr(), sums.as_mut_ptr(), PANEL)
        };
        for (i, line) in sums.chunks_exact(PANEL).enumerate() {
            // SAFETY: as the caller promises.
            let to = unsafe { std::slice::from_raw_parts_mut(out.add(i * stride), PANEL) };
            to.iter_mut().zip(line).for_each(|(to, sum)| *to += sum);
        }
    }
}
