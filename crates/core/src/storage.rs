//! Bytes on a device.

use std::any::Any;
use std::sync::Arc;

use crate::error::{Error, Result};

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
    /// Overwrites all bytes, of which there are `byte_len`; for who alone knows the storage.
    fn write(&self, bytes: &[u8]) -> Result<()> {
        if bytes.len() == self.byte_len() {
            return self.write_part(0, bytes);
        }
        let (given, held) = (bytes.len(), self.byte_len());
        Err(Error::internal(
            "write",
            format!("{given} bytes for storage of {held}"),
        ))
    }
    /// Overwrites bytes from byte `from` on; for who alone knows the storage. It is an internal error to write beyond the end.
    fn write_part(&self, from: usize, bytes: &[u8]) -> Result<()>;
    /// For the backend that made it.
    fn as_any(&self) -> &dyn Any;
}

/// A shared piece of device memory.
pub type Buffer = Arc<dyn Storage>;
