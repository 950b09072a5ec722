//! Steps that go row by row: elementwise clusters and reductions inside of rows, one after the other, each of which
//! needs from the others nothing but the row it is at. A device may run such a group a few rows at a time, so that
//! what goes from one step to the next stays in the cache: a softmax with its loss and gradient is one pass.

use std::ops::Range;

use crate::op::Op;
use crate::plan::schedule::{Draft, reads, writes};
use crate::plan::{Cluster, SlotId, Step, StepKind, View};
use crate::shape::Shape;

/// Consecutive steps that can be run together, any number of rows at a time.
///
/// Every slot that a step of the group writes is divided into `rows` equal pieces, and is read by the group piece by
/// piece. The slots of a group are alive together: none lies over another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowGroup {
    /// The steps.
    pub steps: Range<usize>,
    /// Number of rows.
    pub rows: usize,
}

/// A group while it grows.
#[derive(Default)]
pub(super) struct Growing {
    /// Numbers of rows that suit every member.
    rows: Vec<usize>,
    /// Slots written so far.
    written: Vec<SlotId>,
    /// Whether a member reads what another wrote.
    flows: bool,
    members: usize,
}

impl Growing {
    /// Takes the step in, if it goes row by row with those before it. `in_place` steps never do: rows of their result
    /// would overwrite what the next rows read.
    pub fn join(&mut self, draft: &Draft, step: &Step, in_place: bool) -> bool {
        let Some(rows) = self.common(draft, step, in_place) else {
            return false;
        };
        self.flows |= reads(step).iter().any(|slot| self.written.contains(slot));
        self.rows = rows;
        self.written.extend(writes(step));
        self.members += 1;
        true
    }

    /// Whether the step would be taken in, into a group that has members.
    pub fn would_join(&self, draft: &Draft, step: &Step, in_place: bool) -> bool {
        self.members > 0 && self.common(draft, step, in_place).is_some()
    }

    /// The group that ends before step `end`, if it is worth being one.
    pub fn group(&self, end: usize) -> Option<RowGroup> {
        let rows = self.rows.iter().copied().max()?;
        (self.flows && rows > 1).then(|| RowGroup {
            steps: end - self.members..end,
            rows,
        })
    }

    fn common(&self, draft: &Draft, step: &Step, in_place: bool) -> Option<Vec<usize>> {
        if in_place {
            return None;
        }
        let alone = candidates(step);
        let common: Vec<usize> = if self.members == 0 {
            alone
        } else {
            let suits = |rows: &usize| alone.contains(rows) && self.reads_by_rows(draft, step, *rows);
            self.rows.iter().copied().filter(suits).collect()
        };
        (!common.is_empty()).then_some(common)
    }

    /// Whether the step reads what the group wrote row by row; a reduction, which reads whole rows, always does.
    fn reads_by_rows(&self, draft: &Draft, step: &Step, rows: usize) -> bool {
        let StepKind::Cluster(Cluster { shape, loads, .. }) = &step.kind else {
            return true;
        };
        let Some(outer) = (1..=shape.rank()).find(|&p| product(shape, 0..p) == rows) else {
            return false;
        };
        let of_the_group = |view: &&View| self.written.contains(&view.slot);
        loads.iter().filter(of_the_group).all(|view| {
            let elements = draft.slots[view.slot].0.shape.size();
            elements.is_multiple_of(rows) && stays_in_row(view, outer, elements / rows)
        })
    }
}

/// Numbers of rows in which a step can be taken on its own.
fn candidates(step: &Step) -> Vec<usize> {
    let (shape, outer) = match &step.kind {
        StepKind::Cluster(cluster) => (&cluster.shape, cluster.shape.rank()),
        StepKind::Op {
            op: Op::Reduce { axes, .. },
            inputs,
            ..
        } => (&inputs[0].1.shape, axes.first().map_or(0, |&axis| axis)),
        StepKind::Op { .. } => return Vec::new(),
    };
    let products = (1..=outer).map(|p| product(shape, 0..p));
    products.filter(|&rows| shape.size() > 0 && rows > 1).collect()
}

/// Whether the view's part for one index of the first `outer` axes lies in that row of the slot.
fn stays_in_row(view: &View, outer: usize, row: usize) -> bool {
    let (shape, strides) = (&view.shape, &view.strides);
    let goes_by_rows =
        (0..outer).all(|i| shape[i] == 1 || strides[i] == (row * product(shape, i + 1..outer)) as isize);
    let reach = |forth: bool| -> isize {
        (outer..shape.rank())
            .filter(|&i| (strides[i] > 0) == forth)
            .map(|i| strides[i] * (shape[i] as isize - 1))
            .sum()
    };
    let offset = view.offset as isize;
    goes_by_rows && offset + reach(false) >= 0 && offset + reach(true) < row as isize
}

fn product(shape: &Shape, axes: Range<usize>) -> usize {
    axes.map(|i| shape[i]).product()
}
