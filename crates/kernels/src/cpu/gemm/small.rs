//! Small products. The left operand is read in place, and so is a right operand with contiguous rows. There are no
//! blocks of k. A fork costs about a microsecond: a product of a few microseconds stays on the caller's thread.

use std::ops::Range;

use super::epilogue::{Epilogue, run_epilogue};
use super::micro_kernel::GemmElement;
use super::shape::GemmShape;
use super::small_kernel::{ColumnPanel, SmallGemmElement, SmallKernel, SmallKernels};
use crate::cpu::element::Element;
use crate::cpu::exec::{Args, Plain, scratch_bytes};
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;
use crate::cpu::transpose::transpose;

/// FMAs of a task: a few microseconds.
const TASK_FMAS: usize = 1 << 18;
/// Tasks per thread, so that a delayed task does not delay the others.
const TASKS_PER_THREAD: usize = 4;
/// Maximal number of elements of a right operand that stays in the second-level cache.
const RIGHT_ELEMENTS: usize = 1 << 17;
/// The same limit for few rows, where the packed product would pack more than it multiplies.
const BROAD_ELEMENTS: usize = 1 << 18;
/// Maximal number of rows of such a product.
const BROAD_ROWS: usize = 128;
/// Minimal bytes of a vector register for such a product.
const WIDE_BYTES: usize = 64;
/// Elements of the right operand up to which narrower registers leave it where it lies for many rows: their loads are as many again, and
/// rows apart by a power of two compete for the same places of the first-level cache.
const NARROW_ELEMENTS: usize = 1 << 14;
/// Rows that are not many.
const FEW_ROWS: usize = 256;
/// Maximal stride, in elements, of an operand that is read in place, so that a page holds some rows.
const STRIDE_ELEMENTS: usize = 1 << 11;
/// Minimal number of rows for packing the right operand.
const MIN_PACK_ROWS: usize = 8;
/// Vector registers of a row of a column panel; the last panel may have fewer.
const PANEL_REGISTERS: usize = 2;

/// A block of the result: number of the product, rows, columns.
type ResultBlock = (usize, Range<usize>, Range<usize>);

/// A small product and how it is divided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Small {
    shape: GemmShape,
    /// Products, rows and columns of a task.
    task: (usize, usize, usize),
}

impl Small {
    /// The product, if it is small.
    pub fn new(shape: GemmShape, threads: usize) -> Option<Small> {
        let GemmShape { batch, m, n, k, a, b } = shape;
        let left_lies_well = a.1 == 1 || m <= STRIDE_ELEMENTS;
        let right_lies_well = if b.1 == 1 {
            n <= STRIDE_ELEMENTS
        } else {
            m >= MIN_PACK_ROWS
        };
        if k * n > RIGHT_ELEMENTS && (k * n > BROAD_ELEMENTS || m > BROAD_ROWS)
            || !left_lies_well
            || !right_lies_well
        {
            return None;
        }
        // A task that has to pack the right operand does so for itself: to fetch it from another processor takes
        // longer.
        let most = if batch == 1 && b.1 != 1 {
            threads
        } else {
            threads * TASKS_PER_THREAD
        };
        let pieces = (batch * m * n * k / TASK_FMAS).clamp(1, most);
        let task = if threads == 1 || pieces == 1 {
            (batch, m, n)
        } else if batch >= pieces {
            (batch.div_ceil(pieces), m, n)
        } else {
            let each = pieces.div_ceil(batch);
            if m >= 8 * each {
                (1, m.div_ceil(each).next_multiple_of(4), n)
            } else {
                (1, m, n.div_ceil(each).next_multiple_of(32))
            }
        };
        let task = (task.0.max(1), task.1.max(1), task.2.max(1));
        Some(Small { shape, task })
    }

    /// Whether the level's registers are wide enough for it.
    pub fn suits<T: SmallGemmElement>(&self, level: Level) -> bool {
        let elements = self.shape.k * self.shape.n;
        let is_wide = T::small_kernels(level).lanes * size_of::<T>() >= WIDE_BYTES;
        is_wide || elements <= NARROW_ELEMENTS || elements <= RIGHT_ELEMENTS && self.shape.m <= FEW_ROWS
    }

    /// Whether the right operand is packed: it is stored transposed, or a level cannot read part of a register.
    fn packs<T>(&self, kernels: &SmallKernels<T>) -> bool {
        self.shape.b.1 != 1 || !kernels.masks && !self.shape.n.is_multiple_of(kernels.lanes)
    }

    /// Elements of scratch for a worker's packed column panel of the right operand.
    fn packed<T: SmallGemmElement>(&self, level: Level) -> usize {
        let kernels = T::small_kernels(level);
        if self.packs(&kernels) {
            self.shape.k * kernels.registers() * kernels.lanes
        } else {
            0
        }
    }

    /// Bytes of scratch that [`Small::run`] takes.
    pub fn scratch_bytes<T: SmallGemmElement>(&self, level: Level, threads: usize) -> usize {
        scratch_bytes::<T>(self.packed::<T>(level) * threads)
    }

