//! A prepared program: its kernels, its claim to memory, and the table of slot addresses, bound at each run.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyperglow_core::backend::{Executable, Launch};
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::Spec;
use hyperglow_core::plan::concat::is_in_place_concat;
use hyperglow_core::plan::{Location, Program, SlotId, Step as PlannedStep, StepKind};
use hyperglow_core::profile::Stopwatch;
use hyperglow_core::storage::Buffer;
use hyperglow_core::{DType, Error, Result};

use super::cluster::ClusterKernel;
use super::compile::{CpuKernel, Handover};
use super::conv;
use super::exec::{Args, Env, Operand};
use super::fused::{self, FusedKernel};
use super::rows::RowsKernel;
use super::storage::{Arena, CpuStorage, RawBytes};
use super::workspace::{Claim, Workspace};

/// See [`hyperglow_core::backend::Executable`]. A run allocates no memory.
pub(crate) struct CpuExecutable {
    program: Arc<Program>,
    env: Env,
    steps: Vec<Step>,
    /// The memory of slots in the arena, scratch and registers.
    memory: Claim,
    /// The address of each slot. Inputs and outputs are bound at each run, the other slots after the memory has moved.
    slots: Vec<RawBytes>,
    /// Number of moves of the memory when the slots were bound.
    moves: u64,
    /// Offset and bytes of the clusters' registers, for every thread.
    registers: (usize, usize),
    run_time: RunTime,
}

/// Time of a run.
#[derive(Clone, Copy)]
enum RunTime {
    /// No run yet.
    Unknown,
    /// One run, which took longer than later runs will: it touched its memory for the first time.
    First,
    /// Exponentially smoothed over the runs after the first.
    Smoothed(Duration),
}

/// Runs shorter than this may block the submitting thread.
const MAX_BRIEF: Duration = Duration::from_millis(1);

struct Step {
    work: Work,
    scope: String,
    /// The program's steps that it computes.
    planned: Range<usize>,
    /// Their numbers and algorithm, as a line of [`Executable::describe`].
    text: String,
}

enum Work {
    Primitive {
        kernel: CpuKernel,
        operands: Operands,
    },
    Cluster(ClusterKernel),
    /// A matrix product or convolution with the cluster after it as epilogue.
    Fused {
        kernel: FusedKernel,
        operands: Operands,
    },
    /// A row group.
    Rows(RowsKernel),
    /// Independent serial steps.
    Independent(Vec<Primitive>),
}

/// A serial step that runs in parallel with others.
struct Primitive {
    kernel: CpuKernel,
    operands: Operands,
    scope: String,
}

/// Kernels with registers, by their first step: the size of the memory depends on them.
struct Kernels {
    clusters: Vec<Option<ClusterKernel>>,
    rows: Vec<Option<(RowsKernel, usize)>>,
}

impl Kernels {
    fn of(program: &Program, env: &Env) -> Result<Kernels> {
        let mut rows: Vec<Option<(RowsKernel, usize)>> = program.steps.iter().map(|_| None).collect();
        let mut grouped = vec![false; program.steps.len()];
        for group in &program.groups {
            let steps = group.steps.clone();
            rows[steps.start] = Some((RowsKernel::new(program, group, env)?, steps.len()));
            grouped[steps].fill(true);
        }
        let mut clusters = Vec::with_capacity(program.steps.len());
        for (step, grouped) in program.steps.iter().zip(grouped) {
            clusters.push(match &step.kind {
                StepKind::Cluster(cluster) if !grouped => {
                    Some(ClusterKernel::new(cluster, program, env.level).map_err(|e| e.within(&step.scope))?)
                }
                StepKind::Cluster(_) | StepKind::Op { .. } => None,
            });
        }
        Ok(Kernels { clusters, rows })
    }

    /// Bytes of registers for one thread.
    fn register_bytes(&self) -> usize {
        let clusters = self.clusters.iter().flatten().map(ClusterKernel::register_bytes);
        let rows = self
            .rows
            .iter()
            .flatten()
            .map(|(kernel, _)| kernel.register_bytes());
        clusters.chain(rows).max().unwrap_or(0).next_multiple_of(64)
    }

