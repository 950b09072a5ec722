//! Large float32 products with the matrix instructions of recent server processors (AMX), which multiply bfloat16
//! and add in float32, at some 16 times the rate of the vector units.
//!
//! Each number is split into three bfloat16 that add up to it; of the nine products of parts the six that matter at
//! the precision of a float32 are summed (Henry, Tang, Heinecke, "Leveraging the bfloat16 artificial intelligence
//! datatype for higher-precision computations", 2019). What is left out is at most 2^-24 of a term, as much as
//! rounding it once. Parts below 2^-126 are taken for 0, and so are results. Operands with numbers beyond 2^62 or not
//! finite are left to the vector units.

mod kernel;
mod pack;

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use self::kernel::{PANEL, PANEL_STEP, STEP, Tiles};
use self::pack::{Operand, pack, packed_len};
use super::product::Geometry;
use super::region::Warm;
use crate::cpu::exec::{Args, scratch_bytes};
use crate::cpu::level::Level;
use crate::cpu::pool::{Pool, SharedSlice};
use crate::cpu::transpose::transpose_raw;

pub(crate) use kernel::available;

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

/// Where a region goes.
#[derive(Clone, Copy)]
struct Out {
    start: *mut f32,
    stride: usize,
    /// Rows and columns exchanged.
    transposed: bool,
}

/// An operand, and its packed form if that is shared.
#[derive(Clone, Copy)]
struct Side<'a> {
    operand: Operand<'a>,
    lines: usize,
    packed: Option<&'a [u32]>,
}

impl<'a> Side<'a> {
    /// The operand, packed into `place` unless that is empty. `None` if a number cannot be split.
    fn new(
        level: Level,
        pool: &Pool,
        operand: Operand<'a>,
        (lines, k, depth): (usize, usize, usize),
        place: &'a mut [u32],
    ) -> Option<Side<'a>> {
        if place.is_empty() {
            return Some(Side {
                operand,
                lines,
                packed: None,
            });
        }
        // Some panels at a time, since rows may be read across them.
        const GROUP: usize = 4 * PANEL;
        let groups = lines.div_ceil(GROUP);
        let fine = AtomicBool::new(true);
        let out = SharedSlice::new(place);
        pool.run(k.div_ceil(depth) * groups, |_, task| {
            let (k0, line) = (task / groups * depth, task % groups * GROUP);
            let (terms, some) = (k0..k.min(k0 + depth), line..lines.min(line + GROUP));
            let start = packed_len(lines, k0) + packed_len(line, terms.len());
            let len = packed_len(some.len(), terms.len());
            // SAFETY: tasks pack different panels; the processor has AVX-512 where it has these instructions.
            if !unsafe { pack(level, operand, some, terms, out.range(start..start + len)) } {
                fine.store(false, Ordering::Relaxed);
            }
        });
        fine.into_inner().then_some(Side {
            operand,
            lines,
            packed: Some(place),
        })
    }

    /// The packed panels of some lines and a block of terms; packed on the way into `work` if they are not shared.
    /// Whether all numbers could be split.
    fn panels<'b>(
        &self,
        level: Level,
        lines: Range<usize>,
        terms: Range<usize>,
        work: &'b mut [u32],
    ) -> (&'b [u32], bool)
    where
        'a: 'b,
    {
        match self.packed {
            Some(all) => (
                &all[packed_len(self.lines, terms.start) + packed_len(lines.start, terms.len())..],
                true,
            ),
            None => {
                // SAFETY: the processor has AVX-512 where it has these instructions.
                let fine = unsafe { pack(level, self.operand, lines, terms, work) };
                (work, fine)
            }
        }
    }
}

/// One product, with what is shared packed.
struct Job<'a> {
    level: Level,
    k: usize,
    depth: usize,
    left: Side<'a>,
    right: Side<'a>,
}

