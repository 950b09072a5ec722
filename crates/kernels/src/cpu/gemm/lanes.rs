//! A vector register as a type. Micro-kernels are generic over it.

use crate::cpu::element::Float;
use crate::cpu::level::PORTABLE_FMA;

/// A register of `N` elements. On x86 the wide ones may be used only where their instructions exist.
pub(crate) trait Lanes: Copy {
    type Elem: Float;
    const N: usize;
    /// Which elements of a register a partial load or store is about.
    type Mask: Copy;
    /// Whether a partial load costs about as much as a whole one.
    const MASKS: bool;
    /// # Safety
    /// The processor must have the type's instructions; so for every function here.
    unsafe fn splat(x: Self::Elem) -> Self;
    /// # Safety
    /// `N` elements must be readable.
    unsafe fn load(from: *const Self::Elem) -> Self;
    /// # Safety
    /// `N` elements must be writable.
    unsafe fn store(self, to: *mut Self::Elem);
    /// The first `count` elements, 0 to `N`.
    /// # Safety
    /// See [`Lanes::splat`].
    unsafe fn first(count: usize) -> Self::Mask;
    /// The elements from `start` on before `end`, with 0 <= `start` <= `end` <= `N`.
    /// # Safety
    /// See [`Lanes::splat`].
    unsafe fn between(start: usize, end: usize) -> Self::Mask;
    /// The masked elements, and 0 for the rest.
    /// # Safety
    /// The masked elements must be readable.
    unsafe fn load_some(from: *const Self::Elem, mask: Self::Mask) -> Self;
    /// # Safety
    /// The masked elements must be writable.
    unsafe fn store_some(self, to: *mut Self::Elem, mask: Self::Mask);
    /// `a * b + self`.
    /// # Safety
    /// See [`Lanes::splat`].
    unsafe fn fma(self, a: Self, b: Self) -> Self;
    /// # Safety
    /// See [`Lanes::splat`].
    unsafe fn add(self, other: Self) -> Self;
    /// The smaller of each two elements.
    /// # Safety
    /// See [`Lanes::splat`].
    unsafe fn min(self, other: Self) -> Self;
}

/// `N` elements that the compiler puts into whatever registers the target has.
#[derive(Clone, Copy)]
pub(crate) struct Portable<T, const N: usize>(pub [T; N]);

