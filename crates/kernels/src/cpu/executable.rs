//! A prepared program: its arena, its steps as closures, and the table of addresses filled at each run.

use std::sync::Arc;

use hyperglow_core::backend::{Buffer, Executable};
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::Spec;
use hyperglow_core::plan::{Place, Program, SlotId, StepKind};
use hyperglow_core::{DType, Error, Result};

use super::cluster::ClusterKernel;
use super::compile;
use super::exec::{Args, Env, Kernel, Operand};
use super::fused::{self, FusedKernel};
use super::storage::{Arena, CpuStorage, RawBytes};

/// See [`hyperglow_core::backend::Executable`]. Running it asks the system for no memory.
pub(crate) struct CpuExecutable {
    program: Arc<Program>,
    env: Env,
    steps: Vec<Step>,
    /// Keeps the memory of the slots and scratch places that lie in it.
    _arena: Arena,
    /// Where each slot is. Inputs and outputs are filled in at each run.
    slots: Vec<RawBytes>,
}

struct Step {
    work: Work,
    scope: String,
}

enum Work {
    Primitive {
        kernel: Kernel,
        operands: Operands,
    },
    Cluster {
        kernel: ClusterKernel,
        registers: RawBytes,
    },
    /// A matrix product and the cluster after it.
    Fused {
        kernel: FusedKernel,
        operands: Operands,
        registers: RawBytes,
    },
}

/// What a primitive reads and writes.
struct Operands {
    inputs: Vec<Operand>,
    output: (SlotId, DType),
    scratch: RawBytes,
}

impl Operands {
    /// # Safety
    /// As for [`Args::new`].
    unsafe fn args<'a>(&'a self, env: &'a Env, slots: &'a [RawBytes]) -> Args<'a> {
        let (slot, dtype) = self.output;
        // SAFETY: as the caller promises.
        unsafe { Args::new(env, slots, &self.inputs, (slots[slot], dtype), self.scratch) }
    }
}

impl CpuExecutable {
    pub fn new(program: Arc<Program>, env: Env) -> Result<CpuExecutable> {
        // Registers of clusters lie behind the program's own arena, shared by all clusters.
        let mut clusters = Vec::with_capacity(program.steps.len());
        for step in &program.steps {
            clusters.push(match &step.kind {
                StepKind::Cluster(cluster) => {
                    Some(ClusterKernel::new(cluster, &program).map_err(|e| e.within(&step.scope))?)
                }
                StepKind::Op { .. } => None,
            });
        }
        let threads = env.pool.threads();
        let file = clusters
            .iter()
            .flatten()
            .map(|kernel| kernel.register_bytes() * threads)
            .max()
            .unwrap_or(0);
        let base = program.arena_bytes.next_multiple_of(64);
        let arena = Arena::new(base + file)?;
        let place = |slot: &hyperglow_core::plan::Slot| match slot.place {
            Place::Arena(offset) => arena.raw(offset, slot.spec.bytes()),
            Place::Input(_) | Place::Output(_) => RawBytes::EMPTY,
        };
        let slots: Vec<RawBytes> = program.slots.iter().map(place).collect();
        let mut steps = Vec::with_capacity(program.steps.len());
        let mut clusters = clusters.into_iter().peekable();
        let mut at = 0;
        while let Some(cluster) = clusters.next() {
            let step = &program.steps[at];
            let registers = |kernel: &ClusterKernel| arena.raw(base, kernel.register_bytes() * threads);
            let fused = fused::product(&program, at, threads);
            at += 1;
            let work = match (&step.kind, cluster) {
                (
                    StepKind::Op {
                        op,
                        inputs,
                        output,
                        scratch,
                    },
                    _,
                ) => {
                    let operands = operands(&program, &arena, op.name(), inputs, *output, *scratch)?;
                    if let Some(product) = fused
                        && let Some(cluster) = clusters.next_if(Option::is_some).flatten()
                    {
                        at += 1;
                        let registers = registers(&cluster);
                        let kernel = fused::compile(&program, product, cluster, *output);
                        Work::Fused {
                            kernel,
                            operands,
                            registers,
                        }
                    } else {
                        let specs: Vec<_> = inputs.iter().map(|(_, spec)| spec).collect();
                        let result = &program.slots[*output].spec;
                        let kernel =
                            compile::compile(op, &specs, result, &env).map_err(|e| e.within(&step.scope))?;
                        Work::Primitive { kernel, operands }
                    }
                }
                (StepKind::Cluster(_), Some(kernel)) => {
                    let registers = registers(&kernel);
                    Work::Cluster { kernel, registers }
                }
                (StepKind::Cluster(_), None) => {
                    return Err(Error::internal("prepare", "a cluster without a kernel"));
                }
            };
            steps.push(Step {
                work,
                scope: step.scope.clone(),
            });
        }
        Ok(CpuExecutable {
            program,
            env,
            steps,
            _arena: arena,
            slots,
        })
    }

