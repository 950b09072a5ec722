//! A matrix product divided into tasks. The division never divides k, and an element is computed alike in every
//! task, so the bits do not depend on the number of threads.

use std::any::TypeId;

use super::amx::Bf16x3;
use super::epilogue::{Epilogue, run_epilogue, store_transposed};
use super::macro_kernel::{BLOCK_COLUMNS, Prefetch, work_len};
use super::micro_kernel::{GemmElement, TILE_ROWS};
use super::packed_task::PackedTask;
use super::shape::GemmShape;
use super::small::Small;
use crate::cpu::element::{same, same_mut};
use crate::cpu::exec::{Args, Plain, scratch_bytes};
use crate::cpu::level::Level;
use crate::cpu::pool::{SharedSlice, WorkerSlices};

/// Multiply-adds that make a task worth its handing out.
const TASK_FMAS: usize = 1 << 18;
/// Tasks wanted per thread: a task that is held up then does not hold up the rest.
const TASKS_PER_THREAD: usize = 4;
/// Tasks wanted in all.
const MIN_TASKS: usize = 24;
/// Elements of a packed right operand beyond which every task reads it from afar: fewer tasks are then better.
const FAR_ELEMENTS: usize = 1 << 18;
/// Elements of an operand that is packed once for all tasks.
const SHARED_ELEMENTS: usize = 1 << 22;
/// Rows up to which a product is computed as its transpose: packing the right operand would not pay.
const FEW_ROWS: usize = 192;
/// Rows so many bytes apart lie in the same set of the first-level cache.
const PAGE_BYTES: usize = 4096;
/// Columns of a task from which on rows of the same cache set are packed.
const COLLIDING_COLUMNS: usize = 128;
/// Panels of columns for which a left operand is read in place.
const FEW_PANELS: usize = 3;
/// Rows of a tile that is consumed at once: the tile is in the second-level cache with what it is made of.
const CONSUMED_ROWS: usize = 8 * TILE_ROWS;
/// Columns of such a tile.
const CONSUMED_COLUMNS: usize = 1024;
/// Elements of a result that is worth consuming tile by tile: it would not stay in the cache.
const LARGE_ELEMENTS: usize = 1 << 19;

/// The geometry of a product and how it is divided, fixed when a step is prepared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub(super) shape: GemmShape,
    /// Its small product, if it is one.
    small: Option<Small>,
    /// Its bf16x3 product, if it can be one. The other fields are about the packed product.
    bf16x3: Option<Bf16x3>,
    /// Computed as C^T = B^T A^T: B is then read in place, once.
    pub(super) swapped: bool,
    /// Rows and columns of a task (of C^T if swapped).
    pub(super) task: (usize, usize),
    pub(super) share_left: bool,
    pub(super) share_right: bool,
}

