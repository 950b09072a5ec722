//! Maxima of float32 and their places with the vector instructions of x86: the compiler makes no vectors of such a
//! loop.

use std::arch::x86_64::*;

use super::maxima::{ArgMax, MaxValue, MaximaOut};
use super::{Line, Windows};
use crate::cpu::level::{Kind, Level};

/// Windows of a line that are worth a register of which most may be empty.
const MIN_WINDOWS: usize = 3;

/// Finds the maxima of the windows of some planes, if it can: windows 1 or 2 apart, on lines that are not too short.
pub(super) fn find(level: Level, windows: &Windows, x: &[f32], wanted: MaximaOut<'_, f32>) -> bool {
    match wanted {
        MaximaOut::Values(values) => found::<true, false>(level, windows, x, values, &mut []),
        MaximaOut::Positions(places) => found::<false, true>(level, windows, x, &mut [], places),
        MaximaOut::Both(values, places) => found::<true, true>(level, windows, x, values, places),
    }
}

fn found<const VALUES: bool, const PLACES: bool>(
    level: Level,
    windows: &Windows,
    x: &[f32],
    values: &mut [f32],
    places: &mut [i32],
) -> bool {
    let count = windows.inner.len();
    // SAFETY: a level exists only on processors that have its instructions; the widest has those of the others.
    unsafe {
        match (level.kind(), windows.step) {
            (Kind::Avx512, 1) if count >= MIN_WINDOWS => {
                sixteen::<1, VALUES, PLACES>(windows, x, values, places)
            }
            (Kind::Avx512, 2) if count >= MIN_WINDOWS => {
                sixteen::<2, VALUES, PLACES>(windows, x, values, places)
            }
            (Kind::Avx2, 1) if count >= MIN_WINDOWS => eight::<1, VALUES, PLACES>(windows, x, values, places),
            (Kind::Avx2, 2) if count >= MIN_WINDOWS => eight::<2, VALUES, PLACES>(windows, x, values, places),
            _ => return false,
        }
    }
    true
}

/// The maxima of `N` neighboring windows so far, and their places. Of each function but the first three there are a
/// version for all and one for the first `count`.
trait Best: Copy {
    const N: usize;
    type Values: Copy;
    /// Elements and the places of them, `STEP` apart, of which the first is `place`.
    ///
    /// # Safety
    /// The processor must have the instructions; so for every function here.
    unsafe fn new<const STEP: usize>(values: Self::Values, place: i32) -> Self;
    /// The better of each: the larger, NaN before all, the earlier of equal ones.
    ///
    /// # Safety
    /// See [`Best::new`].
    unsafe fn or(self, later: Self) -> Self;
    /// Elements `STEP` apart, which is 1 or 2.
    ///
    /// # Safety
    /// `STEP (N - 1) + 1` elements must be readable.
    unsafe fn load<const STEP: usize>(from: *const f32) -> Self::Values;
    /// # Safety
    /// `STEP (count - 1) + 1` elements must be readable.
    unsafe fn load_some<const STEP: usize>(from: *const f32, count: usize) -> Self::Values;
    /// # Safety
    /// `N` elements must be writable.
    unsafe fn store_values(self, to: *mut f32);
    /// # Safety
    /// `count` elements must be writable.
    unsafe fn store_some_values(self, to: *mut f32, count: usize);
    /// # Safety
    /// `N` places must be writable.
    unsafe fn store_places(self, to: *mut i32);
    /// # Safety
    /// `count` places must be writable.
    unsafe fn store_some_places(self, to: *mut i32, count: usize);
}

/// Registers of 512 bits.
#[derive(Clone, Copy)]
struct Sixteen(__m512, __m512i);

