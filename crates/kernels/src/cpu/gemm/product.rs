//! A matrix product divided into tasks. The division never divides k, and an element is computed alike in every
//! task, so the bits do not depend on the number of threads.

use std::any::TypeId;
use std::ops::Range;

use super::amx::Split;
use super::direct::Direct;
use super::pack::{Matrix, pack_left};
use super::region::{COLS, DEPTH, Left, Source, Target, Warm, region, work_len};
use super::result::{Geometry, Then, hand_on, store_transposed};
use super::tile::{ROWS, Tiled};
use crate::cpu::element::{same, same_mut};
use crate::cpu::exec::{Args, Plain, scratch_bytes};
use crate::cpu::level::Level;
use crate::cpu::pool::{Pool, SharedSlice};

/// Multiply-adds that make a task worth its handing out.
const TASK: usize = 1 << 18;
/// Tasks wanted per thread, so that one that was held up does not hold up the rest; and in all.
const TASKS: (usize, usize) = (4, 24);
/// Elements of a packed right operand beyond which every task reads it from afar: then fewer are better.
const AFAR: usize = 1 << 18;
/// Elements of an operand that is packed once for all tasks.
const SHARED: usize = 1 << 22;
/// Rows up to which a product is computed as its transpose: packing the right operand would not pay.
const FEW_ROWS: usize = 192;
/// Rows and columns of a tile that is used up at once: in the second-level cache with what it is made of.
const TILE: (usize, usize) = (8 * ROWS, 1024);
/// Elements of a result that is worth being used up tile by tile: it would not stay in the cache.
const LARGE: usize = 1 << 19;

/// The geometry of a product and how it is divided, fixed when a step is prepared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    shape: Geometry,
    /// How it is computed directly, if it can be.
    direct: Option<Direct>,
    /// How it is computed by matrix instructions, if it can be. The rest is about the way by packing.
    split: Option<Split>,
    /// Computed as C^T = B^T A^T: B is then read in place, once.
    swapped: bool,
    /// Rows and columns of a task (of C^T if swapped).
    task: (usize, usize),
    share_left: bool,
    share_right: bool,
}

/// The way in which a product is computed at a level.
enum Way {
    /// By matrix instructions; if a number cannot be split, in one of the other ways.
    Split(Split),
    Direct(Direct),
    Packed,
}

/// A task: a part of the result and what it needs.
struct Task<'a, T> {
    worker: usize,
    batch: usize,
    rows: Range<usize>,
    cols: Range<usize>,
    left: Left<'a, T>,
    right: Matrix<'a, T>,
    packed_right: Option<(&'a [T], usize)>,
    work: &'a mut [T],
}

impl Product {
    /// `batch` products of m x k and k x n matrices, lying one after the other; `ta`, `tb` when stored transposed.
    /// The number of threads decides about the division, not about the result.
    pub fn new(
        batch: usize,
        (m, n, k): (usize, usize, usize),
        ta: bool,
        tb: bool,
        threads: usize,
    ) -> Product {
        let a = if ta { (1, m) } else { (k, 1) };
        let b = if tb { (1, k) } else { (n, 1) };
        let shape = Geometry { batch, m, n, k, a, b };
        let swapped = n > m && m <= FEW_ROWS;
        let (rows, cols) = if swapped { (n, m) } else { (m, n) };
        let (mut task_rows, mut task_cols) = (rows.max(1), cols.clamp(1, COLS));
        if swapped {
            task_rows = task_rows.min(1020);
        }
        let afar = swapped && cols * k > AFAR;
        let tasks = (threads * TASKS.0).max(if afar { TASKS.1 / 3 } else { TASKS.1 });
        while batch * rows.div_ceil(task_rows) * cols.div_ceil(task_cols) < tasks
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
        Product {
            shape,
            direct: Direct::new(shape, threads),
            split: Split::new(shape, threads),
            swapped,
            task: (0, 0),
            share_left: false,
            share_right: false,
        }
        .divided(task_rows, task_cols)
    }

    /// The same product with tasks of this many rows and columns.
    fn divided(self, rows: usize, cols: usize) -> Product {
        let (all_rows, all_cols) = self.extents();
        let left_lies_well = self.swapped || self.shape.a.1 == 1;
        Product {
            task: (rows, cols),
            share_left: !left_lies_well
                && all_cols > cols
                && self.shape.batch == 1
                && self.shape.m * self.shape.k <= SHARED,
            share_right: self.shape.batch == 1 && all_rows > rows && all_cols * self.shape.k <= SHARED,
            ..self
        }
    }

