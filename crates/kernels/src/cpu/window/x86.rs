//! Maxima of float32 and their places with the vector instructions of x86: the compiler makes no vectors of such a loop.

use std::arch::x86_64::*;

use super::max::{Place, Value, Wanted};
use super::{Line, Windows};
use crate::cpu::level::{Kind, Level};

/// Finds the maxima of the windows of some planes, if it can: windows 1 or 2 apart, on lines that are not too short.
pub(super) fn find(level: Level, windows: &Windows, x: &[f32], wanted: Wanted<'_, f32>) -> bool {
    match wanted {
        Wanted::Values(values) => found::<true, false>(level, windows, x, values, &mut []),
        Wanted::Places(places) => found::<false, true>(level, windows, x, &mut [], places),
        Wanted::Both(values, places) => found::<true, true>(level, windows, x, values, places),
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
            (Kind::Avx512, 1) if count >= 16 => sixteen::<1, VALUES, PLACES>(windows, x, values, places),
            (Kind::Avx512, 2) if count >= 16 => sixteen::<2, VALUES, PLACES>(windows, x, values, places),
            (Kind::Avx512 | Kind::Avx2, 1) if count >= 8 => {
                eight::<1, VALUES, PLACES>(windows, x, values, places)
            }
            (Kind::Avx512 | Kind::Avx2, 2) if count >= 8 => {
                eight::<2, VALUES, PLACES>(windows, x, values, places)
            }
            _ => return false,
        }
    }
    true
}

/// The maxima of `N` neighbouring windows so far, and their places.
trait Best: Copy {
    const N: usize;
    type Values: Copy;
    /// `N` elements, `STEP` apart, which is 1 or 2.
    ///
    /// # Safety
    /// `2 N - 1` elements (`N` for steps of 1) must be readable, and the processor must have the instructions; so for
    /// every function here.
    unsafe fn load<const STEP: usize>(from: *const f32) -> Self::Values;
    /// Elements and the places of them of which the first is `place`.
    ///
    /// # Safety
    /// See [`Best::load`].
    unsafe fn new<const STEP: usize>(values: Self::Values, place: i32) -> Self;
    /// The better of each: the larger, NaN before all, the earlier of equal ones.
    ///
    /// # Safety
    /// See [`Best::load`].
    unsafe fn or(self, later: Self) -> Self;
    /// # Safety
    /// `N` elements must be writable.
    unsafe fn store_values(self, to: *mut f32);
    /// # Safety
    /// `N` places must be writable.
    unsafe fn store_places(self, to: *mut i32);
}

/// Registers of 512 bits.
#[derive(Clone, Copy)]
struct Sixteen(__m512, __m512i);

impl Best for Sixteen {
    const N: usize = 16;
    type Values = __m512;
    #[inline(always)]
    unsafe fn load<const STEP: usize>(from: *const f32) -> __m512 {
        // SAFETY: as the caller promises; of the second register the first element is one too far to the left.
        unsafe {
            if STEP == 1 {
                return _mm512_loadu_ps(from);
            }
            let (low, high) = (_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(15)));
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31);
            _mm512_permutex2var_ps(low, even, high)
        }
    }
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
    unsafe fn store_values(self, to: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn store_places(self, to: *mut i32) {
        // SAFETY: as the caller promises.
        unsafe { _mm512_storeu_si512(to.cast(), self.1) }
    }
}

/// Registers of 256 bits.
#[derive(Clone, Copy)]
struct Eight(__m256, __m256i);

impl Best for Eight {
    const N: usize = 8;
    type Values = __m256;
    #[inline(always)]
    unsafe fn load<const STEP: usize>(from: *const f32) -> __m256 {
        // SAFETY: as the caller promises; of the second register the first element is one too far to the left.
        unsafe {
            if STEP == 1 {
                return _mm256_loadu_ps(from);
            }
            let (low, high) = (_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(7)));
            // Elements 0 2 | 8 10 | 4 6 | 12 14, in order.
            let mixed = _mm256_castps_pd(_mm256_shuffle_ps::<0b11_01_10_00>(low, high));
            _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(mixed))
        }
    }
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
    unsafe fn store_values(self, to: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn store_places(self, to: *mut i32) {
        // SAFETY: as the caller promises.
        unsafe { _mm256_storeu_si256(to.cast(), self.1) }
    }
}

/// # Safety
/// The processor must have the instructions of `B`; `STEP` is the windows' and at least `B::N` of them are whole.
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
            windows.block::<1, 1, f32, Value>(x, (at, o), &mut values[o..]);
        }
        if PLACES {
            windows.block::<1, 1, f32, Place>(x, (at, o), &mut places[o..]);
        }
    }
    for o in windows.inner.clone().step_by(B::N) {
        // The last block may overlap the one before.
        let o = o.min(end - B::N);
        let mut best: Option<B> = None;
        windows.each_tap(at, o, |place| {
            let elements = &x[place..][..(B::N - 1) * STEP + 1];
            // SAFETY: the elements are there, and the instructions are, as the caller promises.
            unsafe {
                let found = B::new::<STEP>(B::load::<STEP>(elements.as_ptr()), place as i32);
                best = Some(best.map_or(found, |best| best.or(found)));
            }
        });
        let Some(best) = best else { continue };
        // SAFETY: there is room for as many.
        unsafe {
            if VALUES {
                best.store_values(values[o..][..B::N].as_mut_ptr());
            }
            if PLACES {
                best.store_places(places[o..][..B::N].as_mut_ptr());
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
