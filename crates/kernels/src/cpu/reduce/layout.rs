//! The merged axes of a reduction, and its splits. Both depend only on the shape.

use hyperglow_core::Shape;

/// Elements of a split of a reduction with few results.
const SPLIT_ELEMENTS: usize = 1 << 16;
/// Minimal number of tasks that keeps every thread busy.
const MIN_TASKS: usize = 32;

/// An axis: (extent, stride).
type Axis = (usize, usize);

/// A reduction as (kept.., outer reduced.., rows, width) -> (kept.., width). A run is `rows` rows of `width` contiguous elements,
/// each of which belongs to a different result.
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
    /// Number of splits of each group's elements, which are reduced independently.
    pub splits: usize,
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
        let few = groups * width.div_ceil(super::reducer::STRIP_COLUMNS) < MIN_TASKS;
        let splits = if few {
            elements
                .div_ceil(SPLIT_ELEMENTS)
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
            splits,
        }
    }

    /// The same reduction in one split.
    pub fn unsplit(self) -> Layout {
        Layout { splits: 1, ..self }
    }

    /// The number of elements of a result, if the elements of each result and all results are contiguous.
    pub fn row_len(&self) -> Option<usize> {
        let in_order = match *self.kept {
            [] => true,
            [(_, stride)] => stride == self.rows,
            _ => false,
        };
        (self.width == 1 && self.runs == 1 && self.splits == 1 && in_order).then_some(self.rows)
    }

    /// Offset of the first element of a group.
    pub fn group_start(&self, group: usize) -> usize {
        offset(&self.kept, group)
    }

    /// Calls `visit(start, rows)` for every contiguous range of rows in a split of the group that starts at `start`.
    pub fn stretches(&self, start: usize, split: usize, mut visit: impl FnMut(usize, usize)) {
        let share = |n: usize| n * split / self.splits..n * (split + 1) / self.splits;
        if self.runs >= self.rows {
            share(self.runs).for_each(|run| visit(start + offset(&self.outer, run), self.rows));
        } else {
            let rows = share(self.rows);
            for run in 0..self.runs {
                visit(
                    start + offset(&self.outer, run) + rows.start * self.width,
                    rows.len(),
                );
            }
        }
    }
}

fn offset(axes: &[Axis], index: usize) -> usize {
    let (mut at, mut rest) = (0, index);
    for &(extent, stride) in axes.iter().rev() {
        at += rest % extent * stride;
        rest /= extent;
    }
    at
}
