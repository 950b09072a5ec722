//! A prepared program: a list of launches with its arguments, an arena of its own, and graphs of the launches.
//!
//! The arena and scratch have fixed addresses. Inputs and outputs are bound at each run. A run whose buffers are those of an
//! earlier run is captured as a graph, and from then on launched as one.

use std::ffi::c_void;
use std::ops::Range;
use std::sync::Arc;

use cudarc::driver::{DriverError, result, sys};
use hyperglow_core::backend::{Executable, Launch};
use hyperglow_core::error::ErrorKind;
use hyperglow_core::plan::concat::is_in_place_concat;
use hyperglow_core::plan::cost::{Cost, cost};
use hyperglow_core::plan::{Location, Program, StepKind};
use hyperglow_core::profile::{Recorder, Stopwatch};
use hyperglow_core::storage::Buffer;
use hyperglow_core::{Error, Result};

use super::bound::{Addresses, BoundLaunch};
use super::clusters::Texts;
use super::gpu::Gpu;
use super::gpu::modules::TextModule;
use super::gpu::storage::{Block, CudaStorage, copy_down};
use super::kernel::CudaKernel;
use super::open::Open;
use super::refusal::Record;
use super::waiter::{Refusals, Running, Ticket, Waiter};

/// Graphs of one program: two batches in flight, each with the buffers of two steps.
const MAX_GRAPHS: usize = 4;
/// Runs whose buffers are remembered, to see which repeat.
const MAX_SEEN: usize = 16;
/// Room for the record, so that what follows is aligned.
const RECORD_ROOM: usize = 256;

/// See [`hyperglow_core::backend::Executable`].
pub(super) struct CudaExecutable {
    program: Arc<Program>,
    gpu: Arc<Gpu>,
    waiter: Arc<Waiter>,
    launches: Vec<BoundLaunch>,
    /// Arena, the record of what is refused, and scratch of clusters and row groups.
    _memory: Block,
    /// The address of the record.
    record: u64,
    /// The kernels of clusters and row groups.
    module: Option<Arc<TextModule>>,
    /// What the steps refuse; `None`: nothing.
    refusals: Option<Refusals>,
    /// Addresses of inputs and outputs that earlier runs had and no graph has.
    seen: Vec<Vec<u64>>,
    graphs: Vec<Graph>,
    text: String,
}

/// A captured run.
struct Graph {
    addresses: Vec<u64>,
    executable: sys::CUgraphExec,
}

// SAFETY: the driver's handles belong to the process, and the executable is used by one thread at a time.
unsafe impl Send for CudaExecutable {}

impl CudaExecutable {
    pub fn new(program: Arc<Program>, open: &Open) -> Result<CudaExecutable> {
        let gpu = open.gpu.clone();
        let texts = Texts::of(&program, &gpu)?;
        let record = program.arena_bytes.next_multiple_of(256);
        let scratch = record + RECORD_ROOM;
        let memory = Block::new(&gpu, scratch + texts.scratch, false)?;
        let memory_at = Addresses {
            arena: memory.address,
            record: memory.address + record as u64,
            scratch: memory.address + scratch as u64,
        };
        let mut launches = Vec::new();
        let mut text = format!(
            "on {}, {}, compute capability {}.{}, {} multiprocessors\n",
            gpu.device, gpu.model, gpu.capability.0, gpu.capability.1, gpu.processors
        );
        let mut at = 0;
        while at < program.steps.len() {
            if is_in_place_concat(&program, at) {
                at += 1;
                continue;
            }
            let (steps, names) = if let Some(kernel) = texts.kernels.get(&at) {
                launches.extend(kernel.bind(&program, &texts, &memory_at)?);
                (kernel.steps.clone(), vec![kernel.text.name.as_str()])
            } else {
                let kernel = CudaKernel::of_step(&program.steps[at])?;
                for launch in &kernel.launches {
                    launches.push(BoundLaunch::of_step(
                        &program,
                        at,
                        launch,
                        open.function(launch)?,
                        &memory_at,
                    )?);
                }
                let names = kernel.launches.iter().map(|launch| &*launch.name);
                (at..at + 1, names.collect())
            };
            text.push_str(&line(&program, steps.clone(), &names));
            at = steps.end;
        }
        let refusals = refusals(&program)?;
        Ok(CudaExecutable {
            record: memory_at.record,
            module: texts.module,
            refusals,
            program,
            gpu,
            waiter: open.waiter.clone(),
            launches,
            _memory: memory,
            seen: Vec::new(),
            graphs: Vec::new(),
            text,
        })
    }

