//! Row groups: consecutive elementwise clusters, reductions within rows and pooling, each of which needs from the others only
//! its current row. A device may run a group some rows at a time, so that intermediates stay in the cache: a softmax with its
//! loss and gradient is one pass, and so is a batch normalization, of which a channel is a row.

use std::ops::Range;

use crate::device::RowLimits;
use crate::op::Op;
use crate::plan::draft::Draft;
use crate::plan::{SlotId, Step, StepKind, View};
use crate::shape::Shape;
use crate::traits::Family;

/// Consecutive steps that can be run together, any number of rows at a time.
///
/// Every slot that a step of the group writes is divided into the rows, and the group reads it row by row. A slot without
/// another reader is private to the group ([`Location::Private`](crate::plan::Location::Private)); the other slots are live
/// during the whole group, so that they share no memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowGroup {
    /// The steps.
    pub steps: Range<usize>,
    /// Number of rows.
    pub rows: usize,
    /// Per step, the division of its index space: that of the cluster, or the first input of an operation.
    pub divisions: Vec<Division>,
}

/// A division of elements into rows: (segments, rows, len), row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Division {
    /// Segments of a row: 1 if the rows are leading axes, the product of the axes before them if they are middle axes.
    pub segments: usize,
    /// Elements of a segment.
    pub len: usize,
}

impl RowGroup {
    /// Segments of a row.
    pub fn segments(&self) -> usize {
        self.divisions.iter().map(|d| d.segments).max().unwrap_or(1)
    }

    /// The division of the result of the group's i-th step.
    pub fn result(&self, i: usize, step: &StepKind, elements: usize) -> Division {
        result(self.divisions[i], self.rows, step, elements)
    }
}

/// The division of a step's result of so many elements, from the division of its index space.
fn result(division: Division, rows: usize, step: &StepKind, elements: usize) -> Division {
    match step {
        StepKind::Cluster(_) => division,
        StepKind::Op { .. } => Division {
            segments: 1,
            len: elements / rows,
        },
    }
}

/// A row group under construction.
pub(super) struct GroupBuilder {
    limits: RowLimits,
    /// Divisions that suit every member, those with more segments first.
    candidates: Vec<Candidate>,
    /// Whether a member reads the result of another.
    flows: bool,
    /// Bytes that the members read and write.
    bytes: usize,
    members: usize,
}

/// A division of all members into the same rows.
#[derive(Clone)]
struct Candidate {
    rows: usize,
    segments: usize,
    divisions: Vec<Division>,
    /// Slots written so far.
    written: Vec<(SlotId, Division)>,
}

impl GroupBuilder {
    /// A group without members.
    pub fn new(limits: RowLimits) -> GroupBuilder {
        GroupBuilder {
            limits,
            candidates: Vec::new(),
            flows: false,
            bytes: 0,
            members: 0,
        }
    }

    /// Adds the step, or begins a new group with it and returns the group that ends before it.
    pub fn join_or_begin(&mut self, draft: &Draft, step: &Step, in_place: bool) -> Option<GroupBuilder> {
        if self.join(draft, step, in_place) {
            return None;
        }
        let ended = std::mem::replace(self, GroupBuilder::new(self.limits));
        self.join(draft, step, in_place);
        Some(ended)
    }

    /// Adds the step, if it goes row by row with the members. `in_place` steps never do: rows of their result would overwrite
    /// the operands of the next rows.
    fn join(&mut self, draft: &Draft, step: &Step, in_place: bool) -> bool {
        let candidates = self.common(draft, step, in_place);
        if candidates.is_empty() {
            return false;
        }
        if let Some(Candidate { written, .. }) = self.candidates.first() {
            let of_the_group = |slot: &SlotId| written.iter().any(|(of_group, _)| of_group == slot);
            self.flows |= step.reads().iter().any(of_the_group);
        }
        let touched = step.reads().into_iter().chain(step.writes());
        self.bytes += touched.map(|slot| draft.slots[slot].0.bytes()).sum::<usize>();
        self.candidates = candidates;
        self.members += 1;
        true
    }

    /// Whether a group with members would accept the step.
    pub fn would_join(&self, draft: &Draft, step: &Step, in_place: bool) -> bool {
        self.members > 0 && !self.common(draft, step, in_place).is_empty()
    }

    /// The group that ends before step `end`, if it is worthwhile: with the fewest segments, then the most rows.
    pub fn group(&self, end: usize) -> Option<RowGroup> {
        let best = self
            .candidates
            .iter()
            .min_by_key(|c| (c.segments, std::cmp::Reverse(c.rows)))?;
        let worthwhile = best.rows >= self.limits.few || self.bytes <= self.limits.small_bytes;
        (self.flows && worthwhile).then(|| RowGroup {
            steps: end - self.members..end,
            rows: best.rows,
            divisions: best.divisions.clone(),
        })
    }

    /// Divisions of the members with the step; none if the step does not go row by row with them.
    fn common(&self, draft: &Draft, step: &Step, in_place: bool) -> Vec<Candidate> {
        let mut common: Vec<Candidate> = Vec::new();
        if in_place {
            return common;
        }
        let divisions = divisions(step, self.limits);
        let any = |&(rows, _): &(usize, Division)| Candidate {
            rows,
            segments: 1,
            divisions: Vec::new(),
            written: Vec::new(),
        };
        let fresh: Vec<Candidate> = match self.members {
            0 => divisions.iter().map(any).collect(),
            _ => Vec::new(),
        };
        for candidate in self.candidates.iter().chain(&fresh) {
            for &(rows, division) in &divisions {
                let segments = candidate.segments.max(division.segments);
                let known = common.iter().any(|c| (c.rows, c.segments) == (rows, segments));
                if !known && candidate.suits(draft, step, rows, division) {
                    common.push(candidate.with(draft, step, division));
                }
            }
        }
        common.sort_by_key(|c| std::cmp::Reverse(c.segments));
        common
    }
}

