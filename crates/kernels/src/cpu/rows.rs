//! Steps that go row by row, run some rows at a time: what one step leaves for the next is still in the cache, and
//! all of them are handed to the threads once.

use std::ops::Range;

use hyperglow_core::op::{Op, Spec};
use hyperglow_core::plan::rows::RowGroup;
use hyperglow_core::plan::schedule::{reads, writes};
use hyperglow_core::plan::{Program, SlotId, StepKind};
use hyperglow_core::{DType, Result};

use super::cluster::{ClusterKernel, may_share};
use super::compile;
use super::exec::{Args, Env, Kernel, Operand};
use super::storage::{ALIGN, RawBytes};

/// Bytes that a block of rows may touch: within the second-level cache, with room for what streams past.
const BLOCK: usize = 1 << 18;
/// Bytes for which another thread is worth waking.
const TASK: usize = 1 << 16;
/// With fewer rows a large group would keep too few threads busy.
const FEW_ROWS: usize = 16;

/// The steps of a [`RowGroup`] made ready.
pub(crate) struct RowsKernel {
    rows: usize,
    /// Rows taken at a time.
    block: usize,
    /// Blocks that make a task.
    together: usize,
    /// Bytes of registers of one thread: what the member that needs most needs.
    registers: usize,
    members: Box<[Member]>,
}

enum Member {
    /// A cluster, with its elements of a row.
    Cluster(ClusterKernel, usize),
    Reduction(Reduction),
}

impl Member {
    fn register_bytes(&self) -> usize {
        match self {
            Member::Cluster(kernel, _) => kernel.register_bytes(),
            Member::Reduction(_) => 0,
        }
    }
}

/// A reduction inside of rows.
struct Reduction {
    input: Part,
    output: Part,
    /// For a block of rows, and for the last rows, where they are fewer.
    whole: Kernel,
    rest: Option<Kernel>,
}

/// A slot of which each row has a part.
struct Part {
    slot: SlotId,
    dtype: DType,
    /// Elements of a row.
    len: usize,
}

impl RowsKernel {
    /// The kernel of a group, given the kernels of its clusters in order, unless the steps are better run one after the
    /// other; then the clusters stay where they are.
    pub fn new(
        program: &Program,
        group: &RowGroup,
        clusters: &mut [Option<ClusterKernel>],
        env: &Env,
    ) -> Result<Option<RowsKernel>> {
        let rows = group.rows;
        if !apart(program, group) {
            return Ok(None);
        }
        let bytes: usize = group
            .steps
            .clone()
            .map(|i| touched(program, &program.steps[i].kind))
            .sum();
        let row_bytes = (bytes / rows).max(1);
        let block = (BLOCK / row_bytes).clamp(1, rows);
        if rows < FEW_ROWS && bytes > BLOCK {
            return Ok(None);
        }
        let mut reductions = Vec::new();
        for i in group.steps.clone() {
            match reduction(program, &program.steps[i].kind, (rows, block), env)? {
                Found::Kernel(found) => reductions.push(Some(found)),
                Found::Cluster => reductions.push(None),
                Found::Unsuitable => return Ok(None),
            }
        }
        let members = reductions.into_iter().zip(clusters).zip(group.steps.clone());
        let members = members.filter_map(|((reduction, cluster), i)| match (reduction, cluster.take()) {
            (Some(reduction), _) => Some(Member::Reduction(reduction)),
            (None, Some(cluster)) => {
                let per_row = elements(&program.steps[i].kind) / rows;
                Some(Member::Cluster(cluster, per_row))
            }
            (None, None) => None,
        });
        let members: Box<[Member]> = members.collect();
        let registers = members.iter().map(Member::register_bytes).max().unwrap_or(0);
        Ok(Some(RowsKernel {
            rows,
            block,
            together: (TASK / (block * row_bytes)).max(1),
            registers: registers.next_multiple_of(ALIGN),
            members,
        }))
    }

    /// Bytes of registers for one thread.
    pub fn register_bytes(&self) -> usize {
        self.registers
    }

    /// # Safety
    /// As for [`ClusterKernel::run`], for every step of the group; and the slots it writes share no memory with each
    /// other or with what it reads besides.
    pub unsafe fn run(&self, env: &Env, slots: &[RawBytes], registers: RawBytes) {
        let blocks = self.rows.div_ceil(self.block);
        env.pool.ranges(blocks, self.together, |worker, blocks| {
            for first in blocks.map(|block| block * self.block) {
                let rows = first..self.rows.min(first + self.block);
                for member in &self.members {
                    // SAFETY: as the caller promises; tasks have different rows, and steps follow one another.
                    unsafe { self.step(member, env, slots, registers, worker, rows.clone()) };
                }
            }
        });
    }

