//! The micro-kernels of small products: both operands are read where they lie, columns that do not exist are masked,
//! and a sum stays in its register over all terms.

use super::lanes::{Lanes, Portable};
use crate::cpu::element::Element;
use crate::cpu::level::{Kind, Level};

/// Some rows of the result, and at most [`SmallKernels::registers`] registers of its columns.
#[derive(Clone, Copy)]
pub(crate) struct ColumnPanel<T> {
    /// Terms of a sum.
    pub k: usize,
    pub rows: usize,
    /// The left operand's first element, and elements between its rows and between its columns.
    pub left: *const T,
    pub left_strides: (usize, usize),
    /// The right operand's first element, and elements between its rows; elements of a row are contiguous.
    pub right: *const T,
    pub right_stride: usize,
    /// The result's first element, and elements between its rows.
    pub out: *mut T,
    pub out_stride: usize,
    /// Columns of the last register, 1 to its size.
    pub last: usize,
}

pub(crate) type SmallKernel<T> = unsafe fn(&ColumnPanel<T>);

/// Rows of a tile, and the kernel that makes a column panel of such tiles. The panel has at least as many rows.
pub(crate) type KernelOfHeight<T> = (usize, SmallKernel<T>);

/// The kernels of one level and element type.
#[derive(Clone, Copy)]
pub(crate) struct SmallKernels<T: 'static> {
    /// Elements of a register.
    pub lanes: usize,
    /// Whether columns beyond the last may not exist in the right operand either; else it needs whole registers.
    pub masks: bool,
    /// By registers of columns less 1: tiles, the lowest first.
    pub of: &'static [&'static [KernelOfHeight<T>]],
}

/// Independent chains of FMAs that hide their latency: two FMA units, with a latency of four
/// cycles.
const FMA_CHAINS: usize = 8;

impl<T> SmallKernels<T> {
    /// The most registers of columns of a panel.
    pub fn registers(&self) -> usize {
        self.of.len()
    }

    /// The kernel that makes a panel of `rows` rows soonest.
    pub fn best(&self, registers: usize, rows: usize) -> SmallKernel<T> {
        let cost = |height: usize| rows.div_ceil(height) * ((height * registers).max(FMA_CHAINS) + 2);
        let fit = self.of[registers - 1]
            .iter()
            .filter(|(height, _)| *height <= rows);
        fit.min_by_key(|(height, _)| cost(*height))
            .expect("there are tiles of one row")
            .1
    }
}

/// Tiles from the first row down; the last one overlaps the one before rather than being lower. A full last register needs no mask, which would take a register from the sums of the largest tiles.
///
/// # Safety
/// The processor must have `V`'s instructions; `rows` is at least `R`; operands and result have the extents given.
#[inline(always)]
unsafe fn small_kernel<V: Lanes, const R: usize, const W: usize>(panel: &ColumnPanel<V::Elem>) {
    // SAFETY: as the caller promises.
    unsafe {
        if panel.last == V::N {
            tiles::<V, R, W, false>(panel);
        } else {
            tiles::<V, R, W, true>(panel);
        }
    }
}

/// # Safety
/// As for [`small_kernel`]; without `MASKED` the last register is full.
#[inline(always)]
unsafe fn tiles<V: Lanes, const R: usize, const W: usize, const MASKED: bool>(panel: &ColumnPanel<V::Elem>) {
    let mut row = 0;
    loop {
        // SAFETY: as the caller promises: rows `row` to `row + R` exist.
        unsafe { tile::<V, R, W, MASKED>(panel, row) }
        if row + R >= panel.rows {
            return;
        }
        row = (row + R).min(panel.rows - R);
    }
}

