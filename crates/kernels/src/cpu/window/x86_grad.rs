//! The adjoint of float32 maxima of disjoint windows by x86 intrinsics: the compiler does not vectorize this loop.

use std::arch::x86_64::*;

use super::Windows;
use super::covering::CoveringWindows;
use super::x86::{first_mask_8, first_mask_16};
use crate::cpu::level::{Kind, Level};

/// Minimal number of regular runs of a line for a vector register, most of whose lanes may be unused.
const MIN_RUNS: usize = 3;

/// Writes some planes, for disjoint windows, and returns true; false for strides other than 2 and for short lines.
pub(super) fn scatter_disjoint(
    level: Level,
    windows: &Windows,
    index: &[i32],
    dy: &[f32],
    out: &mut [f32],
) -> bool {
    let runs = windows.regular_runs.len();
    // SAFETY: a level exists only on processors that have its instructions; the widest has those of the others.
    unsafe {
        match (level.kind(), windows.stride) {
            (Kind::Avx512, 2) if runs >= MIN_RUNS => avx512(windows, index, dy, out),
            (Kind::Avx2, 2) if runs >= MIN_RUNS => avx2(windows, index, dy, out),
            _ => return false,
        }
    }
    true
}

/// The cotangents that the first `count` of `N` neighboring windows pass to one element each.
trait RoutedGradients: Copy {
    const N: usize;
    /// Lane i: dy of window i if its index is `position + 2 i`, else 0.
    ///
    /// # Safety
    /// `count` indices and numbers must be readable, and the processor must have the instructions; so below.
    unsafe fn at(index: *const i32, dy: *const f32, position: i32, count: usize) -> Self;
    /// No cotangent for any window.
    ///
    /// # Safety
    /// See [`RoutedGradients::at`].
    unsafe fn zero() -> Self;
    /// Writes both, interleaved.
    ///
    /// # Safety
    /// `2 count` elements must be writable; see [`RoutedGradients::at`].
    unsafe fn store_interleaved(self, other: Self, to: *mut f32, count: usize);
}

#[derive(Clone, Copy)]
struct RoutedAvx512(__m512);

impl RoutedGradients for RoutedAvx512 {
    const N: usize = 16;
    #[inline(always)]
    unsafe fn at(index: *const i32, dy: *const f32, position: i32, count: usize) -> RoutedAvx512 {
        // SAFETY: as the caller promises; so below. What is masked out is not read.
        unsafe {
            let offsets = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let positions = _mm512_add_epi32(offsets, _mm512_set1_epi32(position));
            let first = first_mask_16(count);
            let here = _mm512_cmpeq_epi32_mask(_mm512_maskz_loadu_epi32(first, index), positions) & first;
            RoutedAvx512(_mm512_maskz_loadu_ps(here, dy))
        }
    }
    #[inline(always)]
    unsafe fn zero() -> RoutedAvx512 {
        // SAFETY: as above.
        unsafe { RoutedAvx512(_mm512_setzero_ps()) }
    }
    #[inline(always)]
    unsafe fn store_interleaved(self, other: RoutedAvx512, to: *mut f32, count: usize) {
        // SAFETY: as above.
        unsafe {
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
            let (low, high) = (
                _mm512_permutex2var_ps(self.0, low, other.0),
                _mm512_permutex2var_ps(self.0, high, other.0),
            );
            _mm512_mask_storeu_ps(to, first_mask_16(2 * count), low);
            _mm512_mask_storeu_ps(
                to.wrapping_add(16),
                first_mask_16((2 * count).saturating_sub(16)),
                high,
            );
        }
    }
}

#[derive(Clone, Copy)]
struct RoutedAvx2(__m256);

impl RoutedGradients for RoutedAvx2 {
    const N: usize = 8;
    #[inline(always)]
    unsafe fn at(index: *const i32, dy: *const f32, position: i32, count: usize) -> RoutedAvx2 {
        // SAFETY: as the caller promises; so below. What is masked out is not read.
        unsafe {
            let offsets = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
            let positions = _mm256_add_epi32(offsets, _mm256_set1_epi32(position));
            let first = first_mask_8(count);
            let here = _mm256_cmpeq_epi32(_mm256_maskload_epi32(index, first), positions);
            RoutedAvx2(_mm256_maskload_ps(dy, _mm256_and_si256(here, first)))
        }
    }
    #[inline(always)]
    unsafe fn zero() -> RoutedAvx2 {
        // SAFETY: as above.
        unsafe { RoutedAvx2(_mm256_setzero_ps()) }
    }
    #[inline(always)]
    unsafe fn store_interleaved(self, other: RoutedAvx2, to: *mut f32, count: usize) {
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
            _mm256_maskstore_ps(to, first_mask_8(2 * count), low);
            _mm256_maskstore_ps(
                to.wrapping_add(8),
                first_mask_8((2 * count).saturating_sub(8)),
                high,
            );
        }
    }
}

/// # Safety
/// The processor must have the instructions of `V`; windows are disjoint with stride 2, and at least one run is regular.
#[inline(always)]
unsafe fn each<V: RoutedGradients>(windows: &Windows, index: &[i32], dy: &[f32], out: &mut [f32]) {
    let (first, end) = (windows.regular_runs.start, windows.regular_runs.end);
    windows.each_line(index, dy, out, |covering, out| {
        for i in (0..first * 2).chain(end * 2..out.len()) {
            out[i] = windows.gradient_at(&covering, i);
        }
        let CoveringWindows { index, dy, line } = covering;
        let count = V::N.min(end - first);
        for run in windows.regular_runs.clone().step_by(V::N) {
            // The last block may overlap the one before.
            let i = run.min(end - count) * 2;
            // SAFETY: the windows are there, and the instructions are, as the caller promises.
            let found = [0, 1].map(|r| unsafe {
                match windows.covering[2][i + r].first() {
                    Some(&o) => V::at(
                        index[o..][..count].as_ptr(),
                        dy[o..][..count].as_ptr(),
                        (line + i + r) as i32,
                        count,
                    ),
                    None => V::zero(),
                }
            });
            let to = &mut out[i..][..2 * count];
            // SAFETY: there is room for as many.
            unsafe { found[0].store_interleaved(found[1], to.as_mut_ptr(), count) };
        }
    });
}

/// # Safety
/// See [`each`].
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,bmi1,bmi2")]
unsafe fn avx512(windows: &Windows, index: &[i32], dy: &[f32], out: &mut [f32]) {
    // SAFETY: as the caller promises.
    unsafe { each::<RoutedAvx512>(windows, index, dy, out) }
}

/// # Safety
/// See [`each`].
#[target_feature(enable = "avx2,fma,bmi1,bmi2")]
unsafe fn avx2(windows: &Windows, index: &[i32], dy: &[f32], out: &mut [f32]) {
    // SAFETY: as the caller promises.
    unsafe { each::<RoutedAvx2>(windows, index, dy, out) }
}
