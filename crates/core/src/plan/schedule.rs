//! The schedule: order of steps, donation of input buffers to outputs, and the memory of the arena.
//!
//! An output may take the buffer of a dead input (a weight's old version) if a cluster writes the output and reads that input
//! element for element, and if every other reader of the input and every step that may refuse its values can run before that
//! cluster. A failed run has then changed nothing.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::device::{Limits, RowLimits};
use crate::plan::concat::{self, Alias};
use crate::plan::draft::Draft;
use crate::plan::independent;
use crate::plan::memory::{self, Block};
use crate::plan::rows::{GroupBuilder, RowGroup};
use crate::plan::{Cluster, Location, Program, Slot, SlotId, Step, StepKind};

/// Fixes order, donations and locations.
pub fn finish(mut draft: Draft, expendable: &[bool], outputs: usize, limits: &Limits) -> Program {
    let dependencies = Dependencies::of(&draft);
    let (donations, order) = donate(&draft, &dependencies, expendable, outputs, limits.rows);
    let mut steps: Vec<Option<Step>> = draft.steps.into_iter().map(Some).collect();
    draft.steps = order.iter().filter_map(|&i| steps[i].take()).collect();
    let can_fail = draft.steps.iter().any(Step::can_fail);
    let groups = limits
        .rows
        .map_or_else(Vec::new, |rows| groups(&draft, &donations, rows));
    let independent = independent::runs(&draft.steps);
    let arena_bytes = assign_memory(&mut draft, &groups, &independent, limits.alignment);
    let slots = draft
        .slots
        .into_iter()
        .map(|(spec, location)| Slot::from((spec, location.unwrap_or(Location::Arena(0)))))
        .collect();
    Program {
        slots,
        steps: draft.steps,
        groups,
        independent,
        inputs: draft.inputs,
        outputs: draft.outputs,
        donations,
        arena_bytes,
        can_fail,
    }
}

/// Writer and readers of each slot, and the successors of each step.
struct Dependencies {
    writer: Vec<Option<usize>>,
    readers: Vec<Vec<usize>>,
    next: Vec<Vec<usize>>,
}

impl Dependencies {
    fn of(draft: &Draft) -> Dependencies {
        let mut writer = vec![None; draft.slots.len()];
        let mut readers = vec![Vec::new(); draft.slots.len()];
        for (i, step) in draft.steps.iter().enumerate() {
            for slot in step.writes() {
                writer[slot] = Some(i);
            }
            for slot in step.reads() {
                readers[slot].push(i);
            }
        }
        let mut next = vec![Vec::new(); draft.steps.len()];
        for (slot, readers) in readers.iter().enumerate() {
            if let Some(w) = writer[slot] {
                next[w].extend(readers.iter().copied());
            }
        }
        Dependencies {
            writer,
            readers,
            next,
        }
    }

    /// Every step that must come after `step`.
    fn after(&self, step: usize) -> Vec<bool> {
        let mut seen = vec![false; self.next.len()];
        let mut stack = self.next[step].clone();
        while let Some(i) = stack.pop() {
            if !std::mem::replace(&mut seen[i], true) {
                stack.extend(&self.next[i]);
            }
        }
        seen
    }
}

/// Chooses donations and an order that honors them.
fn donate(
    draft: &Draft,
    dependencies: &Dependencies,
    expendable: &[bool],
    outputs: usize,
    rows: Option<RowLimits>,
) -> (Vec<Option<usize>>, Vec<usize>) {
    let mut donations = vec![None; outputs];
    let mut taken = vec![false; draft.inputs.len()];
    let mut before: Vec<(usize, usize)> = Vec::new();
    let fallible: Vec<usize> = (0..draft.steps.len())
        .filter(|&i| draft.steps[i].can_fail())
        .collect();
    for (j, &slot) in draft.outputs.iter().enumerate() {
        let Some(w) = dependencies.writer[slot] else {
            continue;
        };
        let StepKind::Cluster(cluster) = &draft.steps[w].kind else {
            continue;
        };
        let mut after: Option<Vec<bool>> = None;
        for k in candidates(draft, cluster, slot, expendable) {
            let after = after.get_or_insert_with(|| dependencies.after(w));
            let earlier: Vec<usize> = dependencies.readers[draft.inputs[k]]
                .iter()
                .chain(&fallible)
                .copied()
                .filter(|&r| r != w)
                .collect();
            if !taken[k] && !earlier.iter().any(|&r| after[r]) {
                taken[k] = true;
                donations[j] = Some(k);
                before.extend(earlier.into_iter().map(|r| (r, w)));
                break;
            }
        }
    }
    match order(draft, dependencies, &before, &donations, rows) {
        Some(order) => (donations, order),
        None => (vec![None; outputs], (0..draft.steps.len()).collect()),
    }
}

