//! A vector register as a type: what the tiles of the matrix product are written in.

use crate::cpu::element::Float;
use crate::cpu::level::PORTABLE_FMA;

/// A register of `N` elements. On x86 the wide ones may be used only where their instructions exist.
pub(crate) trait Lanes: Copy {
    type Elem: Float;
    const N: usize;
    /// # Safety
    /// The processor must have the type's instructions; so for every function here.
    unsafe fn splat(x: Self::Elem) -> Self;
    /// # Safety
    /// `N` elements must be readable.
    unsafe fn load(from: *const Self::Elem) -> Self;
    /// # Safety
    /// `N` elements must be writable.
    unsafe fn store(self, to: *mut Self::Elem);
    /// `a * b + self`.
    /// # Safety
    /// See [`Lanes::splat`].
    unsafe fn fma(self, a: Self, b: Self) -> Self;
    /// # Safety
    /// See [`Lanes::splat`].
    unsafe fn add(self, other: Self) -> Self;
}

/// `N` elements that the compiler puts into whatever registers the target has.
#[derive(Clone, Copy)]
pub(crate) struct Portable<T, const N: usize>([T; N]);

impl<T: Float, const N: usize> Lanes for Portable<T, N> {
    type Elem = T;
    const N: usize = N;
    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        Portable([x; N])
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
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    macro_rules! lanes {
        ($($v:ty: $t:ty, $n:literal, $splat:ident $load:ident $store:ident $fma:ident $add:ident;)*) => {$(
            impl Lanes for $v {
                type Elem = $t;
                const N: usize = $n;
                #[inline(always)]
                unsafe fn splat(x: $t) -> $v {
                    // SAFETY: as the caller promises; so for each of these.
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
                unsafe fn fma(self, a: $v, b: $v) -> $v {
                    // SAFETY: as above.
                    unsafe { $fma(a, b, self) }
                }
                #[inline(always)]
                unsafe fn add(self, other: $v) -> $v {
                    // SAFETY: as above.
                    unsafe { $add(self, other) }
                }
            }
        )*};
    }
    lanes! {
        __m256: f32, 8, _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_fmadd_ps _mm256_add_ps;
        __m256d: f64, 4, _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_fmadd_pd _mm256_add_pd;
        __m512: f32, 16, _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_fmadd_ps _mm512_add_ps;
        __m512d: f64, 8, _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_fmadd_pd _mm512_add_pd;
    }
}
