//! Large float32 products with the matrix instructions of recent server processors (AMX), which multiply bfloat16
//! and add in float32, at some 16 times the rate of the vector units.
//!
//! Each number is split into three bfloat16 that add up to it; of the nine products of parts the six that matter at
//! the precision of a float32 are summed (Henry, Tang, Heinecke, "Leveraging the bfloat16 artificial intelligence
//! datatype for higher-precision computations", 2019). What is left out is at most 2^-23 of a term, about what
//! rounding its factors costs. Parts below 2^-126 are taken for 0, and so are results. Operands with numbers beyond
//! 2^62 or not finite are left to the vector units.

mod job;
mod kernel;
mod pack;
mod panels;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use self::job::{Job, Out};
use self::kernel::{PANEL, STEP};
use self::pack::packed_len;
use super::product::Geometry;
use super::region::Warm;
use crate::cpu::exec::{Args, scratch_bytes};
use crate::cpu::pool::SharedSlice;

pub(crate) use kernel::available;
pub(crate) use panels::{Multiplier, SIDE, pack_columns, pack_rows, panels_len};

/// Rows and columns of a task at most, and terms of a block: the task's panels are in the second-level cache.
const TASK: (usize, usize, usize) = (512, 512, 384);
/// The same where there are no more columns than this: then memory is read in longer rows.
const NARROW: (usize, usize, usize) = (128, 128, 1024);
/// The same where there are no more rows than this: then the right operand is packed on the way, long rows at a time.
const FLAT: (usize, usize, usize) = (128, 256, 256);
/// Tasks per thread, so that one that was held up does not hold up the rest.
const TASKS: usize = 4;
/// Elements of an operand that is packed once for all tasks.
const SHARED: usize = 1 << 22;
/// Multiply-adds from which on splitting the operands pays.
const WORTH: usize = 1 << 21;
/// Rows and columns from which on the tiles are full enough.
const EXTENT: usize = 24;
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
}

impl Split {
    /// The product, if it is worth it.
    pub fn new(shape: Geometry, threads: usize) -> Option<Split> {
        let Geometry { m, n, k, a, b, .. } = shape;
        if m * n * k < WORTH || m < EXTENT || n < EXTENT || k < STEP {
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
        let mut task = (rows.min(most_rows), cols.min(most_cols));
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
        Some(
            Split {
                shape,
                swapped,
                task,
                depth,
                share_left: false,
                share_right: false,
            }
            .divided(task),
        )
    }

    /// The same product with tasks of this many rows and columns.
    fn divided(self, task: (usize, usize)) -> Split {
        let ((rows, cols), k) = (self.extents(), self.shape.k);
        Split {
            task,
            share_left: cols > task.1 && rows * k <= SHARED,
            share_right: rows > task.0 && cols * k <= SHARED,
            ..self
        }
    }

    /// The same product for [`Split::run_tiles`], if it suits.
    pub fn in_tiles(self) -> Option<Split> {
        let tiles = Split {
            share_left: true,
            share_right: true,
            task: TILE,
            ..self
        };
        let (m, n, k) = (self.shape.m, self.shape.n, self.shape.k);
        (!self.swapped && self.shape.batch == 1 && m * k <= SHARED && n * k <= SHARED).then_some(tiles)
    }

    /// Rows and columns of what is computed.
    fn extents(&self) -> (usize, usize) {
        let (m, n) = (self.shape.m, self.shape.n);
        if self.swapped { (n, m) } else { (m, n) }
    }

    /// Words of scratch: packed left operand, packed right one, work of one thread.
    fn scratch(&self) -> (usize, usize, usize) {
        let ((rows, cols), k) = (self.extents(), self.shape.k);
        let shared = |share: bool, lines: usize| if share { packed_len(lines, k) } else { 0 };
        let own = |share: bool, lines: usize| {
            if share {
                0
            } else {
                packed_len(lines, k.min(self.depth))
            }
        };
        // A panel of the left operand is packed as it is wanted.
        let work = own(self.share_left, PANEL) + own(self.share_right, self.task.1);
        (
            shared(self.share_left, rows),
            shared(self.share_right, cols),
            work,
        )
    }

    /// Bytes of scratch that [`Split::run`] and [`Split::run_tiles`] take.
    pub fn scratch_bytes(&self, threads: usize) -> usize {
        let (left, right, work) = self.scratch();
        scratch_bytes::<u32>(left) + scratch_bytes::<u32>(right) + scratch_bytes::<u32>(work * threads)
    }

    /// Computes all products, or gives false: a number cannot be split.
    pub fn run(&self, args: &Args<'_>, a: &[f32], b: &[f32], c: &mut [f32]) -> bool {
        let Geometry { batch, m, n, k, .. } = self.shape;
        assert!(c.len() >= batch * m * n);
        let (left_len, right_len, work_len) = self.scratch();
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
                    job.region(rows, cols, out, Warm::NOTHING, work)
                };
                if !split {
                    fine.store(false, Ordering::Relaxed);
                }
            });
            fine.into_inner()
        })
    }

    /// Computes the product in tiles, each of which is given to `use_up(worker, row, columns, elements)` row by row,
    /// in `room` for one tile of every thread. False if a number cannot be split: then nothing was done.
    pub fn run_tiles(
        &self,
        args: &Args<'_>,
        (a, b): (&[f32], &[f32]),
        room: &mut [f32],
        warm: Warm<'_>,
        use_up: impl Fn(usize, usize, Range<usize>, &[f32]) + Sync,
    ) -> bool {
        let (left_len, right_len, _) = self.scratch();
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
                use_up(worker, row, cols.clone(), &line[..cols.len()]);
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
