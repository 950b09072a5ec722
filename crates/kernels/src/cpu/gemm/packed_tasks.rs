//! Tasks of a packed product: shared operands are packed once, then every task computes a block of the result.

use super::macro_kernel::{LeftOperand, block_terms};
use super::micro_kernel::{GemmElement, TILE_ROWS};
use super::pack::{Matrix, PackRight, pack_left};
use super::packed_task::PackedTask;
use super::product::Product;
use crate::cpu::exec::{Args, Plain};
use crate::cpu::level::Level;
use crate::cpu::pool::{Pool, SharedSlice};

impl Product {
    /// Packs shared operands and calls `each` for every task.
    pub(super) fn each_task<T: GemmElement + Plain>(
        &self,
        args: &Args<'_>,
        a: &[T],
        b: &[T],
        each: impl Fn(PackedTask<'_, T>) + Sync,
    ) {
        let (pool, level) = (args.pool(), args.level());
        let (left_len, right_len, work_len) = self.scratch::<T>(level);
        let (packed_left, packed_right) = (args.scratch::<T>(left_len), args.scratch::<T>(right_len));
        let work = args.worker_scratch::<T>(work_len);
        let whole_a = Matrix {
            data: a,
            row: self.shape.a.0,
            col: self.shape.a.1,
        };
        let whole_b = Matrix {
            data: b,
            row: self.shape.b.0,
            col: self.shape.b.1,
        };
        let (left, right) = if self.swapped {
            (whole_b.t(), whole_a.t())
        } else {
            (whole_a, whole_b)
        };
        if self.share_left {
            self.pack_left(pool, level, left, packed_left);
        }
        if self.share_right {
            self.pack_right(pool, level, right, packed_right);
        }
        let (rows, cols) = self.extents();
        let (row_tasks, col_tasks) = (rows.div_ceil(self.task.0), cols.div_ceil(self.task.1));
        pool.run(self.shape.batch * row_tasks * col_tasks, |worker, task| {
            let (batch, block) = (task / (row_tasks * col_tasks), task % (row_tasks * col_tasks));
            // Neighboring tasks share columns, which are more expensive to pack.
            let (r0, c0) = (block % row_tasks * self.task.0, block / row_tasks * self.task.1);
            let left = left.from(batch * rows * self.shape.k);
            let left = if self.share_left {
                LeftOperand::Packed(packed_left, rows)
            } else if self.swapped && self.shape.b.1 == 1 && !self.packs_columns::<T>(level) {
                LeftOperand::InPlace(left)
            } else if self.packs_columns::<T>(level) || self.rows_collide::<T>() {
                LeftOperand::Pack(left)
            } else {
                LeftOperand::Matrix(left)
            };
            each(PackedTask {
                worker,
                batch,
                rows: r0..rows.min(r0 + self.task.0),
                cols: c0..cols.min(c0 + self.task.1),
                left,
                right: right.from(batch * cols * self.shape.k),
                packed_right: self.share_right.then_some((&*packed_right, cols)),
                // SAFETY: a worker's own range of the work space.
                work: unsafe { work.of(worker) },
            });
        });
    }

    /// Packs the whole left operand: per block of k, per tile of rows.
    fn pack_left<T: GemmElement>(&self, pool: &Pool, level: Level, left: Matrix<'_, T>, out: &mut [T]) {
        let rows = self.shape.m;
        let padded = rows.next_multiple_of(TILE_ROWS);
        let group = 16 * TILE_ROWS;
        let groups = rows.div_ceil(group);
        let out = SharedSlice::new(out);
        let terms = block_terms(level);
        pool.run(self.shape.k.div_ceil(terms) * groups, |_, task| {
            let (k0, r0) = (task / groups * terms, task % groups * group);
            let (ks, r1) = (k0..self.shape.k.min(k0 + terms), rows.min(r0 + group));
            let start = k0 * padded + r0 * ks.len();
            let len = (r1 - r0).next_multiple_of(TILE_ROWS) * ks.len();
            // SAFETY: tasks pack different tiles.
            pack_left(level, left, r0..r1, ks, unsafe { out.range(start..start + len) });
        });
    }

    /// Packs the whole right operand: per block of k, per panel of columns.
    fn pack_right<T: GemmElement>(&self, pool: &Pool, level: Level, right: Matrix<'_, T>, out: &mut [T]) {
        let cols = self.extents().1;
        let tiles = T::micro_kernels(level);
        let padded = tiles.padded(cols);
        // Several panels per task, since a row is read across panels.
        let group = tiles.width() * 8;
        let groups = cols.div_ceil(group);
        let out = SharedSlice::new(out);
        let terms = block_terms(level);
        pool.run(self.shape.k.div_ceil(terms) * groups, |_, task| {
            let (k0, c0) = (task / groups * terms, task % groups * group);
            let (ks, cs) = (k0..self.shape.k.min(k0 + terms), c0..cols.min(c0 + group));
            let start = k0 * padded + c0 * ks.len();
            let len = tiles.padded(cs.len()) * ks.len();
            // SAFETY: tasks pack different panels.
            let panels = unsafe { out.range(start..start + len) };
            right.pack(level, ks, cs, tiles.widths(), panels);
        });
    }
}
