//! Large float32 products with the matrix instructions of recent server processors (AMX), which multiply bfloat16
//! and add in float32, at some 16 times the rate of the vector units.
//!
//! bf16x3: each number is split into three bfloat16 that add up to it; of the nine products of parts the six that
//! matter at the precision of a float32 are summed (Henry, Tang, Heinecke, "Leveraging the bfloat16 artificial
//! intelligence datatype for higher-precision computations", 2019). What is left out is at most 2^-23 of a term, about
//! what rounding its factors costs. Parts below 2^-126 are taken for 0, and so are results. Operands with numbers
//! beyond 2^62 or not finite are left to the vector units.

mod bf16;
mod macro_tile;
mod micro_kernel;
mod pack;
mod panels;
mod prepared;
mod records;
mod skinny;
mod skinny_plan;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use self::micro_kernel::STEP_TERMS;
use self::pack::packed_words;
use self::prepared::{OutView, Prepared};
use self::skinny::skinny_words;
use super::epilogue::{Epilogue, run_epilogue};
use super::macro_kernel::Prefetch;
use super::shape::GemmShape;
use crate::cpu::exec::{Args, scratch_bytes};
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;

pub(crate) use micro_kernel::PANEL_LINES;
pub(crate) use micro_kernel::available;
pub(crate) use panels::{TileMultiplier, pack_columns, pack_rows, panels_words};
pub(crate) use records::{RECORD_CHANNELS, RECORD_WORDS, RECORDS_PER_TILE, pack_records};

/// Rows and columns of a task at most, and terms of a block: the task's panels are in the second-level cache.
struct Blocking {
    rows: usize,
    columns: usize,
    terms: usize,
}

/// The blocking of a result that is neither narrow nor flat.
const SQUARE: Blocking = Blocking {
    rows: 512,
    columns: 512,
    terms: 384,
};
/// The blocking of a result with no more columns than this: memory is read in longer rows.
const NARROW: Blocking = Blocking {
    rows: 512,
    columns: 128,
    terms: 1024,
};
/// The blocking of a result with no more rows than this: the right operand is packed on the way, long rows at a time.
const FLAT: Blocking = Blocking {
    rows: 128,
    columns: 256,
    terms: 256,
};
/// Tasks per thread: a task that is held up then does not hold up the rest.
const TASKS_PER_THREAD: usize = 4;
/// Elements of an operand that is packed once for all tasks.
const SHARED_ELEMENTS: usize = 1 << 22;
/// Elements of a block that is packed on the way, at most.
const STREAM_ELEMENTS: usize = 1 << 16;
/// Lines of such a block, at most.
const STREAM_LINES: usize = 8 * PANEL_LINES;
/// Multiply-adds up to which every task packs for itself.
const ALONE_FMAS: usize = 1 << 27;
/// Elements of the block that each of these tasks packs.
const ALONE_ELEMENTS: usize = 1 << 17;
/// Multiply-adds from which on splitting the operands pays.
const MIN_FMAS: usize = 1 << 21;
/// Rows and columns from which on the tiles are full enough.
const MIN_LINES: usize = 24;
/// Share of the multiply-adds that are no padding, in eighths, from which on the tiles beat small products.
const MIN_FILL_EIGHTHS: usize = 5;
/// Rows of a tile that is consumed at once.
const CONSUMED_ROWS: usize = PANEL_LINES;
/// Columns of such a tile.
const CONSUMED_COLUMNS: usize = 1024;

/// A product by these instructions and how it is divided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bf16x3 {
    shape: GemmShape,
    /// Computed as C^T = B^T A^T.
    swapped: bool,
    /// Rows and columns of a task (of C^T if swapped).
    task: (usize, usize),
    /// Terms of a block.
    depth: usize,
    share_left: bool,
    share_right: bool,
    /// The left operand is the one that streams if it is not shared; else the right one is.
    stream_left: bool,
    /// Computed in skinny tiles of the operand that is packed on the way: each task packs its group of the other one.
    skinny: bool,
}

