//! How the work is divided into tasks. Results do not depend on it.

use std::ops::Range;

use super::transform::POSITIONS;
use super::{CACHE, Geometry, Winograd};
use crate::cpu::gemm::TILE_ROWS;

/// Tiles of a task at most.
const TILES: usize = 128;

/// Images, planes of results and rows of tiles of one task; parts of the panels of outputs.
#[derive(Clone, Copy)]
pub(super) struct Division {
    pub images: usize,
    pub planes: usize,
    pub rows: usize,
    pub parts: usize,
}

/// A task.
pub(super) struct Part {
    pub group: usize,
    pub images: Range<usize>,
    pub planes: Range<usize>,
    pub rows: Range<usize>,
    pub panels: Range<usize>,
}

impl Division {
    /// The smallest tasks.
    pub const SMALLEST: Division = Division {
        images: 1,
        planes: 1,
        rows: 1,
        parts: 1,
    };
}

impl Winograd {
    /// For so many threads.
    pub(super) fn divide(&self, threads: usize) -> Division {
        let Geometry {
            stride,
            depth,
            to,
            tiles: [rows, columns],
            ..
        } = self.geometry;
        let most = (CACHE / (POSITIONS * stride * depth)).clamp(TILE_ROWS, TILES);
        let wanted = 4 * threads;
        let mut division = Division {
            images: (most / (rows * columns)).clamp(1, self.batch),
            planes: 1,
            rows: (most / columns).clamp(1, rows),
            parts: 1,
        };
        while division.images > 1 && self.groups * self.batch.div_ceil(division.images) < wanted {
            division.images -= 1;
        }
        // Rows in equal shares.
        division.rows = rows.div_ceil(rows.div_ceil(division.rows));
        let tiles = division.images * division.rows * columns;
        if depth > 1 {
            let planes = CACHE / (POSITIONS * stride * tiles);
            division.planes = planes.saturating_sub(depth - 1).clamp(1, to[0]);
        }
        let panels = self.outputs.div_ceil(self.panel);
        division.parts = wanted.div_ceil(self.pieces(&division)).clamp(1, panels);
        division
    }

    /// Tasks of all panels.
    fn pieces(&self, division: &Division) -> usize {
        self.groups
            * self.batch.div_ceil(division.images)
            * self.geometry.to[0].div_ceil(division.planes)
            * self.geometry.tiles[0].div_ceil(division.rows)
    }

    /// Task number `task`.
    pub(super) fn part(&self, task: usize) -> Part {
        let Division {
            images,
            planes,
            rows,
            parts,
        } = self.division;
        let mut rest = task;
        let mut take = |extent: usize, share: usize| {
            let count = extent.div_ceil(share);
            let start = rest % count * share;
            rest /= count;
            start..extent.min(start + share)
        };
        let panels = self.outputs.div_ceil(self.panel);
        Part {
            panels: take(panels, panels.div_ceil(parts)),
            rows: take(self.geometry.tiles[0], rows),
            planes: take(self.geometry.to[0], planes),
            images: take(self.batch, images),
            group: rest,
        }
    }

    /// Number of tasks.
    pub(super) fn tasks(&self) -> usize {
        let panels = self.outputs.div_ceil(self.panel);
        self.pieces(&self.division) * panels.div_ceil(panels.div_ceil(self.division.parts))
    }

    /// Tiles of one task.
    pub(super) fn tiles(&self) -> usize {
        self.division.images * self.division.rows * self.geometry.tiles[1]
    }
}
