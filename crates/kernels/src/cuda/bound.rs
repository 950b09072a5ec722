//! Launches with the words of their arguments.

use std::ffi::c_void;
use std::ops::Range;

use cudarc::driver::{DriverError, result, sys};
use hyperglow_core::plan::{Location, Program, SlotId, StepKind};
use hyperglow_core::{Error, Result};

use super::kernel::{Arg, Launch};

/// Where the memory of a prepared program is.
pub(super) struct Addresses {
    pub arena: u64,
    /// Of what is refused.
    pub record: u64,
    /// Of clusters and row groups.
    pub scratch: u64,
}

/// A launch with the words of its arguments.
pub(super) struct BoundLaunch {
    pub function: sys::CUfunction,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared: u32,
    pub words: Vec<u64>,
    /// The first word of each argument.
    pub args: Vec<usize>,
    /// Words that are the address of an input or output, which is known at a run.
    pub buffers: Vec<(usize, SlotId)>,
    /// The steps that it computes.
    pub planned: Range<usize>,
}

impl BoundLaunch {
    /// Puts it into a stream.
    pub fn submit(&mut self, stream: sys::CUstream) -> std::result::Result<(), DriverError> {
        let start = self.words.as_mut_ptr();
        // SAFETY: each argument starts at one of the words.
        let pointer = |&word: &usize| unsafe { start.add(word) }.cast::<c_void>();
        let mut args: Vec<*mut c_void> = self.args.iter().map(pointer).collect();
        let ([gx, gy, gz], [bx, by, bz]) = (self.grid, self.block);
        // SAFETY: the arguments are those that the kernel takes (each launcher stands beside its kernel's signature, and tests
        // run it), the driver copies them, and their addresses are alive until the run has ended.
        unsafe {
            result::launch_kernel(
                self.function,
                (gx, gy, gz),
                (bx, by, bz),
                self.shared,
                stream,
                &mut args,
            )
        }
    }

    /// A launch without arguments.
    pub fn new(
        function: sys::CUfunction,
        (grid, block, shared): ([u32; 3], [u32; 3], u32),
        planned: Range<usize>,
    ) -> BoundLaunch {
        BoundLaunch {
            function,
            grid,
            block,
            shared,
            words: Vec::new(),
            args: Vec::new(),
            buffers: Vec::new(),
            planned,
        }
    }

    /// Launch `launch` of step `at`.
    ///
    /// # Errors
    /// Internal ones, for an invalid plan.
    pub fn of_step(
        program: &Program,
        at: usize,
        launch: &Launch,
        function: sys::CUfunction,
        memory: &Addresses,
    ) -> Result<BoundLaunch> {
        let StepKind::Op {
            inputs,
            output,
            scratch,
            ..
        } = &program.steps[at].kind
        else {
            return Err(Error::internal("prepare", "a cluster where a primitive was"));
        };
        let mut bound = BoundLaunch::new(function, (launch.grid, launch.block, launch.shared), at..at + 1);
        for arg in &launch.args {
            match arg {
                Arg::Input(i) => bound.slot(program, inputs[*i].0, memory)?,
                Arg::Output => bound.slot(program, *output, memory)?,
                Arg::Scratch(offset) => bound.word(memory.arena + (scratch.0 + offset) as u64),
                Arg::Refusal => bound.word(memory.record),
                Arg::Step => bound.word(at as u64),
                Arg::Int(value) => bound.word(*value as u64),
                Arg::Ints(values) => {
                    bound.args.push(bound.words.len());
                    bound.words.extend(values.iter().map(|&value| value as u64));
                }
            }
        }
        Ok(bound)
    }

    /// An argument of one word.
    pub fn word(&mut self, word: u64) {
        self.args.push(self.words.len());
        self.words.push(word);
    }

    /// The address of a slot as an argument.
    ///
    /// # Errors
    /// A slot that is private to a row group has none.
    pub fn slot(&mut self, program: &Program, slot: SlotId, memory: &Addresses) -> Result<()> {
        match program.slots[slot].location {
            Location::Arena(offset) => self.word(memory.arena + offset as u64),
            Location::Input(_) | Location::Output(_) => {
                self.buffers.push((self.words.len(), slot));
                self.word(0);
            }
            Location::Private { .. } => {
                return Err(Error::internal("prepare", "a private slot as an argument"));
            }
        }
        Ok(())
    }
}