/// The expendable inputs of the size of `slot` that `cluster` reads element for element.
fn candidates(draft: &Draft, cluster: &Cluster, slot: SlotId, expendable: &[bool]) -> Vec<usize> {
    let whole = |s: SlotId| {
        cluster
            .loads
            .iter()
            .filter(|v| v.slot == s)
            .all(|v| v.offset == 0 && v.is_contiguous() && v.shape == cluster.shape)
    };
    cluster
        .loads
        .iter()
        .filter_map(|v| match draft.slots[v.slot].1 {
            Some(Location::Input(k)) => Some((k, v.slot)),
            Some(Location::Output(_) | Location::Arena(_) | Location::Private { .. }) | None => None,
        })
        .filter(|&(k, s)| {
            expendable[k]
                && draft.slots[s].0.bytes() == draft.slots[slot].0.bytes()
                && draft.slots[s].0.dtype == draft.slots[slot].0.dtype
                && whole(s)
        })
        .map(|(k, _)| k)
        .collect()
}

/// Topological order, as near to the given one as the extra constraints `before` allow, with two exceptions: the steps of a row
/// group stay together, and serial steps wait until they can run in parallel. `None` if the constraints cannot be met.
fn order(
    draft: &Draft,
    dependencies: &Dependencies,
    before: &[(usize, usize)],
    donations: &[Option<usize>],
    rows: Option<RowLimits>,
) -> Option<Vec<usize>> {
    let count = dependencies.next.len();
    let mut next = dependencies.next.clone();
    for &(a, b) in before {
        next[a].push(b);
    }
    let mut waiting = vec![0usize; count];
    for &i in next.iter().flatten() {
        waiting[i] += 1;
    }
    let mut ready = Ready::default();
    let for_one = |i: usize| draft.steps[i].is_serial();
    (0..count)
        .filter(|&i| waiting[i] == 0)
        .for_each(|i| ready.insert(i, for_one(i)));
    let mut order = Vec::with_capacity(count);
    let mut builder = rows.map(GroupBuilder::new);
    let in_place: Vec<bool> = draft
        .steps
        .iter()
        .map(|step| writes_in_place(draft, step, donations))
        .collect();
    loop {
        let joins = |i: usize| {
            let group = builder.as_ref();
            group.is_some_and(|group| group.would_join(draft, &draft.steps[i], in_place[i]))
        };
        let chosen = ready.choose(joins);
        if chosen.is_empty() {
            return (order.len() == count).then_some(order);
        }
        for i in chosen {
            if let Some(group) = &mut builder {
                group.join_or_begin(draft, &draft.steps[i], in_place[i]);
            }
            order.push(i);
            for &n in &next[i] {
                waiting[n] -= 1;
                if waiting[n] == 0 {
                    ready.insert(n, for_one(n));
                }
            }
        }
    }
}

/// Steps whose predecessors are all scheduled.
#[derive(Default)]
struct Ready {
    for_all_threads: BTreeSet<usize>,
    for_one_thread: BTreeSet<usize>,
}

impl Ready {
    fn insert(&mut self, step: usize, for_one_thread: bool) {
        if for_one_thread {
            self.for_one_thread.insert(step);
        } else {
            self.for_all_threads.insert(step);
        }
    }

    /// Removes the steps to be scheduled next: the first that `joins`, else the first; all serial steps, which are independent,
    /// once nothing else is ready.
    fn choose(&mut self, joins: impl Fn(usize) -> bool) -> Vec<usize> {
        let steps = &mut self.for_all_threads;
        let found = steps
            .iter()
            .copied()
            .find(|&i| joins(i))
            .or(steps.first().copied());
        match found {
            Some(i) => {
                steps.remove(&i);
                vec![i]
            }
            None => std::mem::take(&mut self.for_one_thread).into_iter().collect(),
        }
    }
}

/// Whether the step writes an output into an input's buffer.
fn writes_in_place(draft: &Draft, step: &Step, donations: &[Option<usize>]) -> bool {
    let donated = |slot: SlotId| {
        let output = draft.outputs.iter().position(|&o| o == slot);
        output.is_some_and(|j| donations[j].is_some())
    };
    step.writes().into_iter().any(donated)
}

