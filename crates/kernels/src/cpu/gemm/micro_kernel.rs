//! The micro-kernel: a tile of 6 rows and up to 4 registers of columns, held in registers while it goes over k. It has
//! 24 accumulators of the 32 registers of AVX-512 and NEON (12 of 16 with AVX2 and SSE, where a tile is 2 registers
//! wide): enough independent chains to keep two multiply-add units busy.

use super::lanes::{Lanes, Portable};
use std::ops::Range;

use crate::cpu::element::{Element, Float};
use crate::cpu::level::{Kind, Level};

/// Rows of a tile.
pub(crate) const TILE_ROWS: usize = 6;

/// Elements of float32 in a cache line.
pub(crate) const LINE_ELEMENTS: usize = 16;

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// Prefetches the cache line at an address, which need not be valid.
#[inline(always)]
fn prefetch_l1<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint: it reads nothing and cannot fault. SSE is part of every x86-64.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Prefetches the cache line at an address into the second-level cache; the address need not be valid.
#[inline(always)]
pub(crate) fn prefetch_l2<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as in `prefetch_l1`.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// The left operand of a tile: its first element, and the distance between rows or between columns, whose elements
/// are contiguous. `ahead` is the place, laid out alike, to ask memory for meanwhile; it need not exist.
#[derive(Clone, Copy)]
pub(crate) enum LeftPanel<T> {
    /// Rows are contiguous.
    Rows {
        start: *const T,
        stride: usize,
        ahead: *const T,
    },
    /// Columns are contiguous, at least over the tile's rows; packed if the distance is [`TILE_ROWS`].
    Columns {
        start: *const T,
        stride: usize,
        ahead: *const T,
    },
}

/// The right operand of a tile, of which rows are contiguous.
#[derive(Clone, Copy)]
pub(crate) enum RightPanel<T> {
    /// One row after the other, each of the tile's width.
    Packed(*const T),
    /// Row k starts at the k-th offset.
    Offsets(*const T, *const usize),
}

/// Where a tile goes.
#[derive(Clone, Copy)]
pub(crate) struct OutTile<T> {
    pub start: *mut T,
    /// Elements between rows.
    pub stride: usize,
    /// Valid rows, 1 to 6.
    pub rows: usize,
    /// Valid columns, at most the tile's width.
    pub cols: usize,
    /// Added to what is there, else written over it.
    pub add: bool,
}

/// Computes a tile over `k` terms.
pub(crate) type MicroKernel<T> =
    unsafe fn(k: usize, left: LeftPanel<T>, right: RightPanel<T>, out: OutTile<T>);

/// The micro-kernels of one level and element type.
#[derive(Clone, Copy)]
pub(crate) struct MicroKernels<T: 'static> {
    /// Elements of a register.
    pub lanes: usize,
    /// By registers of columns, 1 to `of.len()`.
    pub of: &'static [MicroKernel<T>],
}

impl<T> MicroKernels<T> {
    /// Columns of a full tile.
    pub fn width(&self) -> usize {
        self.lanes * self.of.len()
    }

    /// The widths of panels for these tiles.
    pub fn widths(&self) -> PanelWidths {
        PanelWidths {
            panel: self.width(),
            lanes: self.lanes,
        }
    }

    /// The columns that a tile for `cols` columns computes: the next multiple of a register.
    pub fn padded(&self, cols: usize) -> usize {
        cols.next_multiple_of(self.lanes)
    }
}

/// The widths of panels: columns of a full one, and what the last one is rounded up to.
#[derive(Clone, Copy)]
pub(crate) struct PanelWidths {
    pub panel: usize,
    pub lanes: usize,
}

impl PanelWidths {
    /// The panels of `cols`: where each starts, and how many columns it has and is padded to.
    pub fn panels(self, cols: Range<usize>) -> impl Iterator<Item = (Range<usize>, usize)> {
        cols.clone().step_by(self.panel).map(move |start| {
            let valid = start..cols.end.min(start + self.panel);
            let padded = valid.len().next_multiple_of(self.lanes);
            (valid, padded)
        })
    }
}