impl Bf16x3 {
    /// The product, if it is worth it.
    pub fn new(shape: GemmShape, threads: usize) -> Option<Bf16x3> {
        let GemmShape { m, n, k, a, b, .. } = shape;
        if m < MIN_LINES || n < MIN_LINES || k < STEP_TERMS {
            return None;
        }
        // What has to be transposed on the way, either way: operands that lie badly, and the result.
        let plainly = usize::from(a.1 != 1) * m * k + usize::from(b.1 != 1) * n * k;
        let swapped = usize::from(b.0 != 1) * n * k + usize::from(a.0 != 1) * m * k + m * n;
        let swapped = swapped < plainly;
        let (rows, cols) = if swapped { (n, m) } else { (m, n) };
        // Not by the number of threads, on which the sums must not depend.
        let blocking = match () {
            () if cols <= NARROW.columns => NARROW,
            () if rows <= FLAT.rows => FLAT,
            () => SQUARE,
        };
        let bf16x3 = Bf16x3 {
            shape,
            swapped,
            task: (rows, cols),
            depth: blocking.terms,
            share_left: false,
            share_right: false,
            stream_left: true,
            skinny: false,
        };
        if let Some(skinny) = bf16x3.skinny(threads) {
            return Some(skinny);
        }
        if m * n * k < MIN_FMAS {
            return None;
        }
        if let Some(alone) = bf16x3.alone(threads) {
            return Some(alone);
        }
        let mut task = (rows.min(blocking.rows), cols.min(blocking.columns));
        if cols <= NARROW.columns {
            // A task repeats reading the columns, which fill the second-level cache: as few tasks as there can be.
            task.0 = task.0.min(rows.div_ceil(threads).next_multiple_of(PANEL_LINES));
            return Some(bf16x3.divided(task));
        }
        while rows.div_ceil(task.0) * cols.div_ceil(task.1) < threads * TASKS_PER_THREAD
            && threads > 1
            && task.0 * task.1 > 4 * PANEL_LINES * PANEL_LINES
        {
            let side = if task.0 >= task.1 {
                &mut task.0
            } else {
                &mut task.1
            };
            *side = (*side / 2).next_multiple_of(PANEL_LINES);
        }
        Some(bf16x3.divided(task))
    }

    /// The same product with a task for each thread, which packs for itself all that it needs: to fetch what another
    /// processor has just packed takes longer, unless it is much.
    fn alone(self, threads: usize) -> Option<Bf16x3> {
        let (rows, cols) = self.extents();
        let (short, long) = (rows.min(cols), rows.max(cols));
        let suits = rows * cols * self.shape.k <= ALONE_FMAS
            && short * self.shape.k.min(self.depth) <= ALONE_ELEMENTS
            && long.div_ceil(PANEL_LINES) >= 2 * threads;
        let part = long.div_ceil(threads).next_multiple_of(PANEL_LINES);
        suits.then_some(Bf16x3 {
            task: if rows >= cols { (part, cols) } else { (rows, part) },
            stream_left: rows >= cols,
            ..self
        })
    }

    /// The same product with tasks of this many rows and columns.
    fn divided(self, task: (usize, usize)) -> Bf16x3 {
        let ((rows, cols), k) = (self.extents(), self.shape.k);
        Bf16x3 {
            task,
            share_left: cols > task.1 && rows * k <= SHARED_ELEMENTS,
            share_right: rows > task.0 && cols * k <= SHARED_ELEMENTS,
            stream_left: !(cols > task.1 && rows * k <= SHARED_ELEMENTS),
            ..self
        }
    }

    /// The same product for [`Bf16x3::run_tiles`], if it suits.
    pub fn consumed_in_tiles(self) -> Option<Bf16x3> {
        let tiles = Bf16x3 {
            share_left: true,
            share_right: true,
            task: (CONSUMED_ROWS, CONSUMED_COLUMNS),
            skinny: false,
            ..self
        };
        let (m, n, k) = (self.shape.m, self.shape.n, self.shape.k);
        (!self.swapped && self.shape.batch == 1 && m * k <= SHARED_ELEMENTS && n * k <= SHARED_ELEMENTS)
            .then_some(tiles)
    }