impl<T: Float, const N: usize> Lanes for Portable<T, N> {
    type Elem = T;
    const N: usize = N;
    /// From an element on before another.
    type Mask = (usize, usize);
    const MASKS: bool = false;
    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        Portable([x; N])
    }
    #[inline(always)]
    unsafe fn first(count: usize) -> (usize, usize) {
        (0, count)
    }
    #[inline(always)]
    unsafe fn between(start: usize, end: usize) -> (usize, usize) {
        (start, end)
    }
    #[inline(always)]
    unsafe fn load_some(from: *const T, (start, end): (usize, usize)) -> Self {
        let mut line = [T::ZERO; N];
        let to = line[start..end].as_mut_ptr();
        // SAFETY: as the caller promises; what comes before need not lie in the same allocation.
        unsafe { to.copy_from_nonoverlapping(from.wrapping_add(start), end - start) };
        Portable(line)
    }
    #[inline(always)]
    unsafe fn store_some(self, to: *mut T, (start, end): (usize, usize)) {
        let from = self.0[start..end].as_ptr();
        // SAFETY: as above.
        unsafe { to.wrapping_add(start).copy_from_nonoverlapping(from, end - start) };
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: as the caller promises.
        Portable(unsafe { from.cast::<[T; N]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: as the caller promises.
        unsafe { to.cast::<[T; N]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        Portable(std::array::from_fn(|i| {
            a.0[i].fma::<PORTABLE_FMA>(b.0[i], self.0[i])
        }))
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Portable(std::array::from_fn(|i| self.0[i].plus(other.0[i])))
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Portable(std::array::from_fn(|i| {
            if self.0[i] < other.0[i] {
                self.0[i]
            } else {
                other.0[i]
            }
        }))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    macro_rules! lanes {
        ($($v:ty: $t:ty, $n:literal, $mask:ty, $splat:ident $load:ident $store:ident $fma:ident $add:ident $min:ident,
            $between:expr, $load_some:ident $store_some:ident;)*) => {$(
            impl Lanes for $v {
                type Elem = $t;
                const N: usize = $n;
                type Mask = $mask;
                const MASKS: bool = true;
                #[inline(always)]
                unsafe fn splat(x: $t) -> $v {
                    // SAFETY: as the caller promises, here and below.
                    unsafe { $splat(x) }
                }
                #[inline(always)]
                unsafe fn load(from: *const $t) -> $v {
                    // SAFETY: as above.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $t) {
                    // SAFETY: as above.
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn first(count: usize) -> $mask {
                    // SAFETY: as above.
                    unsafe { $between(0, count) }
                }
                #[inline(always)]
                unsafe fn between(start: usize, end: usize) -> $mask {
                    // SAFETY: as above.
                    unsafe { $between(start, end) }
                }
                #[inline(always)]
                unsafe fn load_some(from: *const $t, mask: $mask) -> $v {
                    // SAFETY: as above.
                    unsafe { $load_some(mask, from) }
                }
                #[inline(always)]
                unsafe fn store_some(self, to: *mut $t, mask: $mask) {
                    // SAFETY: as above.
                    unsafe { $store_some(to, mask, self) }
                }
                #[inline(always)]
                unsafe fn fma(self, a: $v, b: $v) -> $v {
                    // SAFETY: as above.
                    unsafe { $fma(a, b, self) }
                }
                #[inline(always)]
                unsafe fn add(self, other: $v) -> $v {
                    // SAFETY: as above.
                    unsafe { $add(self, other) }
                }
                #[inline(always)]
                unsafe fn min(self, other: $v) -> $v {
                    // SAFETY: as above.
                    unsafe { $min(self, other) }
                }
            }
        )*};
    }
    lanes! {
        __m256: f32, 8, __m256i, _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_fmadd_ps _mm256_add_ps _mm256_min_ps,
            some_of_eight, load_eight _mm256_maskstore_ps;
        __m256d: f64, 4, __m256i, _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_fmadd_pd _mm256_add_pd _mm256_min_pd,
            some_of_four, load_four _mm256_maskstore_pd;
        __m512: f32, 16, __mmask16, _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_fmadd_ps _mm512_add_ps _mm512_min_ps,
            bits_of_sixteen, _mm512_maskz_loadu_ps _mm512_mask_storeu_ps;
        __m512d: f64, 8, __mmask8, _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_fmadd_pd _mm512_add_pd _mm512_min_pd,
            bits_of_eight, _mm512_maskz_loadu_pd _mm512_mask_storeu_pd;
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn bits_of_sixteen(start: usize, end: usize) -> __mmask16 {
        bits(start, end) as __mmask16
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn bits_of_eight(start: usize, end: usize) -> __mmask8 {
        bits(start, end) as __mmask8
    }

    #[inline(always)]
    fn bits(start: usize, end: usize) -> u32 {
        (1 << end) - (1 << start)
    }

    /// All bits of those words of 4 bytes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn some_of_eight(start: usize, end: usize) -> __m256i {
        let numbers = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let before = |count: usize| _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), numbers);
        _mm256_andnot_si256(before(start), before(end))
    }

    /// All bits of those words of 8 bytes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn some_of_four(start: usize, end: usize) -> __m256i {
        let numbers = _mm256_setr_epi64x(0, 1, 2, 3);
        let before = |count: usize| _mm256_cmpgt_epi64(_mm256_set1_epi64x(count as i64), numbers);
        _mm256_andnot_si256(before(start), before(end))
    }

    /// # Safety
    /// The masked elements must be readable.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load_eight(mask: __m256i, from: *const f32) -> __m256 {
        // SAFETY: as the caller promises.
        unsafe { _mm256_maskload_ps(from, mask) }
    }

    /// # Safety
    /// The masked elements must be readable.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load_four(mask: __m256i, from: *const f64) -> __m256d {
        // SAFETY: as the caller promises.
        unsafe { _mm256_maskload_pd(from, mask) }
    }
}
