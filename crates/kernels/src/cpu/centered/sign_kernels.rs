//! Kernels of sums of entries times signs of differences, for every level.

use crate::cpu::gemm::{Lanes, Portable};
use crate::cpu::level::{Kind, Level};

/// A register with signs of differences.
trait SignLanes: Lanes {
    /// 1, 0 or -1: the sign of self - other, 0 for equal numbers and NaN.
    /// # Safety
    /// See [`Lanes::splat`].
    unsafe fn sign_of_difference(self, other: Self) -> Self;
    /// `self - a * b`.
    /// # Safety
    /// See [`Lanes::splat`].
    unsafe fn less_product(self, a: Self, b: Self) -> Self;
}

/// Rows of T against the samples of a block of columns.
#[derive(Clone, Copy)]
pub(crate) struct SignPanel<T> {
    /// Row by row, `stride` apart.
    pub entries: *const T,
    pub stride: usize,
    /// A register of each row's sample, and of its sum.
    pub rows: (*const T, *mut T),
    /// A register of each column's sample and of its sum, and the number of columns.
    pub others: (*const T, *mut T),
    pub count: usize,
}

/// # Safety
/// The processor must have `V`'s instructions, the strip's pointers must be valid for `R` rows and its columns, and
/// no other task may use the sums.
#[inline(always)]
unsafe fn panel_kernel<V: SignLanes, const R: usize, const BOTH: bool>(panel: &SignPanel<V::Elem>) {
    // SAFETY: as the caller promises.
    unsafe {
        let at = |r: usize| r * V::N;
        let x: [V; R] = std::array::from_fn(|r| V::load(panel.rows.0.add(at(r))));
        let mut sums: [V; R] = std::array::from_fn(|r| V::load(panel.rows.1.add(at(r))));
        for j in 0..panel.count {
            let other = V::load(panel.others.0.add(at(j)));
            let mut opposite = if BOTH {
                V::load(panel.others.1.add(at(j)))
            } else {
                other
            };
            for r in 0..R {
                let sign = x[r].sign_of_difference(other);
                let entry = V::splat(*panel.entries.add(r * panel.stride + j));
                sums[r] = sums[r].fma(entry, sign);
                if BOTH {
                    opposite = opposite.less_product(entry, sign);
                }
            }
            if BOTH {
                opposite.store(panel.others.1.add(at(j)));
            }
        }
        for (r, sum) in sums.into_iter().enumerate() {
            sum.store(panel.rows.1.add(at(r)));
        }
    }
}

type SignKernel<T> = unsafe fn(&SignPanel<T>);

/// The strips of one level.
#[derive(Clone, Copy)]
pub(crate) struct SignKernels<T> {
    pub lanes: usize,
    /// Rows of a tall strip.
    pub rows: usize,
    /// Strips off and on the diagonal: tall, and of one row.
    pub one: [SignKernel<T>; 2],
    pub both: [SignKernel<T>; 2],
}

/// Element types with strips for every level.
pub(crate) trait Signed: Sized {
    /// The strips of a level.
    fn sign_kernels(level: Level) -> SignKernels<Self>;
}

