//! From a group of a plan to its kernel: how many rows at a time, in which order, and where private slots are.

use hyperglow_core::op::{Op, Spec};
use hyperglow_core::plan::rows::{Division, RowGroup};
use hyperglow_core::plan::schedule::{reads, writes};
use hyperglow_core::plan::{Cluster, Program, SlotId, StepKind};
use hyperglow_core::{Error, Result, Shape};

use super::local::Local;
use super::member::{Accumulation, Member, Part, Reduction};
use super::merge::merged;
use super::phases::{is_passing, phases};
use super::{Home, Phase, RowsKernel, Slot};
use crate::cpu::cluster::{ClusterKernel, may_share};
use crate::cpu::exec::Env;
use crate::cpu::reduce::{self, Folding};
use crate::cpu::storage::{ALIGN, RawBytes};

/// Bytes that a block of rows may touch: within the second-level cache, with room for what streams past.
const BLOCK: usize = 1 << 18;
/// Bytes for which another thread is worth waking.
const TASK: usize = 1 << 16;
/// Elements of a piece of rows that lie in segments: what passes from step to step stays in the first-level cache.
const PIECE: usize = 1 << 11;
/// Blocks into which rows in segments are divided at least, so that all threads have some.
const BLOCKS: usize = 16;
/// Between private slots, so that two of them never share their low address bits (a load would wait for an unrelated
/// store).
const GAP: usize = 192;

impl RowsKernel {
    /// The kernel of a group.
    ///
    /// # Errors
    /// Internal ones, if the plan asks for what no plan may.
    pub fn new(program: &Program, group: &RowGroup, env: &Env) -> Result<RowsKernel> {
        let local = Local::of(program, group);
        if !is_apart(&local) {
            return Err(Error::internal(
                "rows",
                "a group writes over what it touches besides",
            ));
        }
        let row_bytes = (local.touched() / local.rows).max(1);
        let block = match local.segments {
            1 => (BLOCK / row_bytes).clamp(1, local.rows),
            _ => rows_of_segments(&local),
        };
        let len = local.segment_len().filter(|&len| block == 1 && len > PIECE);
        let tasks = Tasks::new(&local);
        let mut preparation = Preparation {
            local: &local,
            block,
            cut: len.map(|len| (len, PIECE)),
            memory: (local.slots.len() * size_of::<RawBytes>()).next_multiple_of(ALIGN),
            env,
        };
        let slots: Box<[Slot]> = (0..local.slots.len())
            .map(|slot| preparation.slot(slot, &tasks))
            .collect();
        let phases = tasks.phases.iter().map(|tasks| preparation.phase(tasks, &slots));
        let phases = phases.collect::<Result<Box<[Phase]>>>()?;
        let members = phases
            .iter()
            .flat_map(|phase| phase.once.iter().chain(&phase.each));
        let registers = members.map(Member::register_bytes).max().unwrap_or(0);
        Ok(RowsKernel {
            rows: local.rows,
            segments: local.segments,
            block,
            together: (TASK / (block * row_bytes)).max(1),
            cut: preparation.cut,
            slots,
            phases,
            registers: preparation.memory,
            bytes: (preparation.memory + registers).next_multiple_of(ALIGN),
        })
    }
}

/// Rows taken at a time where they lie in segments: pieces are long enough for the way to them, and blocks enough for
/// all threads.
fn rows_of_segments(local: &Local) -> usize {
    let segmented = local.divisions.iter().filter(|d| d.segments > 1);
    let len = segmented.map(|d| d.len).max().unwrap_or(1);
    (PIECE / len.max(1)).min(local.rows / BLOCKS).max(1)
}

/// What is done in each phase.
struct Tasks {
    phases: Vec<PhaseTasks>,
    /// The phase of each step.
    of_steps: Vec<usize>,
}

#[derive(Default)]
struct PhaseTasks {
    once: Vec<Task>,
    each: Vec<Task>,
}

/// One or, merged, several steps.
struct Task {
    steps: Vec<usize>,
    kind: StepKind,
}

