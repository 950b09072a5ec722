//! Matrix products: `C (m, n) = A (m, k) B (k, n)`, each operand plain or stored transposed, batched.
//!
//! [`tile`] is the innermost kernel, [`pack`] brings operands into its order, [`region`] computes a part of the
//! result on one thread, [`Product`] splits the result into regions. The split depends on shapes alone and never
//! divides k, so the bits do not depend on the number of threads.

mod dots;
mod lanes;
pub(crate) mod pack;
pub(crate) mod region;
pub(crate) mod tile;

pub(crate) use dots::{Dots, dots};
pub(crate) use pack::{Matrix, Right, Widths};
pub(crate) use region::{Left, Source, Target, region, work_len};
pub(crate) use tile::Tiled;

use std::ops::Range;

use hyperglow_core::op::Spec;

use super::exec::{Args, Kernel, Plain, scratch_bytes};
use super::level::Level;
use super::pool::{Pool, SharedSlice};
use pack::pack_left;
use region::DEPTH;
use tile::ROWS;

/// Multiply-adds that make a task worth its handing out.
const TASK: usize = 1 << 18;
/// Tasks wanted, so that a thread that was held up does not hold up the rest.
const TASKS: usize = 24;
/// Elements of an operand that is packed once for all tasks.
const SHARED: usize = 1 << 22;
/// Rows up to which a product with a transposed right operand is computed as its transpose.
const FEW_ROWS: usize = 192;

/// The geometry of a product and how it is divided, fixed when a step is prepared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    batch: usize,
    m: usize,
    n: usize,
    k: usize,
    /// (row, column) strides of A and of B.
    a: (usize, usize),
    b: (usize, usize),
    /// Computed as C^T = B^T A^T: B, stored transposed, is then read in place, row by row, once.
    swapped: bool,
    /// Rows and columns of a task (of C^T if swapped).
    task: (usize, usize),
    share_left: bool,
    share_right: bool,
}

impl Product {
    /// `batch` products of m x k and k x n matrices, lying one after the other; `ta`, `tb` when stored transposed.
    pub fn new(batch: usize, m: usize, n: usize, k: usize, ta: bool, tb: bool) -> Product {
        let a = if ta { (1, m) } else { (k, 1) };
        let b = if tb { (1, k) } else { (n, 1) };
        let swapped = tb && n > m && m <= FEW_ROWS;
        let (rows, cols) = if swapped { (n, m) } else { (m, n) };
        // Widths that divide well for every level's tiles.
        let (mut task_rows, mut task_cols) = (rows.max(1), cols.clamp(1, region::COLS));
        if swapped {
            task_rows = task_rows.min(1020);
        }
        while batch * rows.div_ceil(task_rows) * cols.div_ceil(task_cols) < TASKS
            && task_rows * task_cols * k > 2 * TASK
        {
            if task_cols > 256 && !swapped {
                task_cols = (task_cols / 2).next_multiple_of(64);
            } else if task_rows > 2 * ROWS {
                task_rows = (task_rows / 2).next_multiple_of(ROWS);
            } else {
                break;
            }
        }
        let left_lies_well = swapped || a.1 == 1;
        let many_rows = rows > task_rows;
        Product {
            batch,
            m,
            n,
            k,
            a,
            b,
            swapped,
            task: (task_rows, task_cols),
            share_left: !left_lies_well && cols > task_cols && batch == 1 && m * k <= SHARED,
            share_right: batch == 1 && many_rows && cols * k <= SHARED,
        }
    }

    /// Rows and columns of what is computed.
    fn extents(&self) -> (usize, usize) {
        if self.swapped {
            (self.n, self.m)
        } else {
            (self.m, self.n)
        }
    }

