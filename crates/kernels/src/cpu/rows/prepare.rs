//! From a group of a plan to its kernel: how many rows at a time, in which order, and where private slots are.

use hyperglow_core::op::{self, Op, Spec};
use hyperglow_core::plan::rows::{Division, RowGroup};
use hyperglow_core::plan::{Program, SlotId, StepKind};
use hyperglow_core::{Error, Result, Shape};

use super::local::GroupProgram;
use super::member::{Accumulation, MaximaOfWindows, Member, Primitive, RowSlot};
use super::phases::is_passing;
use super::tasks::{PhaseTasks, Task, Tasks};
use super::{Home, Phase, RowsKernel, Slot};
use crate::cpu::blocks::ALIGN;
use crate::cpu::cluster::ClusterKernel;
use crate::cpu::compile;
use crate::cpu::element::for_dtype;
use crate::cpu::exec::{Env, Kernel};
use crate::cpu::reduce::{self, Folding};
use crate::cpu::storage::RawBytes;
use crate::cpu::window::{Maxima, Windows};

/// Bytes that the steps touch in a block of rows: within the second-level cache, the more so as they touch much twice.
const BLOCK_BYTES: usize = 1 << 19;
/// Bytes for which another thread is worth waking.
const TASK_BYTES: usize = 1 << 16;
/// Elements of a piece of rows that lie in segments: what passes from step to step stays in the first-level cache.
const PIECE_ELEMENTS: usize = 1 << 11;
/// Blocks into which rows in segments are divided at least, so that all threads have some.
const MIN_BLOCKS: usize = 16;
/// Between private slots, so that two of them never share their low address bits (a load would wait for an unrelated
/// store).
const GAP_BYTES: usize = 192;

