//! The steps of a group as they are run: by phases, clusters of one phase merged, and maxima of windows found together
//! with their places.

use hyperglow_core::op::{Op, Spec, Window};
use hyperglow_core::plan::{Cluster, SlotId, StepKind};

use super::local::GroupProgram;
use super::merge::merged;
use super::phases::phases;

/// What is done in each phase.
pub(super) struct Tasks {
    pub phases: Vec<PhaseTasks>,
    /// The phase of each step.
    pub of_steps: Vec<usize>,
}

/// Once for some rows, and then for each piece of them.
#[derive(Default)]
pub(super) struct PhaseTasks {
    pub once: Vec<Task>,
    pub each: Vec<Task>,
}

/// One or, merged, several steps.
pub(super) struct Task {
    pub steps: Vec<usize>,
    pub kind: StepKind,
    /// Where the places go, if the task finds maxima of windows and their places.
    pub places: Option<SlotId>,
}

impl Tasks {
    pub fn new(local: &GroupProgram) -> Tasks {
        let of_steps = phases(local);
        let mut phases: Vec<PhaseTasks> = Vec::new();
        phases.resize_with(
            of_steps.iter().max().map_or(0, |&last| last + 1),
            PhaseTasks::default,
        );
        // What accumulates comes after the clusters of its phase.
        let all = 0..local.steps.len();
        let (late, early): (Vec<usize>, Vec<usize>) = all.partition(|&i| local.accumulates(i));
        for i in early.into_iter().chain(late) {
            let PhaseTasks { once, each } = &mut phases[of_steps[i]];
            let kind = local.steps[i].kind.clone();
            let task = Task {
                steps: vec![i],
                kind,
                places: None,
            };
            if local.segments == 1 {
                if !each.iter_mut().any(|earlier| earlier.finds_too(&task)) {
                    each.push(task);
                }
            } else if !local.by_segments(i) {
                once.push(task);
            } else if !each.last_mut().is_some_and(|last| last.takes(&task)) {
                each.push(task);
            }
        }
        for task in phases.iter_mut().flat_map(|phase| &mut phase.each) {
            task.drop_stores(local);
        }
        Tasks { phases, of_steps }
    }

    /// Whether a slot is written; what only a merged cluster reads is not.
    pub fn writes(&self, slot: SlotId) -> bool {
        let tasks = self
            .phases
            .iter()
            .flat_map(|phase| phase.once.iter().chain(&phase.each));
        tasks.into_iter().any(|task| match &task.kind {
            StepKind::Op { output, .. } => *output == slot || task.places == Some(slot),
            StepKind::Cluster(cluster) => cluster.stores.iter().any(|(_, stored)| *stored == slot),
        })
    }
}

impl Task {
    /// Merges the next step into this one, if both are clusters that can be one.
    fn takes(&mut self, next: &Task) -> bool {
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

    /// Takes in a step that finds the places of the maxima that this one finds, or the maxima where this one finds
    /// their places.
    fn finds_too(&mut self, other: &Task) -> bool {
        let (Some(mine), Some(theirs)) = (self.search(), other.search()) else {
            return false;
        };
        if mine.of != theirs.of || mine.is_places == theirs.is_places || self.places.is_some() {
            return false;
        }
        let places = if mine.is_places {
            mine.output
        } else {
            theirs.output
        };
        if mine.is_places {
            self.kind = other.kind.clone();
        }
        self.places = Some(places);
        self.steps.extend(&other.steps);
        true
    }

    /// What is found in which windows of what.
    fn search(&self) -> Option<Search<'_>> {
        let StepKind::Op {
            op, inputs, output, ..
        } = &self.kind
        else {
            return None;
        };
        let (window, kernel, is_places) = match op {
            Op::WindowMax { window, kernel } => (window, kernel, false),
            Op::WindowArgMax { window, kernel } => (window, kernel, true),
            _ => return None,
        };
        Some(Search {
            of: (&inputs[0], window, kernel),
            output: *output,
            is_places,
        })
    }

    /// Drops the stores of what only these steps read.
    fn drop_stores(&mut self, local: &GroupProgram) {
        let steps = &self.steps;
        if let StepKind::Cluster(Cluster { stores, .. }) = &mut self.kind {
            stores.retain(|&(_, slot)| {
                !local.is_private(slot) || local.readers(slot).any(|reader| !steps.contains(&reader))
            });
        }
    }
}

/// A search for maxima of windows: slot, windows, their extents.
struct Search<'a> {
    of: (&'a (SlotId, Spec), &'a Window, &'a [usize]),
    output: SlotId,
    is_places: bool,
}
