//! Products `C += A B'` of two matrices whose rows are the terms: scalar products of rows, with the lanes of a
//! register each adding up a part of the terms. For few results and many terms, where packing would not pay.

use super::lanes::{Lanes, Portable};
use super::tile::Tiled;
use crate::cpu::element::Element;
use crate::cpu::level::{Kind, Level};

/// The geometry of [`dots`]. The terms come in `segments` of `terms` neighbours.
#[derive(Clone, Copy)]
pub(crate) struct Dots {
    pub terms: usize,
    pub segments: usize,
    /// Elements between rows and between segments of the left operand.
    pub left: (usize, usize),
    /// The same of the right operand.
    pub right: (usize, usize),
    /// Rows of the left operand.
    pub rows: usize,
    /// Rows of the right operand: columns of the result.
    pub cols: usize,
}

/// Rows and columns of a tile of results: 24 registers of sums (8 where there are 16 registers).
const LARGE: (usize, usize) = (6, 4);
const SMALL: (usize, usize) = (4, 2);

/// Adds to `out` (rows, cols) the scalar products of the rows of `left` with those of `right`.
pub(crate) fn dots<T: Tiled>(level: Level, job: Dots, left: &[T], right: &[T], out: &mut [T]) {
    let reach = |rows: usize, (row, segment): (usize, usize)| {
        (rows - 1) * row + (job.segments - 1) * segment + job.terms
    };
    if job.rows == 0 || job.cols == 0 || job.segments == 0 || job.terms == 0 {
        return;
    }
    assert!(reach(job.rows, job.left) <= left.len() && reach(job.cols, job.right) <= right.len());
    assert!(job.rows * job.cols <= out.len());
    T::dots(level, job, left, right, out);
}

/// # Safety
/// The processor must have `V`'s instructions, and the operands the extents that `job` says.
#[inline(always)]
unsafe fn all<V: Lanes, const R: usize, const C: usize>(
    job: Dots,
    left: &[V::Elem],
    right: &[V::Elem],
    out: &mut [V::Elem],
) {
    for r in (0..job.rows).step_by(R) {
        for c in (0..job.cols).step_by(C) {
            // SAFETY: as the caller promises.
            unsafe { tile::<V, R, C>(job, (r, c), left.as_ptr(), right.as_ptr(), out) }
        }
    }
}

/// A tile of results from (r, c) on. Rows and columns that do not exist repeat the last.
///
/// # Safety
/// As for [`all`].
#[inline(always)]
unsafe fn tile<V: Lanes, const R: usize, const C: usize>(
    job: Dots,
    (r, c): (usize, usize),
    left: *const V::Elem,
    right: *const V::Elem,
    out: &mut [V::Elem],
) {
    // SAFETY: as the caller promises: rows are below the extents, terms below their number.
    unsafe {
        let mut sums = [[V::splat(V::Elem::ZERO); C]; R];
        let rows: [usize; R] = std::array::from_fn(|i| (r + i).min(job.rows - 1) * job.left.0);
        let cols: [usize; C] = std::array::from_fn(|j| (c + j).min(job.cols - 1) * job.right.0);
        let whole = job.terms - job.terms % V::N;
        for segment in 0..job.segments {
            let left: [*const V::Elem; R] = std::array::from_fn(|i| left.add(segment * job.left.1 + rows[i]));
            let right: [*const V::Elem; C] =
                std::array::from_fn(|j| right.add(segment * job.right.1 + cols[j]));
            for p in (0..whole).step_by(V::N) {
                step(
                    &mut sums,
                    |i| V::load(left[i].add(p)),
                    |j| V::load(right[j].add(p)),
                );
            }
            if whole < job.terms {
                let rest = V::first(job.terms - whole);
                step(
                    &mut sums,
                    |i| V::load_some(left[i].add(whole), rest),
                    |j| V::load_some(right[j].add(whole), rest),
                );
            }
        }
        for (i, row) in sums.iter().enumerate().take(job.rows - r) {
            for (j, sum) in row.iter().enumerate().take(job.cols - c) {
                let at = (r + i) * job.cols + c + j;
                out[at] = out[at].plus(total(*sum));
            }
        }
    }
}

/// # Safety
/// The processor must have `V`'s instructions.
#[inline(always)]
unsafe fn step<V: Lanes, const R: usize, const C: usize>(
    sums: &mut [[V; C]; R],
    left: impl Fn(usize) -> V,
    right: impl Fn(usize) -> V,
) {
    let b: [V; C] = std::array::from_fn(right);
    for (i, row) in sums.iter_mut().enumerate() {
        let a = left(i);
        for (sum, &b) in row.iter_mut().zip(&b) {
            // SAFETY: as the caller promises.
            *sum = unsafe { sum.fma(a, b) };
        }
    }
}

/// The sum of the lanes: halves are added until one is left.
///
/// # Safety
/// The processor must have `V`'s instructions.
#[inline(always)]
unsafe fn total<V: Lanes>(sum: V) -> V::Elem {
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

/// Element types with [`dots`] for every level.
pub(crate) trait DotLanes: Sized {
    /// See [`dots`], which checks the extents.
    fn dots(level: Level, job: Dots, left: &[Self], right: &[Self], out: &mut [Self]);
}

macro_rules! dot_lanes {
    ($t:ty, $portable:literal, $wide:ident, $widest:ident) => {
        impl DotLanes for $t {
            fn dots(level: Level, job: Dots, left: &[$t], right: &[$t], out: &mut [$t]) {
                /// # Safety
                /// See [`all`].
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                unsafe fn avx512(job: Dots, left: &[$t], right: &[$t], out: &mut [$t]) {
                    // SAFETY: as the caller promises, and this function has the instructions.
                    unsafe {
                        all::<std::arch::x86_64::$widest, { LARGE.0 }, { LARGE.1 }>(job, left, right, out)
                    }
                }
                /// # Safety
                /// See [`all`].
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2(job: Dots, left: &[$t], right: &[$t], out: &mut [$t]) {
                    // SAFETY: as the caller promises, and this function has the instructions.
                    unsafe {
                        all::<std::arch::x86_64::$wide, { SMALL.0 }, { SMALL.1 }>(job, left, right, out)
                    }
                }
                // SAFETY: a level exists only where its instructions do, and `dots` checked the extents.
                unsafe {
                    match level.kind() {
                        #[cfg(target_arch = "x86_64")]
                        Kind::Avx512 => avx512(job, left, right, out),
                        #[cfg(target_arch = "x86_64")]
                        Kind::Avx2 => avx2(job, left, right, out),
                        #[cfg(target_arch = "aarch64")]
                        Kind::Portable => {
                            all::<Portable<$t, $portable>, { LARGE.0 }, { LARGE.1 }>(job, left, right, out)
                        }
                        #[cfg(not(target_arch = "aarch64"))]
                        Kind::Portable => {
                            all::<Portable<$t, $portable>, { SMALL.0 }, { SMALL.1 }>(job, left, right, out)
                        }
                    }
                }
            }
        }
    };
}
dot_lanes!(f32, 4, __m256, __m512);
dot_lanes!(f64, 2, __m256d, __m512d);