    /// Elements of scratch: packed left operand, packed right one, work of one thread.
    fn scratch<T: Tiled>(&self, level: Level) -> (usize, usize, usize) {
        let (rows, cols) = self.extents();
        let left = if self.share_left {
            rows.next_multiple_of(ROWS) * self.k
        } else {
            0
        };
        let right = if self.share_right {
            T::tiles(level).padded(cols) * self.k
        } else {
            0
        };
        let pack_left = !self.swapped && self.a.1 != 1 && !self.share_left;
        let mut work = work_len::<T>(
            level,
            self.k,
            self.task.0,
            self.task.1,
            pack_left,
            !self.share_right,
        );
        if self.swapped {
            work += self.task.0 * self.task.1;
        }
        (left, right, work.next_multiple_of(64))
    }

    /// Bytes that [`Product::run`] takes of an operation's scratch.
    pub fn scratch_bytes<T: Tiled>(&self, level: Level, threads: usize) -> usize {
        let (left, right, work) = self.scratch::<T>(level);
        scratch_bytes::<T>(left) + scratch_bytes::<T>(right) + scratch_bytes::<T>(work * threads)
    }

    /// Computes all products.
    pub fn run<T: Tiled + Plain>(&self, args: &Args<'_>, a: &[T], b: &[T], c: &mut [T]) {
        let (pool, level) = (args.pool(), args.level());
        let (left_len, right_len, work_len) = self.scratch::<T>(level);
        let (packed_left, packed_right) = (args.scratch::<T>(left_len), args.scratch::<T>(right_len));
        let work = args.scratch::<T>(work_len * pool.threads());
        assert_eq!(c.len(), self.batch * self.m * self.n);
        if c.is_empty() {
            return;
        }
        let whole_a = Matrix {
            data: a,
            row: self.a.0,
            col: self.a.1,
        };
        let whole_b = Matrix {
            data: b,
            row: self.b.0,
            col: self.b.1,
        };
        let (whole_left, whole_right) = if self.swapped {
            (whole_b.t(), whole_a.t())
        } else {
            (whole_a, whole_b)
        };
        if self.share_left {
            self.pack_left(pool, level, whole_left, packed_left);
        }
        if self.share_right {
            self.pack_right(pool, level, whole_right, packed_right);
        }
        let (rows, cols) = self.extents();
        let (row_tasks, col_tasks) = (rows.div_ceil(self.task.0), cols.div_ceil(self.task.1));
        let (c, work) = (SharedSlice::new(c), SharedSlice::new(work));
        pool.run(self.batch * row_tasks * col_tasks, |worker, task| {
            let (batch, part) = (task / (row_tasks * col_tasks), task % (row_tasks * col_tasks));
            // Neighbouring tasks share columns, which are the dearer to pack.
            let (r0, c0) = (part % row_tasks * self.task.0, part / row_tasks * self.task.1);
            let (r, q) = (r0..rows.min(r0 + self.task.0), c0..cols.min(c0 + self.task.1));
            // SAFETY: a worker's own piece of the work space.
            let work = unsafe { work.range(worker * work_len..(worker + 1) * work_len) };
            let (left, right) = if self.swapped {
                (
                    whole_left.from(batch * self.n * self.k),
                    whole_right.from(batch * self.m * self.k),
                )
            } else {
                (
                    whole_left.from(batch * self.m * self.k),
                    whole_right.from(batch * self.n * self.k),
                )
            };
            let left = if self.share_left {
                Left::Packed(packed_left, rows)
            } else {
                Left::Matrix(left)
            };
            let right = if self.share_right {
                Source::Packed(&*packed_right, cols)
            } else {
                Source::Pack(&right)
            };
            let result = batch * self.m * self.n;
            if self.swapped {
                let (small, work) = work.split_at_mut(r.len() * q.len());
                let target = Target {
                    start: small.as_mut_ptr(),
                    stride: q.len(),
                    add: false,
                };
                // SAFETY: `small` has room for the region and is this task's.
                unsafe { region(level, self.k, left, r.clone(), &right, q.clone(), target, work) };
                store_transposed(small, q, r, &c, result, self.n);
            } else {
                // SAFETY: the region lies within C, and is no other task's.
                unsafe {
                    let start = c.as_mut_ptr().add(result + r.start * self.n + q.start);
                    let target = Target {
                        start,
                        stride: self.n,
                        add: false,
                    };
                    region(level, self.k, left, r, &right, q, target, work);
                }
            }
        });
    }
}

