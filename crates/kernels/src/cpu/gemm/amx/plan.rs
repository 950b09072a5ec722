//! How a bf16x3 product is divided into tasks and blocks.

use std::ops::Range;

use super::layout::{
    PANEL_LINES, SKINNY_STEP_WORDS, STEP_TERMS, TILE_LINES, packed_words, skinny_block_words,
};
use crate::cpu::exec::scratch_bytes;
use crate::cpu::gemm::macro_kernel::work_len;
use crate::cpu::gemm::shape::GemmShape;
use crate::cpu::level::Level;

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
/// Elements of the block that a task packs which packs for itself.
const ALONE_ELEMENTS: usize = 1 << 17;
/// Multiply-adds from which on splitting the operands pays.
pub(super) const MIN_FMAS: usize = 1 << 21;
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
pub(in crate::cpu::gemm) struct Bf16x3 {
    pub shape: GemmShape,
    /// Computed as C^T = B^T A^T.
    pub swapped: bool,
    /// Rows and columns of a task (of C^T if swapped).
    pub task: (usize, usize),
    /// Terms of a block.
    pub depth: usize,
    pub share_left: bool,
    pub share_right: bool,
    /// The left operand is the one that streams if it is not shared; else the right one is.
    pub stream_left: bool,
    /// Computed in skinny tiles of the operand that is packed on the way: each task packs its group of the other one.
    pub skinny: bool,
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
    pub fn group(&self, left: bool) -> usize {
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
    pub fn extents(&self) -> (usize, usize) {
        let (m, n) = (self.shape.m, self.shape.n);
        if self.swapped { (n, m) } else { (m, n) }
    }

    /// Words of scratch: packed left operand, packed right one, work of one thread.
    pub fn scratch(&self, level: Level) -> (usize, usize, usize) {
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

    /// Whether the epilogue sees every part once: either all numbers are known to split before the first product, or a part whose
    /// numbers do not split is computed by another algorithm before its epilogue.
    pub fn epilogue_runs_once(&self) -> bool {
        self.skinny || self.share_left && self.share_right && self.shape.batch == 1
    }

    /// How many tasks there are, and columns of the result that one of them has.
    pub fn tasks_and_columns(&self) -> (usize, usize) {
        let columns = if self.swapped { self.task.0 } else { self.task.1 };
        (self.tasks(), columns.min(self.shape.n))
    }

    pub fn tasks(&self) -> usize {
        let (rows, cols) = self.extents();
        rows.div_ceil(self.task.0) * cols.div_ceil(self.task.1)
    }

    /// Rows and columns of a task. Neighbors share columns.
    pub fn part(&self, task: usize) -> (Range<usize>, Range<usize>) {
        let (rows, cols) = self.extents();
        let down = rows.div_ceil(self.task.0);
        let (r, c) = (task % down * self.task.0, task / down * self.task.1);
        (r..rows.min(r + self.task.0), c..cols.min(c + self.task.1))
    }
}

/// Words of work for a task of so many rows and columns: a block of the short side with the ring's slots between, or
/// the work of the vector units; and a flag for each skinny tile.
fn skinny_words(level: Level, (rows, cols): (usize, usize), (k, depth): (usize, usize)) -> usize {
    let vectors = |rows, cols| work_len::<f32>(level, k, rows, cols, true, true);
    let work = vectors(rows, cols).max(vectors(cols, rows));
    let len = work.max(skinny_block_words(k.min(depth))) + rows.max(cols).div_ceil(TILE_LINES);
    // The next thread's work begins at a whole cache line, too.
    len.next_multiple_of(SKINNY_STEP_WORDS)
}
