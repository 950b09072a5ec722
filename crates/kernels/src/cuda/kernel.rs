//! A primitive with its shapes as a list of launches: the one object that states its needs to the planner and that is launched.

use std::any::Any;
use std::borrow::Cow;

use hyperglow_core::device::{Kernel, Needs};
use hyperglow_core::op::{Op, Spec};
use hyperglow_core::plan::{Step, StepKind};
use hyperglow_core::{Error, Result};

use super::gpu::modules::File;
use super::refusal::Refusal;

/// An argument of a launch. Kernels take pointers, 64-bit integers, doubles, and structs of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Arg {
    /// The address of an operand.
    Input(usize),
    /// The address of the result.
    Output,
    /// An address in the scratch, so many bytes from its start.
    Scratch(usize),
    /// The address of the program's record of what it refuses.
    Refusal,
    /// The number of the step in its program.
    Step,
    /// An integer.
    Int(i64),
    /// A struct of integers.
    Ints(Vec<i64>),
}

/// One launch of a kernel.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub file: File,
    /// The kernel's name in the file.
    pub name: Cow<'static, str>,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    /// Bytes of shared memory.
    pub shared: u32,
    pub args: Vec<Arg>,
}

/// Threads of a block, where nothing asks for another number.
pub(super) const BLOCK: u32 = 256;
/// The most blocks of a loop over elements: enough for every device; each thread computes several elements beyond that.
const MAX_BLOCKS: usize = 4096;
/// The most blocks of a launch.
const MAX_GRID: u32 = i32::MAX as u32;

impl Launch {
    /// A launch of `grid` blocks of `threads` threads. [`CudaKernel::checked`] refuses more blocks than a launch can have.
    pub fn new(file: File, name: impl Into<Cow<'static, str>>, grid: usize, threads: u32) -> Launch {
        Launch {
            file,
            name: name.into(),
            grid: [u32::try_from(grid.max(1)).unwrap_or(u32::MAX), 1, 1],
            block: [threads, 1, 1],
            shared: 0,
            args: Vec::new(),
        }
    }
    /// A launch whose threads share `elements` elements among them.
    pub fn over(file: File, name: impl Into<Cow<'static, str>>, elements: usize) -> Launch {
        Launch::new(
            file,
            name,
            elements.div_ceil(BLOCK as usize).min(MAX_BLOCKS),
            BLOCK,
        )
    }
    /// With shared memory.
    pub fn shared(self, bytes: usize) -> Launch {
        Launch {
            shared: bytes as u32,
            ..self
        }
    }
    pub fn arg(mut self, arg: Arg) -> Launch {
        self.args.push(arg);
        self
    }
    pub fn input(self, number: usize) -> Launch {
        self.arg(Arg::Input(number))
    }
    pub fn output(self) -> Launch {
        self.arg(Arg::Output)
    }
    pub fn scratch(self, offset: usize) -> Launch {
        self.arg(Arg::Scratch(offset))
    }
    /// Several integers, each an argument of its own.
    pub fn ints<const N: usize>(mut self, values: [usize; N]) -> Launch {
        self.args.extend(values.map(|value| Arg::Int(value as i64)));
        self
    }
    pub fn flag(self, value: bool) -> Launch {
        self.arg(Arg::Int(i64::from(value)))
    }
    pub fn refusal(self) -> Launch {
        self.arg(Arg::Refusal).arg(Arg::Step)
    }
}

/// A primitive with its shapes, as a CUDA device computes it.
#[derive(Clone, Debug, Default)]
pub(super) struct CudaKernel {
    /// In order. None where the result has no elements.
    pub launches: Vec<Launch>,
    /// Bytes of scratch.
    pub scratch: usize,
    /// What it says where it refuses its elements.
    pub refusal: Option<Refusal>,
}

impl CudaKernel {
    pub fn of(launches: impl IntoIterator<Item = Launch>) -> CudaKernel {
        CudaKernel {
            launches: launches.into_iter().collect(),
            ..CudaKernel::default()
        }
    }
    pub fn scratch(self, scratch: usize) -> CudaKernel {
        CudaKernel { scratch, ..self }
    }
    pub fn refuses(self, refusal: Refusal) -> CudaKernel {
        CudaKernel {
            refusal: Some(refusal),
            ..self
        }
    }

    /// The kernel itself.
    ///
    /// # Errors
    /// More blocks than a launch can have.
    pub fn checked(self, op: &Op, output: &Spec) -> Result<CudaKernel> {
        let too_many = |launch: &&Launch| launch.grid[0] > MAX_GRID;
        match self.launches.iter().find(too_many) {
            None => Ok(self),
            Some(launch) => Err(Error::shape(
                op.name(),
                format!(
                    "{} would take more than {MAX_GRID} blocks for {}",
                    launch.name, output.shape
                ),
                "compute it in parts, or on \"cpu\"",
            )),
        }
    }

    /// The kernel of a step.
    pub fn of_step(step: &Step) -> Result<&CudaKernel> {
        let StepKind::Op { op, kernel, .. } = &step.kind else {
            return Err(Error::internal("prepare", "a cluster where a primitive was"));
        };
        let chosen = kernel.as_any().downcast_ref();
        chosen.ok_or_else(|| Error::internal(op.name(), "its kernel was chosen by another device"))
    }
}

impl Kernel for CudaKernel {
    fn needs(&self) -> Needs {
        Needs {
            scratch: self.scratch,
            serial: false,
            epilogue: false,
        }
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