    /// The same product for [`Product::run_tiles`], if its result is large and its shape suits.
    pub fn in_tiles(self) -> Option<Product> {
        let tiles = Product {
            direct: None,
            split: self.split.and_then(Split::in_tiles),
            ..self.divided(TILE.0, TILE.1)
        };
        let suits = self.shape.batch == 1
            && !self.swapped
            && self.shape.m * self.shape.n >= LARGE
            && self.shape.k > 0;
        (suits && tiles.share_right && (tiles.share_left || self.shape.a.1 == 1)).then_some(tiles)
    }

    /// Columns of the result.
    pub fn columns(&self) -> usize {
        self.shape.n
    }

    /// Rows and columns of what is computed.
    fn extents(&self) -> (usize, usize) {
        if self.swapped {
            (self.shape.n, self.shape.m)
        } else {
            (self.shape.m, self.shape.n)
        }
    }

    /// Elements of scratch: packed left operand, packed right one, work of one thread.
    fn scratch<T: Tiled>(&self, level: Level) -> (usize, usize, usize) {
        let (rows, cols) = self.extents();
        let left = if self.share_left {
            rows.next_multiple_of(ROWS) * self.shape.k
        } else {
            0
        };
        let right = if self.share_right {
            T::tiles(level).padded(cols) * self.shape.k
        } else {
            0
        };
        let pack_left = !self.swapped && self.shape.a.1 != 1 && !self.share_left;
        let mut work = work_len::<T>(
            level,
            self.shape.k,
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

    /// Bytes that [`Product::run`] takes of an operation's scratch, or [`Product::run_tiles`] of the same product.
    pub fn scratch_bytes<T: Tiled>(&self, level: Level, threads: usize) -> usize {
        let bytes = |product: &Product| {
            let split = match product.chosen::<T>(level) {
                Way::Split(split) => split.scratch_bytes(level, threads),
                Way::Direct(_) | Way::Packed => 0,
            };
            split
                + match product.directly::<T>(level) {
                    Some(direct) => direct.scratch_bytes::<T>(level, threads),
                    None => product.packed_bytes::<T>(level, threads),
                }
        };
        bytes(self).max(self.in_tiles().map_or(0, |tiles| bytes(&tiles)))
    }

    /// Bytes of scratch of the way by packing.
    fn packed_bytes<T: Tiled>(&self, level: Level, threads: usize) -> usize {
        let (left, right, work) = self.scratch::<T>(level);
        scratch_bytes::<T>(left) + scratch_bytes::<T>(right) + scratch_bytes::<T>(work * threads)
    }

    /// How it is computed directly at this level, if that is better than packing.
    fn directly<T: Tiled>(&self, level: Level) -> Option<Direct> {
        self.direct.filter(|direct| direct.suits::<T>(level))
    }

    /// How it is computed at this level.
    fn chosen<T: Tiled>(&self, level: Level) -> Way {
        let direct = self.directly::<T>(level);
        let matrix = level.matrix() && TypeId::of::<T>() == TypeId::of::<f32>();
        match (self.split.filter(|_| matrix), direct) {
            (Some(split), None) => Way::Split(split),
            (Some(split), Some(_)) if split.is_full() => Way::Split(split),
            (_, Some(direct)) => Way::Direct(direct),
            (None, None) => Way::Packed,
        }
    }

    /// How many tasks there are, and columns of one of them.
    pub fn tasks<T: Tiled>(&self, level: Level) -> (usize, usize) {
        match self.chosen::<T>(level) {
            Way::Split(split) => split.tasks_and_columns(),
            Way::Direct(direct) => direct.tasks_and_columns(),
            Way::Packed => {
                let ((rows, cols), task) = (self.extents(), self.task);
                let tasks = self.shape.batch * rows.div_ceil(task.0) * cols.div_ceil(task.1);
                let columns = if self.swapped { task.0 } else { task.1 };
                (tasks, columns.min(self.shape.n))
            }
        }
    }

    /// Whether a part that was handed on may be computed and handed on again.
    pub fn may_repeat<T: Tiled>(&self, level: Level) -> bool {
        matches!(self.chosen::<T>(level), Way::Split(split) if !split.hands_on_once())
    }

    /// The way in which it is computed, in words.
    pub fn way<T: Tiled>(&self, level: Level) -> &'static str {
        match self.chosen::<T>(level) {
            Way::Split(_) => "matrix instructions",
            Way::Direct(_) => "direct",
            Way::Packed if self.swapped => "packed, transposed",
            Way::Packed => "packed",
        }
    }

    /// Computes all products.
    pub fn run<T: Tiled + Plain>(&self, args: &Args<'_>, a: &[T], b: &[T], c: &mut [T]) {
        self.run_then(args, (a, b), c, None);
    }

    /// Computes all products, and hands each finished part on to `then`; if [`Product::may_repeat`], some parts
    /// perhaps twice.
    pub fn run_then<T: Tiled + Plain>(
        &self,
        args: &Args<'_>,
        (a, b): (&[T], &[T]),
        c: &mut [T],
        then: Option<&Then<'_, T>>,
    ) {
        assert_eq!(c.len(), self.shape.batch * self.shape.m * self.shape.n);
        if c.is_empty() {
            return;
        }
        if let Way::Split(split) = self.chosen::<T>(args.level())
            && let (Some(a), Some(b), Some(c)) = (same(a), same(b), same_mut(&mut *c))
        {
            let then = then.map(|then| {
                move |worker: usize, start: usize, elements: &[f32]| {
                    let elements = same(elements).expect("elements are float32, as the operands were");
                    then(worker, start, elements);
                }
            });
            if split.run(args, (a, b), c, then.as_ref().map(|then| then as &Then<'_, f32>)) {
                return;
            }
        }
        if let Some(direct) = self.directly::<T>(args.level()) {
            direct.run(args, (a, b), c, then);
            return;
        }
        let (level, c) = (args.level(), SharedSlice::new(c));
        self.each_task(args, a, b, |task| {
            let result = task.batch * self.shape.m * self.shape.n;
            let (worker, rows, cols) = (task.worker, task.rows.clone(), task.cols.clone());
            if self.swapped {
                let (small, work) = task.work.split_at_mut(rows.len() * cols.len());
                // SAFETY: `small` has room for the region and is this task's.
                unsafe {
                    Task { work, ..task }.compute(
                        level,
                        self.shape.k,
                        small.as_mut_ptr(),
                        cols.len(),
                        Warm::NOTHING,
                    )
                };
                store_transposed(small, cols.clone(), rows.clone(), &c, result, self.shape.n);
            } else {
                // SAFETY: the region lies within C, and is no other task's.
                unsafe {
                    let start = c
                        .as_mut_ptr()
                        .add(result + rows.start * self.shape.n + cols.start);
                    task.compute(level, self.shape.k, start, self.shape.n, Warm::NOTHING);
                }
            }
            if let Some(then) = then {
                let part = if self.swapped { (cols, rows) } else { (rows, cols) };
                // SAFETY: the part is this task's, and is written.
                unsafe { hand_on(&c, result, self.shape.n, part, worker, then) };
            }
        });
    }

    /// Elements of [`Product::run_tiles`]' room for one tile, and between its rows.
    fn tile_len(&self) -> (usize, usize) {
        // Rows do not lie a power of two apart, where they would compete for places in the cache.
        let stride = self.task.1.min(self.shape.n) + 16;
        (self.task.0.min(self.shape.m) * stride, stride)
    }

    /// Whether a result's place has room for a tile of each thread.
    pub fn has_room(&self, threads: usize) -> bool {
        self.tile_len().0 * threads <= self.shape.m * self.shape.n
    }

    /// Computes the product in tiles, each of which is given to `use_up(worker, start, elements)` row by
    /// row and then forgotten. They are made in `room`, the place where the result would have gone; `warm` is what
    /// `use_up` reads besides.
    pub fn run_tiles<T: Tiled + Plain>(
        &self,
        args: &Args<'_>,
        a: &[T],
        b: &[T],
        room: &mut [T],
        warm: Warm<'_>,
        use_up: impl Fn(usize, usize, &[T]) + Sync,
    ) {
        if let Way::Split(split) = self.chosen::<T>(args.level())
            && let (Some(a), Some(b), Some(room)) = (same(a), same(b), same_mut(room))
            && split.run_tiles(args, (a, b), room, warm, |worker, start, line: &[f32]| {
                let line = same(line).expect("elements are float32, as the operands were");
                use_up(worker, start, line);
            })
        {
            return;
        }
        let (level, room) = (args.level(), SharedSlice::new(room));
        let (len, stride) = self.tile_len();
        self.each_task(args, a, b, |task| {
            let (worker, rows, cols) = (task.worker, task.rows.clone(), task.cols.clone());
            // SAFETY: a worker's own tile.
            let tile = unsafe { room.range(worker * len..(worker + 1) * len) };
            // SAFETY: the tile has room for the region.
            unsafe { task.compute(level, self.shape.k, tile.as_mut_ptr(), stride, warm) };
            for (row, line) in rows.zip(tile.chunks(stride)) {
                use_up(worker, row * self.shape.n + cols.start, &line[..cols.len()]);
            }
        });
    }

    /// Packs what is shared and calls `each` for every task.
    fn each_task<T: Tiled + Plain>(
        &self,
        args: &Args<'_>,
        a: &[T],
        b: &[T],
        each: impl Fn(Task<'_, T>) + Sync,
    ) {
        let (pool, level) = (args.pool(), args.level());
        let (left_len, right_len, work_len) = self.scratch::<T>(level);
        let (packed_left, packed_right) = (args.scratch::<T>(left_len), args.scratch::<T>(right_len));
        let work = SharedSlice::new(args.scratch::<T>(work_len * pool.threads()));
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
            let (batch, part) = (task / (row_tasks * col_tasks), task % (row_tasks * col_tasks));
            // Neighbouring tasks share columns, which are the dearer to pack.
            let (r0, c0) = (part % row_tasks * self.task.0, part / row_tasks * self.task.1);
            let left = left.from(batch * rows * self.shape.k);
            let left = if self.share_left {
                Left::Packed(packed_left, rows)
            } else if self.swapped && self.shape.b.1 == 1 {
                Left::InPlace(left)
            } else {
                Left::Matrix(left)
            };
            each(Task {
                worker,
                batch,
                rows: r0..rows.min(r0 + self.task.0),
                cols: c0..cols.min(c0 + self.task.1),
                left,
                right: right.from(batch * cols * self.shape.k),
                packed_right: self.share_right.then_some((&*packed_right, cols)),
                // SAFETY: a worker's own piece of the work space.
                work: unsafe { work.range(worker * work_len..(worker + 1) * work_len) },
            });
        });
    }

    /// Packs the whole left operand: per block of k, per tile of rows.
    fn pack_left<T: Tiled>(&self, pool: &Pool, level: Level, left: Matrix<'_, T>, out: &mut [T]) {
        let rows = self.shape.m;
        let padded = rows.next_multiple_of(ROWS);
        let group = 16 * ROWS;
        let groups = rows.div_ceil(group);
        let out = SharedSlice::new(out);
        pool.run(self.shape.k.div_ceil(DEPTH) * groups, |_, task| {
            let (k0, r0) = (task / groups * DEPTH, task % groups * group);
            let (ks, r1) = (k0..self.shape.k.min(k0 + DEPTH), rows.min(r0 + group));
            let start = k0 * padded + r0 * ks.len();
            let len = (r1 - r0).next_multiple_of(ROWS) * ks.len();
            // SAFETY: tasks pack different tiles.
            pack_left(level, left, r0..r1, ks, unsafe { out.range(start..start + len) });
        });
    }

    /// Packs the whole right operand: per block of k, per panel of columns.
    fn pack_right<T: Tiled>(&self, pool: &Pool, level: Level, right: Matrix<'_, T>, out: &mut [T]) {
        use super::pack::Right;
        let cols = self.extents().1;
        let tiles = T::tiles(level);
        let padded = tiles.padded(cols);
        // Some panels at a time, since rows are read across them.
        let group = tiles.width() * 8;
        let groups = cols.div_ceil(group);
        let out = SharedSlice::new(out);
        pool.run(self.shape.k.div_ceil(DEPTH) * groups, |_, task| {
            let (k0, c0) = (task / groups * DEPTH, task % groups * group);
            let (ks, cs) = (k0..self.shape.k.min(k0 + DEPTH), c0..cols.min(c0 + group));
            let start = k0 * padded + c0 * ks.len();
            let len = tiles.padded(cs.len()) * ks.len();
            // SAFETY: tasks pack different panels.
            let panels = unsafe { out.range(start..start + len) };
            right.pack(level, ks, cs, tiles.widths(), panels);
        });
    }
}

impl<T: Tiled> Task<'_, T> {
    /// Writes the task's part of the result to `start`, with `stride` elements between rows.
    ///
    /// # Safety
    /// That place must have room for the part, and be used by nobody else.
    unsafe fn compute(self, level: Level, k: usize, start: *mut T, stride: usize, warm: Warm<'_>) {
        let target = Target {
            start,
            stride,
            add: false,
            warm,
        };
        let right = match self.packed_right {
            Some((all, cols)) => Source::Packed(all, cols),
            None => Source::Pack(&self.right),
        };
        // SAFETY: as the caller promises; tasks start at whole tiles.
        unsafe {
            region(
                level, k, self.left, self.rows, &right, self.cols, target, self.work,
            )
        };
    }
}
