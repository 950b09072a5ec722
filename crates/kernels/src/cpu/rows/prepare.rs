//! Prepares the kernel of a row group: rows per block, the order of tasks, and the layout of a thread's memory.

use hyperglow_core::op::{self, Op, Spec};
use hyperglow_core::plan::rows::{Division, RowGroup};
use hyperglow_core::plan::{Program, SlotId, StepKind};
use hyperglow_core::{Error, Result, Shape};

use super::group_step::{Accumulation, GroupStep, Primitive, RowSlot, WindowMaxima};
use super::phases::is_consumed_in_phase;
use super::tasks::{PhaseTasks, Task, Tasks};
use super::{Phase, RowsKernel, Slot, SlotStorage};
use crate::cpu::blocks::ALIGN_BYTES;
use crate::cpu::cluster::ClusterKernel;
use crate::cpu::compile;
use crate::cpu::element::for_dtype;
use crate::cpu::exec::{Env, Kernel};
use crate::cpu::reduce::{self, RowReducer};
use crate::cpu::storage::RawBytes;
use crate::cpu::window::{Maxima, Windows};
use crate::steps::group_program::GroupProgram;

/// Bytes that the steps access in a block of rows: they fit the second-level cache.
const BLOCK_BYTES: usize = 1 << 19;
/// Minimal number of bytes of a task, worth waking a thread.
const TASK_BYTES: usize = 1 << 16;
/// Elements of a chunk of rows with segments: intermediates stay in the first-level cache.
const CHUNK_ELEMENTS: usize = 1 << 11;
/// Minimal number of blocks of rows with segments, so that all threads are busy.
const MIN_BLOCKS: usize = 16;
/// Gap between private slots, so that their addresses differ in the low bits (4K aliasing: a load would wait for an unrelated
/// store).
const GAP_BYTES: usize = 192;

impl RowsKernel {
    /// The kernel of a group.
    ///
    /// # Errors
    /// Internal ones, if slots of the group share memory.
    pub fn new(program: &Program, group: &RowGroup, env: &Env) -> Result<RowsKernel> {
        let local = GroupProgram::of(program, group);
        if !local.is_disjoint() {
            return Err(Error::internal(
                "rows",
                "a row group writes a slot that shares memory with another of its slots",
            ));
        }
        let row_bytes = (local.accessed_bytes() / local.rows).max(1);
        let block = match local.segments {
            1 => (BLOCK_BYTES / row_bytes).clamp(1, local.rows),
            _ => block_rows_in_segments(&local),
        };
        let len = local
            .segment_len()
            .filter(|&len| block == 1 && len > CHUNK_ELEMENTS);
        let tasks = Tasks::new(&local);
        let mut preparation = Preparation {
            local: &local,
            block,
            cut: len.map(|len| (len, CHUNK_ELEMENTS)),
            memory: (local.slots.len() * size_of::<RawBytes>()).next_multiple_of(ALIGN_BYTES),
            env,
        };
        let slots: Box<[Slot]> = (0..local.slots.len())
            .map(|slot| preparation.slot(slot, &tasks))
            .collect();
        let phases = tasks.phases.iter().map(|tasks| preparation.phase(tasks, &slots));
        let phases = phases.collect::<Result<Box<[Phase]>>>()?;
        let group_steps = phases
            .iter()
            .flat_map(|phase| phase.once.iter().chain(&phase.each));
        let registers = group_steps.map(GroupStep::register_bytes).max().unwrap_or(0);
        Ok(RowsKernel {
            rows: local.rows,
            segments: local.segments,
            block,
            blocks_per_task: (TASK_BYTES / (block * row_bytes)).max(1),
            cut: preparation.cut,
            slots,
            phases,
            registers: preparation.memory,
            bytes: (preparation.memory + registers).next_multiple_of(ALIGN_BYTES),
        })
    }
}

/// Rows per block, for rows with segments: chunks are long enough to amortize a step's call, and there are enough blocks for all
/// threads.
fn block_rows_in_segments(local: &GroupProgram) -> usize {
    let segmented = local.divisions.iter().filter(|d| d.segments > 1);
    let len = segmented.map(|d| d.len).max().unwrap_or(1);
    (CHUNK_ELEMENTS / len.max(1)).min(local.rows / MIN_BLOCKS).max(1)
}

/// The inputs of preparation, and the size of the thread's memory so far.
struct Preparation<'a> {
    local: &'a GroupProgram,
    block: usize,
    cut: Option<(usize, usize)>,
    memory: usize,
    env: &'a Env,
}

