//! Steps that go row by row: elementwise clusters, reductions inside of rows and pooling, one after the other, each of
//! which needs from the others nothing but the row it is at. A device may run such a group a few rows at a time, so that
//! what goes from one step to the next stays in the cache: a softmax with its loss and gradient is one pass, and so is
//! a batch normalisation, of which a channel is a row.

use std::ops::Range;

use crate::device::RowLimits;
use crate::op::Op;
use crate::plan::draft::Draft;
use crate::plan::{SlotId, Step, StepKind, View};
use crate::shape::Shape;

/// Consecutive steps that can be run together, any number of rows at a time.
///
/// Every slot that a step of the group writes is divided among the rows, and is read by the group row by row. A slot
/// that nobody else reads is private to the group ([`Place::Private`](crate::plan::Place::Private)); the others are
/// alive together: none lies over another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowGroup {
    /// The steps.
    pub steps: Range<usize>,
    /// Number of rows.
    pub rows: usize,
    /// How what each step goes over (the index space of a cluster, the first input of an operation) is divided.
    pub divisions: Vec<Division>,
}

/// How elements are divided among rows: for each segment, `len` elements of every row, one row after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Division {
    /// Segments of a row: 1 for the leading axes, the product of the axes before them for middle axes.
    pub segments: usize,
    /// Elements of a segment.
    pub len: usize,
}

impl RowGroup {
    /// Segments of the rows.
    pub fn segments(&self) -> usize {
        self.divisions.iter().map(|d| d.segments).max().unwrap_or(1)
    }

    /// How the result of the group's i-th step is divided.
    pub fn result(&self, i: usize, step: &StepKind, elements: usize) -> Division {
        result(self.divisions[i], self.rows, step, elements)
    }
}

/// How a step's result of so many elements is divided, given how what it goes over is.
fn result(division: Division, rows: usize, step: &StepKind, elements: usize) -> Division {
    match step {
        StepKind::Cluster(_) => division,
        StepKind::Op { .. } => Division {
            segments: 1,
            len: elements / rows,
        },
    }
}

/// A group while it grows.
pub(super) struct Growing {
    limits: RowLimits,
    /// Ways to divide that suit every member, those in more segments first.
    candidates: Vec<Candidate>,
    /// Whether a member reads what another wrote.
    flows: bool,
    /// Bytes that the members touch.
    bytes: usize,
    members: usize,
}

/// A way to divide all members.
#[derive(Clone)]
struct Candidate {
    rows: usize,
    segments: usize,
    divisions: Vec<Division>,
    /// Slots written so far.
    written: Vec<(SlotId, Division)>,
}

impl Growing {
    /// A group without members.
    pub fn new(limits: RowLimits) -> Growing {
        Growing {
            limits,
            candidates: Vec::new(),
            flows: false,
            bytes: 0,
            members: 0,
        }
    }

    /// Takes the step in, or begins another group with it and gives the one that ends before it.
    pub fn join_or_begin(&mut self, draft: &Draft, step: &Step, in_place: bool) -> Option<Growing> {
        if self.join(draft, step, in_place) {
            return None;
        }
        let ended = std::mem::replace(self, Growing::new(self.limits));
        self.join(draft, step, in_place);
        Some(ended)
    }

    /// Takes the step in, if it goes row by row with those before it. `in_place` steps never do: rows of their result
    /// would overwrite what the next rows read.
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

    /// Whether the step would be taken in, into a group that has members.
    pub fn would_join(&self, draft: &Draft, step: &Step, in_place: bool) -> bool {
        self.members > 0 && !self.common(draft, step, in_place).is_empty()
    }

    /// The group that ends before step `end`, if it is worth being one: in as few segments as may be, with as many
    /// rows.
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

    /// Ways to divide the members and the step; none if it does not go with them.
    fn common(&self, draft: &Draft, step: &Step, in_place: bool) -> Vec<Candidate> {
        let mut common: Vec<Candidate> = Vec::new();
        if in_place {
            return common;
        }
        let ways = ways(step, self.limits);
        let any = |&(rows, _): &(usize, Division)| Candidate {
            rows,
            segments: 1,
            divisions: Vec::new(),
            written: Vec::new(),
        };
        let fresh: Vec<Candidate> = match self.members {
            0 => ways.iter().map(any).collect(),
            _ => Vec::new(),
        };
        for candidate in self.candidates.iter().chain(&fresh) {
            for &(rows, division) in &ways {
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
    /// Whether the step, so divided, reads what the group wrote row by row. An operation that reads only the first elements
    /// of a slot is left out: the rest belongs to no row.
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

/// Numbers of rows, and divisions, in which a step can be taken on its own.
fn ways(step: &Step, limits: RowLimits) -> Vec<(usize, Division)> {
    let (shape, reduced): (&Shape, &[usize]) = match &step.kind {
        StepKind::Cluster(cluster) => (&cluster.shape, &[]),
        StepKind::Op {
            op: Op::Reduce { axes, .. },
            inputs,
            ..
        } => (&inputs[0].1.shape, axes),
        StepKind::Op { op, inputs, .. } if is_pooling(op) => return of_planes(&inputs[0].1.shape),
        StepKind::Op { .. } => return Vec::new(),
    };
    let is_reduced = |axis: usize| reduced.contains(&axis) || shape[axis] == 1;
    let mut ways: Vec<(usize, Division)> = Vec::new();
    let starts = if shape.size() == 0 { 0 } else { shape.rank() };
    for first in 0..starts {
        let segments = product(shape, 0..first);
        for end in first + 1..=shape.rank() {
            let (rows, len) = (product(shape, first..end), product(shape, end..shape.rank()));
            let inside = !(first..end).any(|axis| reduced.contains(&axis));
            // A reduction goes over whole rows where they lie in segments.
            let whole = reduced.is_empty() || (0..first).chain(end..shape.rank()).all(is_reduced);
            let in_segments = whole && rows >= limits.few && len >= limits.segment;
            let way = (rows, Division { segments, len });
            if inside && rows > 1 && (segments == 1 || in_segments) && !ways.contains(&way) {
                ways.push(way);
            }
        }
    }
    ways
}

/// Whether the operation does the same for every plane of (N, C, spatial..).
fn is_pooling(op: &Op) -> bool {
    matches!(
        op,
        Op::WindowSum { .. }
            | Op::WindowSumGrad { .. }
            | Op::WindowArgMax { .. }
            | Op::WindowMax { .. }
            | Op::WindowMaxGrad { .. }
    )
}

/// Planes, or images, as rows.
fn of_planes(shape: &Shape) -> Vec<(usize, Division)> {
    let ways = [product(shape, 0..2), shape[0]].map(|rows| {
        let len = shape.size() / rows.max(1);
        (rows, Division { segments: 1, len })
    });
    let worthwhile = |&(rows, _): &(usize, Division)| rows > 1 && shape.size() > 0;
    ways.into_iter().filter(worthwhile).collect()
}

/// Whether the view's part for one row of an index space that is divided in one way lies in that row of a slot that is
/// divided in another; and if the slot has segments, for one segment in that segment.
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
