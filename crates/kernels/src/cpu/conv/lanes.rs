//! Loops written once over vector registers and compiled for every level.

use crate::cpu::element::Element;
use crate::cpu::gemm::{Lanes, Portable};
use crate::cpu::level::{Kind, Level};

/// A loop over registers of `T`.
pub(crate) trait LaneKernel<T> {
    /// Runs it with registers `V`. Implementations are `#[inline(always)]`, so that they are compiled with the
    /// instructions of their caller.
    ///
    /// # Safety
    /// The processor must have `V`'s instructions.
    unsafe fn run<V: Lanes<Elem = T>>(self);
}

/// Element types whose registers are known.
pub(crate) trait LaneDispatch: Sized {
    /// Runs a kernel with the widest registers of a level.
    fn dispatch<K: LaneKernel<Self>>(level: Level, kernel: K);
}

macro_rules! vectors {
    ($t:ty, $portable:literal, $wide:ident, $widest:ident) => {
        impl LaneDispatch for $t {
            fn dispatch<K: LaneKernel<$t>>(level: Level, kernel: K) {
                /// # Safety
                /// The processor must have these instructions.
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                unsafe fn avx512<K: LaneKernel<$t>>(kernel: K) {
                    // SAFETY: as the caller promises.
                    unsafe { kernel.run::<std::arch::x86_64::$widest>() }
                }
                /// # Safety
                /// The processor must have these instructions.
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2<K: LaneKernel<$t>>(kernel: K) {
                    // SAFETY: as the caller promises.
                    unsafe { kernel.run::<std::arch::x86_64::$wide>() }
                }
                // SAFETY: a level exists only on processors that have its instructions.
                unsafe {
                    match level.kind() {
                        #[cfg(target_arch = "x86_64")]
                        Kind::Avx512 => avx512(kernel),
                        #[cfg(target_arch = "x86_64")]
                        Kind::Avx2 => avx2(kernel),
                        Kind::Portable => kernel.run::<Portable<$t, $portable>>(),
                    }
                }
            }
        }
    };
}
vectors!(f32, 4, __m256, __m512);
vectors!(f64, 2, __m256d, __m512d);

/// `a - b`.
///
/// # Safety
/// The processor must have `V`'s instructions.
#[inline(always)]
pub(super) unsafe fn minus<V: Lanes>(a: V, b: V) -> V {
    // SAFETY: as the caller promises. A product with -1 is exact.
    unsafe { a.fma(b, V::splat(V::Elem::from_f64(-1.0))) }
}

/// `a * b`.
///
/// # Safety
/// The processor must have `V`'s instructions.
#[inline(always)]
pub(super) unsafe fn times<V: Lanes>(a: V, b: V) -> V {
    // SAFETY: as the caller promises.
    unsafe { V::splat(V::Elem::ZERO).fma(a, b) }
}

/// Whether there are 32 registers such as `V`, rather than 16.
#[inline(always)]
pub(super) const fn has_32_registers<V: Lanes>() -> bool {
    cfg!(target_arch = "aarch64") || size_of::<V>() == 64
}

/// The sum of the lanes: halves are added until one is left.
///
/// # Safety
/// The processor must have `V`'s instructions.
#[inline(always)]
pub(super) unsafe fn sum_lanes<V: Lanes>(sum: V) -> V::Elem {
    let mut line = [V::Elem::ZERO; 16];
    // SAFETY: as the caller promises; a register has at most 16 elements.
    unsafe { sum.store(line.as_mut_ptr()) };
    let mut half = V::N / 2;
    while half > 0 {
        for i in 0..half {
            line[i] = line[i].plus(line[i + half]);
        }
        half /= 2;
    }
    line[0]
}