    /// Lines of a block of the left or the right operand, when it is packed on the way: a panel, or more where they lie
    /// side by side.
    fn group(&self, left: bool) -> usize {
        let GemmShape { k, a, b, .. } = self.shape;
        let line = if left == self.swapped { b.1 } else { a.0 };
        let lines = if left { self.task.0 } else { self.task.1 };
        let most = if line == 1 {
            STREAM_ELEMENTS / k.min(self.depth)
        } else {
            PANEL_LINES
        };
        lines
            .min(most.clamp(PANEL_LINES, STREAM_LINES))
            .next_multiple_of(PANEL_LINES)
    }

    /// Rows and columns of what is computed.
    fn extents(&self) -> (usize, usize) {
        let (m, n) = (self.shape.m, self.shape.n);
        if self.swapped { (n, m) } else { (m, n) }
    }

    /// Words of scratch: packed left operand, packed right one, work of one thread.
    fn scratch(&self, level: Level) -> (usize, usize, usize) {
        let ((rows, cols), k) = (self.extents(), self.shape.k);
        if self.skinny {
            return (0, 0, skinny_words(level, self.task, (k, self.depth)));
        }
        let shared = |share: bool, lines: usize| if share { packed_words(lines, k) } else { 0 };
        let depth = k.min(self.depth);
        // One that is packed on the way has places for two blocks, the other one for a block.
        let pieces = |left| 2 * packed_words(self.group(left), depth);
        let block = |share: bool, lines: usize| if share { 0 } else { packed_words(lines, depth) };
        let work = match (self.share_left && self.share_right, self.stream_left) {
            (true, _) => 0,
            (false, true) => pieces(true) + block(self.share_right, self.task.1),
            (false, false) => pieces(false) + block(self.share_left, self.task.0),
        };
        (
            shared(self.share_left, rows),
            shared(self.share_right, cols),
            work,
        )
    }

    /// Bytes of scratch that [`Bf16x3::run`] and [`Bf16x3::run_tiles`] take.
    pub fn scratch_bytes(&self, level: Level, threads: usize) -> usize {
        let (left, right, work) = self.scratch(level);
        scratch_bytes::<u32>(left) + scratch_bytes::<u32>(right) + scratch_bytes::<u32>(work * threads)
    }

    /// Whether little of what the tiles compute is padding.
    pub fn is_full(&self) -> bool {
        let GemmShape { m, n, k, .. } = self.shape;
        if self.skinny {
            return true;
        }
        let padded = m.next_multiple_of(PANEL_LINES)
            * n.next_multiple_of(PANEL_LINES)
            * k.next_multiple_of(STEP_TERMS);
        8 * m * n * k >= MIN_FILL_EIGHTHS * padded
    }

    /// Whether the epilogue sees every part once: it is known before that all numbers can be split, or what cannot be
    /// is computed otherwise at its place.
    pub fn epilogue_runs_once(&self) -> bool {
        self.skinny || self.share_left && self.share_right && self.shape.batch == 1
    }

    /// How many tasks there are, and columns of the result that one of them has.
    pub fn tasks_and_columns(&self) -> (usize, usize) {
        let columns = if self.swapped { self.task.0 } else { self.task.1 };
        (self.tasks(), columns.min(self.shape.n))
    }

