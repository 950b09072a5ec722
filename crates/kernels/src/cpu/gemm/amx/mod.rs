//! Large float32 products with the matrix instructions of recent server processors (AMX), which multiply bfloat16
//! and add in float32, at some 16 times the rate of the vector units.
//!
//! Each number is split into three bfloat16 that add up to it; of the nine products of parts the six that matter at
//! the precision of a float32 are summed (Henry, Tang, Heinecke, "Leveraging the bfloat16 artificial intelligence
//! datatype for higher-precision computations", 2019). What is left out is at most 2^-23 of a term, about what
//! rounding its factors costs. Parts below 2^-126 are taken for 0, and so are results. Operands with numbers beyond
//! 2^62 or not finite are left to the vector units.

mod groups;
mod job;
mod kernel;
mod pack;
mod panels;
mod parts;
mod places;
mod region;
mod strips;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use self::job::{Job, Out};
use self::kernel::{PANEL, STEP};
use self::pack::packed_len;
use self::strips::strips_len;
use super::region::Warm;
use super::result::{Geometry, Then, hand_on};
use crate::cpu::exec::{Args, scratch_bytes};
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;

pub(crate) use panels::{Multiplier, SIDE, pack_columns, pack_rows, panels_len};
pub(crate) use places::{PLACES, RECORD, RECORD_CHANNELS, pack_places};

/// Rows and columns of a task at most, and terms of a block: the task's panels are in the second-level cache.
const TASK: (usize, usize, usize) = (512, 512, 384);
/// The same where there are no more columns than this: then memory is read in longer rows.
const NARROW: (usize, usize, usize) = (512, 128, 1024);
/// The same where there are no more rows than this: then the right operand is packed on the way, long rows at a time.
const FLAT: (usize, usize, usize) = (128, 256, 256);
/// Tasks per thread, so that one that was held up does not hold up the rest.
const TASKS: usize = 4;
/// Elements of an operand that is packed once for all tasks.
const SHARED: usize = 1 << 22;
/// Elements and lines of a piece that is packed on the way, at most.
const PIECE: usize = 1 << 16;
const LONG: usize = 8 * PANEL;
/// Multiply-adds up to which every task packs for itself, and elements of the block that each of them packs then.
const ALONE: (usize, usize) = (1 << 27, 1 << 17);
/// Multiply-adds from which on splitting the operands pays.
const WORTH: usize = 1 << 21;
/// Rows and columns from which on the tiles are full enough.
const EXTENT: usize = 24;
/// Share of the multiply-adds that are no padding, in eighths, from which on the tiles beat reading in place.
const FULL: usize = 5;
/// Rows and columns of a tile that is used up at once.
const TILE: (usize, usize) = (PANEL, 1024);

/// A product by these instructions and how it is divided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    shape: Geometry,
    /// Computed as C^T = B^T A^T.
    swapped: bool,
    /// Rows and columns of a task (of C^T if swapped).
    task: (usize, usize),
    /// Terms of a block.
    depth: usize,
    share_left: bool,
    share_right: bool,
    /// Of the operands that are not shared, the left one is packed piece by piece; a right one then block by block.
    stream_left: bool,
    /// Computed in strips of the operand that is packed on the way: each task packs its group of the other one.
    in_strips: bool,
}

