//! The tiles of a direct product: both operands are read where they lie, columns that do not exist are masked, and
//! a sum stays in its register over all terms.

use super::lanes::{Lanes, Portable};
use crate::cpu::element::Element;
use crate::cpu::level::{Kind, Level};

/// Some rows of the result, and at most [`Strips::registers`] registers of its columns.
#[derive(Clone, Copy)]
pub(crate) struct Strip<T> {
    /// Terms of a sum.
    pub k: usize,
    pub rows: usize,
    /// The left operand's first element, and elements between its rows and between its columns.
    pub left: *const T,
    pub left_strides: (usize, usize),
    /// The right operand's first element, and elements between its rows; elements of a row lie side by side.
    pub right: *const T,
    pub right_stride: usize,
    /// The result's first element, and elements between its rows.
    pub out: *mut T,
    pub out_stride: usize,
    /// Columns of the last register, 1 to its size.
    pub last: usize,
}

pub(crate) type StripFn<T> = unsafe fn(&Strip<T>);

/// Rows of a tile, and the function that makes a strip of such tiles. It needs at least so many rows.
pub(crate) type Height<T> = (usize, StripFn<T>);

/// The strips of one level and element type.
#[derive(Clone, Copy)]
pub(crate) struct Strips<T: 'static> {
    /// Elements of a register.
    pub lanes: usize,
    /// Whether columns beyond the last may not exist in the right operand either; else it needs whole registers.
    pub masks: bool,
    /// By registers of columns less 1: tiles, the lowest first.
    pub of: &'static [&'static [Height<T>]],
}

/// Sums that are in the making at a time in a tile that makes good use of the multiply-add units: two, of four
/// cycles each.
const CHAINS: usize = 8;

impl<T> Strips<T> {
    /// The most registers of columns of a strip.
    pub fn registers(&self) -> usize {
        self.of.len()
    }

    /// The tile that makes a strip of `rows` rows soonest.
    pub fn best(&self, registers: usize, rows: usize) -> StripFn<T> {
        let cost = |height: usize| rows.div_ceil(height) * ((height * registers).max(CHAINS) + 2);
        let fit = self.of[registers - 1]
            .iter()
            .filter(|(height, _)| *height <= rows);
        fit.min_by_key(|(height, _)| cost(*height))
            .expect("there are tiles of one row")
            .1
    }
}

/// Tiles from the first row down; the last one overlaps the one before rather than being lower.
///
/// # Safety
/// The processor must have `V`'s instructions; `rows` is at least `R`; operands and result have the extents given.
#[inline(always)]
unsafe fn strip<V: Lanes, const R: usize, const W: usize>(job: &Strip<V::Elem>) {
    let mut row = 0;
    loop {
        // SAFETY: as the caller promises: rows `row` to `row + R` exist.
        unsafe { tile::<V, R, W>(job, row) }
        if row + R >= job.rows {
            return;
        }
        row = (row + R).min(job.rows - R);
    }
}

/// # Safety
/// As for [`strip`].
#[inline(always)]
unsafe fn tile<V: Lanes, const R: usize, const W: usize>(job: &Strip<V::Elem>, row: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        let (down, along) = job.left_strides;
        // A pointer to every third row: the others are reached by the distance in an address.
        let mut left: [*const V::Elem; 4] =
            std::array::from_fn(|i| job.left.wrapping_add((row + 3 * i) * down));
        let mut right = job.right;
        let mask = V::first(job.last);
        let mut sums = [[V::splat(V::Elem::ZERO); W]; R];
        for _ in 0..job.k {
            let b: [V; W] = std::array::from_fn(|j| {
                let from = right.add(j * V::N);
                if V::MASKS && j + 1 == W {
                    V::load_some(from, mask)
                } else {
                    V::load(from)
                }
            });
            for (i, line) in sums.iter_mut().enumerate() {
                let a = V::splat(*left[i / 3].add(i % 3 * down));
                for (sum, &b) in line.iter_mut().zip(&b) {
                    *sum = sum.fma(a, b);
                }
            }
            left = left.map(|at| at.wrapping_add(along));
            right = right.wrapping_add(job.right_stride);
        }
        for (i, line) in sums.iter().enumerate() {
            let to = job.out.add((row + i) * job.out_stride);
            for (j, &sum) in line.iter().enumerate() {
                if j + 1 == W {
                    sum.store_some(to.add(j * V::N), mask)
                } else {
                    sum.store(to.add(j * V::N))
                }
            }
        }
    }
}

/// Element types with strips for every level.
pub(crate) trait StripLanes: Element {
    /// The strips of a level.
    fn strips(level: Level) -> Strips<Self>;
}

/// Defines a function that gives the strips of one level.
macro_rules! strips {
    ($name:ident, $v:ty, $t:ty, $features:tt, $($w:literal: $heights:tt),*) => {
        fn $name() -> Strips<$t> {
            Strips {
                lanes: <$v as Lanes>::N,
                masks: <$v as Lanes>::MASKS,
                of: const { &[$(strips!(@ $v, $t, $w, $heights, $features)),*] },
            }
        }
    };
    (@ $v:ty, $t:ty, $w:literal, [$($r:literal)*], $features:tt) => {
        &[$(($r, strips!(# $v, $t, $w, $r, $features))),*]
    };
    (# $v:ty, $t:ty, $w:literal, $r:literal, [$(#[$features:meta])?]) => {{
        /// # Safety
        /// See [`strip`].
        $(#[$features])?
        unsafe fn instance(job: &Strip<$t>) {
            // SAFETY: as the caller promises, and this function has the instructions.
            unsafe { strip::<$v, $r, $w>(job) }
        }
        instance as StripFn<$t>
    }};
}

macro_rules! strip_lanes {
    ($t:ty, $portable:literal, $wide:ident, $widest:ident) => {
        impl StripLanes for $t {
            fn strips(level: Level) -> Strips<$t> {
                // 24 sums where there are 32 registers, 12 where there are 16.
                #[cfg(target_arch = "x86_64")]
                strips!(avx512, std::arch::x86_64::$widest, $t,
                    [#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]],
                    1: [1 2 3 4 5 6 8 10 12], 2: [1 2 3 4 5 6 8 10 12], 3: [1 2 3 4 6 8]);
                #[cfg(target_arch = "x86_64")]
                strips!(avx2, std::arch::x86_64::$wide, $t, [#[target_feature(enable = "avx2,fma")]],
                    1: [1 2 3 4 6 8 10], 2: [1 2 3 4 5 6], 3: [1 2 3 4]);
                #[cfg(target_arch = "aarch64")]
                strips!(portable, Portable<$t, $portable>, $t, [],
                    1: [1 2 3 4 5 6 8 10 12], 2: [1 2 3 4 5 6 8 10 12], 3: [1 2 3 4 6 8]);
                #[cfg(not(target_arch = "aarch64"))]
                strips!(portable, Portable<$t, $portable>, $t, [], 1: [1 2 4 8], 2: [1 2 4]);
                match level.kind() {
                    #[cfg(target_arch = "x86_64")]
                    Kind::Avx512 => avx512(),
                    #[cfg(target_arch = "x86_64")]
                    Kind::Avx2 => avx2(),
                    Kind::Portable => portable(),
                }
            }
        }
    };
}
strip_lanes!(f32, 4, __m256, __m512);
strip_lanes!(f64, 2, __m256d, __m512d);
