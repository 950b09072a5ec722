//! Which products are computed in skinny tiles (see `skinny.rs`), and how they are divided. The short side is divided
//! into groups: a task packs the group that it multiplies with. The long side is divided into parts.

use super::layout::{PANEL_LINES, STEP_TERMS, TILE_LINES};
use super::plan::{Bf16x3, MIN_FMAS};
use super::skinny::SHORT_LINES;

/// Terms of a block: a group's are in the second-level cache.
const BLOCK_TERMS: usize = 1024;
/// Lines of a long side that is worth it if there is but one group.
const LONG_LINES: usize = 256;
/// Elements of a long side that stays in the second-level cache while every group is multiplied with it.
const CACHED_ELEMENTS: usize = 1 << 18;
/// Numbers of groups that threads can share evenly.
const SHARED_GROUPS: [usize; 3] = [1, 2, 4];
/// Multiply-adds, padding included, that may be done for two that are wanted.
const PADDED_FMAS_PER_2: usize = 5;
/// Multiply-adds in the time that splitting an element of the short side takes. Nothing is computed beside it.
const SPLIT_FMAS: usize = 40;
/// Lines of a part at least, if there are more tasks than threads.
const PART_LINES: usize = 1024;
/// Tasks per thread at most: a task that is held up then does not hold up the rest.
const TASKS_PER_THREAD: usize = 4;

/// A choice of the side that is split on the way.
#[derive(Clone, Copy)]
struct SkinnyChoice {
    stream_left: bool,
    short: usize,
    long: usize,
    /// Terms of the long side are contiguous.
    in_rows: bool,
}

impl SkinnyChoice {
    fn groups(&self) -> usize {
        self.short.div_ceil(SHORT_LINES)
    }

    /// Multiply-adds done, and the time of splitting the short side in multiply-adds.
    fn done(&self, k: usize) -> usize {
        let multiplied = self.short.next_multiple_of(SHORT_LINES) * self.long.next_multiple_of(TILE_LINES);
        multiplied * k.next_multiple_of(STEP_TERMS) + SPLIT_FMAS * self.short * k
    }
}

impl Bf16x3 {
    /// The same product in skinny tiles, if it suits. Whether it does is not decided by the number of threads, on which
    /// the sums must not depend.
    pub(super) fn skinny(self, threads: usize) -> Option<Bf16x3> {
        let ((rows, cols), shape) = (self.extents(), self.shape);
        let wanted = shape.m * shape.n * shape.k;
        let (left, right) = if self.swapped {
            (shape.b.0, shape.a.1)
        } else {
            (shape.a.1, shape.b.0)
        };
        let choice = |stream_left, short, long, term| SkinnyChoice {
            stream_left,
            short,
            long,
            in_rows: term == 1,
        };
        let suits = |choice: &SkinnyChoice| {
            // In the cache, other kernels are faster where each line of memory holds a single term of some columns.
            let suits = if choice.long * shape.k > CACHED_ELEMENTS {
                choice.groups() == 1 && choice.long >= LONG_LINES
            } else {
                choice.in_rows && SHARED_GROUPS.contains(&choice.groups())
            };
            suits && 2 * choice.done(shape.k) <= PADDED_FMAS_PER_2 * wanted
        };
        let SkinnyChoice {
            stream_left,
            short,
            long,
            ..
        } = [choice(true, cols, rows, left), choice(false, rows, cols, right)]
            .into_iter()
            .filter(|choice| wanted >= MIN_FMAS && rows.min(cols) > PANEL_LINES && suits(choice))
            .min_by_key(|choice| choice.done(shape.k))?;
        let groups = short.div_ceil(SHORT_LINES);
        let parts = match threads {
            _ if groups.is_multiple_of(threads) => 1,
            _ => threads * (long / (threads * PART_LINES)).clamp(1, TASKS_PER_THREAD),
        };
        let (group, part) = (
            short.min(SHORT_LINES),
            long.div_ceil(parts).next_multiple_of(TILE_LINES),
        );
        Some(Bf16x3 {
            task: if stream_left { (part, group) } else { (group, part) },
            depth: BLOCK_TERMS,
            stream_left,
            skinny: true,
            ..self
        })
    }
}
