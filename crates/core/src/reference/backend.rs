//! The interpreter as a device: any program can be run by definition, a step at a time, and compared with what another
//! device makes of it.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use crate::backend::{Backend, Executable, Launch, MemoryUse};
use crate::device::{Device, Kernel, Limits, Needs};
use crate::error::{Error, ErrorKind, Result};
use crate::op::{Op, Spec};
use crate::plan::{Cluster, InstrKind, Program, Step, StepKind, View};
use crate::profile::Stopwatch;
use crate::reference::{Value, evaluate};
use crate::storage::{Buffer, Storage};

/// The reference device. Nothing is fused beyond elementwise clusters, nothing is grouped, and every slot is memory of its
/// own: what it computes is what [`evaluate`] says.
#[derive(Debug, Default)]
pub struct ReferenceBackend;

const LIMITS: Limits = Limits {
    cluster: 64,
    alignment: 64,
    outer: None,
    rows: None,
};

/// Interpreting needs nothing of the plan.
#[derive(Debug)]
struct Interpreted;

impl Kernel for Interpreted {
    fn needs(&self) -> Needs {
        Needs::default()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Device for ReferenceBackend {
    fn name(&self) -> &str {
        "reference"
    }
    fn limits(&self) -> &Limits {
        &LIMITS
    }
    fn kernel(&self, _: &Op, _: &[&Spec], _: &Spec) -> Result<Option<Arc<dyn Kernel>>> {
        Ok(Some(Arc::new(Interpreted)))
    }
}

impl Backend for ReferenceBackend {
    fn allocate(&self, bytes: usize) -> Result<Buffer> {
        Ok(Arc::new(Bytes::new(zeros(bytes)?)))
    }
    fn upload(&self, bytes: &[u8]) -> Result<Buffer> {
        let mut copy = zeros(bytes.len())?;
        copy.copy_from_slice(bytes);
        Ok(Arc::new(Bytes::new(copy)))
    }
    fn memory(&self) -> MemoryUse {
        MemoryUse {
            bytes: LIVE_BYTES.load(Relaxed),
            buffers: LIVE_BUFFERS.load(Relaxed),
            peak_bytes: PEAK_BYTES.load(Relaxed),
            kept_bytes: 0,
            allocations: ALLOCATIONS.load(Relaxed),
        }
    }
    fn prepare(&self, program: Arc<Program>) -> Result<Box<dyn Executable>> {
        Ok(Box::new(Interpreter { program }))
    }
}

/// So many zeros, or an error where there is no room for them.
fn zeros(bytes: usize) -> Result<Vec<u8>> {
    let mut room = Vec::new();
    room.try_reserve_exact(bytes).map_err(|_| {
        Error::new(
            ErrorKind::Device,
            "memory",
            format!("{bytes} bytes are not to be had"),
            "free some, or compute less at once",
        )
    })?;
    room.resize(bytes, 0);
    Ok(room)
}

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static LIVE_BUFFERS: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// A tensor's bytes, counted.
struct Bytes(RwLock<Vec<u8>>);

impl Bytes {
    fn new(bytes: Vec<u8>) -> Bytes {
        let live = LIVE_BYTES.fetch_add(bytes.len(), Relaxed) + bytes.len();
        PEAK_BYTES.fetch_max(live, Relaxed);
        LIVE_BUFFERS.fetch_add(1, Relaxed);
        ALLOCATIONS.fetch_add(1, Relaxed);
        Bytes(RwLock::new(bytes))
    }
    fn get(&self) -> Vec<u8> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn set(&self, bytes: &[u8]) {
        let mut to = self.0.write().unwrap_or_else(PoisonError::into_inner);
        to.copy_from_slice(bytes);
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        LIVE_BYTES.fetch_sub(self.byte_len(), Relaxed);
        LIVE_BUFFERS.fetch_sub(1, Relaxed);
    }
}

impl Storage for Bytes {
    fn byte_len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }
    fn read_part(&self, from: usize, out: &mut [u8]) -> Result<()> {
        let bytes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let part = bytes.get(from..).and_then(|rest| rest.get(..out.len()));
        let part = part.ok_or_else(|| Error::internal("read", "more bytes are wanted than there are"))?;
        out.copy_from_slice(part);
        Ok(())
    }
    fn write_part(&self, from: usize, bytes: &[u8]) -> Result<()> {
        let mut to = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let part = to.get_mut(from..).and_then(|rest| rest.get_mut(..bytes.len()));
        let part = part.ok_or_else(|| Error::internal("write", "there is no room for so many bytes"))?;
        part.copy_from_slice(bytes);
        Ok(())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Interpreter {
    program: Arc<Program>,
}

impl Executable for Interpreter {
    fn launch(&mut self, launch: &mut Launch<'_>) -> Result<()> {
        let (inputs, outputs) = (launch.inputs, launch.outputs);
        let program = &self.program;
        let mut watch = launch.recorder().map(|_| Stopwatch::start(program.steps.len()));
        let mut slots: Vec<Vec<u8>> = vec![Vec::new(); program.slots.len()];
        for (buffer, &slot) in inputs.iter().zip(&program.inputs) {
            slots[slot] = bytes_of(buffer)?.get();
        }
        watch.iter_mut().for_each(Stopwatch::begin);
        for (at, step) in program.steps.iter().enumerate() {
            run_step(program, step, &mut slots).map_err(|e| e.within(&step.scope))?;
            watch.iter_mut().for_each(|watch| watch.lap(at..at + 1));
        }
        // Only now, so that a run that refuses has changed nothing.
        for (buffer, &slot) in outputs.iter().zip(&program.outputs) {
            bytes_of(buffer)?.set(&slots[slot]);
        }
        if let (Some(recorder), Some(watch)) = (launch.recorder(), watch) {
            recorder.add(watch);
        }
        Ok(())
    }
}

fn bytes_of(buffer: &Buffer) -> Result<&Bytes> {
    let bytes = buffer.as_any().downcast_ref();
    bytes.ok_or_else(|| {
        Error::new(
            ErrorKind::Device,
            "run",
            "an operand is not on the reference device",
            "bring all operands to one device",
        )
    })
}

fn run_step(program: &Program, step: &Step, slots: &mut [Vec<u8>]) -> Result<()> {
    match &step.kind {
        StepKind::Op {
            op, inputs, output, ..
        } => {
            // An operand may be the first elements of a slot, in another shape.
            let operand =
                |(slot, spec): &(usize, Spec)| Value::from_bytes(spec, &slots[*slot][..spec.bytes()]);
            let values: Vec<Value> = inputs.iter().map(operand).collect();
            let values: Vec<&Value> = values.iter().collect();
            slots[*output] = evaluate(op, &values, &program.slots[*output].spec)?.to_bytes();
        }
        StepKind::Cluster(cluster) => {
            let registers = run_cluster(cluster, slots)?;
            for &(register, slot) in &cluster.stores {
                slots[slot] = registers[register].to_bytes();
            }
        }
    }
    Ok(())
}

/// The registers of a cluster, each over its whole index space.
fn run_cluster(cluster: &Cluster, slots: &[Vec<u8>]) -> Result<Vec<Value>> {
    let mut registers: Vec<Value> = Vec::with_capacity(cluster.code.len());
    for instr in &cluster.code {
        let spec = Spec {
            shape: cluster.shape.clone(),
            dtype: instr.dtype,
        };
        let (op, operands) = match instr.kind {
            InstrKind::Load(view) => {
                let view = &cluster.loads[view];
                registers.push(load(view, &spec, &slots[view.slot]));
                continue;
            }
            InstrKind::Const(bits) => (Op::Const(bits), vec![]),
            InstrKind::Unary(op, a) => (Op::Unary(op), vec![a]),
            InstrKind::Binary(op, a, b) => (Op::Binary(op), vec![a, b]),
            InstrKind::Where(c, a, b) => (Op::Where, vec![c, a, b]),
            InstrKind::Cast(a) => (Op::Cast(instr.dtype), vec![a]),
        };
        let operands: Vec<&Value> = operands.iter().map(|&i| &registers[i]).collect();
        let value = evaluate(&op, &operands, &spec)?;
        registers.push(value);
    }
    Ok(registers)
}

/// What a view reads, element by element.
fn load(view: &View, spec: &Spec, bytes: &[u8]) -> Value {
    let size = spec.dtype.size();
    let mut read = Vec::with_capacity(spec.bytes());
    let mut index = vec![0usize; view.shape.rank()];
    for _ in 0..view.shape.size() {
        let steps = index.iter().zip(&view.strides);
        let at = view.offset as isize + steps.map(|(&i, &stride)| i as isize * stride).sum::<isize>();
        read.extend_from_slice(&bytes[at as usize * size..][..size]);
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            if index[axis] < view.shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    Value::from_bytes(spec, &read)
}