    /// # Safety
    /// As for [`RowsKernel::run`]; nobody else may be at these rows or use this worker's registers.
    unsafe fn step(
        &self,
        member: &Member,
        env: &Env,
        slots: &[RawBytes],
        registers: RawBytes,
        worker: usize,
        rows: Range<usize>,
    ) {
        match member {
            Member::Cluster(kernel, len) => {
                let (start, count) = (rows.start * len, rows.len() * len);
                // Workers are at different members, whose needs differ: each has room for the largest.
                let own = self.registers;
                assert!(registers.len >= own * (worker + 1));
                // SAFETY: within `registers`, as just checked, and this worker's own; the rest as the caller promises.
                unsafe {
                    let mine = RawBytes {
                        start: registers.start.add(worker * own),
                        len: own,
                    };
                    kernel.stretch(env, slots, mine, 0, start, count, None);
                }
            }
            Member::Reduction(Reduction {
                input,
                output,
                whole,
                rest,
            }) => {
                let kernel = match rest {
                    Some(rest) if rows.len() < self.block => rest,
                    _ => whole,
                };
                // SAFETY: rows of a slot.
                let (from, to) = unsafe { (input.of(slots, &rows), output.of(slots, &rows)) };
                let operand = Operand {
                    slot: 0,
                    dtype: input.dtype,
                    len: input.len * rows.len(),
                };
                let (from, operands) = ([from], [operand]);
                // SAFETY: as the caller promises; there is no scratch.
                let args = unsafe { Args::new(env, &from, &operands, (to, output.dtype), RawBytes::EMPTY) };
                kernel(&args).expect("a reduction of checked shapes refuses nothing");
            }
        }
    }
}

impl Part {
    /// # Safety
    /// The slot must have these rows.
    unsafe fn of(&self, slots: &[RawBytes], rows: &Range<usize>) -> RawBytes {
        let row = self.len * self.dtype.size();
        let slot = slots[self.slot];
        assert!(rows.end * row <= slot.len);
        RawBytes {
            // SAFETY: within the slot.
            start: unsafe { slot.start.add(rows.start * row) },
            len: rows.len() * row,
        }
    }
}

/// Whether what the group writes lies over nothing else that it touches.
fn apart(program: &Program, group: &RowGroup) -> bool {
    let steps = &program.steps[group.steps.clone()];
    let written: Vec<SlotId> = steps.iter().flat_map(writes).collect();
    let touched = || steps.iter().flat_map(reads).chain(written.iter().copied());
    let clash = |&slot: &SlotId| touched().any(|other| other != slot && may_share(program, slot, other));
    !written.iter().any(clash)
}

enum Found {
    Kernel(Reduction),
    Cluster,
    Unsuitable,
}

/// The kernels of a reduction for a block of rows.
fn reduction(program: &Program, step: &StepKind, (rows, block): (usize, usize), env: &Env) -> Result<Found> {
    let StepKind::Op {
        op: Op::Reduce { kind, axes },
        inputs,
        output,
        ..
    } = step
    else {
        return Ok(Found::Cluster);
    };
    let (slot, spec) = &inputs[0];
    let result = &program.slots[*output].spec;
    let Some(outer) =
        (1..=spec.shape.rank()).find(|&p| spec.shape.dims()[..p].iter().product::<usize>() == rows)
    else {
        return Ok(Found::Unsuitable);
    };
    let op = Op::Reduce {
        kind: *kind,
        axes: axes.iter().map(|axis| axis + 1 - outer).collect(),
    };
    let part = |rows: usize, spec: &Spec| -> Spec {
        let inner = spec.shape.dims()[outer..].iter().copied();
        Spec::new(
            std::iter::once(rows)
                .chain(inner)
                .collect::<hyperglow_core::Shape>(),
            spec.dtype,
        )
    };
    let compile = |rows: usize| -> Result<Option<Kernel>> {
        let (input, output) = (part(rows, spec), part(rows, result));
        if compile::scratch(&op, &[&input], &output, env) > 0 {
            return Ok(None);
        }
        compile::compile(&op, &[&input], &output, env).map(Some)
    };
    let last = rows % block;
    let rest = if last > 0 { compile(last)? } else { None };
    let (Some(whole), true) = (compile(block)?, last == 0 || rest.is_some()) else {
        return Ok(Found::Unsuitable);
    };
    Ok(Found::Kernel(Reduction {
        input: Part {
            slot: *slot,
            dtype: spec.dtype,
            len: spec.shape.size() / rows,
        },
        output: Part {
            slot: *output,
            dtype: result.dtype,
            len: result.shape.size() / rows,
        },
        whole,
        rest,
    }))
}

/// Elements that a step goes over.
fn elements(step: &StepKind) -> usize {
    match step {
        StepKind::Op { inputs, .. } => inputs
            .iter()
            .map(|(_, spec)| spec.shape.size())
            .max()
            .unwrap_or(0),
        StepKind::Cluster(cluster) => cluster.shape.size(),
    }
}

/// Bytes that a step reads and writes, views counted as they lie in memory.
fn touched(program: &Program, step: &StepKind) -> usize {
    let bytes = |slot: SlotId| program.slots[slot].spec.bytes();
    match step {
        StepKind::Op { inputs, output, .. } => {
            inputs.iter().map(|(_, spec)| spec.bytes()).sum::<usize>() + bytes(*output)
        }
        StepKind::Cluster(cluster) => {
            let read: usize = cluster.loads.iter().map(|view| bytes(view.slot)).sum();
            read + cluster.stores.iter().map(|(_, slot)| bytes(*slot)).sum::<usize>()
        }
    }
}
