//! Numbers and vector registers for distances, beside the operations that matrix products use.

use crate::cpu::element::Float;
use crate::cpu::exec::Plain;
use crate::cpu::gemm::{Lanes, Portable};
use crate::cpu::sort::Keyed;

/// An element type of points.
pub(crate) trait Real: Float + Keyed + Plain {
    fn abs(self) -> Self;
    fn sqrt(self) -> Self;
    fn is_finite(self) -> bool;
    fn next_up(self) -> Self;
    fn next_down(self) -> Self;
    /// The largest finite number.
    const LARGEST: Self;
    /// Vector registers of this element: portable, of 256 bits, of 512 bits.
    type Narrow: PointLanes<Elem = Self>;
    type Wide: PointLanes<Elem = Self>;
    type Widest: PointLanes<Elem = Self>;
}
macro_rules! real {
    ($($t:ty: $narrow:literal $wide:ident $widest:ident;)*) => {$(
        impl Real for $t {
            #[inline(always)]
            fn abs(self) -> $t { <$t>::abs(self) }
            fn sqrt(self) -> $t { <$t>::sqrt(self) }
            fn is_finite(self) -> bool { <$t>::is_finite(self) }
            fn next_up(self) -> $t { <$t>::next_up(self) }
            fn next_down(self) -> $t { <$t>::next_down(self) }
            const LARGEST: $t = <$t>::MAX;
            type Narrow = Portable<$t, $narrow>;
            #[cfg(target_arch = "x86_64")]
            type Wide = std::arch::x86_64::$wide;
            #[cfg(target_arch = "x86_64")]
            type Widest = std::arch::x86_64::$widest;
            #[cfg(not(target_arch = "x86_64"))]
            type Wide = Self::Narrow;
            #[cfg(not(target_arch = "x86_64"))]
            type Widest = Self::Narrow;
        }
    )*};
}
real! {
    f32: 4 __m256 __m512;
    f64: 2 __m256d __m512d;
}

/// A vector register for distances. As for [`Lanes`], the processor must have its instructions: the safety condition of every
/// function.
pub(crate) trait PointLanes: Lanes<Elem: Real> {
    /// |self - other|.
    /// # Safety
    /// See the trait.
    unsafe fn difference(self, other: Self) -> Self;
    /// # Safety
    /// See the trait.
    unsafe fn max(self, other: Self) -> Self;
    /// self + x x, both rounded.
    /// # Safety
    /// See the trait.
    unsafe fn plus_square(self, x: Self) -> Self;
    /// Bit i is set where element i is at most `limit`'s.
    /// # Safety
    /// See the trait.
    unsafe fn within(self, limit: Self) -> u32;
}

impl<T: Real, const N: usize> PointLanes for Portable<T, N> {
    #[inline(always)]
    unsafe fn difference(self, other: Self) -> Self {
        Portable(std::array::from_fn(|i| (self.0[i] - other.0[i]).abs()))
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Portable(std::array::from_fn(|i| {
            if other.0[i] > self.0[i] {
                other.0[i]
            } else {
                self.0[i]
            }
        }))
    }
    #[inline(always)]
    unsafe fn plus_square(self, x: Self) -> Self {
        Portable(std::array::from_fn(|i| self.0[i].plus(x.0[i] * x.0[i])))
    }
    #[inline(always)]
    unsafe fn within(self, limit: Self) -> u32 {
        (0..N).fold(0, |mask, i| mask | u32::from(self.0[i] <= limit.0[i]) << i)
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::PointLanes;
    use std::arch::x86_64::*;

    macro_rules! lanes {
        ($($v:ty: $sub:ident $max:ident $add:ident $mul:ident,
            |$x:ident| $abs:expr, |$a:ident, $b:ident| $within:expr;)*) => {$(
            impl PointLanes for $v {
                #[inline(always)]
                unsafe fn difference(self, other: $v) -> $v {
                    // SAFETY: as the caller promises, here and below.
                    unsafe {
                        let $x = $sub(self, other);
                        $abs
                    }
                }
                #[inline(always)]
                unsafe fn max(self, other: $v) -> $v {
                    // SAFETY: as above.
                    unsafe { $max(other, self) }
                }
                #[inline(always)]
                unsafe fn plus_square(self, x: $v) -> $v {
                    // SAFETY: as above.
                    unsafe { $add(self, $mul(x, x)) }
                }
                #[inline(always)]
                unsafe fn within(self, limit: $v) -> u32 {
                    let ($a, $b) = (self, limit);
                    // SAFETY: as above.
                    unsafe { $within }
                }
            }
        )*};
    }
    lanes! {
        __m256: _mm256_sub_ps _mm256_max_ps _mm256_add_ps
            _mm256_mul_ps, |x| _mm256_andnot_ps(_mm256_set1_ps(-0.0), x),
            |a, b| _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LE_OQ>(a, b)) as u32;
        __m256d: _mm256_sub_pd _mm256_max_pd _mm256_add_pd
            _mm256_mul_pd, |x| _mm256_andnot_pd(_mm256_set1_pd(-0.0), x),
            |a, b| _mm256_movemask_pd(_mm256_cmp_pd::<_CMP_LE_OQ>(a, b)) as u32;
        __m512: _mm512_sub_ps _mm512_max_ps _mm512_add_ps
            _mm512_mul_ps, |x| _mm512_abs_ps(x), |a, b| u32::from(_mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b));
        __m512d: _mm512_sub_pd _mm512_max_pd _mm512_add_pd
            _mm512_mul_pd, |x| _mm512_abs_pd(x), |a, b| u32::from(_mm512_cmp_pd_mask::<_CMP_LE_OQ>(a, b));
    }
}

/// Defines a function whose first argument is a level, generic in `T: Real` and `M: DistanceKey`, whose body is compiled
/// for each level with the register type `V` of it.
macro_rules! by_level {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident : $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        $vis fn $name<T: Real, M: DistanceKey>(level: $crate::cpu::level::Level, $($arg: $ty),*) {
            /// # Safety
            /// The processor must have the instructions of `V`.
            #[inline(always)]
            unsafe fn body<T: Real, V: PointLanes<Elem = T>, M: DistanceKey>($($arg: $ty),*) $body

            /// # Safety
            /// The processor must have these instructions.
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,bmi1,bmi2,popcnt")]
            unsafe fn avx512<T: Real, M: DistanceKey>($($arg: $ty),*) {
                // SAFETY: this function has the instructions.
                unsafe { body::<T, T::Widest, M>($($arg),*) }
            }
            /// # Safety
            /// The processor must have these instructions.
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,bmi1,bmi2,popcnt")]
            unsafe fn avx2<T: Real, M: DistanceKey>($($arg: $ty),*) {
                // SAFETY: this function has the instructions.
                unsafe { body::<T, T::Wide, M>($($arg),*) }
            }
            // SAFETY: a level exists only on processors that have its instructions.
            unsafe {
                match level.kind() {
                    $crate::cpu::level::Kind::Portable => body::<T, T::Narrow, M>($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::cpu::level::Kind::Avx2 => avx2::<T, M>($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::cpu::level::Kind::Avx512 => avx512::<T, M>($($arg),*),
                }
            }
        }
    };
}
pub(super) use by_level;