impl Product {
    /// Packs the whole left operand: per block of k, per tile of rows.
    fn pack_left<T: Tiled>(&self, pool: &Pool, level: Level, left: Matrix<'_, T>, out: &mut [T]) {
        let rows = self.m;
        let padded = rows.next_multiple_of(ROWS);
        let group = 16 * ROWS;
        let groups = rows.div_ceil(group);
        let out = SharedSlice::new(out);
        pool.run(self.k.div_ceil(DEPTH) * groups, |_, task| {
            let (k0, r0) = (task / groups * DEPTH, task % groups * group);
            let (ks, r1) = (k0..self.k.min(k0 + DEPTH), rows.min(r0 + group));
            let start = k0 * padded + r0 * ks.len();
            let len = (r1 - r0).next_multiple_of(ROWS) * ks.len();
            // SAFETY: tasks pack different tiles.
            pack_left(level, left, r0..r1, ks, unsafe { out.range(start..start + len) });
        });
    }

    /// Packs the whole right operand: per block of k, per panel of columns.
    fn pack_right<T: Tiled>(&self, pool: &Pool, level: Level, right: Matrix<'_, T>, out: &mut [T]) {
        let cols = self.extents().1;
        let tiles = T::tiles(level);
        let padded = tiles.padded(cols);
        // Some panels at a time, since rows are read across them.
        let group = tiles.width() * 8;
        let groups = cols.div_ceil(group);
        let out = SharedSlice::new(out);
        pool.run(self.k.div_ceil(DEPTH) * groups, |_, task| {
            let (k0, c0) = (task / groups * DEPTH, task % groups * group);
            let (ks, cs) = (k0..self.k.min(k0 + DEPTH), c0..cols.min(c0 + group));
            let start = k0 * padded + c0 * ks.len();
            let len = tiles.padded(cs.len()) * ks.len();
            // SAFETY: tasks pack different panels.
            let panels = unsafe { out.range(start..start + len) };
            right.pack(level, ks, cs, tiles.widths(), panels);
        });
    }
}

/// Writes `small`, which is C^T for some of its rows and columns, to C: `rows` by `columns` of the matrix with
/// `stride` between rows that starts at `first`.
fn store_transposed<T: Tiled>(
    small: &[T],
    rows: Range<usize>,
    columns: Range<usize>,
    c: &SharedSlice<'_, T>,
    first: usize,
    stride: usize,
) {
    // A cache line of each row at a time.
    for start in columns.clone().step_by(16) {
        let end = columns.end.min(start + 16);
        for row in rows.clone() {
            let at = first + row * stride;
            // SAFETY: within C, and these rows and columns are one task's.
            let line = unsafe { c.range(at + start..at + end) };
            for (i, out) in line.iter_mut().enumerate() {
                *out = small[(start - columns.start + i) * rows.len() + row - rows.start];
            }
        }
    }
}

/// The kernel of [`Op::MatMul`](hyperglow_core::Op::MatMul).
pub(crate) fn matmul<T: Tiled + Plain>(a: &Spec, b: &Spec, ta: bool, tb: bool) -> Kernel {
    let product = product(a, b, ta, tb);
    Box::new(move |args| {
        product.run(args, args.input::<T>(0), args.input::<T>(1), args.output::<T>());
        Ok(())
    })
}

/// The product that [`Op::MatMul`](hyperglow_core::Op::MatMul) asks for.
pub(crate) fn product(a: &Spec, b: &Spec, ta: bool, tb: bool) -> Product {
    let (a, b) = (a.shape.dims(), b.shape.dims());
    let r = a.len();
    let (m, k) = if ta {
        (a[r - 1], a[r - 2])
    } else {
        (a[r - 2], a[r - 1])
    };
    let n = if tb { b[r - 2] } else { b[r - 1] };
    Product::new(a[..r - 2].iter().product(), m, n, k, ta, tb)
}