/// The row groups among the steps, which are in their final order.
fn groups(draft: &Draft, donations: &[Option<usize>], rows: RowLimits) -> Vec<RowGroup> {
    let mut groups = Vec::new();
    let mut group = GroupBuilder::new(rows);
    for (at, step) in draft.steps.iter().enumerate() {
        let in_place = writes_in_place(draft, step, donations);
        let before = group.join_or_begin(draft, step, in_place);
        groups.extend(before.and_then(|ended| ended.group(at)));
    }
    groups.extend(group.group(draft.steps.len()));
    groups
}

/// Assigns arena offsets to slots and scratch, and makes the intermediates of row groups private; returns the size of the arena.
fn assign_memory(
    draft: &mut Draft,
    groups: &[RowGroup],
    independent: &[Range<usize>],
    alignment: usize,
) -> usize {
    let aliases = concat::aliases(draft, alignment);
    // The steps of a row group are run at the same time, and so are independent serial steps.
    let mut time: Vec<(usize, usize)> = (0..draft.steps.len()).map(|at| (at, at)).collect();
    for steps in groups.iter().map(|group| &group.steps).chain(independent) {
        time[steps.clone()].fill((steps.start, steps.end - 1));
    }
    let life = lifetimes(draft, &time, &aliases);
    for RowGroup { steps, rows, .. } in groups {
        let all_life = Some((steps.start, steps.end - 1));
        for slot in draft.steps[steps.clone()].iter().flat_map(Step::writes) {
            if draft.slots[slot].1.is_none() && aliases[slot].is_none() && life[slot] == all_life {
                let row_bytes = draft.slots[slot].0.bytes() / rows;
                draft.slots[slot].1 = Some(Location::Private { row_bytes });
            }
        }
    }
    let mut blocks = Vec::new();
    let mut slots = Vec::new();
    for (slot, (spec, location)) in draft.slots.iter().enumerate() {
        if let (None, None, Some((from, to))) = (location, aliases[slot], life[slot]) {
            slots.push(slot);
            blocks.push(Block {
                bytes: spec.bytes(),
                from,
                to,
            });
        }
    }
    let mut scratches = Vec::new();
    for (at, step) in draft.steps.iter().enumerate() {
        if let StepKind::Op {
            scratch: (_, bytes), ..
        } = step.kind
            && bytes > 0
        {
            scratches.push(at);
            let (from, to) = time[at];
            let to = if keeps_scratch(draft, at) {
                time[at + 1].1
            } else {
                to
            };
            blocks.push(Block { bytes, from, to });
        }
    }
    let (offsets, total) = memory::assign(&blocks, alignment);
    for (&slot, &offset) in slots.iter().zip(&offsets) {
        draft.slots[slot].1 = Some(Location::Arena(offset));
    }
    for slot in (0..aliases.len()).filter(|&slot| aliases[slot].is_some()) {
        let Alias { base, offset } = concat::resolve(&aliases, slot);
        if let Some(Location::Arena(start)) = draft.slots[base].1 {
            draft.slots[slot].1 = Some(Location::Arena(start + offset));
        }
    }
    for (&at, &offset) in scratches.iter().zip(&offsets[slots.len()..]) {
        if let StepKind::Op { scratch, .. } = &mut draft.steps[at].kind {
            scratch.0 = offset;
        }
    }
    total
}

/// Whether the kernel may compute the cluster after this step as an epilogue, which needs the kernel's scratch.
fn keeps_scratch(draft: &Draft, at: usize) -> bool {
    let (StepKind::Op { output, kernel, .. }, Some(next)) = (&draft.steps[at].kind, draft.steps.get(at + 1))
    else {
        return false;
    };
    kernel.needs().epilogue && matches!(next.kind, StepKind::Cluster(_)) && next.reads().contains(output)
}

/// First and last time of each slot that is used; an alias counts for the slot that contains it.
fn lifetimes(
    draft: &Draft,
    time: &[(usize, usize)],
    aliases: &[Option<Alias>],
) -> Vec<Option<(usize, usize)>> {
    let mut life: Vec<Option<(usize, usize)>> = vec![None; draft.slots.len()];
    for (step, &(start, end)) in draft.steps.iter().zip(time) {
        for slot in step.writes().into_iter().chain(step.reads()) {
            let slot = concat::resolve(aliases, slot).base;
            let (from, to) = *life[slot].get_or_insert((start, end));
            life[slot] = Some((from.min(start), to.max(end)));
        }
    }
    life
}