/// # Safety
/// As for [`tiles`].
#[inline(always)]
unsafe fn tile<V: Lanes, const R: usize, const W: usize, const MASKED: bool>(
    panel: &ColumnPanel<V::Elem>,
    row: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let (down, along) = panel.left_strides;
        // A pointer to every third row: the others are reached by the distance in an address.
        let mut left: [*const V::Elem; 4] =
            std::array::from_fn(|i| panel.left.wrapping_add((row + 3 * i) * down));
        let mut right = panel.right;
        let mask = V::first(panel.last);
        let mut sums = [[V::splat(V::Elem::ZERO); W]; R];
        for _ in 0..panel.k {
            let b: [V; W] = std::array::from_fn(|j| {
                let from = right.add(j * V::N);
                if MASKED && V::MASKS && j + 1 == W {
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
            right = right.wrapping_add(panel.right_stride);
        }
        for (i, line) in sums.iter().enumerate() {
            let to = panel.out.add((row + i) * panel.out_stride);
            for (j, &sum) in line.iter().enumerate() {
                if MASKED && j + 1 == W {
                    sum.store_some(to.add(j * V::N), mask)
                } else {
                    sum.store(to.add(j * V::N))
                }
            }
        }
    }
}

/// Element types with kernels of small products for every level.
pub(crate) trait SmallGemmElement: Element {
    /// The kernels of a level.
    fn small_kernels(level: Level) -> SmallKernels<Self>;
}

/// Defines a function that gives the kernels of one level.
macro_rules! small_kernels {
    ($name:ident, $v:ty, $t:ty, $features:tt, $($w:literal: $heights:tt),*) => {
        fn $name() -> SmallKernels<$t> {
            SmallKernels {
                lanes: <$v as Lanes>::N,
                masks: <$v as Lanes>::MASKS,
                of: const { &[$(small_kernels!(@ $v, $t, $w, $heights, $features)),*] },
            }
        }
    };
    (@ $v:ty, $t:ty, $w:literal, [$($r:literal)*], $features:tt) => {
        &[$(($r, small_kernels!(# $v, $t, $w, $r, $features))),*]
    };
    (# $v:ty, $t:ty, $w:literal, $r:literal, [$(#[$features:meta])?]) => {{
        /// # Safety
        /// See [`small_kernel`].
        $(#[$features])?
        unsafe fn instance(panel: &ColumnPanel<$t>) {
            // SAFETY: as the caller promises, and this function has the instructions.
            unsafe { small_kernel::<$v, $r, $w>(panel) }
        }
        instance as SmallKernel<$t>
    }};
}

macro_rules! small_gemm_element {
    ($t:ty, $portable:literal, $wide:ident, $widest:ident) => {
        impl SmallGemmElement for $t {
            fn small_kernels(level: Level) -> SmallKernels<$t> {
                // 24 sums where there are 32 registers, 12 where there are 16.
                #[cfg(target_arch = "x86_64")]
                small_kernels!(avx512, std::arch::x86_64::$widest, $t,
                    [#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]],
                    1: [1 2 3 4 5 6 8 10 12], 2: [1 2 3 4 5 6 8 10 12], 3: [1 2 3 4 6 8]);
                #[cfg(target_arch = "x86_64")]
                small_kernels!(avx2, std::arch::x86_64::$wide, $t, [#[target_feature(enable = "avx2,fma")]],
                    1: [1 2 3 4 6 8 10], 2: [1 2 3 4 5 6], 3: [1 2 3 4]);
                #[cfg(target_arch = "aarch64")]
                small_kernels!(portable, Portable<$t, $portable>, $t, [],
                    1: [1 2 3 4 5 6 8 10 12], 2: [1 2 3 4 5 6 8 10 12], 3: [1 2 3 4 6 8]);
                #[cfg(not(target_arch = "aarch64"))]
                small_kernels!(portable, Portable<$t, $portable>, $t, [], 1: [1 2 4 8], 2: [1 2 4]);
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
small_gemm_element!(f32, 4, __m256, __m512);
small_gemm_element!(f64, 2, __m256d, __m512d);
