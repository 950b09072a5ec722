//! What a device must offer: memory, and programs made executable.

use std::sync::Arc;

use crate::completion::{Completion, Ending};
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
    /// Bytes given back by tensors and kept for the next ones.
    pub kept_bytes: usize,
    /// How often the system was asked for memory.
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
    /// Gives back to the system what is kept for reuse.
    fn release_kept(&self) {}
    /// Makes a program executable. The memory it needs is allocated now, and there as long as the result lives.
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
    /// What wants to know how long the steps of this run take; `None`, as a rule, where nobody does.
    pub fn recorder(&self) -> Option<&'a Arc<Recorder>> {
        self.recorder
    }
    /// Lets the run go on after [`Executable::launch`] has returned: it ends when the result is told. Its buffers live until then.
    pub fn defer(&mut self) -> Ending {
        let completion = Completion::new();
        self.later = Some(completion.clone());
        Ending::of(completion)
    }
    /// What tells the end of a run that goes on.
    pub(crate) fn deferred(self) -> Option<Arc<Completion>> {
        self.later
    }
}

/// A prepared program.
///
/// A device keeps the order of what was launched on it: whoever is launched later finds what those before it wrote, and
/// overwrites nothing that they have still to read. Ends may be told in any order.
pub trait Executable: Send {
    /// Begins a run. It has ended when this returns, unless the run is [deferred](Launch::defer).
    ///
    /// # Errors
    /// Those of the run, which has then changed no input.
    fn launch(&mut self, launch: &mut Launch<'_>) -> Result<()>;
    /// Whether a launch takes less time than the way to the device's thread and back, so that it may keep the thread that
    /// submits it. Never, by default.
    fn is_brief(&self) -> bool {
        false
    }
    /// How this device runs the program, a line for each step or group of steps about which there is something to say,
    /// with its number in the program; for people to read. Empty by default.
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