impl Split {
    /// The product, if it is worth it.
    pub fn new(shape: Geometry, threads: usize) -> Option<Split> {
        let Geometry { m, n, k, a, b, .. } = shape;
        if m < EXTENT || n < EXTENT || k < STEP {
            return None;
        }
        // What has to be transposed on the way, either way: operands that lie badly, and the result.
        let plainly = usize::from(a.1 != 1) * m * k + usize::from(b.1 != 1) * n * k;
        let swapped = usize::from(b.0 != 1) * n * k + usize::from(a.0 != 1) * m * k + m * n;
        let swapped = swapped < plainly;
        let (rows, cols) = if swapped { (n, m) } else { (m, n) };
        // Not by the number of threads, on which the sums must not depend.
        let (most_rows, most_cols, depth) = match () {
            () if cols <= NARROW.1 => NARROW,
            () if rows <= FLAT.0 => FLAT,
            () => TASK,
        };
        let split = Split {
            shape,
            swapped,
            task: (rows, cols),
            depth,
            share_left: false,
            share_right: false,
            stream_left: true,
            in_strips: false,
        };
        if let Some(strips) = split.in_strips(threads) {
            return Some(strips);
        }
        if m * n * k < WORTH {
            return None;
        }
        if let Some(alone) = split.alone(threads) {
            return Some(alone);
        }
        let mut task = (rows.min(most_rows), cols.min(most_cols));
        if cols <= NARROW.1 {
            // A task repeats reading the columns, which fill the second-level cache: as few tasks as there can be.
            task.0 = task.0.min(rows.div_ceil(threads).next_multiple_of(PANEL));
            return Some(split.divided(task));
        }
        while rows.div_ceil(task.0) * cols.div_ceil(task.1) < threads * TASKS
            && threads > 1
            && task.0 * task.1 > 4 * PANEL * PANEL
        {
            let side = if task.0 >= task.1 {
                &mut task.0
            } else {
                &mut task.1
            };
            *side = (*side / 2).next_multiple_of(PANEL);
        }
        Some(split.divided(task))
    }

    /// The same product with a task for each thread, which packs for itself all that it needs: to fetch what another
    /// processor has just packed takes longer, unless it is much.
    fn alone(self, threads: usize) -> Option<Split> {
        let (rows, cols) = self.extents();
        let (short, long) = (rows.min(cols), rows.max(cols));
        let suits = rows * cols * self.shape.k <= ALONE.0
            && short * self.shape.k.min(self.depth) <= ALONE.1
            && long.div_ceil(PANEL) >= 2 * threads;
        let part = long.div_ceil(threads).next_multiple_of(PANEL);
        suits.then_some(Split {
            task: if rows >= cols { (part, cols) } else { (rows, part) },
            stream_left: rows >= cols,
            ..self
        })
    }

    /// The same product with tasks of this many rows and columns.
    fn divided(self, task: (usize, usize)) -> Split {
        let ((rows, cols), k) = (self.extents(), self.shape.k);
        Split {
            task,
            share_left: cols > task.1 && rows * k <= SHARED,
            share_right: rows > task.0 && cols * k <= SHARED,
            stream_left: !(cols > task.1 && rows * k <= SHARED),
            ..self
        }
    }

    /// The same product for [`Split::run_tiles`], if it suits.
    pub fn in_tiles(self) -> Option<Split> {
        let tiles = Split {
            share_left: true,
            share_right: true,
            task: TILE,
            in_strips: false,
            ..self
        };
        let (m, n, k) = (self.shape.m, self.shape.n, self.shape.k);
        (!self.swapped && self.shape.batch == 1 && m * k <= SHARED && n * k <= SHARED).then_some(tiles)
    }

    /// Lines of a piece of the left or the right operand, when it is packed on the way: a panel, or more where they lie
    /// side by side.
    fn group(&self, left: bool) -> usize {
        let Geometry { k, a, b, .. } = self.shape;
        let line = if left == self.swapped { b.1 } else { a.0 };
        let lines = if left { self.task.0 } else { self.task.1 };
        let most = if line == 1 {
            PIECE / k.min(self.depth)
        } else {
            PANEL
        };
        lines.min(most.clamp(PANEL, LONG)).next_multiple_of(PANEL)
    }

    /// Rows and columns of what is computed.
    fn extents(&self) -> (usize, usize) {
        let (m, n) = (self.shape.m, self.shape.n);
        if self.swapped { (n, m) } else { (m, n) }
    }

