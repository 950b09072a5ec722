//! A row group as a program of its own, with slots numbered from 0.

use hyperglow_core::op::Op;
use hyperglow_core::plan::rows::{Division, RowGroup};
use hyperglow_core::plan::{Location, Program, SlotId, Step, StepKind};

/// A group's steps and slots.
pub(crate) struct GroupProgram {
    pub rows: usize,
    /// Segments of a row.
    pub segments: usize,
    /// A program with the slots of the group, without steps.
    pub program: Program,
    /// Their numbers in the whole program.
    pub slots: Vec<SlotId>,
    pub steps: Vec<Step>,
    /// Per step, the division of its index space.
    pub divisions: Vec<Division>,
    /// Per slot, the step that writes it, and its division.
    pub written: Vec<Option<(usize, Division)>>,
}

impl GroupProgram {
    pub fn of(program: &Program, group: &RowGroup) -> GroupProgram {
        let mut local = GroupProgram {
            rows: group.rows,
            segments: group.segments(),
            program: Program {
                slots: Vec::new(),
                steps: Vec::new(),
                groups: Vec::new(),
                independent: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                donations: program.donations.clone(),
                arena_bytes: program.arena_bytes,
                can_fail: false,
            },
            slots: Vec::new(),
            steps: Vec::new(),
            divisions: group.divisions.clone(),
            written: Vec::new(),
        };
        for (i, step) in program.steps[group.steps.clone()].iter().enumerate() {
            let mut step = step.clone();
            local.renumber(program, &mut step);
            for slot in step.writes() {
                let elements = local.program.slots[slot].spec.shape.size();
                local.written[slot] = Some((i, group.result(i, &step.kind, elements)));
            }
            local.steps.push(step);
        }
        local
    }

    fn renumber(&mut self, program: &Program, step: &mut Step) {
        match &mut step.kind {
            StepKind::Op { inputs, output, .. } => {
                for (slot, _) in inputs {
                    *slot = self.number(program, *slot);
                }
                *output = self.number(program, *output);
            }
            StepKind::Cluster(cluster) => {
                for view in &mut cluster.loads {
                    view.slot = self.number(program, view.slot);
                }
                for (_, slot) in &mut cluster.stores {
                    *slot = self.number(program, *slot);
                }
            }
        }
    }

    fn number(&mut self, program: &Program, slot: SlotId) -> SlotId {
        if let Some(known) = self.slots.iter().position(|&known| known == slot) {
            return known;
        }
        self.slots.push(slot);
        self.written.push(None);
        self.program.slots.push(program.slots[slot].clone());
        self.slots.len() - 1
    }

    /// Whether the step runs for each segment, rather than once per block of rows.
    pub fn by_segments(&self, step: usize) -> bool {
        self.divisions[step].segments > 1
    }

    /// Whether the step reduces all segments of a row to one element.
    pub fn accumulates(&self, step: usize) -> bool {
        self.by_segments(step)
            && matches!(
                &self.steps[step].kind,
                StepKind::Op {
                    op: Op::Reduce { .. },
                    ..
                }
            )
    }

    pub fn is_private(&self, slot: SlotId) -> bool {
        matches!(self.program.slots[slot].location, Location::Private { .. })
    }

    /// The steps that read a slot.
    pub fn readers(&self, slot: SlotId) -> impl Iterator<Item = usize> {
        let steps = self.steps.iter().enumerate();
        steps.filter_map(move |(i, step)| step.reads().contains(&slot).then_some(i))
    }

    /// Whether the step reads the slot element for element.
    pub fn reads_in_place(&self, step: usize, slot: SlotId) -> bool {
        match &self.steps[step].kind {
            StepKind::Op { .. } => true,
            StepKind::Cluster(cluster) => {
                let size = self.program.slots[slot].spec.shape.size();
                let mut views = cluster.loads.iter().filter(|view| view.slot == slot);
                views.all(|view| view.offset == 0 && view.is_contiguous() && view.shape.size() == size)
            }
        }
    }

    /// Elements of a segment, if all steps that run by segments agree.
    pub fn segment_len(&self) -> Option<usize> {
        let mut lens = self.divisions.iter().filter(|d| d.segments > 1).map(|d| d.len);
        let len = lens.next()?;
        lens.all(|other| other == len).then_some(len)
    }

    /// The division of a slot of so many elements from outside the group.
    pub fn of_elements(&self, elements: usize) -> Division {
        let all = self.segments * self.rows;
        let segments = if elements.is_multiple_of(all) {
            self.segments
        } else {
            1
        };
        Division {
            segments,
            len: elements / (segments * self.rows),
        }
    }

    /// Bytes that the steps read and write.
    pub fn accessed_bytes(&self) -> usize {
        let slots = self
            .steps
            .iter()
            .flat_map(|step| step.reads().into_iter().chain(step.writes()));
        slots.map(|slot| self.program.slots[slot].spec.bytes()).sum()
    }

    /// Whether no slot that the group writes shares memory with another of its slots.
    pub fn is_disjoint(&self) -> bool {
        let all = 0..self.slots.len();
        let clash = |written: SlotId| {
            all.clone()
                .any(|other| other != written && self.program.may_share(written, other))
        };
        !all.clone()
            .any(|slot| self.written[slot].is_some() && clash(slot))
    }
}