/// # Safety
/// The processor must have `V`'s instructions; the operands must be readable and `out` writable in the extents
/// given (rows of the left operand below `out.rows` only; whole registers of the right one).
#[inline(always)]
unsafe fn micro_kernel<V: Lanes, const W: usize, const SMALLER: bool>(
    k: usize,
    left: LeftPanel<V::Elem>,
    right: RightPanel<V::Elem>,
    out: OutTile<V::Elem>,
) {
    // Where a row of the tile is one line, its lines come while it is computed: they lie a row of the result apart, which no
    // processor foresees.
    if W * V::N * size_of::<V::Elem>() <= LINE_BYTES {
        for i in 0..out.rows {
            prefetch_l1(out.start.wrapping_add(i * out.stride).cast_const());
        }
    }
    // SAFETY: as the caller promises.
    unsafe {
        let sums = match right {
            RightPanel::Packed(start) => {
                accumulate::<V, W, SMALLER>(k, left, out.rows, |p| start.add(p * W * V::N))
            }
            RightPanel::Offsets(start, table) => {
                accumulate::<V, W, SMALLER>(k, left, out.rows, |p| start.add(*table.add(p)))
            }
        };
        if out.cols == W * V::N {
            for (i, row) in sums.iter().enumerate() {
                if i < out.rows {
                    store(row, out.start.add(i * out.stride), out.add);
                }
            }
        } else {
            store_edge(&sums, out);
        }
    }
}

/// The sums of all terms: products, or the smaller of both. A row beyond the valid ones repeats the last.
///
/// # Safety
/// As for [`micro_kernel`].
#[inline(always)]
unsafe fn accumulate<V: Lanes, const W: usize, const SMALLER: bool>(
    k: usize,
    left: LeftPanel<V::Elem>,
    rows: usize,
    right: impl Fn(usize) -> *const V::Elem,
) -> [[V; W]; TILE_ROWS] {
    // SAFETY: as the caller promises.
    unsafe {
        let mut sums = [[V::splat(V::Elem::ZERO); W]; TILE_ROWS];
        match left {
            LeftPanel::Rows { start, stride, ahead } => {
                let lines: [*const V::Elem; TILE_ROWS] =
                    std::array::from_fn(|i| start.add(i.min(rows - 1) * stride));
                for p0 in (0..k).step_by(LINE_ELEMENTS) {
                    for i in 0..TILE_ROWS {
                        prefetch_l1(ahead.wrapping_add(i * stride + p0));
                    }
                    for p in p0..k.min(p0 + LINE_ELEMENTS) {
                        step::<V, W, SMALLER>(&mut sums, right(p), |i| *lines[i].add(p));
                    }
                }
            }
            LeftPanel::Columns { start, stride, ahead } if rows == TILE_ROWS => {
                for p in 0..k {
                    let column = start.add(p * stride);
                    prefetch_l2(ahead.wrapping_add(p * stride));
                    step::<V, W, SMALLER>(&mut sums, right(p), |i| *column.add(i));
                }
            }
            LeftPanel::Columns { start, stride, .. } => {
                for p in 0..k {
                    let column = start.add(p * stride);
                    step::<V, W, SMALLER>(&mut sums, right(p), |i| *column.add(i.min(rows - 1)));
                }
            }
        }
        sums
    }
}

/// # Safety
/// As for [`micro_kernel`]: `W` registers readable at `right`.
#[inline(always)]
unsafe fn step<V: Lanes, const W: usize, const SMALLER: bool>(
    sums: &mut [[V; W]; TILE_ROWS],
    right: *const V::Elem,
    left: impl Fn(usize) -> V::Elem,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let b: [V; W] = std::array::from_fn(|j| V::load(right.add(j * V::N)));
        for (i, row) in sums.iter_mut().enumerate() {
            let a = V::splat(left(i));
            for (sum, &b) in row.iter_mut().zip(&b) {
                *sum = if SMALLER { sum.add(a.min(b)) } else { sum.fma(a, b) };
            }
        }
    }
}

/// # Safety
/// `W` registers must be writable at `to`.
#[inline(always)]
unsafe fn store<V: Lanes, const W: usize>(row: &[V; W], to: *mut V::Elem, add: bool) {
    for (j, &sum) in row.iter().enumerate() {
        // SAFETY: as the caller promises.
        unsafe {
            let to = to.add(j * V::N);
            if add {
                V::load(to).add(sum).store(to)
            } else {
                sum.store(to)
            }
        }
    }
}