    /// The work of the steps from `at` on that are run together, their number, and their algorithm in words.
    fn work(&mut self, program: &Program, at: usize, env: &Env) -> Result<(Work, usize, String)> {
        if let Some((kernel, steps)) = self.rows[at].take() {
            let how = kernel.describe();
            return Ok((Work::Rows(kernel), steps, how));
        }
        if let Some(steps) = program.independent.iter().find(|steps| steps.start == at) {
            let primitives = program.steps[steps.clone()]
                .iter()
                .map(|step| primitive(program, step));
            let work = Work::Independent(primitives.collect::<Result<_>>()?);
            let how = format!("{} in parallel", steps.len().min(env.pool.threads()));
            return Ok((work, steps.len(), how));
        }
        let step = &program.steps[at];
        let StepKind::Op { output, .. } = step.kind else {
            let kernel = self.clusters[at].take();
            let kernel = kernel.ok_or_else(|| Error::internal("prepare", "a cluster without a kernel"))?;
            let how = kernel.code_name().into();
            return Ok((Work::Cluster(kernel), 1, how));
        };
        let kernel = CpuKernel::of(step)?;
        let operands = operands(program, step)?;
        if let Some((kernel, how)) = self.fused(program, at, kernel.handover(), env) {
            return Ok((Work::Fused { kernel, operands }, 2, how));
        }
        let how = kernel.describe(&program.slots[output].spec, env);
        let kernel = kernel.clone();
        Ok((Work::Primitive { kernel, operands }, 1, how))
    }

    /// The fused kernel of step `at` and the cluster after it, and its algorithm in words; `None` if the two are not fused.
    fn fused(
        &mut self,
        program: &Program,
        at: usize,
        handover: &Handover,
        env: &Env,
    ) -> Option<(FusedKernel, String)> {
        let StepKind::Op { output, .. } = program.steps[at].kind else {
            return None;
        };
        let epilogue = self.clusters.get_mut(at + 1)?;
        if let Handover::Product(product) = handover {
            let fusion = fused::fusion(program, at, **product, epilogue.as_ref()?, env)?;
            let cluster = epilogue.take()?;
            let how = fusion.describe(program, output, &cluster, env);
            return Some((fused::compile(program, fusion, cluster, output), how));
        }
        if matches!(handover, Handover::None) {
            return None;
        }
        fused::only_epilogue(program, at)?;
        let cluster = epilogue.take()?;
        let code = cluster.code_name();
        let how = format!("epilogue by blocks: {code}");
        let kernel = match handover {
            Handover::Convolution(convolution) => conv::epilogue::compile(convolution, cluster, output),
            Handover::Convolution64(convolution) => conv::epilogue::compile(convolution, cluster, output),
            Handover::Product(_) | Handover::None => return None,
        };
        Some((kernel, how))
    }
}

/// Operands and scratch of a primitive.
struct Operands {
    inputs: Vec<Operand>,
    output: (SlotId, DType),
    /// Offset and bytes.
    scratch: (usize, usize),
}

impl Operands {
    /// # Safety
    /// As for [`Args::new`].
    unsafe fn args<'a>(&'a self, env: &'a Env, slots: &'a [RawBytes], arena: &Arena) -> Args<'a> {
        let (slot, dtype) = self.output;
        let (offset, bytes) = self.scratch;
        let scratch = arena.raw(offset, bytes);
        // SAFETY: as the caller promises.
        unsafe { Args::new(env, slots, &self.inputs, (slots[slot], dtype), scratch) }
    }
}

