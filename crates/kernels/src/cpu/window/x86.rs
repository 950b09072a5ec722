//! Maxima of float32 and their positions by x86 intrinsics: the compiler does not vectorize this loop.

use std::arch::x86_64::*;

use super::maxima::{ArgMax, MaxValue, MaximaOut};
use super::{Line, Windows};
use crate::cpu::level::{Kind, Level};

/// Minimal number of interior windows of a line for a vector register, most of whose lanes may be unused.
const MIN_WINDOWS: usize = 3;

/// Finds the maxima of the windows of some planes and returns true; false for strides other than 1 and 2 and for short lines.
pub(super) fn find(level: Level, windows: &Windows, x: &[f32], wanted: MaximaOut<'_, f32>) -> bool {
    match wanted {
        MaximaOut::Values(values) => find_with::<true, false>(level, windows, x, values, &mut []),
        MaximaOut::Positions(positions) => find_with::<false, true>(level, windows, x, &mut [], positions),
        MaximaOut::Both(values, positions) => find_with::<true, true>(level, windows, x, values, positions),
    }
}

fn find_with<const VALUES: bool, const POSITIONS: bool>(
    level: Level,
    windows: &Windows,
    x: &[f32],
    values: &mut [f32],
    positions: &mut [i32],
) -> bool {
    let count = windows.inner.len();
    // SAFETY: a level exists only on processors that have its instructions; the widest has those of the others.
    unsafe {
        match (level.kind(), windows.stride) {
            (Kind::Avx512, 1) if count >= MIN_WINDOWS => {
                avx512::<1, VALUES, POSITIONS>(windows, x, values, positions)
            }
            (Kind::Avx512, 2) if count >= MIN_WINDOWS => {
                avx512::<2, VALUES, POSITIONS>(windows, x, values, positions)
            }
            (Kind::Avx2, 1) if count >= MIN_WINDOWS => {
                avx2::<1, VALUES, POSITIONS>(windows, x, values, positions)
            }
            (Kind::Avx2, 2) if count >= MIN_WINDOWS => {
                avx2::<2, VALUES, POSITIONS>(windows, x, values, positions)
            }
            _ => return false,
        }
    }
    true
}

/// The running maxima of `N` neighboring windows, and their positions. Loads and stores have a version for all `N` lanes and one
/// for the first `count` lanes.
trait WindowMax: Copy {
    const N: usize;
    type Values: Copy;
    /// Values at the positions `position + i STRIDE`.
    ///
    /// # Safety
    /// The processor must have the instructions; so for every function here.
    unsafe fn new<const STRIDE: usize>(values: Self::Values, position: i32) -> Self;
    /// The lanewise maximum: NaN is the largest, and of equal values the earlier wins.
    ///
    /// # Safety
    /// See [`WindowMax::new`].
    unsafe fn max(self, later: Self) -> Self;
    /// Elements `i STRIDE`, for a stride of 1 or 2.
    ///
    /// # Safety
    /// `STRIDE (N - 1) + 1` elements must be readable.
    unsafe fn load<const STRIDE: usize>(from: *const f32) -> Self::Values;
    /// # Safety
    /// `STRIDE (count - 1) + 1` elements must be readable.
    unsafe fn load_first<const STRIDE: usize>(from: *const f32, count: usize) -> Self::Values;
    /// # Safety
    /// `N` elements must be writable.
    unsafe fn store_values(self, to: *mut f32);
    /// # Safety
    /// `count` elements must be writable.
    unsafe fn store_first_values(self, to: *mut f32, count: usize);
    /// # Safety
    /// `N` positions must be writable.
    unsafe fn store_positions(self, to: *mut i32);
    /// # Safety
    /// `count` positions must be writable.
    unsafe fn store_first_positions(self, to: *mut i32, count: usize);
}

/// Registers of 512 bits.
#[derive(Clone, Copy)]
struct MaxAvx512(__m512, __m512i);

