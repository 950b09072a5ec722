//! Splits float32 numbers into three bfloat16 parts: rows of the tile registers.
//!
//! A float32 has 24 significant bits; the nearest bfloat16 takes 8 of them, the upper half of what is left 8 more, and
//! the rest is a bfloat16 itself. A word holds the parts of terms k and k + 16 of a step: the order of terms is
//! free as long as both operands keep to it, and this one needs no exchange between words.

use std::arch::x86_64::*;

use super::layout::{BF16_PARTS, Destination, STEP_SLICES, STEP_TERMS, TILE_LINES};

/// The largest magnitudes of the first parts of what was packed. They tell whether all numbers could be split.
#[derive(Clone, Copy)]
pub(super) struct MaxMagnitude(__m512i);

/// The bits of the first part of 2^62. From this magnitude on numbers are not split: their products may overflow, and
/// the sum of the parts' products would not be the product. A NaN is seen here, or stays NaN in its other parts.
const LARGE_MAGNITUDE: u16 = 0x5e80;

impl MaxMagnitude {
    /// # Safety
    /// The processor must have AVX-512; so for every function here.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn none() -> MaxMagnitude {
        MaxMagnitude(_mm512_setzero_si512())
    }

    /// Whether all numbers could be split.
    ///
    /// # Safety
    /// See [`MaxMagnitude::none`].
    #[target_feature(enable = "avx512f")]
    pub unsafe fn in_range(self) -> bool {
        let mut max_magnitude = [0_u16; 32];
        // SAFETY: the array has the register's size.
        unsafe { _mm512_storeu_si512(max_magnitude.as_mut_ptr().cast(), self.0) };
        max_magnitude.iter().all(|&magnitude| magnitude < LARGE_MAGNITUDE)
    }
}

/// Splits two of 16 rows that lie `down` apart; the second register of a pair lies `apart` from the first.
///
/// # Safety
/// AVX-512; 16 elements must be readable in both, and there must be room for a tile block at `out`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn slice_of_rows(
    slice: usize,
    x: *const f32,
    (down, apart): (usize, usize),
    out: Destination,
    max_magnitude: &mut MaxMagnitude,
) {
    for row in 2 * slice..2 * slice + 2 {
        // SAFETY: as the caller promises.
        unsafe {
            let from = x.add(row * down);
            let pair = (_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(apart)));
            emit(out.row(row), pair, max_magnitude);
        }
    }
}

/// All rows, as [`slice_of_rows`], of a block that is not full. Given are the rows that exist and the elements of a
/// row, for first and second registers.
///
/// # Safety
/// As for [`slice_of_rows`], but only what there is must be readable.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn partial_rows(
    x: *const f32,
    (down, apart): (usize, usize),
    (low, high): ((usize, usize), (usize, usize)),
    out: Destination,
    max_magnitude: &mut MaxMagnitude,
) {
    let load = |i: usize, (count, width): (usize, usize), from: *const f32| {
        let mask = if i < count { first(width) } else { 0 };
        // SAFETY: as the caller promises; what a mask leaves out is not touched.
        unsafe { _mm512_maskz_loadu_ps(mask, from) }
    };
    for row in 0..TILE_LINES {
        // SAFETY: as the caller promises.
        unsafe {
            let from = x.wrapping_add(row * down);
            let pair = (load(row, low, from), load(row, high, from.wrapping_add(apart)));
            emit(out.row(row), pair, max_magnitude);
        }
    }
}

/// The lowest `count` bits, 0 to 16.
pub(super) fn first(count: usize) -> __mmask16 {
    ((1_u32 << count) - 1) as __mmask16
}

/// Room for a tile block.
#[repr(C, align(64))]
pub(super) struct CopiedBlock(pub [f32; TILE_LINES * STEP_TERMS]);

/// A block of `rows` by `width` elements whose rows lie `down` apart, with 0 up to `R` by `W`.
///
/// # Safety
/// AVX-512; the block must be readable.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn copy<const R: usize, const W: usize>(
    x: *const f32,
    down: usize,
    (rows, width): (usize, usize),
) -> CopiedBlock {
    let mut copied = CopiedBlock([0.0; TILE_LINES * STEP_TERMS]);
    for row in 0..rows.min(R) {
        for col in (0..width.min(W)).step_by(TILE_LINES) {
            // SAFETY: as the caller promises; the place lies in the block of R by W.
            unsafe {
                let some = _mm512_maskz_loadu_ps(
                    first(TILE_LINES.min(width - col)),
                    x.wrapping_add(row * down + col),
                );
                _mm512_store_ps(copied.0.as_mut_ptr().add(row * W + col), some);
            }
        }
    }
    copied
}