impl CpuExecutable {
    pub fn new(program: Arc<Program>, env: Env, workspace: &Arc<Workspace>) -> Result<CpuExecutable> {
        let mut kernels = Kernels::of(&program, &env)?;
        // The registers of clusters, shared by all clusters, come after the program's own arena.
        let base = program.arena_bytes.next_multiple_of(64);
        let registers = kernels.register_bytes() * env.pool.threads();
        let memory = workspace.claim(base + registers)?;
        let mut steps = Vec::with_capacity(program.steps.len());
        let mut at = 0;
        while at < program.steps.len() {
            if is_in_place_concat(&program, at) {
                at += 1;
                continue;
            }
            let (work, taken, how) = kernels.work(&program, at, &env)?;
            let scope = match &work {
                // Each independent primitive names its own scope.
                Work::Independent(_) => String::new(),
                Work::Primitive { .. } | Work::Cluster(_) | Work::Fused { .. } | Work::Rows(_) => {
                    program.steps[at].scope.clone()
                }
            };
            let planned = at..at + taken;
            let text = line(&planned, &how);
            at = planned.end;
            steps.push(Step {
                work,
                scope,
                planned,
                text,
            });
        }
        Ok(CpuExecutable {
            slots: vec![RawBytes::EMPTY; program.slots.len()],
            program,
            env,
            steps,
            memory,
            moves: 0,
            registers: (base, registers),
            run_time: RunTime::Unknown,
        })
    }

