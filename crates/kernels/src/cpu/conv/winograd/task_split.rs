//! How the work is divided into tasks. Results do not depend on it.

use std::ops::Range;

use super::shape::{CACHE_ELEMENTS, WinogradShape};
use super::transform::COORDINATES;
use crate::cpu::gemm::TILE_ROWS;

/// Tiles of a task at most.
const MAX_TILES: usize = 128;

/// Images, planes of results and rows of tiles of one task; shares of the panels of outputs.
#[derive(Clone, Copy)]
pub(super) struct TaskSplit {
    pub images: usize,
    pub planes: usize,
    pub rows: usize,
    shares: usize,
    shape: WinogradShape,
    batch: usize,
    groups: usize,
    /// Panels of outputs of a group.
    panels: usize,
}

/// A task.
pub(super) struct TaskRange {
    pub group: usize,
    pub images: Range<usize>,
    pub planes: Range<usize>,
    pub rows: Range<usize>,
    pub panels: Range<usize>,
}

impl TaskSplit {
    /// Of `batch` images of `groups` groups with `panels` panels of outputs, for so many threads.
    pub fn new(
        shape: WinogradShape,
        (batch, groups, panels): (usize, usize, usize),
        threads: usize,
    ) -> TaskSplit {
        let WinogradShape {
            stride,
            depth,
            to,
            tiles: [rows, columns],
            ..
        } = shape;
        let most = (CACHE_ELEMENTS / (COORDINATES * stride * depth)).clamp(TILE_ROWS, MAX_TILES);
        let wanted = 4 * threads;
        let mut split = TaskSplit {
            images: (most / (rows * columns)).clamp(1, batch),
            planes: 1,
            rows: (most / columns).clamp(1, rows),
            shares: 1,
            shape,
            batch,
            groups,
            panels,
        };
        while split.images > 1 && groups * batch.div_ceil(split.images) < wanted {
            split.images -= 1;
        }
        // Rows in equal shares.
        split.rows = rows.div_ceil(rows.div_ceil(split.rows));
        if depth > 1 {
            let planes = CACHE_ELEMENTS / (COORDINATES * stride * split.tiles());
            split.planes = planes.saturating_sub(depth - 1).clamp(1, to[0]);
        }
        split.shares = wanted.div_ceil(split.tasks_of_all_panels()).clamp(1, panels);
        split
    }

    fn tasks_of_all_panels(&self) -> usize {
        self.groups
            * self.batch.div_ceil(self.images)
            * self.shape.to[0].div_ceil(self.planes)
            * self.shape.tiles[0].div_ceil(self.rows)
    }

    /// Task number `task`.
    pub fn task_range(&self, task: usize) -> TaskRange {
        let mut rest = task;
        let mut take = |extent: usize, share: usize| {
            let count = extent.div_ceil(share);
            let start = rest % count * share;
            rest /= count;
            start..extent.min(start + share)
        };
        TaskRange {
            panels: take(self.panels, self.panels.div_ceil(self.shares)),
            rows: take(self.shape.tiles[0], self.rows),
            planes: take(self.shape.to[0], self.planes),
            images: take(self.batch, self.images),
            group: rest,
        }
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.tasks_of_all_panels() * self.panels.div_ceil(self.panels.div_ceil(self.shares))
    }

    /// Tiles of one task.
    pub fn tiles(&self) -> usize {
        self.images * self.rows * self.shape.tiles[1]
    }
}