impl Best for Sixteen {
    const N: usize = 16;
    type Values = __m512;
    #[inline(always)]
    unsafe fn new<const STEP: usize>(values: __m512, place: i32) -> Sixteen {
        // SAFETY: as the caller promises; so below.
        unsafe {
            let count = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let apart = _mm512_mullo_epi32(count, _mm512_set1_epi32(STEP as i32));
            Sixteen(values, _mm512_add_epi32(apart, _mm512_set1_epi32(place)))
        }
    }
    #[inline(always)]
    unsafe fn or(self, later: Sixteen) -> Sixteen {
        // SAFETY: as above.
        unsafe {
            let wins = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(later.0, self.0)
                & _mm512_cmp_ps_mask::<_CMP_ORD_Q>(self.0, self.0);
            Sixteen(
                _mm512_mask_mov_ps(self.0, wins, later.0),
                _mm512_mask_mov_epi32(self.1, wins, later.1),
            )
        }
    }
    #[inline(always)]
    unsafe fn load<const STEP: usize>(from: *const f32) -> __m512 {
        // SAFETY: as the caller promises; of the second register the first element is one too far to the left.
        unsafe {
            match STEP {
                1 => _mm512_loadu_ps(from),
                _ => every_second_of_32(_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(15))),
            }
        }
    }
    #[inline(always)]
    unsafe fn load_some<const STEP: usize>(from: *const f32, count: usize) -> __m512 {
        let elements = STEP * (count - 1) + 1;
        // SAFETY: as the caller promises; what is masked out is not read.
        unsafe {
            let low = _mm512_maskz_loadu_ps(first_of_16(elements), from);
            match STEP {
                1 => low,
                _ => {
                    let high = first_of_16(elements.saturating_sub(15));
                    every_second_of_32(low, _mm512_maskz_loadu_ps(high, from.wrapping_add(15)))
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
    unsafe fn store_some_values(self, to: *mut f32, count: usize) {
        // SAFETY: as the caller promises.
        unsafe { _mm512_mask_storeu_ps(to, first_of_16(count), self.0) }
    }
    #[inline(always)]
    unsafe fn store_places(self, to: *mut i32) {
        // SAFETY: as the caller promises.
        unsafe { _mm512_storeu_si512(to.cast(), self.1) }
    }
    #[inline(always)]
    unsafe fn store_some_places(self, to: *mut i32, count: usize) {
        // SAFETY: as the caller promises.
        unsafe { _mm512_mask_storeu_epi32(to, first_of_16(count), self.1) }
    }
}

/// A bit for each of the first elements of a register, at most all.
pub(super) fn first_of_16(count: usize) -> __mmask16 {
    ((1_u32 << count.min(16)) - 1) as __mmask16
}

/// Elements 0, 2, .. of those of `low` and of `high`, of which the first is the last of `low`.
#[inline]
#[target_feature(enable = "avx512f")]
fn every_second_of_32(low: __m512, high: __m512) -> __m512 {
    let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31);
    _mm512_permutex2var_ps(low, even, high)
}

/// Registers of 256 bits.
#[derive(Clone, Copy)]
struct Eight(__m256, __m256i);

impl Best for Eight {
    const N: usize = 8;
    type Values = __m256;
    #[inline(always)]
    unsafe fn new<const STEP: usize>(values: __m256, place: i32) -> Eight {
        // SAFETY: as the caller promises; so below.
        unsafe {
            let count = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let apart = _mm256_mullo_epi32(count, _mm256_set1_epi32(STEP as i32));
            Eight(values, _mm256_add_epi32(apart, _mm256_set1_epi32(place)))
        }
    }
    #[inline(always)]
    unsafe fn or(self, later: Eight) -> Eight {
        // SAFETY: as above.
        unsafe {
            let wins = _mm256_and_ps(
                _mm256_cmp_ps::<_CMP_NLE_UQ>(later.0, self.0),
                _mm256_cmp_ps::<_CMP_ORD_Q>(self.0, self.0),
            );
            let places = _mm256_blendv_ps(_mm256_castsi256_ps(self.1), _mm256_castsi256_ps(later.1), wins);
            Eight(
                _mm256_blendv_ps(self.0, later.0, wins),
                _mm256_castps_si256(places),
            )
        }
    }
    #[inline(always)]
    unsafe fn load<const STEP: usize>(from: *const f32) -> __m256 {
        // SAFETY: as the caller promises; of the second register the first element is one too far to the left.
        unsafe {
            match STEP {
                1 => _mm256_loadu_ps(from),
                _ => every_second_of_16(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(7))),
            }
        }
    }
    #[inline(always)]
    unsafe fn load_some<const STEP: usize>(from: *const f32, count: usize) -> __m256 {
        let elements = STEP * (count - 1) + 1;
        // SAFETY: as the caller promises; what is masked out is not read.
        unsafe {
            let low = _mm256_maskload_ps(from, first_of_8(elements));
            match STEP {
                1 => low,
                _ => {
                    let high = first_of_8(elements.saturating_sub(7));
                    every_second_of_16(low, _mm256_maskload_ps(from.wrapping_add(7), high))
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
    unsafe fn store_some_values(self, to: *mut f32, count: usize) {
        // SAFETY: as the caller promises.
        unsafe { _mm256_maskstore_ps(to, first_of_8(count), self.0) }
    }
    #[inline(always)]
    unsafe fn store_places(self, to: *mut i32) {
        // SAFETY: as the caller promises.
        unsafe { _mm256_storeu_si256(to.cast(), self.1) }
    }
    #[inline(always)]
    unsafe fn store_some_places(self, to: *mut i32, count: usize) {
        // SAFETY: as the caller promises.
        unsafe { _mm256_maskstore_epi32(to, first_of_8(count), self.1) }
    }
}

/// All bits of the first elements of a register.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn first_of_8(count: usize) -> __m256i {
    let numbers = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_cmpgt_epi32(_mm256_set1_epi32(count.min(8) as i32), numbers)
}

/// Elements 0, 2, .. of those of `low` and of `high`, of which the first is the last of `low`.
#[inline]
#[target_feature(enable = "avx2")]
fn every_second_of_16(low: __m256, high: __m256) -> __m256 {
    // Elements 0 2 | 8 10 | 4 6 | 12 14, in order.
    let mixed = _mm256_castps_pd(_mm256_shuffle_ps::<0b11_01_10_00>(low, high));
    _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(mixed))
}

/// # Safety
/// The processor must have the instructions of `B`; `STEP` is the windows', some of which are whole.
#[inline(always)]
unsafe fn each<B: Best, const STEP: usize, const VALUES: bool, const PLACES: bool>(
    windows: &Windows,
    x: &[f32],
    values: &mut [f32],
    places: &mut [i32],
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
                let places = if PLACES {
                    &mut places[start..start + width]
                } else {
                    &mut []
                };
                of_line::<B, STEP, VALUES, PLACES>(windows, x, taps, values, places);
            }
        }
    }
}