impl RowsKernel {
    /// The kernel of a group.
    ///
    /// # Errors
    /// Internal ones, if the plan asks for what no plan may.
    pub fn new(program: &Program, group: &RowGroup, env: &Env) -> Result<RowsKernel> {
        let local = GroupProgram::of(program, group);
        if !is_apart(&local) {
            return Err(Error::internal(
                "rows",
                "a group writes over what it touches besides",
            ));
        }
        let row_bytes = (local.touched() / local.rows).max(1);
        let block = match local.segments {
            1 => (BLOCK_BYTES / row_bytes).clamp(1, local.rows),
            _ => rows_of_segments(&local),
        };
        let len = local
            .segment_len()
            .filter(|&len| block == 1 && len > PIECE_ELEMENTS);
        let tasks = Tasks::new(&local);
        let mut preparation = Preparation {
            local: &local,
            block,
            cut: len.map(|len| (len, PIECE_ELEMENTS)),
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
            together: (TASK_BYTES / (block * row_bytes)).max(1),
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
fn rows_of_segments(local: &GroupProgram) -> usize {
    let segmented = local.divisions.iter().filter(|d| d.segments > 1);
    let len = segmented.map(|d| d.len).max().unwrap_or(1);
    (PIECE_ELEMENTS / len.max(1)).min(local.rows / MIN_BLOCKS).max(1)
}

/// What kernels are made from, and the thread's memory so far.
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
        self.memory += (bytes + GAP_BYTES).next_multiple_of(ALIGN);
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
            Home::SegmentCut(self.take(longest * size))
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
                touched.extend(step.reads().into_iter().chain(step.writes()));
            }
        }
        touched.sort_unstable();
        touched.dedup();
        touched.retain(|&slot| matches!(slots[slot].home, Home::Segments(_) | Home::SegmentCut(_)));
        Ok(Phase {
            once,
            each,
            moving: touched.into(),
        })
    }

    fn member(&mut self, task: &Task) -> Result<Member> {
        let first = task.steps[0];
        let division = self.local.divisions[first];
        let within = |e: Error| e.within(&self.local.steps[first].scope);
        match &task.kind {
            StepKind::Cluster(cluster) => {
                let kernel = ClusterKernel::new(cluster, &self.local.program, self.env.level);
                Ok(Member::Cluster(kernel.map_err(within)?, division))
            }
            StepKind::Op {
                op: Op::Reduce { kind, .. },
                inputs,
                output,
                ..
            } if division.segments > 1 => Ok(self.accumulation(*kind, inputs[0].0, *output, division)),
            StepKind::Op {
                op, inputs, output, ..
            } => match task.places {
                Some(places) => self.maxima(op, &inputs[0], *output, places).map_err(within),
                None => self.primitive(op, inputs, *output).map_err(within),
            },
        }
    }

    fn part(&self, slot: SlotId, segments: usize) -> RowSlot {
        let spec = &self.local.program.slots[slot].spec;
        RowSlot {
            slot,
            dtype: spec.dtype,
            len: spec.shape.size() / (self.local.rows * segments),
        }
    }

    fn accumulation(&mut self, kind: op::Reduction, from: SlotId, to: SlotId, division: Division) -> Member {
        let input = self.part(from, division.segments);
        let folding = Folding::new(kind, input.dtype);
        let states = self.take(folding.state * self.block);
        Member::Accumulation(Accumulation {
            folding,
            output: self.part(to, 1),
            input,
            states,
        })
    }

    fn primitive(&self, op: &Op, inputs: &[(SlotId, Spec)], output: SlotId) -> Result<Member> {
        let rows = self.local.rows;
        let result = &self.local.program.slots[output].spec;
        let kernel = |count: usize| -> Result<Kernel> {
            if let Op::Reduce { kind, axes } = op {
                let (axes, input) = reduced_rows(axes, &inputs[0].1, rows, count);
                return Ok(reduce::compile_whole(*kind, &axes, &input));
            }
            let inputs: Vec<Spec> = inputs.iter().map(|(_, spec)| planes(spec, rows, count)).collect();
            let inputs: Vec<&Spec> = inputs.iter().collect();
            compile::without_scratch(op, &inputs, &planes(result, rows, count), self.env)
        };
        let last = rows % self.block;
        Ok(Member::Primitive(Primitive {
            inputs: inputs.iter().map(|(slot, _)| self.part(*slot, 1)).collect(),
            output: self.part(output, 1),
            whole: kernel(self.block)?,
            rest: if last > 0 {
                Some((last, kernel(last)?))
            } else {
                None
            },
        }))
    }

    fn maxima(&self, op: &Op, x: &(SlotId, Spec), values: SlotId, places: SlotId) -> Result<Member> {
        let Op::WindowMax { window, kernel } = op else {
            return Err(Error::internal(op.name(), "finds no maxima"));
        };
        // The images as the operation reads them, which is not always how their slot was written.
        let (slot, images) = x;
        let maxima = &self.local.program.slots[values].spec;
        let windows = Windows::new(op, window, kernel, images, maxima)?;
        Ok(Member::Maxima(MaximaOfWindows {
            kernel: for_dtype!(images.dtype, T => Maxima::new::<T>(windows)),
            input: self.part(*slot, 1),
            values: self.part(values, 1),
            places: self.part(places, 1),
        }))
    }
}

/// The axes and the input of a reduction inside of `rows` rows, for `count` of them.
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

/// Of a tensor of images, of which images or planes are `rows` rows, `count` rows.
fn planes(spec: &Spec, rows: usize, count: usize) -> Spec {
    let dims = spec.shape.dims();
    let channels = if rows == dims[0] { dims[1] } else { 1 };
    let shape: Shape = [count, channels]
        .into_iter()
        .chain(dims[2..].iter().copied())
        .collect();
    Spec::new(shape, spec.dtype)
}

/// Whether what the group writes lies over nothing else that it touches.
fn is_apart(local: &GroupProgram) -> bool {
    let all = 0..local.slots.len();
    let clash = |written: SlotId| {
        all.clone()
            .any(|other| other != written && local.program.may_share(written, other))
    };
    !all.clone()
        .any(|slot| local.written[slot].is_some() && clash(slot))
}
