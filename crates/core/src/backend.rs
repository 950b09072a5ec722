//! What a device must offer: memory, and programs made executable.

use std::sync::Arc;

use crate::completion::{Completion, CompletionSender};
use crate::device::Device;
use crate::error::Result;
use crate::plan::Program;
use crate::profile::Recorder;
use crate::storage::Buffer;

/// What a device holds, in exact numbers, for the whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Bytes of tensors, and of the memory that plans work in.
    pub bytes: usize,
    /// Number of tensors' buffers.
    pub buffers: usize,
    /// The largest `bytes` so far.
    pub peak_bytes: usize,
    /// Bytes of freed tensors, kept for reuse.
    pub kept_bytes: usize,
    /// Number of allocations from the operating system.
    pub allocations: usize,
}

/// A device: what the planner asks of it, memory, and a compiler of programs.
pub trait Backend: Device + Send + Sync {
    /// New storage of `bytes` bytes, its content undefined.
    fn allocate(&self, bytes: usize) -> Result<Buffer>;
    /// New storage holding a copy of `bytes`.
    fn upload(&self, bytes: &[u8]) -> Result<Buffer>;
    /// What it holds.
    fn memory(&self) -> MemoryUse;
    /// Returns the memory kept for reuse to the operating system.
    fn release_kept(&self) {}
    /// Makes a program executable. Its memory is allocated now and lives as long as the result.
    fn prepare(&self, program: Arc<Program>) -> Result<Box<dyn Executable>>;
}

/// What a run is given.
pub struct Launch<'a> {
    /// In the program's order.
    pub inputs: &'a [Buffer],
    /// In the program's order. An output may be the same buffer as an input exactly where the program says so
    /// ([`Program::donations`]).
    pub outputs: &'a [Buffer],
    later: Option<Arc<Completion>>,
    recorder: Option<&'a Arc<Recorder>>,
}

impl<'a> Launch<'a> {
    /// A run on these buffers.
    pub fn new(inputs: &'a [Buffer], outputs: &'a [Buffer]) -> Launch<'a> {
        Launch {
            inputs,
            outputs,
            later: None,
            recorder: None,
        }
    }
    /// The same run, timed if there is a recorder.
    pub fn recorded(self, recorder: Option<&'a Arc<Recorder>>) -> Launch<'a> {
        Launch { recorder, ..self }
    }
    /// Records how long the steps of this run take; `None` unless the run is profiled.
    pub fn recorder(&self) -> Option<&'a Arc<Recorder>> {
        self.recorder
    }
    /// Lets the run go on after [`Executable::launch`] has returned: it ends when the sender completes it. Its buffers live until
    /// then.
    pub fn defer(&mut self) -> CompletionSender {
        let completion = Completion::new();
        self.later = Some(completion.clone());
        CompletionSender::of(completion)
    }
    /// The completion of a run that goes on.
    pub(crate) fn deferred(self) -> Option<Arc<Completion>> {
        self.later
    }
}

/// A prepared program.
///
/// A device keeps the order of launches: a later run sees the outputs of earlier runs and overwrites nothing that they still
/// read. Runs may be completed in any order.
pub trait Executable: Send {
    /// Begins a run. It has ended when this returns, unless the run is [deferred](Launch::defer).
    ///
    /// # Errors
    /// Those of the run, which has then changed no input.
    fn launch(&mut self, launch: &mut Launch<'_>) -> Result<()>;
    /// Whether a launch takes less time than handing it to the device's thread, so that it may block the submitting thread.
    /// Default: never.
    fn is_brief(&self) -> bool {
        false
    }
    /// How this device runs the program, for people to read: a line with the algorithm of each step or group of steps, by its
    /// number in the program. Empty by default.
    fn describe(&self) -> String {
        String::new()
    }
    /// Launches a run and waits for its end.
    ///
    /// # Errors
    /// Those of the run.
    fn run(&mut self, inputs: &[Buffer], outputs: &[Buffer]) -> Result<()> {
        let mut launch = Launch::new(inputs, outputs);
        self.launch(&mut launch)?;
        launch.deferred().map_or(Ok(()), |later| later.wait())
    }
}