    /// Sets the addresses of inputs and outputs, and refuses buffers that would overlap. Returns all addresses.
    fn bind(&mut self, inputs: &[Buffer], outputs: &[Buffer]) -> Result<Vec<u64>> {
        let program = &self.program;
        if inputs.len() != program.inputs.len() || outputs.len() != program.outputs.len() {
            let given = (inputs.len(), outputs.len());
            let wanted = (program.inputs.len(), program.outputs.len());
            let message = format!("(inputs, outputs) are {given:?}, expected {wanted:?}");
            return Err(Error::internal("run", message));
        }
        let slots = program.inputs.iter().chain(&program.outputs);
        let addresses = inputs
            .iter()
            .chain(outputs)
            .zip(slots)
            .map(|(buffer, &slot)| address(buffer, program.slots[slot].spec.bytes(), &self.gpu))
            .collect::<Result<Vec<u64>>>()?;
        check_apart(program, &addresses)?;
        for launch in &mut self.launches {
            for &(word, slot) in &launch.buffers {
                launch.words[word] = match program.slots[slot].location {
                    Location::Input(i) => addresses[i],
                    Location::Output(o) => addresses[inputs.len() + o],
                    Location::Arena(_) | Location::Private { .. } => {
                        return Err(Error::internal("run", "a slot of the arena among the buffers"));
                    }
                };
            }
        }
        Ok(addresses)
    }

    /// Submits all launches to a stream, the record's reset first.
    fn submit(&mut self, stream: sys::CUstream) -> std::result::Result<(), DriverError> {
        if self.refusals.is_some() {
            // SAFETY: the record is in the memory of this executable.
            unsafe { result::memset_d8_async(self.record, 0xff, size_of::<Record>(), stream) }?;
        }
        self.launches
            .iter_mut()
            .try_for_each(|launch| launch.submit(stream))
    }

    /// Submits a run: as a graph if its buffers are those of an earlier run.
    fn submit_run(&mut self, addresses: Vec<u64>) -> Result<()> {
        let gpu = self.gpu.clone();
        let fault = |e| gpu.fault("launching a plan", e);
        let known = self.graphs.iter().position(|graph| graph.addresses == addresses);
        if let Some(at) = known {
            // The graph that was used last is the last to go.
            let graph = self.graphs.remove(at);
            // SAFETY: the graph is alive, and its buffers are those of this run.
            let launched = unsafe { result::graph::launch(graph.executable, gpu.stream) };
            self.graphs.push(graph);
            return launched.map_err(fault);
        }
        let Some(at) = self.seen.iter().position(|seen| *seen == addresses) else {
            if self.seen.len() == MAX_SEEN {
                self.seen.remove(0);
            }
            self.seen.push(addresses);
            return self.submit(gpu.stream).map_err(fault);
        };
        self.seen.remove(at);
        let executable = self.capture().map_err(fault)?;
        // SAFETY: as above.
        let launched = unsafe { result::graph::launch(executable, gpu.stream) };
        if self.graphs.len() == MAX_GRAPHS {
            let oldest = self.graphs.remove(0);
            // The graph may still run.
            gpu.synchronize()?;
            // SAFETY: the graph has ended and is not launched again.
            unsafe { result::graph::exec_destroy(oldest.executable) }.map_err(fault)?;
        }
        self.graphs.push(Graph {
            addresses,
            executable,
        });
        launched.map_err(fault)
    }

    /// The launches as a graph. They are captured on a stream of their own, since other threads allocate on the usual one.
    fn capture(&mut self) -> std::result::Result<sys::CUgraphExec, DriverError> {
        let stream = self.gpu.capture;
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is alive and nothing else is captured there: plans of a device run on one thread.
        unsafe { result::stream::begin_capture(stream, mode) }?;
        let submitted = self.submit(stream);
        // SAFETY: as above. A capture is ended even if a launch was refused.
        let graph = unsafe { result::stream::end_capture(stream) };
        submitted?;
        let graph = graph?;
        // SAFETY: the graph is alive until it is destroyed here; the executable graph does not need it.
        unsafe {
            let executable = result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0));
            result::graph::destroy(graph)?;
            executable
        }
    }

    /// Runs launch by launch, waiting for each step.
    fn submit_timed(&mut self, recorder: &Arc<Recorder>) -> Result<()> {
        let gpu = self.gpu.clone();
        let mut watch = Stopwatch::start(self.launches.len());
        if self.refusals.is_some() {
            // SAFETY: the record is in the memory of this executable.
            unsafe { result::memset_d8_async(self.record, 0xff, size_of::<Record>(), gpu.stream) }
                .map_err(|e| gpu.fault("launching a plan", e))?;
        }
        gpu.synchronize()?;
        watch.begin();
        for at in 0..self.launches.len() {
            let launch = &mut self.launches[at];
            launch
                .submit(gpu.stream)
                .map_err(|e| gpu.fault("launching a plan", e))?;
            let planned = launch.planned.clone();
            if self
                .launches
                .get(at + 1)
                .is_none_or(|next| next.planned != planned)
            {
                gpu.synchronize()?;
                watch.lap(planned);
            }
        }
        recorder.add(watch);
        Ok(())
    }

    /// Submits the copy of the record and the event after the run.
    fn submit_end(&self, ticket: &Ticket) -> std::result::Result<(), DriverError> {
        let stream = self.gpu.stream;
        if self.refusals.is_some() {
            let to = ticket.record.start.as_ptr().cast::<c_void>();
            // SAFETY: the ticket's memory holds a record and is this run's until it has ended.
            unsafe { copy_down(to, self.record, size_of::<Record>(), stream) }?;
        }
        // SAFETY: stream and event are alive.
        unsafe { result::event::record(ticket.event, stream) }
    }
}

