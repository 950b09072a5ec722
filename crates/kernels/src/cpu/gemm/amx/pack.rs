//! Splits operands into parts and brings them into the order of the tile registers.
//!
//! A float32 has 24 significant bits; the nearest bfloat16 takes 8 of them, the nearest to what is left 8 more, and
//! the rest is a bfloat16 itself. A word holds the parts of terms k and k + 16 of a step: the order of terms is
//! free as long as both operands keep to it, and this one needs no exchange between words.

use std::arch::x86_64::*;
use std::ops::Range;

use super::kernel::{PANEL, PANEL_STEP, PARTS, REGISTER, STEP, UNIT};
use crate::cpu::level::Level;
use crate::cpu::transpose::transpose_raw;

/// An operand. Its lines are rows of the left one and columns of the right one.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    pub data: &'a [f32],
    /// Elements between lines and between terms.
    pub line: usize,
    pub term: usize,
    /// The right one: a word of a register's row is another line, not another term.
    pub right: bool,
}

/// Magnitudes from here on (2^62, infinite, not a number) are not split: their products may overflow, and the sums
/// of parts would then be something else than the sum.
const LARGE: i32 = 0x5e80_0000;

/// Words of the packed form.
pub(super) fn packed_len(lines: usize, terms: usize) -> usize {
    lines.div_ceil(PANEL) * terms.div_ceil(STEP) * PANEL_STEP
}

/// Packs lines and terms: panel by panel, in each step by step. Lines and terms that do not exist are 0. False if a
/// number cannot be split.
///
/// # Safety
/// The processor must have AVX-512.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn pack(
    level: Level,
    x: Operand<'_>,
    lines: Range<usize>,
    terms: Range<usize>,
    out: &mut [u32],
) -> bool {
    assert!(out.len() >= packed_len(lines.len(), terms.len()));
    assert!(
        lines.is_empty()
            || terms.is_empty()
            || (lines.end - 1) * x.line + (terms.end - 1) * x.term < x.data.len()
    );
    let mut largest = _mm512_setzero_si512();
    let (panels, steps) = (lines.len().div_ceil(PANEL), terms.len().div_ceil(STEP));
    // Along what lies side by side in memory, so that it is read in long rows.
    let along_lines = x.line == 1;
    let (outer, inner) = if along_lines {
        (steps, panels)
    } else {
        (panels, steps)
    };
    for i in 0..outer {
        for j in 0..inner {
            let (panel, step) = if along_lines { (j, i) } else { (i, j) };
            let k = terms.start + step * STEP;
            for side in 0..2 {
                let line = lines.start + panel * PANEL + side * UNIT;
                let count = (UNIT.min(lines.end.saturating_sub(line)), STEP.min(terms.end - k));
                let start = x.data.as_ptr().wrapping_add(line * x.line + k * x.term);
                let at = (panel * steps + step) * PANEL_STEP + side * PARTS * REGISTER;
                // SAFETY: `count` lines and terms from `start` on lie in the operand, and `out` has room for the unit.
                largest = unsafe { unit(level, x, start, count, out.as_mut_ptr().add(at), largest) };
            }
        }
    }
    _mm512_reduce_max_epu32(largest) < LARGE as u32
}

/// # Safety
/// AVX-512; `lines` and `terms` readable from `x` on; room for a unit at `out`.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn unit(
    level: Level,
    operand: Operand<'_>,
    x: *const f32,
    (lines, terms): (usize, usize),
    out: *mut u32,
    largest: __m512i,
) -> __m512i {
    let (along, across) = if operand.right {
        (operand.line, operand.term)
    } else {
        (operand.term, operand.line)
    };
    // SAFETY: as the caller promises.
    unsafe {
        if along == 1 {
            return rows(operand.right, x, across, (lines, terms), out, largest);
        }
        // What a register's row needs does not lie side by side.
        let mut turned = [0.0; UNIT * STEP];
        let (count, width) = if operand.right {
            ((terms, lines), UNIT)
        } else {
            ((lines, terms), STEP)
        };
        transpose_raw(level, x, (across, along), count, turned.as_mut_ptr(), width);
        rows(
            operand.right,
            turned.as_ptr(),
            width,
            (lines, terms),
            out,
            largest,
        )
    }
}

/// Splits a unit whose rows lie `down` apart: of a left operand a row is a line's terms, of a right one a term's
/// lines.
///
/// # Safety
/// As for [`unit`].
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn rows(
    right: bool,
    x: *const f32,
    down: usize,
    (lines, terms): (usize, usize),
    out: *mut u32,
    mut largest: __m512i,
) -> __m512i {
    let first = |count: usize| ((1_u32 << count) - 1) as __mmask16;
    let (low, high) = (terms.min(UNIT), terms.saturating_sub(UNIT));
    // Rows, elements of a row and the way to it, for terms below 16 and from there on.
    let (low, high, apart) = if right {
        ((low, first(lines)), (high, first(lines)), UNIT * down)
    } else {
        ((lines, first(low)), (lines, first(high)), UNIT)
    };
    let magnitude = _mm512_set1_epi32(i32::MAX);
    for row in 0..UNIT {
        // SAFETY: as the caller promises; what a mask leaves out is not touched.
        unsafe {
            let load = |(count, mask): (usize, __mmask16), from: *const f32| {
                _mm512_maskz_loadu_ps(if row < count { mask } else { 0 }, from)
            };
            let from = x.wrapping_add(row * down);
            if right {
                // The same place a step on. A left operand's rows are long enough for the processor to see them coming.
                for ahead in [STEP, STEP + UNIT] {
                    _mm_prefetch::<_MM_HINT_T1>(from.wrapping_add(ahead * down).cast());
                }
            }
            let (x0, x1) = (load(low, from), load(high, from.wrapping_add(apart)));
            for x in [x0, x1] {
                largest = _mm512_max_epu32(largest, _mm512_and_si512(_mm512_castps_si512(x), magnitude));
            }
            let (a, b) = (split(x0), split(x1));
            for part in 0..PARTS {
                let pair = _mm512_or_si512(b[part], _mm512_srli_epi32::<16>(a[part]));
                _mm512_storeu_si512(out.add(part * REGISTER + row * UNIT).cast(), pair);
            }
        }
    }
    largest
}

/// The parts, each in the upper half of its word.
#[inline]
#[target_feature(enable = "avx512f")]
fn split(x: __m512) -> [__m512i; PARTS] {
    let (half, upper) = (
        _mm512_set1_epi32(0x8000),
        _mm512_set1_epi32(0xffff_0000_u32 as i32),
    );
    let nearest = |x: __m512| _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(x), half), upper);
    let high = nearest(x);
    let rest = _mm512_sub_ps(x, _mm512_castsi512_ps(high));
    let middle = nearest(rest);
    let low = _mm512_castps_si512(_mm512_sub_ps(rest, _mm512_castsi512_ps(middle)));
    // Subnormal numbers may have bits below: the instructions take them for 0 anyway.
    [high, middle, _mm512_and_si512(low, upper)]
}