    /// Fills in the addresses of inputs and outputs, refusing what would make slices overlap.
    fn bind(&mut self, inputs: &[Buffer], outputs: &[Buffer]) -> Result<()> {
        let program = &self.program;
        if inputs.len() != program.inputs.len() || outputs.len() != program.outputs.len() {
            let given = (inputs.len(), outputs.len());
            let wanted = (program.inputs.len(), program.outputs.len());
            return Err(Error::internal(
                "run",
                format!("(inputs, outputs) are {given:?}, expected {wanted:?}"),
            ));
        }
        for (buffers, places) in [(inputs, &program.inputs), (outputs, &program.outputs)] {
            for (buffer, &slot) in buffers.iter().zip(places) {
                self.slots[slot] = bytes_of(buffer, program.slots[slot].spec.bytes())?;
            }
        }
        for (j, &slot) in program.outputs.iter().enumerate() {
            let start = self.slots[slot].start;
            if self.slots[slot].len == 0 {
                continue;
            }
            let input =
                |(i, s): (usize, &SlotId)| self.slots[*s].start == start && program.donations[j] != Some(i);
            let output = |s: &SlotId| self.slots[*s].start == start;
            if program.inputs.iter().enumerate().any(input) || program.outputs[..j].iter().any(output) {
                return Err(Error::internal(
                    "run",
                    format!("output {j} shares its buffer with another operand"),
                ));
            }
        }
        Ok(())
    }
}

impl Executable for CpuExecutable {
    fn run(&mut self, inputs: &[Buffer], outputs: &[Buffer]) -> Result<()> {
        self.bind(inputs, outputs)?;
        for step in &self.steps {
            let (env, slots) = (&self.env, &self.slots);
            // SAFETY (here and below): buffers live as long as this call borrows them, the arena as long as `self`. The
            // graph gives a plan's outputs to nobody else, and `&mut self` keeps the arena to this run. `check_apart`
            // and `bind` saw to it that output and scratch overlap nothing the step uses.
            let result = match &step.work {
                Work::Primitive { kernel, operands } => {
                    // SAFETY: see above.
                    kernel(&unsafe { operands.args(env, slots) })
                }
                Work::Cluster { kernel, registers } => {
                    // SAFETY: see above; the kernel knows where its output may be one of its inputs.
                    unsafe { kernel.run(env, slots, *registers) };
                    Ok(())
                }
                Work::Fused {
                    kernel,
                    operands,
                    registers,
                } => {
                    // SAFETY: see above.
                    unsafe { kernel.run(&operands.args(env, slots), slots, *registers) };
                    Ok(())
                }
            };
            result.map_err(|e| e.within(&step.scope))?;
        }
        Ok(())
    }
}

/// The operands of a primitive, of which output and scratch are memory of their own.
fn operands(
    program: &Program,
    arena: &Arena,
    op: &str,
    inputs: &[(SlotId, Spec)],
    output: SlotId,
    (offset, bytes): (usize, usize),
) -> Result<Operands> {
    let slots: Vec<SlotId> = inputs.iter().map(|(slot, _)| *slot).collect();
    check_apart(program, op, &slots, output, (offset, bytes))?;
    let operand = |(slot, spec): &(SlotId, Spec)| Operand {
        slot: *slot,
        dtype: spec.dtype,
        len: spec.shape.size(),
    };
    Ok(Operands {
        inputs: inputs.iter().map(operand).collect(),
        output: (output, program.slots[output].spec.dtype),
        scratch: arena.raw(offset, bytes),
    })
}

/// The address of a buffer of this device and of this size.
fn bytes_of(buffer: &Buffer, bytes: usize) -> Result<RawBytes> {
    let Some(storage) = buffer.as_any().downcast_ref::<CpuStorage>() else {
        return Err(Error::new(
            ErrorKind::Device,
            "run",
            "an operand is not on the cpu",
            "bring all operands to one device",
        ));
    };
    let raw = storage.raw();
    if raw.len != bytes {
        return Err(Error::internal(
            "run",
            format!("a buffer has {} bytes, the program expects {bytes}", raw.len),
        ));
    }
    Ok(raw)
}

/// Refuses a primitive whose output or scratch shares memory with what it reads.
fn check_apart(
    program: &Program,
    op: &str,
    inputs: &[SlotId],
    output: SlotId,
    scratch: (usize, usize),
) -> Result<()> {
    let arena = |slot: SlotId| match program.slots[slot].place {
        Place::Arena(offset) => Some((offset, program.slots[slot].spec.bytes())),
        Place::Input(_) | Place::Output(_) => None,
    };
    let overlap =
        |a: (usize, usize), b: (usize, usize)| a.0 < b.0 + b.1 && b.0 < a.0 + a.1 && a.1 > 0 && b.1 > 0;
    let mut clash = arena(output).is_some_and(|o| overlap(o, scratch));
    for &input in inputs {
        clash |= input == output;
        clash |= match (program.slots[input].place, program.slots[output].place) {
            (Place::Input(i), Place::Output(o)) => program.donations[o] == Some(i),
            _ => false,
        };
        if let Some(range) = arena(input) {
            clash |= overlap(range, scratch) || arena(output).is_some_and(|o| overlap(o, range));
        }
    }
    if clash {
        Err(Error::internal(op, "the plan puts its operands over each other"))
    } else {
        Ok(())
    }
}
