//! The tasks of a group: its steps by phases, with the clusters of a phase merged, and searches for maxima and for their positions
//! merged.

use hyperglow_core::op::{Op, Spec, Window};
use hyperglow_core::plan::{Cluster, SlotId, StepKind};

use super::merge::merged;
use super::phases::phases;
use crate::steps::group_program::GroupProgram;

/// The tasks of each phase.
pub(super) struct Tasks {
    pub phases: Vec<PhaseTasks>,
    /// The phase of each step.
    pub of_steps: Vec<usize>,
}

/// The tasks of a phase.
#[derive(Default)]
pub(super) struct PhaseTasks {
    /// Run once per block of rows, first.
    pub once: Vec<Task>,
    /// Run for each chunk.
    pub each: Vec<Task>,
}

/// One step, or several merged steps.
pub(super) struct Task {
    pub steps: Vec<usize>,
    pub kind: StepKind,
    /// The slot of the positions, if the task finds maxima of windows and their positions.
    pub positions: Option<SlotId>,
}

impl Tasks {
    pub fn new(local: &GroupProgram) -> Tasks {
        let of_steps = phases(local);
        let mut phases: Vec<PhaseTasks> = Vec::new();
        phases.resize_with(
            of_steps.iter().max().map_or(0, |&last| last + 1),
            PhaseTasks::default,
        );
        // Accumulations come after the clusters of their phase.
        let all = 0..local.steps.len();
        let (late, early): (Vec<usize>, Vec<usize>) = all.partition(|&i| local.accumulates(i));
        for i in early.into_iter().chain(late) {
            let PhaseTasks { once, each } = &mut phases[of_steps[i]];
            let kind = local.steps[i].kind.clone();
            let task = Task {
                steps: vec![i],
                kind,
                positions: None,
            };
            if local.segments == 1 {
                if !each.iter_mut().any(|earlier| earlier.try_merge_search(&task)) {
                    each.push(task);
                }
            } else if !local.by_segments(i) {
                once.push(task);
            } else if !each.last_mut().is_some_and(|last| last.try_merge(&task)) {
                each.push(task);
            }
        }
        for task in phases.iter_mut().flat_map(|phase| &mut phase.each) {
            task.drop_stores(local);
        }
        Tasks { phases, of_steps }
    }

    /// Whether a slot is written: the intermediates of a merged cluster are not.
    pub fn writes(&self, slot: SlotId) -> bool {
        let tasks = self
            .phases
            .iter()
            .flat_map(|phase| phase.once.iter().chain(&phase.each));
        tasks.into_iter().any(|task| match &task.kind {
            StepKind::Op { output, .. } => *output == slot || task.positions == Some(slot),
            StepKind::Cluster(cluster) => cluster.stores.iter().any(|(_, stored)| *stored == slot),
        })
    }
}

impl Task {
    /// Merges the next step into this one, if both are clusters that can be merged.
    fn try_merge(&mut self, next: &Task) -> bool {
        let (StepKind::Cluster(first), StepKind::Cluster(second)) = (&self.kind, &next.kind) else {
            return false;
        };
        let Some(merged) = merged(first, second) else {
            return false;
        };
        self.kind = StepKind::Cluster(merged);
        self.steps.extend(&next.steps);
        true
    }

    /// Merges a search for the positions of the same maxima, or for the maxima of the same positions.
    fn try_merge_search(&mut self, other: &Task) -> bool {
        let (Some(mine), Some(theirs)) = (self.search(), other.search()) else {
            return false;
        };
        if mine.of != theirs.of || mine.is_positions == theirs.is_positions || self.positions.is_some() {
            return false;
        }
        let positions = if mine.is_positions {
            mine.output
        } else {
            theirs.output
        };
        if mine.is_positions {
            self.kind = other.kind.clone();
        }
        self.positions = Some(positions);
        self.steps.extend(&other.steps);
        true
    }

    /// The search that the task does, if any.
    fn search(&self) -> Option<Search<'_>> {
        let StepKind::Op {
            op, inputs, output, ..
        } = &self.kind
        else {
            return None;
        };
        let (window, kernel, is_positions) = match op {
            Op::WindowMax { window, kernel } => (window, kernel, false),
            Op::WindowArgMax { window, kernel } => (window, kernel, true),
            _ => return None,
        };
        Some(Search {
            of: (&inputs[0], window, kernel),
            output: *output,
            is_positions,
        })
    }

    /// Drops the stores of slots that only the merged steps read.
    fn drop_stores(&mut self, local: &GroupProgram) {
        let steps = &self.steps;
        if let StepKind::Cluster(Cluster { stores, .. }) = &mut self.kind {
            stores.retain(|&(_, slot)| {
                !local.is_private(slot) || local.readers(slot).any(|reader| !steps.contains(&reader))
            });
        }
    }
}

/// A search for maxima of windows: (slot, window, kernel extents).
struct Search<'a> {
    of: (&'a (SlotId, Spec), &'a Window, &'a [usize]),
    output: SlotId,
    is_positions: bool,
}