/// The algorithm of a product at a level.
enum Algorithm {
    /// By matrix instructions; if a number cannot be split, by one of the other algorithms.
    Bf16x3(Bf16x3),
    Small(Small),
    Packed,
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
        let shape = GemmShape { batch, m, n, k, a, b };
        let swapped = n > m && m <= FEW_ROWS;
        let (rows, cols) = if swapped { (n, m) } else { (m, n) };
        let (mut task_rows, mut task_cols) = (rows.max(1), cols.clamp(1, BLOCK_COLUMNS));
        if swapped {
            task_rows = task_rows.min(1020);
        }
        let afar = swapped && cols * k > FAR_ELEMENTS;
        let tasks = (threads * TASKS_PER_THREAD).max(if afar { MIN_TASKS / 3 } else { MIN_TASKS });
        while batch * rows.div_ceil(task_rows) * cols.div_ceil(task_cols) < tasks
            && task_rows * task_cols * k > 2 * TASK_FMAS
        {
            if task_cols > 256 && !swapped {
                task_cols = (task_cols / 2).next_multiple_of(64);
            } else if task_rows > 2 * TILE_ROWS {
                task_rows = (task_rows / 2).next_multiple_of(TILE_ROWS);
            } else {
                break;
            }
        }
        Product {
            shape,
            small: Small::new(shape, threads),
            bf16x3: Bf16x3::new(shape, threads),
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
                && self.shape.m * self.shape.k <= SHARED_ELEMENTS,
            share_right: self.shape.batch == 1
                && all_rows > rows
                && all_cols * self.shape.k <= SHARED_ELEMENTS,
            ..self
        }
    }

    /// The same product for [`Product::run_tiles`], if its result is large and its shape suits.
    pub fn consumed_in_tiles(self) -> Option<Product> {
        let tiles = Product {
            small: None,
            bf16x3: self.bf16x3.and_then(Bf16x3::consumed_in_tiles),
            ..self.divided(CONSUMED_ROWS, CONSUMED_COLUMNS)
        };
        let suits = self.shape.batch == 1
            && !self.swapped
            && self.shape.m * self.shape.n >= LARGE_ELEMENTS
            && self.shape.k > 0;
        (suits && tiles.share_right && (tiles.share_left || self.shape.a.1 == 1)).then_some(tiles)
    }

    /// Columns of the result.
    pub fn columns(&self) -> usize {
        self.shape.n
    }

    /// Rows and columns of what is computed.
    pub(super) fn extents(&self) -> (usize, usize) {
        if self.swapped {
            (self.shape.n, self.shape.m)
        } else {
            (self.shape.m, self.shape.n)
        }
    }

    /// Whether rows of the left operand lie whole pages apart, so that those of a tile compete for the same places of the first-level
    /// cache, and are used for columns enough that packing them pays.
    pub(super) fn rows_collide<T>(&self) -> bool {
        !self.swapped
            && self.shape.a.1 == 1
            && (self.shape.a.0 * size_of::<T>()).is_multiple_of(PAGE_BYTES)
            && self.task.1 >= COLLIDING_COLUMNS
    }

    /// Whether a swapped product packs its left operand, of which columns are contiguous: more than a few panels of columns read it.
    pub(super) fn packs_columns<T: GemmElement>(&self, level: Level) -> bool {
        self.swapped && self.shape.b.1 == 1 && self.shape.m > FEW_PANELS * T::micro_kernels(level).width()
    }

    /// Elements of scratch: packed left operand, packed right one, work of one thread.
    pub(super) fn scratch<T: GemmElement>(&self, level: Level) -> (usize, usize, usize) {
        let (rows, cols) = self.extents();
        let left = if self.share_left {
            rows.next_multiple_of(TILE_ROWS) * self.shape.k
        } else {
            0
        };
        let right = if self.share_right {
            T::micro_kernels(level).padded(cols) * self.shape.k
        } else {
            0
        };
        let pack_left = if self.swapped {
            self.packs_columns::<T>(level)
        } else {
            !self.share_left && (self.shape.a.1 != 1 || self.rows_collide::<T>())
        };
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
    pub fn scratch_bytes<T: GemmElement>(&self, level: Level, threads: usize) -> usize {
        let bytes = |product: &Product| {
            let bf16x3 = match product.algorithm::<T>(level) {
                Algorithm::Bf16x3(bf16x3) => bf16x3.scratch_bytes(level, threads),
                Algorithm::Small(_) | Algorithm::Packed => 0,
            };
            bf16x3
                + match product.small_at::<T>(level) {
                    Some(small) => small.scratch_bytes::<T>(level, threads),
                    None => product.packed_bytes::<T>(level, threads),
                }
        };
        bytes(self).max(self.consumed_in_tiles().map_or(0, |tiles| bytes(&tiles)))
    }

    /// Bytes of scratch of the packed product.
    fn packed_bytes<T: GemmElement>(&self, level: Level, threads: usize) -> usize {
        let (left, right, work) = self.scratch::<T>(level);
        scratch_bytes::<T>(left) + scratch_bytes::<T>(right) + scratch_bytes::<T>(work * threads)
    }

    /// Its small product at this level, if that is better than packing.
    fn small_at<T: GemmElement>(&self, level: Level) -> Option<Small> {
        self.small.filter(|small| small.suits::<T>(level))
    }

    /// How it is computed at this level.
    fn algorithm<T: GemmElement>(&self, level: Level) -> Algorithm {
        let small = self.small_at::<T>(level);
        let matrix = level.matrix() && TypeId::of::<T>() == TypeId::of::<f32>();
        match (self.bf16x3.filter(|_| matrix), small) {
            (Some(bf16x3), None) => Algorithm::Bf16x3(bf16x3),
            (Some(bf16x3), Some(_)) if bf16x3.is_full() => Algorithm::Bf16x3(bf16x3),
            (_, Some(small)) => Algorithm::Small(small),
            (None, None) => Algorithm::Packed,
        }
    }

    /// How many tasks there are, and columns of one of them.
    pub fn tasks<T: GemmElement>(&self, level: Level) -> (usize, usize) {
        match self.algorithm::<T>(level) {
            Algorithm::Bf16x3(bf16x3) => bf16x3.tasks_and_columns(),
            Algorithm::Small(small) => small.tasks_and_columns(),
            Algorithm::Packed => {
                let ((rows, cols), task) = (self.extents(), self.task);
                let tasks = self.shape.batch * rows.div_ceil(task.0) * cols.div_ceil(task.1);
                let columns = if self.swapped { task.0 } else { task.1 };
                (tasks, columns.min(self.shape.n))
            }
        }
    }

    /// Whether a part may be computed, and given to the epilogue, a second time.
    pub fn epilogue_may_repeat<T: GemmElement>(&self, level: Level) -> bool {
        matches!(self.algorithm::<T>(level), Algorithm::Bf16x3(bf16x3) if !bf16x3.epilogue_runs_once())
    }

    /// The algorithm at this level, in words.
    pub fn algorithm_name<T: GemmElement>(&self, level: Level) -> &'static str {
        match self.algorithm::<T>(level) {
            Algorithm::Bf16x3(_) => "bf16x3, matrix instructions",
            Algorithm::Small(_) => "unpacked",
            Algorithm::Packed if self.swapped => "packed, transposed result",
            Algorithm::Packed => "packed",
        }
    }

    /// Computes all products.
    pub fn run<T: GemmElement + Plain>(&self, args: &Args<'_>, a: &[T], b: &[T], c: &mut [T]) {
        self.run_with_epilogue(args, (a, b), c, None);
    }

    /// Computes all products, and calls `epilogue`; if [`Product::epilogue_may_repeat`], some parts
    /// perhaps twice.
    pub fn run_with_epilogue<T: GemmElement + Plain>(
        &self,
        args: &Args<'_>,
        (a, b): (&[T], &[T]),
        c: &mut [T],
        epilogue: Option<&Epilogue<'_, T>>,
    ) {
        assert_eq!(c.len(), self.shape.batch * self.shape.m * self.shape.n);
        if c.is_empty() {
            return;
        }
        if let Algorithm::Bf16x3(bf16x3) = self.algorithm::<T>(args.level())
            && let (Some(a), Some(b), Some(c)) = (same(a), same(b), same_mut(&mut *c))
        {
            let epilogue = epilogue.map(|epilogue| {
                move |worker: usize, start: usize, elements: &[f32]| {
                    let elements = same(elements).expect("elements are float32, as the operands were");
                    epilogue(worker, start, elements);
                }
            });
            if bf16x3.run(
                args,
                (a, b),
                c,
                epilogue.as_ref().map(|epilogue| epilogue as &Epilogue<'_, f32>),
            ) {
                return;
            }
        }
        if let Some(small) = self.small_at::<T>(args.level()) {
            small.run(args, (a, b), c, epilogue);
            return;
        }
        let (level, c) = (args.level(), SharedSlice::new(c));
        self.each_task(args, a, b, |task| {
            let result = task.batch * self.shape.m * self.shape.n;
            let (worker, rows, cols) = (task.worker, task.rows.clone(), task.cols.clone());
            if self.swapped {
                let (small, work) = task.work.split_at_mut(rows.len() * cols.len());
                // SAFETY: `small` has room for the block and is this task's.
                unsafe {
                    PackedTask { work, ..task }.compute(
                        level,
                        self.shape.k,
                        small.as_mut_ptr(),
                        cols.len(),
                        Prefetch::NONE,
                    )
                };
                store_transposed(small, cols.clone(), rows.clone(), &c, result, self.shape.n);
            } else {
                // SAFETY: the block lies within C, and is no other task's.
                unsafe {
                    let start = c
                        .as_mut_ptr()
                        .add(result + rows.start * self.shape.n + cols.start);
                    task.compute(level, self.shape.k, start, self.shape.n, Prefetch::NONE);
                }
            }
            if let Some(epilogue) = epilogue {
                let part = if self.swapped { (cols, rows) } else { (rows, cols) };
                // SAFETY: the part is this task's, and is written.
                unsafe { run_epilogue(&c, result, self.shape.n, part, worker, epilogue) };
            }
        });
    }

    /// Elements of [`Product::run_tiles`]' room for one tile, and between its rows.
    fn tile_len(&self) -> (usize, usize) {
        // A stride that is no power of two, so that rows do not compete for the same cache sets.
        let stride = self.task.1.min(self.shape.n) + 16;
        (self.task.0.min(self.shape.m) * stride, stride)
    }

    /// Whether a result's place has room for a tile of each thread.
    pub fn has_room(&self, threads: usize) -> bool {
        self.tile_len().0 * threads <= self.shape.m * self.shape.n
    }

    /// Computes the product in tiles, each of which is given to `consume(worker, start, elements)` row by
    /// row and then forgotten. They are made in `room`, the place where the result would have gone; `prefetch` is what
    /// `consume` reads besides.
    pub fn run_tiles<T: GemmElement + Plain>(
        &self,
        args: &Args<'_>,
        a: &[T],
        b: &[T],
        room: &mut [T],
        prefetch: Prefetch<'_>,
        consume: impl Fn(usize, usize, &[T]) + Sync,
    ) {
        if let Algorithm::Bf16x3(bf16x3) = self.algorithm::<T>(args.level())
            && let (Some(a), Some(b), Some(room)) = (same(a), same(b), same_mut(room))
            && bf16x3.run_tiles(args, (a, b), room, prefetch, |worker, start, line: &[f32]| {
                let line = same(line).expect("elements are float32, as the operands were");
                consume(worker, start, line);
            })
        {
            return;
        }
        let (len, stride) = self.tile_len();
        let (level, room) = (args.level(), WorkerSlices::new(room, len));
        self.each_task(args, a, b, |task| {
            let (worker, rows, cols) = (task.worker, task.rows.clone(), task.cols.clone());
            // SAFETY: a worker's own tile.
            let tile = unsafe { room.of(worker) };
            // SAFETY: the tile has room for the block.
            unsafe { task.compute(level, self.shape.k, tile.as_mut_ptr(), stride, prefetch) };
            for (row, line) in rows.zip(tile.chunks(stride)) {
                consume(worker, row * self.shape.n + cols.start, &line[..cols.len()]);
            }
        });
    }
}