impl Candidate {
    /// Whether the step with this division reads the group's results row by row. An operation that reads only the first
    /// elements of a slot does not: the other elements belong to no row.
    fn suits(&self, draft: &Draft, step: &Step, rows: usize, division: Division) -> bool {
        let one = |segments: usize| segments == 1;
        let alike = self.segments == division.segments || one(self.segments) || one(division.segments);
        let written = |slot: SlotId| self.written.iter().find(|w| w.0 == slot).map(|w| w.1);
        rows == self.rows
            && alike
            && match &step.kind {
                StepKind::Op { inputs, .. } => inputs.iter().all(|(slot, spec)| {
                    spec.shape.size() == draft.slots[*slot].0.shape.size()
                        && written(*slot).is_none_or(|w| w.segments == division.segments)
                }),
                StepKind::Cluster(cluster) => cluster.loads.iter().all(|view| {
                    written(view.slot).is_none_or(|w| {
                        let elements = draft.slots[view.slot].0.shape.size();
                        elements == w.segments * w.len * rows && stays_in_row(view, rows, division, w)
                    })
                }),
            }
    }

    fn with(&self, draft: &Draft, step: &Step, division: Division) -> Candidate {
        let mut candidate = self.clone();
        candidate.segments = self.segments.max(division.segments);
        candidate.divisions.push(division);
        for slot in step.writes() {
            let elements = draft.slots[slot].0.shape.size();
            let written = result(division, self.rows, &step.kind, elements);
            candidate.written.push((slot, written));
        }
        candidate
    }
}

/// Divisions of a single step: (number of rows, division).
fn divisions(step: &Step, limits: RowLimits) -> Vec<(usize, Division)> {
    let (shape, reduced): (&Shape, &[usize]) = match &step.kind {
        StepKind::Cluster(cluster) => (&cluster.shape, &[]),
        StepKind::Op {
            op: Op::Reduce { axes, .. },
            inputs,
            ..
        } => (&inputs[0].1.shape, axes),
        StepKind::Op { op, inputs, .. } if limits.pooling && op.traits().family == Family::Window => {
            return pooling_divisions(&inputs[0].1.shape);
        }
        StepKind::Op { .. } => return Vec::new(),
    };
    let is_reduced = |axis: usize| reduced.contains(&axis) || shape[axis] == 1;
    let mut found: Vec<(usize, Division)> = Vec::new();
    let starts = if shape.size() == 0 { 0 } else { shape.rank() };
    for first in 0..starts {
        let segments = product(shape, 0..first);
        for end in first + 1..=shape.rank() {
            let (rows, len) = (product(shape, first..end), product(shape, end..shape.rank()));
            let inside = !(first..end).any(|axis| reduced.contains(&axis));
            // A reduction of rows with segments reduces whole rows.
            let whole = reduced.is_empty() || (0..first).chain(end..shape.rank()).all(is_reduced);
            let in_segments = whole && rows >= limits.few && len >= limits.segment;
            let division = (rows, Division { segments, len });
            if inside && rows > 1 && (segments == 1 || in_segments) && !found.contains(&division) {
                found.push(division);
            }
        }
    }
    found
}

/// Planes, or whole images, as rows.
fn pooling_divisions(shape: &Shape) -> Vec<(usize, Division)> {
    let divisions = [product(shape, 0..2), shape[0]].map(|rows| {
        let len = shape.size() / rows.max(1);
        (rows, Division { segments: 1, len })
    });
    let worthwhile = |&(rows, _): &(usize, Division)| rows > 1 && shape.size() > 0;
    divisions.into_iter().filter(worthwhile).collect()
}

/// Whether a view, restricted to one row of its index space (divided by `division`), reads only that row of its slot (divided by
/// `slot`); and if the slot has segments, restricted to one segment, only that segment.
fn stays_in_row(view: &View, rows: usize, division: Division, slot: Division) -> bool {
    let (shape, strides) = (&view.shape, &view.strides);
    let first = (0..=shape.rank()).find(|&p| product(shape, 0..p) == division.segments);
    let Some(first) = first else { return false };
    let Some(end) = (first..=shape.rank()).find(|&p| product(shape, first..p) == rows) else {
        return false;
    };
    let goes_by = |axes: Range<usize>, step: usize| {
        axes.clone().all(|i| {
            let natural = step * product(shape, i + 1..axes.end);
            shape[i] == 1 || strides[i] == natural as isize
        })
    };
    let by_segments = slot.segments > 1;
    if by_segments && !(slot.segments == division.segments && goes_by(0..first, rows * slot.len)) {
        return false;
    }
    let within = if by_segments { first..first } else { 0..first };
    let reach = |forth: bool| -> isize {
        within
            .clone()
            .chain(end..shape.rank())
            .filter(|&i| (strides[i] > 0) == forth)
            .map(|i| strides[i] * (shape[i] as isize - 1))
            .sum()
    };
    let offset = view.offset as isize;
    goes_by(first..end, slot.len) && offset + reach(false) >= 0 && offset + reach(true) < slot.len as isize
}

fn product(shape: &Shape, axes: Range<usize>) -> usize {
    axes.map(|i| shape[i]).product()
}