impl WindowMax for MaxAvx512 {
    const N: usize = 16;
    type Values = __m512;
    #[inline(always)]
    unsafe fn new<const STRIDE: usize>(values: __m512, position: i32) -> MaxAvx512 {
        // SAFETY: as the caller promises; so below.
        unsafe {
            let count = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let offsets = _mm512_mullo_epi32(count, _mm512_set1_epi32(STRIDE as i32));
            MaxAvx512(values, _mm512_add_epi32(offsets, _mm512_set1_epi32(position)))
        }
    }
    #[inline(always)]
    unsafe fn max(self, later: MaxAvx512) -> MaxAvx512 {
        // SAFETY: as above.
        unsafe {
            let wins = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(later.0, self.0)
                & _mm512_cmp_ps_mask::<_CMP_ORD_Q>(self.0, self.0);
            MaxAvx512(
                _mm512_mask_mov_ps(self.0, wins, later.0),
                _mm512_mask_mov_epi32(self.1, wins, later.1),
            )
        }
    }
    #[inline(always)]
    unsafe fn load<const STRIDE: usize>(from: *const f32) -> __m512 {
        // SAFETY: as the caller promises; of the second register the first element is one too far to the left.
        unsafe {
            match STRIDE {
                1 => _mm512_loadu_ps(from),
                _ => even_of_32(_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(15))),
            }
        }
    }
    #[inline(always)]
    unsafe fn load_first<const STRIDE: usize>(from: *const f32, count: usize) -> __m512 {
        let elements = STRIDE * (count - 1) + 1;
        // SAFETY: as the caller promises; what is masked out is not read.
        unsafe {
            let low = _mm512_maskz_loadu_ps(first_mask_16(elements), from);
            match STRIDE {
                1 => low,
                _ => {
                    let high = first_mask_16(elements.saturating_sub(15));
                    even_of_32(low, _mm512_maskz_loadu_ps(high, from.wrapping_add(15)))
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn store_values(self, to: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn store_first_values(self, to: *mut f32, count: usize) {
        // SAFETY: as the caller promises.
        unsafe { _mm512_mask_storeu_ps(to, first_mask_16(count), self.0) }
    }
    #[inline(always)]
    unsafe fn store_positions(self, to: *mut i32) {
        // SAFETY: as the caller promises.
        unsafe { _mm512_storeu_si512(to.cast(), self.1) }
    }
    #[inline(always)]
    unsafe fn store_first_positions(self, to: *mut i32, count: usize) {
        // SAFETY: as the caller promises.
        unsafe { _mm512_mask_storeu_epi32(to, first_mask_16(count), self.1) }
    }
}

/// A mask of the first `count` lanes.
pub(super) fn first_mask_16(count: usize) -> __mmask16 {
    ((1_u32 << count.min(16)) - 1) as __mmask16
}

/// The even elements of a run of which `high` begins with the last element of `low`.
#[inline]
#[target_feature(enable = "avx512f")]
fn even_of_32(low: __m512, high: __m512) -> __m512 {
    let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31);
    _mm512_permutex2var_ps(low, even, high)
}

/// Registers of 256 bits.
#[derive(Clone, Copy)]
struct MaxAvx2(__m256, __m256i);

impl WindowMax for MaxAvx2 {
    const N: usize = 8;
    type Values = __m256;
    #[inline(always)]
    unsafe fn new<const STRIDE: usize>(values: __m256, position: i32) -> MaxAvx2 {
        // SAFETY: as the caller promises; so below.
        unsafe {
            let count = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let offsets = _mm256_mullo_epi32(count, _mm256_set1_epi32(STRIDE as i32));
            MaxAvx2(values, _mm256_add_epi32(offsets, _mm256_set1_epi32(position)))
        }
    }
    #[inline(always)]
    unsafe fn max(self, later: MaxAvx2) -> MaxAvx2 {
        // SAFETY: as above.
        unsafe {
            let wins = _mm256_and_ps(
                _mm256_cmp_ps::<_CMP_NLE_UQ>(later.0, self.0),
                _mm256_cmp_ps::<_CMP_ORD_Q>(self.0, self.0),
            );
            let positions = _mm256_blendv_ps(_mm256_castsi256_ps(self.1), _mm256_castsi256_ps(later.1), wins);
            MaxAvx2(
                _mm256_blendv_ps(self.0, later.0, wins),
                _mm256_castps_si256(positions),
            )
        }
    }
    #[inline(always)]
    unsafe fn load<const STRIDE: usize>(from: *const f32) -> __m256 {
        // SAFETY: as the caller promises; of the second register the first element is one too far to the left.
        unsafe {
            match STRIDE {
                1 => _mm256_loadu_ps(from),
                _ => even_of_16(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(7))),
            }
        }
    }
    #[inline(always)]
    unsafe fn load_first<const STRIDE: usize>(from: *const f32, count: usize) -> __m256 {
        let elements = STRIDE * (count - 1) + 1;
        // SAFETY: as the caller promises; what is masked out is not read.
        unsafe {
            let low = _mm256_maskload_ps(from, first_mask_8(elements));
            match STRIDE {
                1 => low,
                _ => {
                    let high = first_mask_8(elements.saturating_sub(7));
                    even_of_16(low, _mm256_maskload_ps(from.wrapping_add(7), high))
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn store_values(self, to: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn store_first_values(self, to: *mut f32, count: usize) {
        // SAFETY: as the caller promises.
        unsafe { _mm256_maskstore_ps(to, first_mask_8(count), self.0) }
    }
    #[inline(always)]
    unsafe fn store_positions(self, to: *mut i32) {
        // SAFETY: as the caller promises.
        unsafe { _mm256_storeu_si256(to.cast(), self.1) }
    }
    #[inline(always)]
    unsafe fn store_first_positions(self, to: *mut i32, count: usize) {
        // SAFETY: as the caller promises.
        unsafe { _mm256_maskstore_epi32(to, first_mask_8(count), self.1) }
    }
}

/// A mask of the first `count` lanes: all bits set.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn first_mask_8(count: usize) -> __m256i {
    let numbers = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_cmpgt_epi32(_mm256_set1_epi32(count.min(8) as i32), numbers)
}

/// The even elements of a run of which `high` begins with the last element of `low`.
#[inline]
#[target_feature(enable = "avx2")]
fn even_of_16(low: __m256, high: __m256) -> __m256 {
    // Elements 0 2 | 8 10 | 4 6 | 12 14, in order.
    let mixed = _mm256_castps_pd(_mm256_shuffle_ps::<0b11_01_10_00>(low, high));
    _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(mixed))
}

/// # Safety
/// The processor must have the instructions of `B`; `STRIDE` is the windows', some of which are whole.
#[inline(always)]
unsafe fn each<B: WindowMax, const STRIDE: usize, const VALUES: bool, const POSITIONS: bool>(
    windows: &Windows,
    x: &[f32],
    values: &mut [f32],
    positions: &mut [i32],
) {
    let (size, width) = (windows.output_size(), windows.output[2]);
    for (plane, x) in x.chunks_exact(windows.input_size()).enumerate() {
        for line in 0..size / width {
            let taps = (
                &windows.taps[0][line / windows.output[1]],
                &windows.taps[1][line % windows.output[1]],
            );
            let start = plane * size + line * width;
            // SAFETY: as the caller promises.
            unsafe {
                let values = if VALUES {
                    &mut values[start..start + width]
                } else {
                    &mut []
                };
                let positions = if POSITIONS {
                    &mut positions[start..start + width]
                } else {
                    &mut []
                };
                line_maxima::<B, STRIDE, VALUES, POSITIONS>(windows, x, taps, values, positions);
            }
        }
    }
}

/// # Safety
/// See [`each`].
#[inline(always)]
unsafe fn line_maxima<B: WindowMax, const STRIDE: usize, const VALUES: bool, const POSITIONS: bool>(
    windows: &Windows,
    x: &[f32],
    at: Line<'_>,
    values: &mut [f32],
    positions: &mut [i32],
) {
    let (start, end) = (windows.inner.start, windows.inner.end);
    for o in (0..start).chain(end..windows.output[2]) {
        if VALUES {
            windows.block::<1, 1, f32, MaxValue>(x, (at, o), &mut values[o..]);
        }
        if POSITIONS {
            windows.block::<1, 1, f32, ArgMax>(x, (at, o), &mut positions[o..]);
        }
    }
    let count = B::N.min(end - start);
    for o in windows.inner.clone().step_by(B::N) {
        // The last block may overlap the one before.
        let o = o.min(end - count);
        let mut best: Option<B> = None;
        windows.each_tap(at, o, |position| {
            let elements = x[position..][..(count - 1) * STRIDE + 1].as_ptr();
            // SAFETY: the elements are there, and the instructions are, as the caller promises.
            unsafe {
                let values = if count == B::N {
                    B::load::<STRIDE>(elements)
                } else {
                    B::load_first::<STRIDE>(elements, count)
                };
                let found = B::new::<STRIDE>(values, position as i32);
                best = Some(best.map_or(found, |best| best.max(found)));
            }
        });
        let Some(best) = best else { continue };
        let is_whole = count == B::N;
        // SAFETY: there is room for as many.
        unsafe {
            if VALUES {
                let to = values[o..][..count].as_mut_ptr();
                if is_whole {
                    best.store_values(to)
                } else {
                    best.store_first_values(to, count)
                }
            }
            if POSITIONS {
                let to = positions[o..][..count].as_mut_ptr();
                if is_whole {
                    best.store_positions(to)
                } else {
                    best.store_first_positions(to, count)
                }
            }
        }
    }
}

/// # Safety
/// See [`each`].
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,bmi1,bmi2")]
unsafe fn avx512<const STRIDE: usize, const VALUES: bool, const POSITIONS: bool>(
    windows: &Windows,
    x: &[f32],
    values: &mut [f32],
    positions: &mut [i32],
) {
    // SAFETY: as the caller promises.
    unsafe { each::<MaxAvx512, STRIDE, VALUES, POSITIONS>(windows, x, values, positions) }
}

/// # Safety
/// See [`each`].
#[target_feature(enable = "avx2,fma,bmi1,bmi2")]
unsafe fn avx2<const STRIDE: usize, const VALUES: bool, const POSITIONS: bool>(
    windows: &Windows,
    x: &[f32],
    values: &mut [f32],
    positions: &mut [i32],
) {
    // SAFETY: as the caller promises.
    unsafe { each::<MaxAvx2, STRIDE, VALUES, POSITIONS>(windows, x, values, positions) }
}
