//! Float32 to the places of maxima with the vector instructions of x86: the compiler makes no vectors of such a loop.

use std::arch::x86_64::*;

use super::Windows;
use super::windowed::Windowed;
use super::x86::{first_of_8, first_of_16};
use crate::cpu::level::{Kind, Level};

/// Runs of a line that are worth a register of which most may be empty.
const MIN_WINDOWS: usize = 3;

/// Writes some planes, if it can: windows that share no element, 2 apart, on lines that are not too short.
pub(super) fn scatter_disjoint(
    level: Level,
    windows: &Windows,
    index: &[i32],
    dy: &[f32],
    out: &mut [f32],
) -> bool {
    let runs = windows.regular.len();
    // SAFETY: a level exists only on processors that have its instructions; the widest has those of the others.
    unsafe {
        match (level.kind(), windows.step) {
            (Kind::Avx512, 2) if runs >= MIN_WINDOWS => sixteen(windows, index, dy, out),
            (Kind::Avx2, 2) if runs >= MIN_WINDOWS => eight(windows, index, dy, out),
            _ => return false,
        }
    }
    true
}

/// The numbers of the first `count` of `N` neighboring windows.
trait Numbers: Copy {
    const N: usize;
    /// The numbers of the windows whose index is a place: `place`, `place + 2` and so on; 0 for the others.
    ///
    /// # Safety
    /// `count` indices and numbers must be readable, and the processor must have the instructions; so below.
    unsafe fn at(index: *const i32, dy: *const f32, place: i32, count: usize) -> Self;
    unsafe fn none() -> Self;
    /// Writes both, one of each in turn.
    ///
    /// # Safety
    /// `2 count` elements must be writable; see [`Numbers::at`].
    unsafe fn store_in_turn(self, other: Self, to: *mut f32, count: usize);
}

#[derive(Clone, Copy)]
struct Sixteen(__m512);

impl Numbers for Sixteen {
    const N: usize = 16;
    #[inline(always)]
    unsafe fn at(index: *const i32, dy: *const f32, place: i32, count: usize) -> Sixteen {
        // SAFETY: as the caller promises; so below. What is masked out is not read.
        unsafe {
            let apart = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let places = _mm512_add_epi32(apart, _mm512_set1_epi32(place));
            let some = first_of_16(count);
            let here = _mm512_cmpeq_epi32_mask(_mm512_maskz_loadu_epi32(some, index), places) & some;
            Sixteen(_mm512_maskz_loadu_ps(here, dy))
        }
    }
    #[inline(always)]
    unsafe fn none() -> Sixteen {
        // SAFETY: as above.
        unsafe { Sixteen(_mm512_setzero_ps()) }
    }
    #[inline(always)]
    unsafe fn store_in_turn(self, other: Sixteen, to: *mut f32, count: usize) {
        // SAFETY: as above.
        unsafe {
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
            let (low, high) = (
                _mm512_permutex2var_ps(self.0, low, other.0),
                _mm512_permutex2var_ps(self.0, high, other.0),
            );
            _mm512_mask_storeu_ps(to, first_of_16(2 * count), low);
            _mm512_mask_storeu_ps(
                to.wrapping_add(16),
                first_of_16((2 * count).saturating_sub(16)),
                high,
            );
        }
    }
}

#[derive(Clone, Copy)]
struct Eight(__m256);

impl Numbers for Eight {
    const N: usize = 8;
    #[inline(always)]
    unsafe fn at(index: *const i32, dy: *const f32, place: i32, count: usize) -> Eight {
        // SAFETY: as the caller promises; so below. What is masked out is not read.
        unsafe {
            let apart = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
            let places = _mm256_add_epi32(apart, _mm256_set1_epi32(place));
            let some = first_of_8(count);
            let here = _mm256_cmpeq_epi32(_mm256_maskload_epi32(index, some), places);
            Eight(_mm256_maskload_ps(dy, _mm256_and_si256(here, some)))
        }
    }
    #[inline(always)]
    unsafe fn none() -> Eight {
        // SAFETY: as above.
        unsafe { Eight(_mm256_setzero_ps()) }
    }
    #[inline(always)]
    unsafe fn store_in_turn(self, other: Eight, to: *mut f32, count: usize) {
        // SAFETY: as above.
        unsafe {
            // Of elements 0 1 4 5, and of 2 3 6 7.
            let (a, b) = (
                _mm256_unpacklo_ps(self.0, other.0),
                _mm256_unpackhi_ps(self.0, other.0),
            );
            let (low, high) = (
                _mm256_permute2f128_ps::<0x20>(a, b),
                _mm256_permute2f128_ps::<0x31>(a, b),
            );
            _mm256_maskstore_ps(to, first_of_8(2 * count), low);
            _mm256_maskstore_ps(
                to.wrapping_add(8),
                first_of_8((2 * count).saturating_sub(8)),
                high,
            );
        }
    }
}

/// # Safety
/// The processor must have the instructions of `V`; windows are 2 apart and share no element, and some runs are
/// regular.
#[inline(always)]
unsafe fn each<V: Numbers>(windows: &Windows, index: &[i32], dy: &[f32], out: &mut [f32]) {
    let (first, end) = (windows.regular.start, windows.regular.end);
    windows.each_line(index, dy, out, |of_line, out| {
        for i in (0..first * 2).chain(end * 2..out.len()) {
            out[i] = windows.place(&of_line, i);
        }
        let Windowed { index, dy, line } = of_line;
        let count = V::N.min(end - first);
        for run in windows.regular.clone().step_by(V::N) {
            // The last block may overlap the one before.
            let i = run.min(end - count) * 2;
            // SAFETY: the windows are there, and the instructions are, as the caller promises.
            let found = [0, 1].map(|r| unsafe {
                match windows.covers[2][i + r].first() {
                    Some(&o) => V::at(
                        index[o..][..count].as_ptr(),
                        dy[o..][..count].as_ptr(),
                        (line + i + r) as i32,
                        count,
                    ),
                    None => V::none(),
                }
            });
            let to = &mut out[i..][..2 * count];
            // SAFETY: there is room for as many.
            unsafe { found[0].store_in_turn(found[1], to.as_mut_ptr(), count) };
        }
    });
}

/// # Safety
/// See [`each`].
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,bmi1,bmi2")]
unsafe fn sixteen(windows: &Windows, index: &[i32], dy: &[f32], out: &mut [f32]) {
    // SAFETY: as the caller promises.
    unsafe { each::<Sixteen>(windows, index, dy, out) }
}

/// # Safety
/// See [`each`].
#[target_feature(enable = "avx2,fma,bmi1,bmi2")]
unsafe fn eight(windows: &Windows, index: &[i32], dy: &[f32], out: &mut [f32]) {
    // SAFETY: as the caller promises.
    unsafe { each::<Eight>(windows, index, dy, out) }
}