    /// Binds the addresses of inputs and outputs, and refuses buffers that would overlap.
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
        for (buffers, slots) in [(inputs, &program.inputs), (outputs, &program.outputs)] {
            for (buffer, &slot) in buffers.iter().zip(slots) {
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

    /// Runs all steps in order, timed if the launch has a recorder.
    fn compute(&mut self, launch: &Launch<'_>) -> Result<()> {
        let timed = launch.recorder();
        let timed = timed.map(|recorder| (recorder, Stopwatch::start(self.steps.len())));
        self.bind(launch.inputs, launch.outputs)?;
        let room = self.memory.enter()?;
        let arena = room.arena();
        if self.moves != room.moves() {
            bind_arena(&self.program, &mut self.slots, arena);
            self.moves = room.moves();
        }
        let registers = arena.raw(self.registers.0, self.registers.1);
        let run = |step: &Step| {
            // SAFETY: buffers live as long as this call borrows them, and the memory is this run's, of the claimed size. The graph
            // passes a plan's outputs to no other plan. `check_disjoint` and `bind` check that output and scratch overlap no other
            // operand of the step. `new` makes room for every thread's registers.
            unsafe { step.run(&self.env, &self.slots, arena, registers) }.map_err(|e| e.within(&step.scope))
        };
        let Some((recorder, mut watch)) = timed else {
            return self.steps.iter().try_for_each(run);
        };
        watch.begin();
        for step in &self.steps {
            run(step)?;
            watch.lap(step.planned.clone());
        }
        recorder.add(watch);
        Ok(())
    }
}

impl Step {
    /// # Safety
    /// As for [`Args::new`] and [`ClusterKernel::run`].
    #[inline]
    unsafe fn run(&self, env: &Env, slots: &[RawBytes], arena: &Arena, registers: RawBytes) -> Result<()> {
        match &self.work {
            Work::Primitive { kernel, operands } => {
                // SAFETY: as the caller promises.
                kernel.run(&unsafe { operands.args(env, slots, arena) })
            }
            Work::Cluster(kernel) => {
                // SAFETY: as the caller promises; the kernel allows an output that overwrites one of its inputs.
                unsafe { kernel.run(env, slots, registers) };
                Ok(())
            }
            Work::Fused { kernel, operands } => {
                // SAFETY: as the caller promises.
                unsafe { kernel.run(&operands.args(env, slots, arena), slots, registers) };
                Ok(())
            }
            Work::Independent(primitives) => run_independent(primitives, env, slots, arena),
            Work::Rows(kernel) => {
                // SAFETY: as the caller promises; the plan keeps the slots of a group apart.
                unsafe { kernel.run(env, slots, registers) };
                Ok(())
            }
        }
    }
}

/// A line of a description; empty for an empty algorithm.
fn line(steps: &Range<usize>, how: &str) -> String {
    match (how, steps.len()) {
        ("", _) => String::new(),
        (_, 1) => format!("{:>9}  {how}\n", steps.start),
        _ => format!("{:>9}  {how}\n", format!("{}-{}", steps.start, steps.end - 1)),
    }
}

/// Binds the addresses of slots in the arena.
fn bind_arena(program: &Program, slots: &mut [RawBytes], arena: &Arena) {
    for (raw, slot) in slots.iter_mut().zip(&program.slots) {
        if let Location::Arena(offset) = slot.location {
            *raw = arena.raw(offset, slot.spec.bytes());
        }
    }
}

impl Executable for CpuExecutable {
    fn describe(&self) -> String {
        let Env { pool, level } = &self.env;
        let mut text = format!("on cpu, {} threads, {}\n", pool.threads(), level.name());
        text.extend(self.steps.iter().map(|step| step.text.as_str()));
        text
    }

    fn launch(&mut self, launch: &mut Launch<'_>) -> Result<()> {
        if let RunTime::Unknown = self.run_time {
            self.run_time = RunTime::First;
            return self.compute(launch);
        }
        let start = Instant::now();
        let result = self.compute(launch);
        let now = start.elapsed();
        self.run_time = RunTime::Smoothed(match self.run_time {
            RunTime::Smoothed(before) => (before * 3 + now) / 4,
            RunTime::Unknown | RunTime::First => now,
        });
        result
    }

    fn is_brief(&self) -> bool {
        matches!(self.run_time, RunTime::Smoothed(time) if time < MAX_BRIEF)
    }
}

/// A serial step, prepared to run in parallel with others.
fn primitive(program: &Program, step: &PlannedStep) -> Result<Primitive> {
    Ok(Primitive {
        kernel: CpuKernel::of(step)?.clone(),
        operands: operands(program, step)?,
        scope: step.scope.clone(),
    })
}

/// Runs independent steps in parallel; of several errors that of the first step is reported.
fn run_independent(primitives: &[Primitive], env: &Env, slots: &[RawBytes], arena: &Arena) -> Result<()> {
    let refused: Mutex<Option<(usize, Error)>> = Mutex::new(None);
    env.pool.run(primitives.len(), |_, i| {
        let Primitive {
            kernel,
            operands,
            scope,
        } = &primitives[i];
        // SAFETY: as in `Step::run`; and no independent step writes memory that another uses.
        if let Err(error) = kernel.run(&unsafe { operands.args(env, slots, arena) }) {
            let mut first = refused.lock().unwrap_or_else(PoisonError::into_inner);
            if first.as_ref().is_none_or(|(at, _)| i < *at) {
                *first = Some((i, error.within(scope)));
            }
        }
    });
    match refused.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

/// The operands of a primitive, after checking that output and scratch overlap no input.
fn operands(program: &Program, step: &PlannedStep) -> Result<Operands> {
    let StepKind::Op {
        op,
        inputs,
        output,
        scratch,
        ..
    } = &step.kind
    else {
        return Err(Error::internal("prepare", "a cluster where a primitive was"));
    };
    let slots: Vec<SlotId> = inputs.iter().map(|(slot, _)| *slot).collect();
    check_disjoint(program, op.name(), &slots, *output, *scratch)?;
    let operand = |(slot, spec): &(SlotId, Spec)| Operand {
        slot: *slot,
        dtype: spec.dtype,
        len: spec.shape.size(),
    };
    Ok(Operands {
        inputs: inputs.iter().map(operand).collect(),
        output: (*output, program.slots[*output].spec.dtype),
        scratch: *scratch,
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

/// Refuses a primitive whose output or scratch overlaps an input.
fn check_disjoint(
    program: &Program,
    op: &str,
    inputs: &[SlotId],
    output: SlotId,
    scratch: (usize, usize),
) -> Result<()> {
    let mut clash = program.overlaps(output, scratch);
    for &input in inputs {
        clash |= program.may_share(input, output) || program.overlaps(input, scratch);
    }
    if clash {
        Err(Error::internal(op, "the plan overlaps its operands"))
    } else {
        Ok(())
    }
}
