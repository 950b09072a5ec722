//! What a device must offer: storage, and programs made executable.

use std::any::Any;
use std::sync::Arc;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::plan::Program;

/// Bytes on a device. Shared between the graph and running plans; who may write is decided by the
/// graph (see [`crate::graph`]): a plan writes only storage that nobody else reads.
pub trait Storage: Send + Sync + Any {
    /// Size in bytes.
    fn byte_len(&self) -> usize;
    /// Copies the bytes into `out`, whose length is `byte_len`.
    fn read(&self, out: &mut [u8]) -> Result<()> {
        if out.len() == self.byte_len() {
            return self.read_part(0, out);
        }
        let (given, held) = (out.len(), self.byte_len());
        Err(Error::internal("read", format!("{given} bytes wanted of {held}")))
    }
    /// Copies as many bytes from byte `from` on as `out` has room for; it is an internal error to want more than there are.
    fn read_part(&self, from: usize, out: &mut [u8]) -> Result<()>;
    /// For the backend that made it.
    fn as_any(&self) -> &dyn Any;
}

/// A shared piece of device memory.
pub type Buffer = Arc<dyn Storage>;

/// A device: what the planner asks of it, memory, and a compiler of programs.
pub trait Backend: Device + Send + Sync {
    /// New storage of `bytes` bytes, its content undefined.
    fn allocate(&self, bytes: usize) -> Result<Buffer>;
    /// New storage holding a copy of `bytes`.
    fn upload(&self, bytes: &[u8]) -> Result<Buffer>;
    /// Makes a program executable. The memory it needs is allocated now, and there as long as the result lives.
    fn prepare(&self, program: Arc<Program>) -> Result<Box<dyn Executable>>;
}

/// A prepared program.
pub trait Executable: Send {
    /// Runs it: `inputs` and `outputs` in the program's order. An output may be the same buffer as an
    /// input exactly where the program says so ([`Program::donations`]).
    fn run(&mut self, inputs: &[Buffer], outputs: &[Buffer]) -> Result<()>;
    /// How this device runs the program, a line for each step or group of steps about which there is something to say,
    /// with its number in the program; for people to read. Empty by default.
    fn describe(&self) -> String {
        String::new()
    }
}
