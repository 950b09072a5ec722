//! Which products are computed in strips (see `strips.rs`), and how they are divided: the short side into groups, each of
//! which is packed by the task that multiplies with it, the long side into parts.

use super::kernel::{PANEL, STEP, UNIT};
use super::strips::SHORT;
use super::{Split, WORTH};

/// Terms of a block: a group's are in the second-level cache.
const DEPTH: usize = 1024;
/// Lines of a long side that is worth it if there is but one group.
const LONG: usize = 256;
/// Elements of a long side that stays in the second-level cache while every group is multiplied with it.
const AGAIN: usize = 1 << 18;
/// Numbers of groups, which threads can share: each is as much work as the others.
const GROUPS: [usize; 3] = [1, 2, 4];
/// Multiply-adds that may be done for two that are wanted.
const PADDED: usize = 5;
/// Multiply-adds in the time of splitting an element of the short side, which nothing is done beside.
const SPLITTING: usize = 40;
/// Lines of a part at least, if there are more tasks than threads; and tasks per thread, so that one that was held up
/// does not hold up the rest.
const LINES: (usize, usize) = (1024, 4);

/// A choice of the side that is split on the way.
#[derive(Clone, Copy)]
struct Choice {
    stream_left: bool,
    short: usize,
    long: usize,
    /// Terms of the long side lie side by side.
    in_rows: bool,
}

impl Choice {
    fn groups(&self) -> usize {
        self.short.div_ceil(SHORT)
    }

    /// Multiply-adds done, and others in the time of what nothing is done beside.
    fn done(&self, k: usize) -> usize {
        let multiplied = self.short.next_multiple_of(SHORT) * self.long.next_multiple_of(UNIT);
        multiplied * k.next_multiple_of(STEP) + SPLITTING * self.short * k
    }
}

impl Split {
    /// The same product in strips, if it suits. Whether it does is not decided by the number of threads, on which the
    /// sums must not depend.
    pub(super) fn in_strips(self, threads: usize) -> Option<Split> {
        let ((rows, cols), shape) = (self.extents(), self.shape);
        let wanted = shape.m * shape.n * shape.k;
        let (left, right) = if self.swapped {
            (shape.b.0, shape.a.1)
        } else {
            (shape.a.1, shape.b.0)
        };
        let choice = |stream_left, short, long, term| Choice {
            stream_left,
            short,
            long,
            in_rows: term == 1,
        };
        let suits = |choice: &Choice| {
            // In the cache, other kernels are faster where each line of memory holds a single term of some columns.
            let suits = if choice.long * shape.k > AGAIN {
                choice.groups() == 1 && choice.long >= LONG
            } else {
                choice.in_rows && GROUPS.contains(&choice.groups())
            };
            suits && 2 * choice.done(shape.k) <= PADDED * wanted
        };
        let Choice {
            stream_left,
            short,
            long,
            ..
        } = [choice(true, cols, rows, left), choice(false, rows, cols, right)]
            .into_iter()
            .filter(|choice| wanted >= WORTH && rows.min(cols) > PANEL && suits(choice))
            .min_by_key(|choice| choice.done(shape.k))?;
        let groups = short.div_ceil(SHORT);
        let parts = match threads {
            _ if groups.is_multiple_of(threads) => 1,
            _ => threads * (long / (threads * LINES.0)).clamp(1, LINES.1),
        };
        let (group, part) = (short.min(SHORT), long.div_ceil(parts).next_multiple_of(UNIT));
        Some(Split {
            task: if stream_left { (part, group) } else { (group, part) },
            depth: DEPTH,
            stream_left,
            in_strips: true,
            ..self
        })
    }
}
