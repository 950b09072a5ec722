//! The gradient of the absolute similarity: sum_j T_ij sign(x_i - x_j), which no matrix product gives.
//!
//! A task takes one register of columns and all samples, copied so that rows lie side by side. Some rows stay in registers while
//! others go by; off the diagonal each sign serves both of its samples, so that only the upper half of T is gone through.

use super::geometry::Geometry;
use super::gradient::Band;
use super::rows::Real;
use crate::cpu::exec::Args;
use crate::cpu::gemm::{Lanes, Portable};
use crate::cpu::level::{Kind, Level};
use crate::cpu::pool::SharedSlice;

/// Signs that are worth a second thread.
const FEW: usize = 1 << 16;

/// A register that knows the signs of differences.
trait SignLanes: Lanes {
    /// 1, 0 or -1: the sign of self - other, 0 where there is none.
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
pub(crate) struct Strip<T> {
    /// Row by row, `stride` apart.
    entries: *const T,
    stride: usize,
    /// A register of each row's sample, and what is added to it.
    rows: (*const T, *mut T),
    /// The same of the columns, and how many they are.
    others: (*const T, *mut T),
    count: usize,
}

/// # Safety
/// The processor must have `V`'s instructions, the strip's pointers must be valid for `R` rows and its columns, and what is
/// added to must be used by nobody else.
#[inline(always)]
unsafe fn strip<V: SignLanes, const R: usize, const BOTH: bool>(strip: &Strip<V::Elem>) {
    // SAFETY: as the caller promises.
    unsafe {
        let at = |r: usize| r * V::N;
        let x: [V; R] = std::array::from_fn(|r| V::load(strip.rows.0.add(at(r))));
        let mut sums: [V; R] = std::array::from_fn(|r| V::load(strip.rows.1.add(at(r))));
        for j in 0..strip.count {
            let other = V::load(strip.others.0.add(at(j)));
            let mut opposite = if BOTH {
                V::load(strip.others.1.add(at(j)))
            } else {
                other
            };
            for r in 0..R {
                let sign = x[r].sign_of_difference(other);
                let entry = V::splat(*strip.entries.add(r * strip.stride + j));
                sums[r] = sums[r].fma(entry, sign);
                if BOTH {
                    opposite = opposite.less_product(entry, sign);
                }
            }
            if BOTH {
                opposite.store(strip.others.1.add(at(j)));
            }
        }
        for (r, sum) in sums.into_iter().enumerate() {
            sum.store(strip.rows.1.add(at(r)));
        }
    }
}

type StripFn<T> = unsafe fn(&Strip<T>);

/// The strips of one level.
#[derive(Clone, Copy)]
pub(crate) struct Strips<T> {
    lanes: usize,
    /// Rows of the tall ones.
    rows: usize,
    /// Of one sample with others and of both with each other: tall, and of one row.
    one: [StripFn<T>; 2],
    both: [StripFn<T>; 2],
}

/// Element types with strips for every level.
pub(crate) trait Signed: Sized {
    /// The strips of a level.
    fn sign_strips(level: Level) -> Strips<Self>;
}

/// Gives the strips of one level.
macro_rules! strips {
    ($v:ty, $t:ty, $rows:literal, [$(#[$features:meta])?]) => {
        Strips {
            lanes: <$v as Lanes>::N,
            rows: $rows,
            one: [strips!(@ $v, $t, $rows, false, [$(#[$features])?]), strips!(@ $v, $t, 1, false, [$(#[$features])?])],
            both: [strips!(@ $v, $t, $rows, true, [$(#[$features])?]), strips!(@ $v, $t, 1, true, [$(#[$features])?])],
        }
    };
    (@ $v:ty, $t:ty, $rows:literal, $both:literal, [$(#[$features:meta])?]) => {{
        /// # Safety
        /// See [`strip`].
        $(#[$features])?
        unsafe fn instance(job: &Strip<$t>) {
            // SAFETY: as the caller promises, and this function has the instructions.
            unsafe { strip::<$v, $rows, $both>(job) }
        }
        instance as StripFn<$t>
    }};
}

macro_rules! signed {
    ($($t:ty: $narrow:literal $wide:ident $widest:ident;)*) => {$(
        impl Signed for $t {
            fn sign_strips(level: Level) -> Strips<$t> {
                match level.kind() {
                    Kind::Portable => strips!(Portable<$t, $narrow>, $t, 4, []),
                    #[cfg(target_arch = "x86_64")]
                    Kind::Avx2 => strips!(std::arch::x86_64::$wide, $t, 4, [#[target_feature(enable = "avx2,fma")]]),
                    #[cfg(target_arch = "x86_64")]
                    Kind::Avx512 => strips!(std::arch::x86_64::$widest, $t, 8, [#[target_feature(enable = "avx512f")]]),
                }
            }
        }
    )*};
}
signed! {
    f32: 4 __m256 __m512;
    f64: 2 __m256d __m512d;
}

/// Elements of a worker's work space: a register of every sample, and what is added to it.
pub(super) fn work_len<T: Real>(g: &Geometry, level: Level) -> usize {
    2 * g.m * T::sign_strips(level).lanes
}

/// Adds to `out` (m, d) what a band of T does to the samples `x` (m, d).
pub(super) fn add_signs<T: Real>(
    args: &Args<'_>,
    g: &Geometry,
    band: &Band<'_, T>,
    (x, d): (&[T], usize),
    out: &mut [T],
    (space, worker_len): (&mut [T], usize),
) {
    let strips = T::sign_strips(args.level());
    let lanes = strips.lanes;
    let (space, out) = (SharedSlice::new(space), SharedSlice::new(out));
    let panel = |worker: usize, panel: usize| {
        let columns = panel * lanes..d.min((panel + 1) * lanes);
        // SAFETY: a worker's own work space.
        let space = unsafe { space.range(worker * worker_len..worker * worker_len + 2 * g.m * lanes) };
        let (samples, sums) = space.split_at_mut(g.m * lanes);
        for (to, from) in samples.chunks_exact_mut(lanes).zip(x.chunks_exact(d)) {
            to[..columns.len()].copy_from_slice(&from[columns.clone()]);
            to[columns.len()..].fill(T::ZERO);
        }
        sums.fill(T::ZERO);
        for row in band.rows() {
            for column in row..g.blocks() {
                tile(&strips, g, band, (row, column), samples, sums);
            }
        }
        for (i, sums) in sums.chunks_exact(lanes).enumerate() {
            // SAFETY: these columns are this task's.
            let to = unsafe { out.range(i * d + columns.start..i * d + columns.end) };
            for (to, &sum) in to.iter_mut().zip(sums) {
                *to = if band.is_first() { sum } else { *to + sum };
            }
        }
    };
    let panels = d.div_ceil(lanes);
    if g.m * g.m * d <= FEW {
        (0..panels).for_each(|i| panel(0, i));
    } else {
        args.pool().run(panels, panel);
    }
}

/// What tile (row, column) of T does to a register of columns of the samples.
fn tile<T: Real>(
    strips: &Strips<T>,
    g: &Geometry,
    band: &Band<'_, T>,
    (row, column): (usize, usize),
    samples: &[T],
    sums: &mut [T],
) {
    let (rows, cols, lanes) = (g.block(row), g.block(column), strips.lanes);
    let entries = band.tile(g, row, column);
    assert!(entries.len() >= (rows.len() - 1) * g.side + cols.len());
    assert!(samples.len() == g.m * lanes && sums.len() == g.m * lanes);
    let [tall, low] = if row == column { strips.one } else { strips.both };
    let sums = sums.as_mut_ptr();
    let mut i = 0;
    while i < rows.len() {
        let is_tall = i + strips.rows <= rows.len();
        // SAFETY: blocks lie within the samples and the tile has their rows and columns, as was checked; of a tile on the
        // diagonal only rows are added to, and blocks off it do not overlap.
        unsafe {
            let job = Strip {
                entries: entries.as_ptr().add(i * g.side),
                stride: g.side,
                rows: (
                    samples.as_ptr().add((rows.start + i) * lanes),
                    sums.add((rows.start + i) * lanes),
                ),
                others: (
                    samples.as_ptr().add(cols.start * lanes),
                    sums.add(cols.start * lanes),
                ),
                count: cols.len(),
            };
            (if is_tall { tall } else { low })(&job);
        }
        i += if is_tall { strips.rows } else { 1 };
    }
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

    /// For each class of a number, from NaN to positive ones, four bits that name what becomes of it: 0, 1 or -1.
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