impl Executable for CudaExecutable {
    fn launch(&mut self, launch: &mut Launch<'_>) -> Result<()> {
        self.gpu.bind()?;
        let addresses = self.bind(launch.inputs, launch.outputs)?;
        match launch.recorder() {
            Some(recorder) => self.submit_timed(recorder)?,
            None => self.submit_run(addresses)?,
        }
        let ticket = self.waiter.ticket(&self.gpu)?;
        self.submit_end(&ticket)
            .map_err(|e| self.gpu.fault("launching a plan", e))?;
        self.waiter.wait_for(Running {
            ticket,
            sender: launch.defer(),
            refusals: self.refusals.clone(),
        })
    }

    fn describe(&self) -> String {
        self.text.clone()
    }
}

impl Drop for CudaExecutable {
    fn drop(&mut self) {
        // A graph or a kernel of the module may still run. A device that is lost has nothing to wait for.
        if (self.graphs.is_empty() && self.module.is_none()) || self.gpu.synchronize().is_err() {
            return;
        }
        for graph in &self.graphs {
            // SAFETY: the graph has ended and is not launched again.
            let _ = unsafe { result::graph::exec_destroy(graph.executable) };
        }
    }
}

/// What each step refuses.
fn refusals(program: &Program) -> Result<Option<Refusals>> {
    let mut refusals = Vec::with_capacity(program.steps.len());
    for step in &program.steps {
        let refusal = match &step.kind {
            StepKind::Op { .. } => CudaKernel::of_step(step)?.refusal.clone(),
            StepKind::Cluster(_) => None,
        };
        refusals.push(refusal.map(|refusal| (refusal, step.scope.clone())));
    }
    Ok(refusals.iter().any(Option::is_some).then(|| refusals.into()))
}

/// The line of steps in a description: their launches, and the bytes that they move.
fn line(program: &Program, steps: Range<usize>, names: &[&str]) -> String {
    let Cost { read, written, .. } = cost(program, steps.clone());
    let steps = match steps.len() {
        1 => steps.start.to_string(),
        _ => format!("{}-{}", steps.start, steps.end - 1),
    };
    let names = names.join(", ");
    format!("{steps:>9}  {names}: {read} bytes read, {written} written\n")
}

/// The address of a buffer of this device and of this size.
fn address(buffer: &Buffer, bytes: usize, gpu: &Arc<Gpu>) -> Result<u64> {
    let storage = buffer.as_any().downcast_ref::<CudaStorage>();
    let Some(storage) = storage.filter(|storage| Arc::ptr_eq(storage.gpu(), gpu)) else {
        return Err(Error::new(
            ErrorKind::Device,
            "run",
            format!("an operand is not on {}", gpu.device),
            "bring all operands to one device",
        ));
    };
    if buffer.byte_len() != bytes {
        let given = buffer.byte_len();
        return Err(Error::internal(
            "run",
            format!("a buffer has {given} bytes, the program expects {bytes}"),
        ));
    }
    Ok(storage.address())
}

/// Refuses an output that shares its buffer with an operand that the program does not give it.
fn check_apart(program: &Program, addresses: &[u64]) -> Result<()> {
    let (inputs, outputs) = addresses.split_at(program.inputs.len());
    for (j, &start) in outputs.iter().enumerate() {
        let with_input = |(i, &input): (usize, &u64)| input == start && program.donations[j] != Some(i);
        let shared = inputs.iter().enumerate().any(with_input) || outputs[..j].contains(&start);
        if start != 0 && shared {
            return Err(Error::internal(
                "run",
                format!("output {j} shares its buffer with another operand"),
            ));
        }
    }
    Ok(())
}