impl Preparation<'_> {
    fn take(&mut self, bytes: usize) -> usize {
        let at = self.memory;
        self.memory += (bytes + GAP_BYTES).next_multiple_of(ALIGN_BYTES);
        at
    }

    fn slot(&mut self, slot: SlotId, tasks: &Tasks) -> Slot {
        let local = self.local;
        let spec = &local.program.slots[slot].spec;
        let division = local.written[slot].map(|(_, division)| division);
        let Division { segments, len } = division.unwrap_or_else(|| local.of_elements(spec.shape.size()));
        let size = spec.dtype.size();
        let storage = if !(local.is_private(slot) && tasks.writes(slot)) {
            SlotStorage::Memory(local.slots[slot])
        } else if segments == 1 {
            SlotStorage::Rows(self.take(self.block * len * size))
        } else if is_consumed_in_phase(local, &tasks.of_steps, slot) {
            let longest = self.cut.map_or(self.block * len, |(_, chunk)| chunk);
            SlotStorage::Chunk(self.take(longest * size))
        } else {
            SlotStorage::Segments(self.take(segments * self.block * len * size))
        };
        Slot {
            storage,
            bytes: spec.bytes(),
            size,
            len,
        }
    }

    fn phase(&mut self, tasks: &PhaseTasks, slots: &[Slot]) -> Result<Phase> {
        let mut group_steps = |tasks: &[Task]| -> Result<Box<[GroupStep]>> {
            tasks.iter().map(|task| self.group_step(task)).collect()
        };
        let (once, each) = (group_steps(&tasks.once)?, group_steps(&tasks.each)?);
        let mut touched: Vec<SlotId> = Vec::new();
        for task in &tasks.each {
            for &step in &task.steps {
                let step = &self.local.steps[step];
                touched.extend(step.reads().into_iter().chain(step.writes()));
            }
        }
        touched.sort_unstable();
        touched.dedup();
        touched.retain(|&slot| {
            matches!(
                slots[slot].storage,
                SlotStorage::Segments(_) | SlotStorage::Chunk(_)
            )
        });
        Ok(Phase {
            once,
            each,
            segmented: touched.into(),
        })
    }

    fn group_step(&mut self, task: &Task) -> Result<GroupStep> {
        let first = task.steps[0];
        let division = self.local.divisions[first];
        let within = |e: Error| e.within(&self.local.steps[first].scope);
        match &task.kind {
            StepKind::Cluster(cluster) => {
                let kernel = ClusterKernel::new(cluster, &self.local.program, self.env.level);
                Ok(GroupStep::Cluster(Box::new(kernel.map_err(within)?), division))
            }
            StepKind::Op {
                op: Op::Reduce { kind, .. },
                inputs,
                output,
                ..
            } if division.segments > 1 => Ok(self.accumulation(*kind, inputs[0].0, *output, division)),
            StepKind::Op {
                op, inputs, output, ..
            } => match task.positions {
                Some(positions) => self.maxima(op, &inputs[0], *output, positions).map_err(within),
                None => self.primitive(op, inputs, *output).map_err(within),
            },
        }
    }

    fn row_slot(&self, slot: SlotId, segments: usize) -> RowSlot {
        let spec = &self.local.program.slots[slot].spec;
        RowSlot {
            slot,
            dtype: spec.dtype,
            len: spec.shape.size() / (self.local.rows * segments),
        }
    }

    fn accumulation(
        &mut self,
        kind: op::Reduction,
        from: SlotId,
        to: SlotId,
        division: Division,
    ) -> GroupStep {
        let input = self.row_slot(from, division.segments);
        let reducer = RowReducer::new(kind, input.dtype);
        let states = self.take(reducer.state_bytes * self.block);
        GroupStep::Accumulation(Accumulation {
            reducer,
            output: self.row_slot(to, 1),
            input,
            states,
        })
    }

    fn primitive(&self, op: &Op, inputs: &[(SlotId, Spec)], output: SlotId) -> Result<GroupStep> {
        let rows = self.local.rows;
        let result = &self.local.program.slots[output].spec;
        let kernel = |count: usize| -> Result<Kernel> {
            if let Op::Reduce { kind, axes } = op {
                let (axes, input) = reduced_rows(axes, &inputs[0].1, rows, count);
                return Ok(reduce::compile_unsplit(*kind, &axes, &input));
            }
            let inputs: Vec<Spec> = inputs.iter().map(|(_, spec)| planes(spec, rows, count)).collect();
            let inputs: Vec<&Spec> = inputs.iter().collect();
            compile::without_scratch(op, &inputs, &planes(result, rows, count), self.env)
        };
        let last = rows % self.block;
        Ok(GroupStep::Primitive(Primitive {
            inputs: inputs.iter().map(|(slot, _)| self.row_slot(*slot, 1)).collect(),
            output: self.row_slot(output, 1),
            whole: kernel(self.block)?,
            rest: if last > 0 {
                Some((last, kernel(last)?))
            } else {
                None
            },
        }))
    }

    fn maxima(&self, op: &Op, x: &(SlotId, Spec), values: SlotId, positions: SlotId) -> Result<GroupStep> {
        let Op::WindowMax { window, kernel } = op else {
            return Err(Error::internal(op.name(), "finds no maxima"));
        };
        // The operand's shape, which may differ from that of its slot.
        let (slot, images) = x;
        let maxima = &self.local.program.slots[values].spec;
        let windows = Windows::new(op, window, kernel, images, maxima)?;
        Ok(GroupStep::Maxima(WindowMaxima {
            kernel: for_dtype!(images.dtype, T => Maxima::new::<T>(windows)),
            input: self.row_slot(*slot, 1),
            values: self.row_slot(values, 1),
            positions: self.row_slot(positions, 1),
        }))
    }
}

/// The axes and the input of a reduction within `rows` rows, restricted to `count` rows.
fn reduced_rows(axes: &[usize], spec: &Spec, rows: usize, count: usize) -> (Vec<usize>, Spec) {
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

/// `count` rows of a tensor of images, whose images or planes are the `rows` rows.
fn planes(spec: &Spec, rows: usize, count: usize) -> Spec {
    let dims = spec.shape.dims();
    let channels = if rows == dims[0] { dims[1] } else { 1 };
    let shape: Shape = [count, channels]
        .into_iter()
        .chain(dims[2..].iter().copied())
        .collect();
    Spec::new(shape, spec.dtype)
}