/// Splits two blocks of 16 x 16 elements column by column: a column of the first and one of the second are a pair of
/// registers. Rows lie `down` apart, and the blocks `apart`.
///
/// # Safety
/// As for [`slice_of_rows`]; the blocks must be readable.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn transposed_block(
    x: *const f32,
    strides: (usize, usize),
    out: Destination,
    max_magnitude: &mut MaxMagnitude,
) {
    for slice in 0..STEP_SLICES {
        // SAFETY: as the caller promises.
        unsafe { slice_of_transposed(slice, x, strides, out, max_magnitude) };
    }
}

/// A slice of [`transposed_block`]: four columns in every second one.
///
/// # Safety
/// As for [`transposed_block`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn slice_of_transposed(
    slice: usize,
    x: *const f32,
    (down, apart): (usize, usize),
    out: Destination,
    max_magnitude: &mut MaxMagnitude,
) {
    if !slice.is_multiple_of(2) {
        return;
    }
    let first = slice / 2 * 4;
    // SAFETY: as the caller promises.
    unsafe {
        let low = four_columns(x.add(first), down);
        let high = four_columns(x.add(apart + first), down);
        for i in 0..4 {
            emit(out.row(first + i), (low[i], high[i]), max_magnitude);
        }
    }
}

/// As [`transposed_block`], but with the parts of a column side by side, and `line` words between columns.
///
/// # Safety
/// As for [`transposed_block`].
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn transposed_records(
    x: *const f32,
    (down, apart): (usize, usize),
    out: *mut u32,
    line: usize,
    max_magnitude: &mut MaxMagnitude,
) {
    for first in (0..TILE_LINES).step_by(4) {
        // SAFETY: as the caller promises.
        unsafe {
            let low = four_columns(x.add(first), down);
            let high = four_columns(x.add(apart + first), down);
            for i in 0..4 {
                let start = out.add((first + i) * line);
                emit(
                    Destination {
                        start,
                        part: TILE_LINES,
                    },
                    (low[i], high[i]),
                    max_magnitude,
                );
            }
        }
    }
}

/// Four columns of 16 elements.
///
/// # Safety
/// AVX-512; 4 elements must be readable at each of 16 places, `down` apart.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn four_columns(x: *const f32, down: usize) -> [__m512; 4] {
    // Lane l of register i: four elements of row 4 l + i.
    let line = |i: usize| {
        // SAFETY: as the caller promises.
        let four = |row: usize| unsafe { _mm_loadu_ps(x.add(row * down)) };
        let line = _mm512_castps128_ps512(four(i));
        let line = _mm512_mask_broadcast_f32x4(line, 0x00f0, four(i + 4));
        let line = _mm512_mask_broadcast_f32x4(line, 0x0f00, four(i + 8));
        _mm512_mask_broadcast_f32x4(line, 0xf000, four(i + 12))
    };
    let (a, b, c, d) = (line(0), line(1), line(2), line(3));
    let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
    let (upper_ab, upper_cd) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
    [
        _mm512_shuffle_ps::<0b01_00_01_00>(ab, cd),
        _mm512_shuffle_ps::<0b11_10_11_10>(ab, cd),
        _mm512_shuffle_ps::<0b01_00_01_00>(upper_ab, upper_cd),
        _mm512_shuffle_ps::<0b11_10_11_10>(upper_ab, upper_cd),
    ]
}

/// Splits a pair of registers, and writes a row of each part's register. The numbers of the first register are in the
/// lower halves of words.
///
/// # Safety
/// As for [`slice_of_rows`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn emit(out: Destination, (first, second): (__m512, __m512), max_magnitude: &mut MaxMagnitude) {
    let (first, second) = (split(first), split(second));
    // The upper half of each word where its lower half is.
    let down = _mm512_set4_epi32(0x0f0e, 0x0b0a, 0x0706, 0x0302);
    for part in 0..BF16_PARTS {
        let pair = _mm512_mask_shuffle_epi8(second[part], 0x3333_3333_3333_3333, first[part], down);
        if part == 0 {
            let magnitudes = _mm512_and_si512(pair, _mm512_set1_epi16(i16::MAX));
            max_magnitude.0 = _mm512_max_epu16(max_magnitude.0, magnitudes);
        }
        // SAFETY: as the caller promises.
        unsafe { _mm512_storeu_si512(out.start.add(part * out.part).cast(), pair) };
    }
}

/// The parts, each in the upper half of its word; what is below is left over.
#[inline]
#[target_feature(enable = "avx512f")]
fn split(x: __m512) -> [__m512i; BF16_PARTS] {
    let half = _mm512_set1_epi32(0x8000);
    let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
    let high = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(x), half), upper);
    let rest = _mm512_sub_ps(x, _mm512_castsi512_ps(high));
    let middle = _mm512_and_si512(_mm512_castps_si512(rest), upper);
    // Subnormal numbers may have bits below: the instructions take them for 0 anyway.
    let low = _mm512_castps_si512(_mm512_sub_ps(rest, _mm512_castsi512_ps(middle)));
    [high, middle, low]
}