    /// Computes all products, and calls `epilogue`; or gives false: a number cannot be split.
    pub fn run(
        &self,
        args: &Args<'_>,
        (a, b): (&[f32], &[f32]),
        c: &mut [f32],
        epilogue: Option<&Epilogue<'_, f32>>,
    ) -> bool {
        let GemmShape { batch, m, n, k, .. } = self.shape;
        assert!(c.len() >= batch * m * n);
        let (left_len, right_len, work_len) = self.scratch(args.level());
        let threads = args.pool().threads();
        let place = (
            args.scratch(left_len),
            args.scratch(right_len),
            args.scratch(work_len * threads),
        );
        let result = SharedSlice::new(c);
        (0..batch).all(|product| {
            let (a, b) = (&a[product * m * k..], &b[product * k * n..]);
            let Some(prepared) = Prepared::new(self, args, a, b, (&mut *place.0, &mut *place.1)) else {
                return false;
            };
            let work = SharedSlice::new(&mut *place.2);
            let in_range = AtomicBool::new(true);
            args.pool().run(self.tasks(), |worker, task| {
                let (rows, cols) = self.part(task);
                let at = if self.swapped {
                    cols.start * n + rows.start
                } else {
                    rows.start * n + cols.start
                };
                // SAFETY: a worker's own work; tasks are different parts of the result, which has room for them.
                let split = unsafe {
                    let work = work.range(worker * work_len..(worker + 1) * work_len);
                    let start = result.as_mut_ptr().add(product * m * n + at);
                    let out = OutView {
                        start,
                        stride: n,
                        transposed: self.swapped,
                    };
                    prepared.macro_tile(rows.clone(), cols.clone(), out, Prefetch::NONE, work)
                };
                let part = if self.swapped { (cols, rows) } else { (rows, cols) };
                match epilogue {
                    _ if !split => in_range.store(false, Ordering::Relaxed),
                    // SAFETY: the part is this task's, and is written.
                    Some(epilogue) => unsafe {
                        run_epilogue(&result, product * m * n, n, part, worker, epilogue)
                    },
                    None => {}
                }
            });
            in_range.into_inner()
        })
    }

    /// Computes the product in tiles, each of which is given to `consume(worker, start, elements)` row by row,
    /// in `room` for one tile of every thread. False if a number cannot be split: then nothing was done.
    pub fn run_tiles(
        &self,
        args: &Args<'_>,
        (a, b): (&[f32], &[f32]),
        room: &mut [f32],
        prefetch: Prefetch<'_>,
        consume: impl Fn(usize, usize, &[f32]) + Sync,
    ) -> bool {
        let (left_len, right_len, _) = self.scratch(args.level());
        let Some(prepared) = Prepared::new(
            self,
            args,
            a,
            b,
            (args.scratch(left_len), args.scratch(right_len)),
        ) else {
            return false;
        };
        let room = SharedSlice::new(room);
        args.pool().run(self.tasks(), |worker, task| {
            let (rows, cols) = self.part(task);
            // Rows do not lie a power of two apart, where they would compete for places in the cache.
            let stride = self.task.1.min(self.shape.n) + 16;
            let len = self.task.0.min(self.shape.m) * stride;
            // SAFETY: a worker's own tile, which has room for the part.
            let tile = unsafe {
                let tile = room.range(worker * len..(worker + 1) * len);
                let out = OutView {
                    start: tile.as_mut_ptr(),
                    stride,
                    transposed: false,
                };
                prepared.macro_tile(rows.clone(), cols.clone(), out, prefetch, &mut []);
                tile
            };
            for (row, line) in rows.zip(tile.chunks(stride)) {
                consume(worker, row * self.shape.n + cols.start, &line[..cols.len()]);
            }
        });
        true
    }

    fn tasks(&self) -> usize {
        let (rows, cols) = self.extents();
        rows.div_ceil(self.task.0) * cols.div_ceil(self.task.1)
    }

    /// Rows and columns of a task. Neighbours share columns.
    fn part(&self, task: usize) -> (Range<usize>, Range<usize>) {
        let (rows, cols) = self.extents();
        let down = rows.div_ceil(self.task.0);
        let (r, c) = (task % down * self.task.0, task / down * self.task.1);
        (r..rows.min(r + self.task.0), c..cols.min(c + self.task.1))
    }
}