impl<'a> Job<'a> {
    /// `None` if a number of a shared operand cannot be split.
    fn new(
        split: &Split,
        args: &Args<'_>,
        a: &'a [f32],
        b: &'a [f32],
        place: (&'a mut [u32], &'a mut [u32]),
    ) -> Option<Job<'a>> {
        let shape = split.shape;
        let rows = Operand {
            data: a,
            line: shape.a.0,
            term: shape.a.1,
            right: split.swapped,
        };
        let cols = Operand {
            data: b,
            line: shape.b.1,
            term: shape.b.0,
            right: !split.swapped,
        };
        let (left, right) = if split.swapped { (cols, rows) } else { (rows, cols) };
        let (level, pool, extents) = (args.level(), args.pool(), split.extents());
        Some(Job {
            level,
            k: shape.k,
            depth: split.depth,
            left: Side::new(level, pool, left, (extents.0, shape.k, split.depth), place.0)?,
            right: Side::new(level, pool, right, (extents.1, shape.k, split.depth), place.1)?,
        })
    }

    /// Computes rows and columns of the result, which start at whole panels if an operand is shared. False if a
    /// number could not be split: then the result is not valid.
    ///
    /// # Safety
    /// `out` must have room for the region and be used by nobody else.
    unsafe fn region(
        &self,
        rows: Range<usize>,
        cols: Range<usize>,
        out: Out,
        warm: Warm<'_>,
        work: &mut [u32],
    ) -> bool {
        let depth = self.k.min(self.depth);
        let left_len = if self.left.packed.is_some() {
            0
        } else {
            packed_len(PANEL, depth)
        };
        let (left_work, right_work) = work.split_at_mut(left_len);
        // SAFETY: this runs only at a level that has the instructions.
        let tiles = unsafe { Tiles::new() };
        let mut fine = true;
        for k0 in (0..self.k).step_by(self.depth) {
            let terms = k0..self.k.min(k0 + self.depth);
            let panel = terms.len().div_ceil(STEP) * PANEL_STEP;
            let (right, split) = self
                .right
                .panels(self.level, cols.clone(), terms.clone(), right_work);
            fine &= split;
            // A row of tiles at a time, so that the result is written in long rows.
            for r in rows.clone().step_by(PANEL) {
                let (left, split) =
                    self.left
                        .panels(self.level, r..rows.end.min(r + PANEL), terms.clone(), left_work);
                fine &= split;
                for (c, right) in cols.clone().step_by(PANEL).zip(right.chunks_exact(panel)) {
                    let valid = (PANEL.min(rows.end - r), PANEL.min(cols.end - c));
                    if k0 == 0 {
                        warm.ask(size_of::<f32>(), r..r + valid.0, c..c + valid.1);
                    }
                    let (i, j) = (r - rows.start, c - cols.start);
                    let at = if out.transposed {
                        j * out.stride + i
                    } else {
                        i * out.stride + j
                    };
                    // SAFETY: the panels hold the steps, and the tile lies in the region.
                    unsafe {
                        let out = Out {
                            start: out.start.add(at),
                            ..out
                        };
                        tile(self.level, &tiles, (&left[..panel], right), out, valid, k0 > 0);
                    }
                }
            }
        }
        fine
    }
}

/// Writes a tile, or adds it to what is there.
///
/// # Safety
/// The panels must be of one length, and `out` have room for the valid rows and columns.
unsafe fn tile(
    level: Level,
    tiles: &Tiles,
    (left, right): (&[u32], &[u32]),
    out: Out,
    (rows, cols): (usize, usize),
    add: bool,
) {
    let steps = right.len() / PANEL_STEP;
    // SAFETY: as the caller promises; `sums` and `turned` have room for a whole tile.
    unsafe {
        if (rows, cols) == (PANEL, PANEL) && !out.transposed && !add {
            tiles.product(steps, left.as_ptr(), right.as_ptr(), out.start, out.stride);
            return;
        }
        let mut sums = MaybeUninit::<Sums>::uninit();
        tiles.product(
            steps,
            left.as_ptr(),
            right.as_ptr(),
            sums.as_mut_ptr().cast(),
            PANEL,
        );
        if !out.transposed {
            merge(sums.assume_init_ref(), (rows, cols), out, add);
            return;
        }
        let mut turned = MaybeUninit::<Sums>::uninit();
        let (from, to) = (sums.as_ptr().cast::<f32>(), turned.as_mut_ptr().cast());
        transpose_raw(level, from, (1, PANEL), (PANEL, PANEL), to, PANEL);
        merge(turned.assume_init_ref(), (cols, rows), out, add);
    }
}

/// A tile on its way.
#[repr(C, align(64))]
struct Sums([f32; PANEL * PANEL]);

/// # Safety
/// As for [`tile`], and AVX-512.
#[target_feature(enable = "avx512f")]
unsafe fn merge(sums: &Sums, (rows, cols): (usize, usize), out: Out, add: bool) {
    for (i, line) in sums.0.chunks_exact(PANEL).take(rows).enumerate() {
        // SAFETY: as the caller promises.
        let to = unsafe { std::slice::from_raw_parts_mut(out.start.add(i * out.stride), cols) };
        if add {
            to.iter_mut().zip(line).for_each(|(to, sum)| *to += sum);
        } else {
            to.copy_from_slice(&line[..cols]);
        }
    }
}