    /// Tasks, and columns of one of them.
    pub fn tasks_and_columns(&self) -> (usize, usize) {
        let GemmShape { batch, m, n, .. } = self.shape;
        let (products, rows, cols) = self.task;
        let tasks = batch.div_ceil(products) * m.div_ceil(rows) * n.div_ceil(cols);
        (tasks, cols.min(n))
    }

    /// Computes all products.
    pub fn run<T: GemmElement + Plain>(
        &self,
        args: &Args<'_>,
        (a, b): (&[T], &[T]),
        c: &mut [T],
        epilogue: Option<&Epilogue<'_, T>>,
    ) {
        let GemmShape { batch, m, n, k, .. } = self.shape;
        assert!(a.len() >= batch * m * k && b.len() >= batch * k * n && c.len() >= batch * m * n);
        let (level, pool) = (args.level(), args.pool());
        let kernels = T::small_kernels(level);
        let each = self.packed::<T>(level);
        let packed = args.worker_scratch::<T>(each);
        let (products, rows, cols) = self.task;
        let (row_tasks, col_tasks) = (m.div_ceil(rows), n.div_ceil(cols));
        let out = SharedSlice::new(c);
        pool.run(self.tasks_and_columns().0, |worker, task| {
            let (r0, c0) = (task % row_tasks * rows, task / row_tasks % col_tasks * cols);
            let first = task / (row_tasks * col_tasks) * products;
            for product in first..batch.min(first + products) {
                let part = (product, r0..m.min(r0 + rows), c0..n.min(c0 + cols));
                // SAFETY: a worker's own place; tasks are different parts of the result, which is written before the
                // epilogue.
                unsafe {
                    let own = packed.of(worker);
                    self.part(level, &kernels, (a, b), &out, &part, own);
                    if let Some(epilogue) = epilogue {
                        run_epilogue(&out, product * m * n, n, (part.1, part.2), worker, epilogue);
                    }
                }
            }
        });
    }

    /// Packs columns of a right operand, with `stride` elements between rows.
    fn pack<T: Element>(
        &self,
        level: Level,
        kernels: &SmallKernels<T>,
        b: &[T],
        cols: Range<usize>,
        (out, stride): (&mut [T], usize),
    ) {
        let k = self.shape.k;
        let (down, along) = self.shape.b;
        if k == 0 {
            return;
        }
        let (from, count) = (&b[cols.start * along..], cols.len());
        if along == 1 {
            for (line, from) in out.chunks_exact_mut(stride).zip(from.chunks(down)) {
                line[..count].copy_from_slice(&from[..count]);
            }
        } else {
            transpose(level, from, (down, along), (k, count), out, stride);
        }
        if !kernels.masks && count < stride {
            // What a register holds beyond the last column is computed with, though not stored.
            let lines = out.chunks_exact_mut(stride).take(k);
            lines.for_each(|line| line[count..].fill(T::ZERO));
        }
    }

    /// Computes rows and columns of a product, panel by panel. A column panel of the right operand is packed to `own`
    /// before, unless that is empty.
    ///
    /// # Safety
    /// No other task may use that part of `out`.
    unsafe fn part<T: GemmElement>(
        &self,
        level: Level,
        kernels: &SmallKernels<T>,
        (a, b): (&[T], &[T]),
        out: &SharedSlice<'_, T>,
        (product, rows, cols): &ResultBlock,
        own: &mut [T],
    ) {
        let GemmShape {
            m,
            n,
            k,
            a: left_strides,
            ..
        } = self.shape;
        let functions: [SmallKernel<T>; 3] =
            std::array::from_fn(|i| kernels.best(kernels.registers().min(i + 1), rows.len()));
        let left = &a[product * m * k + rows.start * left_strides.0..];
        let right = &b[product * k * n..];
        let mut col = cols.start;
        while col < cols.end {
            let registers = match (cols.end - col).div_ceil(kernels.lanes) {
                left if left == kernels.registers() => left,
                left => left.min(PANEL_REGISTERS),
            };
            let width = registers * kernels.lanes;
            let end = cols.end.min(col + width);
            let (right, right_stride) = if own.is_empty() {
                (right.as_ptr().wrapping_add(col), self.shape.b.0)
            } else {
                self.pack(level, kernels, right, col..end, (&mut *own, width));
                (own.as_ptr(), width)
            };
            // SAFETY: the function has the instructions of its level. It reads `k` terms of rows and columns that
            // exist, and what a packed right operand is padded with; it writes rows and columns of the part.
            unsafe {
                functions[registers - 1](&ColumnPanel {
                    k,
                    rows: rows.len(),
                    left: left.as_ptr(),
                    left_strides,
                    right,
                    right_stride,
                    out: out.as_mut_ptr().add((product * m + rows.start) * n + col),
                    out_stride: n,
                    last: end - col - (registers - 1) * kernels.lanes,
                });
            }
            col = end;
        }
    }
}
