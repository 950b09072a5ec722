//! Queries on steps and programs: which slots a step reads and writes, and which slots may share memory.

use crate::plan::{Cluster, Location, Program, SlotId, Step, StepKind};

impl Step {
    /// The slots it reads.
    pub fn reads(&self) -> Vec<SlotId> {
        match &self.kind {
            StepKind::Op { inputs, .. } => inputs.iter().map(|(slot, _)| *slot).collect(),
            StepKind::Cluster(cluster) => cluster.loads.iter().map(|view| view.slot).collect(),
        }
    }

    /// The slots it writes.
    pub fn writes(&self) -> Vec<SlotId> {
        match &self.kind {
            StepKind::Op { output, .. } => vec![*output],
            StepKind::Cluster(cluster) => cluster.stores.iter().map(|(_, slot)| *slot).collect(),
        }
    }

    /// Whether it may refuse its values at run time.
    pub fn can_fail(&self) -> bool {
        matches!(&self.kind, StepKind::Op { op, .. } if op.can_fail())
    }

    /// Whether a single thread computes it.
    pub fn is_serial(&self) -> bool {
        matches!(&self.kind, StepKind::Op { kernel, .. } if kernel.needs().serial)
    }
}

impl Cluster {
    /// Whether it reads the slot, and every view of the slot is contiguous from its start: element for element.
    pub fn reads_in_order(&self, slot: SlotId) -> bool {
        let mut loads = self.loads.iter().filter(|view| view.slot == slot).peekable();
        loads.peek().is_some() && loads.all(|view| view.offset == 0 && view.is_contiguous())
    }
}

impl Program {
    /// Number of steps that read the slot.
    pub fn readers(&self, slot: SlotId) -> usize {
        let reads = |step: &&Step| step.reads().contains(&slot);
        self.steps.iter().filter(reads).count()
    }

    /// Whether the slot has one reader and is dead after it.
    pub fn is_forgotten(&self, slot: SlotId) -> bool {
        matches!(self.slots[slot].location, Location::Arena(_)) && self.readers(slot) == 1
    }

    /// Whether two slots, one read and one written, may share memory: the same slot, overlapping ranges of the arena, or a
    /// donated buffer.
    pub fn may_share(&self, read: SlotId, written: SlotId) -> bool {
        match (self.slots[read].location, self.slots[written].location) {
            (Location::Input(i), Location::Output(o)) => self.donations[o] == Some(i),
            (Location::Output(i), Location::Output(o)) => i == o,
            (Location::Arena(a), Location::Arena(b)) => overlap(
                (a, self.slots[read].spec.bytes()),
                (b, self.slots[written].spec.bytes()),
            ),
            (Location::Input(_) | Location::Private { .. }, _)
            | (Location::Output(_), Location::Input(_) | Location::Arena(_) | Location::Private { .. })
            | (Location::Arena(_), Location::Input(_) | Location::Output(_) | Location::Private { .. }) => {
                read == written
            }
        }
    }

    /// Whether a slot overlaps a range of the arena, given as (offset, bytes).
    pub fn overlaps(&self, slot: SlotId, range: (usize, usize)) -> bool {
        match self.slots[slot].location {
            Location::Arena(at) => overlap((at, self.slots[slot].spec.bytes()), range),
            Location::Input(_) | Location::Output(_) | Location::Private { .. } => false,
        }
    }

    /// The cluster after step `at`, if the step's kernel may compute it as an epilogue, block by block of the step's result: the
    /// cluster reads the result element for element, and its own results share no memory with what the step reads or writes.
    pub fn epilogue(&self, at: usize) -> Option<&Cluster> {
        let StepKind::Op {
            inputs,
            output,
            scratch,
            ..
        } = &self.steps[at].kind
        else {
            return None;
        };
        let StepKind::Cluster(cluster) = &self.steps.get(at + 1)?.kind else {
            return None;
        };
        let same_size = self.slots[*output].spec.shape.size() == cluster.shape.size();
        let clashes = |slot: SlotId| {
            let operand = inputs.iter().any(|(input, _)| self.may_share(*input, slot));
            operand || self.may_share(*output, slot) || self.overlaps(slot, *scratch)
        };
        let disjoint = !cluster.stores.iter().any(|(_, slot)| clashes(*slot));
        (same_size && cluster.reads_in_order(*output) && disjoint).then_some(cluster)
    }
}

/// Whether two ranges, given as (offset, bytes), overlap.
fn overlap(a: (usize, usize), b: (usize, usize)) -> bool {
    a.1 > 0 && b.1 > 0 && a.0 < b.0 + b.1 && b.0 < a.0 + a.1
}