/// Stores a tile of which some columns do not exist.
///
/// # Safety
/// As for [`micro_kernel`].
#[inline(always)]
unsafe fn store_edge<V: Lanes, const W: usize>(sums: &[[V; W]; TILE_ROWS], out: OutTile<V::Elem>) {
    // Room for the widest row: 4 registers of 16.
    let mut line = [V::Elem::ZERO; 64];
    for (i, row) in sums.iter().enumerate().take(out.rows) {
        // SAFETY: `line` has room for W registers; the valid columns of a valid row are writable.
        unsafe {
            store(row, line.as_mut_ptr(), false);
            let to = std::slice::from_raw_parts_mut(out.start.add(i * out.stride), out.cols);
            for (to, &sum) in to.iter_mut().zip(&line) {
                *to = if out.add { to.plus(sum) } else { sum };
            }
        }
    }
}

/// Defines a function that gives the micro-kernels of one level.
macro_rules! micro_kernels {
    ($name:ident, $v:ty, $t:ty, $lanes:literal, [$($w:literal)*], $(#[$features:meta])?) => {
        fn $name(smaller: bool) -> MicroKernels<$t> {
            if smaller {
                micro_kernels!(@ $v, $t, $lanes, [$($w)*], true, [$(#[$features])?])
            } else {
                micro_kernels!(@ $v, $t, $lanes, [$($w)*], false, [$(#[$features])?])
            }
        }
    };
    (@ $v:ty, $t:ty, $lanes:literal, [$($w:literal)*], $smaller:literal, $features:tt) => {
        MicroKernels { lanes: $lanes, of: const { &[$(micro_kernels!(# $v, $t, $w, $smaller, $features)),*] } }
    };
    (# $v:ty, $t:ty, $w:literal, $smaller:literal, [$(#[$features:meta])?]) => {{
        /// # Safety
        /// See [`micro_kernel`].
        $(#[$features])?
        unsafe fn instance(k: usize, left: LeftPanel<$t>, right: RightPanel<$t>, out: OutTile<$t>) {
            // SAFETY: as the caller promises, and this function has the instructions.
            unsafe { micro_kernel::<$v, $w, $smaller>(k, left, right, out) }
        }
        instance as MicroKernel<$t>
    }};
}

/// Element types with micro-kernels for every level.
pub(crate) trait GemmElement: Float + super::small_kernel::SmallGemmElement {
    /// The micro-kernels of a level.
    fn micro_kernels(level: Level) -> MicroKernels<Self> {
        Self::micro_kernels_with(level, false)
    }
    /// Micro-kernels of products, or ones that add up the smaller of both factors instead.
    fn micro_kernels_with(level: Level, smaller: bool) -> MicroKernels<Self>;
}

macro_rules! gemm_element {
    ($t:ty, $portable:literal, $wide:ident $wide_lanes:literal, $widest:ident $widest_lanes:literal) => {
        impl GemmElement for $t {
            fn micro_kernels_with(level: Level, smaller: bool) -> MicroKernels<$t> {
                #[cfg(target_arch = "x86_64")]
                micro_kernels!(avx512, std::arch::x86_64::$widest, $t, $widest_lanes, [1 2 3 4],
                    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]);
                #[cfg(target_arch = "x86_64")]
                micro_kernels!(avx2, std::arch::x86_64::$wide, $t, $wide_lanes, [1 2], #[target_feature(enable = "avx2,fma")]);
                #[cfg(target_arch = "aarch64")]
                micro_kernels!(portable, Portable<$t, $portable>, $t, $portable, [1 2 3 4],);
                #[cfg(not(target_arch = "aarch64"))]
                micro_kernels!(portable, Portable<$t, $portable>, $t, $portable, [1 2],);
                match level.kind() {
                    #[cfg(target_arch = "x86_64")]
                    Kind::Avx512 => avx512(smaller),
                    #[cfg(target_arch = "x86_64")]
                    Kind::Avx2 => avx2(smaller),
                    Kind::Portable => portable(smaller),
                }
            }
        }
    };
}
gemm_element!(f32, 4, __m256 8, __m512 16);
gemm_element!(f64, 2, __m256d 4, __m512d 8);
