//! Bytes on a device.

use std::any::Any;
use std::sync::Arc;

use crate::error::{Error, Result};

/// Bytes on a device, shared between the graph and running plans. The graph decides who may write (see [`crate::graph`]): a
/// plan writes only storage that has no other reader.
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
    /// Copies `out.len()` bytes from byte `from` on. Reading past the end is an internal error.
    fn read_part(&self, from: usize, out: &mut [u8]) -> Result<()>;
    /// Overwrites all `byte_len` bytes. The caller is the only holder of the storage.
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
    /// Overwrites bytes from byte `from` on. The caller is the only holder of the storage. Writing past the end is an internal
    /// error.
    fn write_part(&self, from: usize, bytes: &[u8]) -> Result<()>;
    /// For downcasts by the backend that made it.
    fn as_any(&self) -> &dyn Any;
}

/// A reference-counted block of device memory.
pub type Buffer = Arc<dyn Storage>;