impl Tasks {
    fn new(local: &Local) -> Tasks {
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
            let task = Task { steps: vec![i], kind };
            if local.segments > 1 && !local.by_segments(i) {
                once.push(task);
            } else if local.segments == 1 || !each.last_mut().is_some_and(|last| last.takes(&task)) {
                each.push(task);
            }
        }
        for task in phases.iter_mut().flat_map(|phase| &mut phase.each) {
            task.drop_stores(local);
        }
        Tasks { phases, of_steps }
    }

    fn writes(&self, slot: SlotId) -> bool {
        let tasks = self
            .phases
            .iter()
            .flat_map(|phase| phase.once.iter().chain(&phase.each));
        tasks.into_iter().any(|task| match &task.kind {
            StepKind::Op { output, .. } => *output == slot,
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

    /// Drops the stores of what only these steps read.
    fn drop_stores(&mut self, local: &Local) {
        let steps = &self.steps;
        if let StepKind::Cluster(Cluster { stores, .. }) = &mut self.kind {
            stores.retain(|&(_, slot)| {
                !local.is_private(slot) || local.readers(slot).any(|reader| !steps.contains(&reader))
            });
        }
    }
}

/// What kernels are made from, and the thread's memory so far.
struct Preparation<'a> {
    local: &'a Local,
    block: usize,
    cut: Option<(usize, usize)>,
    memory: usize,
    env: &'a Env,
}

impl Preparation<'_> {
    fn take(&mut self, bytes: usize) -> usize {
        let at = self.memory;
        self.memory += (bytes + GAP).next_multiple_of(ALIGN);
        at
    }

    fn slot(&mut self, slot: SlotId, tasks: &Tasks) -> Slot {
        let local = self.local;
        let spec = &local.program.slots[slot].spec;
        let division = local.written[slot].map(|(_, division)| division);
        let Division { segments, len } = division.unwrap_or_else(|| local.of_elements(spec.shape.size()));
        let size = spec.dtype.size();
        let home = if !(local.is_private(slot) && tasks.writes(slot)) {
            Home::Memory(local.slots[slot])
        } else if segments == 1 {
            Home::Rows(self.take(self.block * len * size))
        } else if is_passing(local, &tasks.of_steps, slot) {
            let longest = self.cut.map_or(self.block * len, |(_, piece)| piece);
            Home::Piece(self.take(longest * size))
        } else {
            Home::Segments(self.take(segments * self.block * len * size))
        };
        Slot {
            home,
            bytes: spec.bytes(),
            size,
            len,
        }
    }

    fn phase(&mut self, tasks: &PhaseTasks, slots: &[Slot]) -> Result<Phase> {
        let mut members = |tasks: &[Task]| -> Result<Box<[Member]>> {
            tasks.iter().map(|task| self.member(task)).collect()
        };
        let (once, each) = (members(&tasks.once)?, members(&tasks.each)?);
        let mut touched: Vec<SlotId> = Vec::new();
        for task in &tasks.each {
            for &step in &task.steps {
                let step = &self.local.steps[step];
                touched.extend(reads(step).into_iter().chain(writes(step)));
            }
        }
        touched.sort_unstable();
        touched.dedup();
        let is_moving = |slot: &SlotId| matches!(slots[*slot].home, Home::Segments(_) | Home::Piece(_));
        // What a group reads in segments as it lies.
        let streams = |slot: &SlotId| {
            let from_outside = self.local.written[*slot].is_none() && self.local.segments > 1;
            let whole = slots[*slot].bytes
                == self.local.segments * self.local.rows * slots[*slot].len * slots[*slot].size;
            from_outside && whole
        };
        Ok(Phase {
            once,
            each,
            streams: touched.iter().copied().filter(streams).collect(),
            moving: touched.iter().copied().filter(is_moving).collect(),
        })
    }

    fn member(&mut self, task: &Task) -> Result<Member> {
        let first = task.steps[0];
        let division = self.local.divisions[first];
        match &task.kind {
            StepKind::Cluster(cluster) => {
                let kernel = ClusterKernel::new(cluster, &self.local.program, self.env.level);
                let kernel = kernel.map_err(|e| e.within(&self.local.steps[first].scope))?;
                Ok(Member::Cluster(kernel, division))
            }
            StepKind::Op {
                op: Op::Reduce { kind, axes },
                inputs,
                output,
                ..
            } => {
                let (slot, spec) = &inputs[0];
                let result = &self.local.program.slots[*output].spec;
                let input = Part {
                    slot: *slot,
                    dtype: spec.dtype,
                    len: division.len,
                };
                let output = Part {
                    slot: *output,
                    dtype: result.dtype,
                    len: result.shape.size() / self.local.rows,
                };
                if division.segments > 1 {
                    let folding = Folding::new(*kind, spec.dtype);
                    let states = self.take(folding.state * self.block);
                    return Ok(Member::Accumulation(Accumulation {
                        folding,
                        input,
                        output,
                        states,
                    }));
                }
                let rows = self.local.rows;
                let kernel = |count: usize| {
                    let (axes, input) = in_rows(axes, spec, rows, count);
                    reduce::compile_whole(*kind, &axes, &input)
                };
                let last = rows % self.block;
                Ok(Member::Reduction(Reduction {
                    input,
                    output,
                    whole: kernel(self.block),
                    rest: (last > 0).then(|| (last, kernel(last))),
                }))
            }
            StepKind::Op { op, .. } => Err(Error::internal(op.name(), "does not go row by row")),
        }
    }
}

/// The axes and the input of a reduction inside of `rows` rows, for `count` of them.
fn in_rows(axes: &[usize], spec: &Spec, rows: usize, count: usize) -> (Vec<usize>, Spec) {
    let dims = spec.shape.dims();
    let outer = (0..=dims.len())
        .find(|&p| dims[..p].iter().product::<usize>() == rows)
        .expect("the leading axes make the rows");
    let shape: Shape = std::iter::once(count)
        .chain(dims[outer..].iter().copied())
        .collect();
    let axes = axes
        .iter()
        .filter(|&&axis| axis >= outer)
        .map(|axis| axis + 1 - outer);
    (axes.collect(), Spec::new(shape, spec.dtype))
}

/// Whether what the group writes lies over nothing else that it touches.
fn is_apart(local: &Local) -> bool {
    let all = 0..local.slots.len();
    let clash = |written: SlotId| {
        all.clone()
            .any(|other| other != written && may_share(&local.program, written, other))
    };
    !all.clone()
        .any(|slot| local.written[slot].is_some() && clash(slot))
}