/// The strips of one level.
macro_rules! kernels {
    ($v:ty, $t:ty, $rows:literal, [$(#[$features:meta])?]) => {
        SignKernels {
            lanes: <$v as Lanes>::N,
            rows: $rows,
            one: [kernels!(@ $v, $t, $rows, false, [$(#[$features])?]), kernels!(@ $v, $t, 1, false, [$(#[$features])?])],
            both: [kernels!(@ $v, $t, $rows, true, [$(#[$features])?]), kernels!(@ $v, $t, 1, true, [$(#[$features])?])],
        }
    };
    (@ $v:ty, $t:ty, $rows:literal, $both:literal, [$(#[$features:meta])?]) => {{
        /// # Safety
        /// See [`panel_kernel`].
        $(#[$features])?
        unsafe fn instance(job: &SignPanel<$t>) {
            // SAFETY: as the caller promises, and this function has the instructions.
            unsafe { panel_kernel::<$v, $rows, $both>(job) }
        }
        instance as SignKernel<$t>
    }};
}

macro_rules! signed {
    ($($t:ty: $narrow:literal $wide:ident $widest:ident;)*) => {$(
        impl Signed for $t {
            fn sign_kernels(level: Level) -> SignKernels<$t> {
                match level.kind() {
                    Kind::Portable => kernels!(Portable<$t, $narrow>, $t, 4, []),
                    #[cfg(target_arch = "x86_64")]
                    Kind::Avx2 => kernels!(std::arch::x86_64::$wide, $t, 4, [#[target_feature(enable = "avx2,fma")]]),
                    #[cfg(target_arch = "x86_64")]
                    Kind::Avx512 => kernels!(std::arch::x86_64::$widest, $t, 8, [#[target_feature(enable = "avx512f")]]),
                }
            }
        }
    )*};
}
signed! {
    f32: 4 __m256 __m512;
    f64: 2 __m256d __m512d;
}

impl<T: crate::cpu::element::Float, const N: usize> SignLanes for Portable<T, N> {
    #[inline(always)]
    unsafe fn sign_of_difference(self, other: Self) -> Self {
        let one = T::from_f64(1.0);
        Portable(std::array::from_fn(|i| {
            let up = if self.0[i] > other.0[i] { one } else { T::ZERO };
            let down = if self.0[i] < other.0[i] { one } else { T::ZERO };
            up - down
        }))
    }
    #[inline(always)]
    unsafe fn less_product(self, a: Self, b: Self) -> Self {
        Portable(std::array::from_fn(|i| self.0[i] - a.0[i] * b.0[i]))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::SignLanes;
    use std::arch::x86_64::*;

    /// For each class of numbers, from NaN to positive numbers, four bits for its result: 0, 1 or -1.
    const SIGNS: i32 = 0xa9a9_a888_u32 as i32;

    macro_rules! sign_lanes {
        ($($v:ty: $fnma:ident, |$a:ident, $b:ident| $sign:expr;)*) => {$(
            impl SignLanes for $v {
                #[inline(always)]
                unsafe fn sign_of_difference(self, other: $v) -> $v {
                    let ($a, $b) = (self, other);
                    // SAFETY: as the caller promises.
                    unsafe { $sign }
                }
                #[inline(always)]
                unsafe fn less_product(self, a: $v, b: $v) -> $v {
                    // SAFETY: as above.
                    unsafe { $fnma(a, b, self) }
                }
            }
        )*};
    }
    sign_lanes! {
        __m256: _mm256_fnmadd_ps, |a, b| {
            let (up, down) = (_mm256_cmp_ps::<_CMP_GT_OQ>(a, b), _mm256_cmp_ps::<_CMP_LT_OQ>(a, b));
            _mm256_or_ps(_mm256_and_ps(up, _mm256_set1_ps(1.0)), _mm256_and_ps(down, _mm256_set1_ps(-1.0)))
        };
        __m256d: _mm256_fnmadd_pd, |a, b| {
            let (up, down) = (_mm256_cmp_pd::<_CMP_GT_OQ>(a, b), _mm256_cmp_pd::<_CMP_LT_OQ>(a, b));
            _mm256_or_pd(_mm256_and_pd(up, _mm256_set1_pd(1.0)), _mm256_and_pd(down, _mm256_set1_pd(-1.0)))
        };
        __m512: _mm512_fnmadd_ps, |a, b| {
            let difference = _mm512_sub_ps(a, b);
            _mm512_fixupimm_ps::<0>(difference, difference, _mm512_set1_epi32(SIGNS))
        };
        __m512d: _mm512_fnmadd_pd, |a, b| {
            let difference = _mm512_sub_pd(a, b);
            _mm512_fixupimm_pd::<0>(difference, difference, _mm512_set1_epi64(i64::from(SIGNS)))
        };
    }
}
