//! The axes of a reduction, merged, and how the work is divided. Both depend on the shape alone.

use hyperglow_core::Shape;

/// Elements of a part, when a reduction with few results is divided.
const PART_ELEMENTS: usize = 1 << 16;
/// Tasks enough to keep every thread busy.
const MIN_TASKS: usize = 32;

/// An axis: extent, and elements between neighbors.
type Axis = (usize, usize);

/// A reduction as: for every kept index, over every outer reduced index, a run of rows. A row is `width` elements
/// side by side, each of which belongs to another result; a run is `rows` rows without gaps.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Kept axes without the innermost, if that is kept.
    kept: Box<[Axis]>,
    /// Reduced axes outside the runs.
    outer: Box<[Axis]>,
    /// Rows of a run.
    pub rows: usize,
    /// Elements of a row: the extent of the innermost axis if that is kept, else 1.
    pub width: usize,
    /// Number of kept indices.
    pub groups: usize,
    /// Runs of each kept index.
    pub runs: usize,
    /// Parts into which each group's elements are divided.
    pub parts: usize,
}

impl Layout {
    pub fn new(shape: &Shape, axes: &[usize]) -> Layout {
        // Neighboring axes of one kind become one axis.
        let mut merged: Vec<(usize, usize, bool)> = Vec::new();
        for (i, (&extent, stride)) in shape.dims().iter().zip(shape.strides()).enumerate() {
            let reduced = axes.contains(&i);
            match merged.last_mut() {
                _ if extent == 1 => {}
                Some(last) if last.2 == reduced => *last = (last.0 * extent, stride, reduced),
                _ => merged.push((extent, stride, reduced)),
            }
        }
        let width = match merged.last() {
            Some(&(extent, _, false)) => {
                merged.pop();
                extent
            }
            _ => 1,
        };
        let rows = match merged.last() {
            Some(&(extent, _, true)) => {
                merged.pop();
                extent
            }
            _ => 1,
        };
        let of = |wanted: bool| -> Box<[Axis]> {
            merged
                .iter()
                .filter(|axis| axis.2 == wanted)
                .map(|&(extent, stride, _)| (extent, stride))
                .collect()
        };
        let (kept, outer) = (of(false), of(true));
        let count = |axes: &[Axis]| axes.iter().map(|axis| axis.0).product::<usize>();
        let (groups, runs) = (count(&kept), count(&outer));
        let elements = runs * rows * width;
        let few = groups * width.div_ceil(super::combine::STRIP_COLUMNS) < MIN_TASKS;
        let parts = if few {
            elements
                .div_ceil(PART_ELEMENTS)
                .clamp(1, MIN_TASKS)
                .min(runs.max(rows))
                .max(1)
        } else {
            1
        };
        Layout {
            kept,
            outer,
            rows,
            width,
            groups,
            runs,
            parts,
        }
    }

    /// The same, not divided into parts.
    pub fn whole(self) -> Layout {
        Layout { parts: 1, ..self }
    }

    /// The length of a result's elements, if these lie side by side, and so do those of different results.
    pub fn row_len(&self) -> Option<usize> {
        let in_order = match *self.kept {
            [] => true,
            [(_, stride)] => stride == self.rows,
            _ => false,
        };
        (self.width == 1 && self.runs == 1 && self.parts == 1 && in_order).then_some(self.rows)
    }

    /// Where group `group` starts.
    pub fn group_start(&self, group: usize) -> usize {
        place(&self.kept, group)
    }

    /// Calls `visit(start, rows)` for every stretch of rows in part `part` of a group that starts at `start`.
    pub fn stretches(&self, start: usize, part: usize, mut visit: impl FnMut(usize, usize)) {
        let share = |n: usize| n * part / self.parts..n * (part + 1) / self.parts;
        if self.runs >= self.rows {
            share(self.runs).for_each(|run| visit(start + place(&self.outer, run), self.rows));
        } else {
            let rows = share(self.rows);
            for run in 0..self.runs {
                visit(
                    start + place(&self.outer, run) + rows.start * self.width,
                    rows.len(),
                );
            }
        }
    }
}

fn place(axes: &[Axis], index: usize) -> usize {
    let (mut at, mut rest) = (0, index);
    for &(extent, stride) in axes.iter().rev() {
        at += rest % extent * stride;
        rest /= extent;
    }
    at
}