/// # Safety
/// See [`each`].
#[inline(always)]
unsafe fn of_line<B: Best, const STEP: usize, const VALUES: bool, const PLACES: bool>(
    windows: &Windows,
    x: &[f32],
    at: Line<'_>,
    values: &mut [f32],
    places: &mut [i32],
) {
    let (start, end) = (windows.inner.start, windows.inner.end);
    for o in (0..start).chain(end..windows.output[2]) {
        if VALUES {
            windows.block::<1, 1, f32, MaxValue>(x, (at, o), &mut values[o..]);
        }
        if PLACES {
            windows.block::<1, 1, f32, ArgMax>(x, (at, o), &mut places[o..]);
        }
    }
    let count = B::N.min(end - start);
    for o in windows.inner.clone().step_by(B::N) {
        // The last block may overlap the one before.
        let o = o.min(end - count);
        let mut best: Option<B> = None;
        windows.each_tap(at, o, |place| {
            let elements = x[place..][..(count - 1) * STEP + 1].as_ptr();
            // SAFETY: the elements are there, and the instructions are, as the caller promises.
            unsafe {
                let values = if count == B::N {
                    B::load::<STEP>(elements)
                } else {
                    B::load_some::<STEP>(elements, count)
                };
                let found = B::new::<STEP>(values, place as i32);
                best = Some(best.map_or(found, |best| best.or(found)));
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
                    best.store_some_values(to, count)
                }
            }
            if PLACES {
                let to = places[o..][..count].as_mut_ptr();
                if is_whole {
                    best.store_places(to)
                } else {
                    best.store_some_places(to, count)
                }
            }
        }
    }
}

/// # Safety
/// See [`each`].
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,bmi1,bmi2")]
unsafe fn sixteen<const STEP: usize, const VALUES: bool, const PLACES: bool>(
    windows: &Windows,
    x: &[f32],
    values: &mut [f32],
    places: &mut [i32],
) {
    // SAFETY: as the caller promises.
    unsafe { each::<Sixteen, STEP, VALUES, PLACES>(windows, x, values, places) }
}

/// # Safety
/// See [`each`].
#[target_feature(enable = "avx2,fma,bmi1,bmi2")]
unsafe fn eight<const STEP: usize, const VALUES: bool, const PLACES: bool>(
    windows: &Windows,
    x: &[f32],
    values: &mut [f32],
    places: &mut [i32],
) {
    // SAFETY: as the caller promises.
    unsafe { each::<Eight, STEP, VALUES, PLACES>(windows, x, values, places) }
}
