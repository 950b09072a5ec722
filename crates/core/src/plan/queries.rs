//! What can be asked of steps and programs: who reads and writes what, and which slots may lie over each other.

use crate::plan::{Cluster, Place, Program, SlotId, Step, StepKind};

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

    /// Whether it may refuse at run time.
    pub fn can_fail(&self) -> bool {
        matches!(&self.kind, StepKind::Op { op, .. } if op.can_fail())
    }

    /// Whether one thread computes it, however many there are.
    pub fn is_serial(&self) -> bool {
        matches!(&self.kind, StepKind::Op { kernel, .. } if kernel.needs().serial)
    }
}

impl Cluster {
    /// Whether it reads the slot, and everywhere as it lies: element for element.
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

    /// Whether the slot need not outlive the one step that reads it.
    pub fn is_forgotten(&self, slot: SlotId) -> bool {
        matches!(self.slots[slot].place, Place::Arena(_)) && self.readers(slot) == 1
    }

    /// Whether two slots, one read and one written, may lie over each other: one slot, arena ranges that meet, a donated
    /// buffer.
    pub fn may_share(&self, read: SlotId, written: SlotId) -> bool {
        match (self.slots[read].place, self.slots[written].place) {
            (Place::Input(i), Place::Output(o)) => self.donations[o] == Some(i),
            (Place::Output(i), Place::Output(o)) => i == o,
            (Place::Arena(a), Place::Arena(b)) => meet(
                (a, self.slots[read].spec.bytes()),
                (b, self.slots[written].spec.bytes()),
            ),
            _ => read == written,
        }
    }

    /// Whether a slot lies over bytes of the arena, given as (offset, bytes).
    pub fn lies_over(&self, slot: SlotId, range: (usize, usize)) -> bool {
        match self.slots[slot].place {
            Place::Arena(at) => meet((at, self.slots[slot].spec.bytes()), range),
            Place::Input(_) | Place::Output(_) | Place::Private { .. } => false,
        }
    }

    /// The cluster behind step `at`, if it may be computed part by part behind the parts of the step's result: it reads that
    /// result everywhere as it lies, and its own results are apart from whatever the step reads and writes.
    pub fn follower(&self, at: usize) -> Option<&Cluster> {
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
            operand || self.may_share(*output, slot) || self.lies_over(slot, *scratch)
        };
        let apart = !cluster.stores.iter().any(|(_, slot)| clashes(*slot));
        (same_size && cluster.reads_in_order(*output) && apart).then_some(cluster)
    }
}

/// Whether two ranges of bytes, given as (offset, bytes), have one in common.
fn meet(a: (usize, usize), b: (usize, usize)) -> bool {
    a.1 > 0 && b.1 > 0 && a.0 < b.0 + b.1 && b.0 < a.0 + a.1
}