    /// Words of scratch: packed left operand, packed right one, work of one thread.
    fn scratch(&self, level: Level) -> (usize, usize, usize) {
        let ((rows, cols), k) = (self.extents(), self.shape.k);
        if self.in_strips {
            return (0, 0, strips_len(level, self.task, (k, self.depth)));
        }
        let shared = |share: bool, lines: usize| if share { packed_len(lines, k) } else { 0 };
        let depth = k.min(self.depth);
        // One that is packed on the way has places for two pieces, the other one for a block.
        let pieces = |left| 2 * packed_len(self.group(left), depth);
        let block = |share: bool, lines: usize| if share { 0 } else { packed_len(lines, depth) };
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

    /// Bytes of scratch that [`Split::run`] and [`Split::run_tiles`] take.
    pub fn scratch_bytes(&self, level: Level, threads: usize) -> usize {
        let (left, right, work) = self.scratch(level);
        scratch_bytes::<u32>(left) + scratch_bytes::<u32>(right) + scratch_bytes::<u32>(work * threads)
    }

    /// Whether little of what the tiles compute is padding.
    pub fn is_full(&self) -> bool {
        let Geometry { m, n, k, .. } = self.shape;
        if self.in_strips {
            return true;
        }
        let padded = m.next_multiple_of(PANEL) * n.next_multiple_of(PANEL) * k.next_multiple_of(STEP);
        8 * m * n * k >= FULL * padded
    }

    /// Whether every part is handed on but once: it is known before that all numbers can be split, or what cannot be is
    /// computed otherwise at its place.
    pub fn hands_on_once(&self) -> bool {
        self.in_strips || self.share_left && self.share_right && self.shape.batch == 1
    }

    /// How many tasks there are, and columns of the result that one of them has.
    pub fn tasks_and_columns(&self) -> (usize, usize) {
        let columns = if self.swapped { self.task.0 } else { self.task.1 };
        (self.tasks(), columns.min(self.shape.n))
    }

    /// Computes all products, and hands parts on to `then`; or gives false: a number cannot be split.
    pub fn run(
        &self,
        args: &Args<'_>,
        (a, b): (&[f32], &[f32]),
        c: &mut [f32],
        then: Option<&Then<'_, f32>>,
    ) -> bool {
        let Geometry { batch, m, n, k, .. } = self.shape;
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
            let Some(job) = Job::new(self, args, a, b, (&mut *place.0, &mut *place.1)) else {
                return false;
            };
            let work = SharedSlice::new(&mut *place.2);
            let fine = AtomicBool::new(true);
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
                    let out = Out {
                        start,
                        stride: n,
                        transposed: self.swapped,
                    };
                    job.region(rows.clone(), cols.clone(), out, Warm::NOTHING, work)
                };
                let part = if self.swapped { (cols, rows) } else { (rows, cols) };
                match then {
                    _ if !split => fine.store(false, Ordering::Relaxed),
                    // SAFETY: the part is this task's, and is written.
                    Some(then) => unsafe { hand_on(&result, product * m * n, n, part, worker, then) },
                    None => {}
                }
            });
            fine.into_inner()
        })
    }

    /// Computes the product in tiles, each of which is given to `use_up(worker, start, elements)` row by row,
    /// in `room` for one tile of every thread. False if a number cannot be split: then nothing was done.
    pub fn run_tiles(
        &self,
        args: &Args<'_>,
        (a, b): (&[f32], &[f32]),
        room: &mut [f32],
        warm: Warm<'_>,
        use_up: impl Fn(usize, usize, &[f32]) + Sync,
    ) -> bool {
        let (left_len, right_len, _) = self.scratch(args.level());
        let Some(job) = Job::new(
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
                let out = Out {
                    start: tile.as_mut_ptr(),
                    stride,
                    transposed: false,
                };
                job.region(rows.clone(), cols.clone(), out, warm, &mut []);
                tile
            };
            for (row, line) in rows.zip(tile.chunks(stride)) {
                use_up(worker, row * self.shape.n + cols.start, &line[..cols.len()]);
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
