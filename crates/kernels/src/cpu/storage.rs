//! Memory of the CPU device: tensors' bytes and programs' arenas, counted exactly.

use std::any::Any;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hyperglow_core::storage::Storage;
use hyperglow_core::{Error, Result};

use super::blocks::{Block, Line, kept_bytes, system_allocations};

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static LIVE_BUFFERS: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);
static ARENA_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Exact memory counters of the CPU device, over all backends of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryStats {
    /// Bytes of tensors.
    pub live_bytes: usize,
    /// Number of tensors' buffers.
    pub live_buffers: usize,
    /// The largest sum of `live_bytes` and `arena_bytes` so far.
    pub peak_bytes: usize,
    /// Bytes of the arenas of prepared programs.
    pub arena_bytes: usize,
    /// Bytes of freed tensors that are kept for reuse.
    pub kept_bytes: usize,
    /// Number of allocations from the system.
    pub system_allocations: usize,
}

/// The current counters.
pub fn memory() -> MemoryStats {
    MemoryStats {
        live_bytes: LIVE_BYTES.load(Relaxed),
        live_buffers: LIVE_BUFFERS.load(Relaxed),
        peak_bytes: PEAK_BYTES.load(Relaxed),
        arena_bytes: ARENA_BYTES.load(Relaxed),
        kept_bytes: kept_bytes(),
        system_allocations: system_allocations(),
    }
}

/// A tensor's bytes. Shared; a running plan may write them, see [`RawBytes`].
pub(crate) struct CpuStorage {
    block: Option<Block>,
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the pointer is the block's, and blocks may move to other threads.
unsafe impl Send for CpuStorage {}
// SAFETY: the only writers are plans. A device runs its plans one after the other, and the graph passes a plan for
// writing only storage without another reader.
unsafe impl Sync for CpuStorage {}

impl CpuStorage {
    pub fn new(len: usize) -> Result<CpuStorage> {
        let block = Block::take(len)?;
        let live = LIVE_BYTES.fetch_add(len, Relaxed) + len;
        PEAK_BYTES.fetch_max(live + ARENA_BYTES.load(Relaxed), Relaxed);
        LIVE_BUFFERS.fetch_add(1, Relaxed);
        Ok(CpuStorage {
            start: block.start,
            block: Some(block),
            len,
        })
    }

    pub fn copy_of(bytes: &[u8]) -> Result<CpuStorage> {
        let storage = CpuStorage::new(bytes.len())?;
        // SAFETY: the block has at least `len` bytes, is new, and has no other pointer.
        unsafe {
            storage
                .start
                .as_ptr()
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
        Ok(storage)
    }

    pub fn raw(&self) -> RawBytes {
        RawBytes {
            start: self.start,
            len: self.len,
        }
    }
}

impl Drop for CpuStorage {
    fn drop(&mut self) {
        LIVE_BYTES.fetch_sub(self.len, Relaxed);
        LIVE_BUFFERS.fetch_sub(1, Relaxed);
        if let Some(block) = self.block.take() {
            block.give_back();
        }
    }
}

impl Storage for CpuStorage {
    fn byte_len(&self) -> usize {
        self.len
    }

    fn read_part(&self, from: usize, out: &mut [u8]) -> Result<()> {
        if from.checked_add(out.len()).is_none_or(|end| end > self.len) {
            return Err(Error::internal(
                "read",
                format!("{} bytes from {from} wanted of {}", out.len(), self.len),
            ));
        }
        // SAFETY: both ranges have `out.len()` bytes, as just checked; no plan writes storage while it is read (see the `Sync` impl).
        unsafe {
            out.as_mut_ptr()
                .copy_from_nonoverlapping(self.start.as_ptr().add(from), out.len())
        };
        Ok(())
    }

    fn write_part(&self, from: usize, bytes: &[u8]) -> Result<()> {
        if from.checked_add(bytes.len()).is_none_or(|end| end > self.len) {
            return Err(Error::internal(
                "write",
                format!("{} bytes from {from} for storage of {}", bytes.len(), self.len),
            ));
        }
        // SAFETY: both ranges have `bytes.len()` bytes, as just checked; the writer has the only reference to the storage (see the `Sync` impl).
        unsafe {
            self.start
                .as_ptr()
                .add(from)
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Memory of programs' arenas.
pub(crate) struct Arena(Block);

impl Arena {
    /// No memory.
    pub fn empty() -> Arena {
        Arena(Block::empty())
    }

    pub fn new(bytes: usize) -> Result<Arena> {
        // Not rounded to a class: an arena is replaced by a larger or a smaller one and hardly ever reused.
        let block = Block::exact(bytes)?;
        let arenas = ARENA_BYTES.fetch_add(block.bytes, Relaxed) + block.bytes;
        PEAK_BYTES.fetch_max(arenas + LIVE_BYTES.load(Relaxed), Relaxed);
        Ok(Arena(block))
    }

    /// Its size, at least the requested size.
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }

    /// `len` bytes from `offset`.
    pub fn raw(&self, offset: usize, len: usize) -> RawBytes {
        assert!(
            offset + len <= self.0.bytes,
            "{len} bytes at {offset} of an arena of {}",
            self.0.bytes
        );
        // SAFETY: the offset lies within the block, as just checked.
        let start = unsafe { self.0.start.add(offset) };
        RawBytes { start, len }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        ARENA_BYTES.fetch_sub(self.0.bytes, Relaxed);
    }
}

/// The address of some bytes. It gives no access: kernels get typed slices from
/// [`Args`](crate::cpu::exec::Args), which knows the memory of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawBytes {
    pub start: NonNull<u8>,
    pub len: usize,
}

// SAFETY: an address; each use of it is unsafe and justified separately.
unsafe impl Send for RawBytes {}
// SAFETY: as above.
unsafe impl Sync for RawBytes {}

impl RawBytes {
    /// The address of byte `offset`.
    ///
    /// # Safety
    /// The byte, or the end, must belong to the allocation.
    pub unsafe fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.start.as_ptr().add(offset) }
    }

    /// `len` of the bytes, from `offset` on.
    pub fn part(&self, offset: usize, len: usize) -> RawBytes {
        assert!(offset + len <= self.len);
        RawBytes {
            // SAFETY: within these bytes, as just checked.
            start: unsafe { self.start.add(offset) },
            len,
        }
    }

    pub const EMPTY: RawBytes = RawBytes {
        start: NonNull::<Line>::dangling().cast(),
        len: 0,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::blocks::ALIGN_BYTES;

    #[test]
    fn a_block_given_back_is_used_again() {
        let first = CpuStorage::new(777_777).unwrap();
        let place = first.start;
        drop(first);
        let second = CpuStorage::new(770_001).unwrap();
        assert_eq!(second.start, place);
        assert_eq!(place.as_ptr() as usize % ALIGN_BYTES, 0);
    }

    #[test]
    fn storage_reads_what_was_uploaded() {
        let storage = CpuStorage::copy_of(&[1, 2, 3]).unwrap();
        let mut out = [0; 3];
        storage.read(&mut out).unwrap();
        assert_eq!(out, [1, 2, 3]);
        assert!(storage.read(&mut [0; 2]).is_err());
        storage.read_part(1, &mut out[..2]).unwrap();
        assert_eq!(out, [2, 3, 3]);
        assert!(storage.read_part(2, &mut out[..2]).is_err());
        assert_eq!(CpuStorage::copy_of(&[]).unwrap().byte_len(), 0);
    }
}
