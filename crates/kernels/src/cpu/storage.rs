//! Memory of the CPU device: aligned blocks, kept for reuse by exact size, counted exactly.
//!
//! A fresh block costs five times its copying in page faults, so blocks that are given back wait in a
//! bounded list for the next request of the same size.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::any::Any;
use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use hyperglow_core::backend::Storage;
use hyperglow_core::error::ErrorKind;
use hyperglow_core::{Error, Result};

/// Every block starts on a cache line.
pub(crate) const ALIGN: usize = 64;
/// Blocks from this size on are aligned to it and ask for huge pages.
const HUGE: usize = 2 << 20;
/// What the system's allocator aligns to of itself.
const SYSTEM_ALIGN: usize = 16;
/// Most blocks of one size that wait for reuse.
const KEPT_PER_SIZE: usize = 64;
/// Most bytes that wait for reuse.
const KEPT_BYTES: usize = 1 << 30;

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static LIVE_BUFFERS: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);
static ARENA_BYTES: AtomicUsize = AtomicUsize::new(0);
static SYSTEM_ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// What the CPU device holds, in exact numbers, over all backends of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryStats {
    /// Bytes of tensors.
    pub live_bytes: usize,
    /// Number of tensors' buffers.
    pub live_buffers: usize,
    /// The largest sum of `live_bytes` and `arena_bytes` so far.
    pub peak_bytes: usize,
    /// Bytes of the arenas that prepared programs work in.
    pub arena_bytes: usize,
    /// Bytes given back by tensors and kept for the next one of the same size.
    pub pooled_bytes: usize,
    /// How often the system was asked for memory.
    pub system_allocations: usize,
}

/// The counters now.
pub fn memory() -> MemoryStats {
    MemoryStats {
        live_bytes: LIVE_BYTES.load(Relaxed),
        live_buffers: LIVE_BUFFERS.load(Relaxed),
        peak_bytes: PEAK_BYTES.load(Relaxed),
        arena_bytes: ARENA_BYTES.load(Relaxed),
        pooled_bytes: kept().bytes,
        system_allocations: SYSTEM_ALLOCATIONS.load(Relaxed),
    }
}

/// An aligned piece of memory of a rounded size, owned, its content arbitrary but initialised (by the system, with zeros).
struct Block {
    /// What the system gave.
    base: NonNull<u8>,
    /// The aligned start within it.
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a block is plain memory without ties to a thread; whoever holds it decides about access.
unsafe impl Send for Block {}
// SAFETY: as above; a shared reference gives no access by itself.
unsafe impl Sync for Block {}

impl Block {
    /// What the start of a block of this size is a multiple of.
    const fn align(bytes: usize) -> usize {
        if bytes >= HUGE { HUGE } else { ALIGN }
    }

    /// What is asked of the system: room for the block wherever it is aligned.
    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes.checked_add(Block::align(bytes))?, SYSTEM_ALIGN).ok()
    }

    /// No memory at all.
    const fn empty() -> Block {
        Block {
            base: NonNull::<Line>::dangling().cast(),
            start: NonNull::<Line>::dangling().cast(),
            bytes: 0,
        }
    }

    fn from_system(bytes: usize) -> Result<Block> {
        if bytes == 0 {
            return Ok(Block::empty());
        }
        let layout = Block::layout(bytes).ok_or_else(|| refused(bytes, "no machine has so much"))?;
        if bytes >= LARGE && available().is_some_and(|left| bytes > left) {
            return Err(refused(bytes, "the machine has not so much left"));
        }
        SYSTEM_ALLOCATIONS.fetch_add(1, Relaxed);
        // Zeroed memory of the system's own alignment comes as untouched pages, so that the thread that asks does not
        // wait for them; the block is aligned within it.
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })
            .ok_or_else(|| refused(bytes, "the system refused"))?;
        let skip = base.as_ptr().align_offset(Block::align(bytes));
        // SAFETY: the layout has room for the alignment.
        let start = unsafe { base.add(skip) };
        #[cfg(target_os = "linux")]
        if bytes >= HUGE {
            // SAFETY: the range was just allocated; the call is advice about its pages and changes no content.
            unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
        }
        Ok(Block { base, start, bytes })
    }

    /// A block of at least `bytes` bytes, one that was given back if there is one.
    fn take(bytes: usize) -> Result<Block> {
        let bytes = bytes
            .checked_next_multiple_of(ALIGN)
            .ok_or_else(|| refused(bytes, "no machine has so much"))?;
        let given_back = kept().take(bytes);
        given_back.map_or_else(|| Block::from_system(bytes), Ok)
    }
}

/// Blocks from this size on are asked for only when the machine has the memory: systems promise more than
/// they have, and end the process when it is used.
const LARGE: usize = 1 << 30;

/// Bytes that can be used without swapping, where the system says.
fn available() -> Option<usize> {
    system_bytes("MemAvailable:")
}

/// Refuses what the machine could not hold if it held nothing else: known before anything is asked of the system.
///
/// # Errors
/// Where it could not, and the system says how much memory there is.
pub(crate) fn within_machine(bytes: usize) -> Result<()> {
    static TOTAL: OnceLock<Option<usize>> = OnceLock::new();
    if bytes < LARGE {
        return Ok(());
    }
    match *TOTAL.get_or_init(|| system_bytes("MemTotal:")) {
        Some(total) if bytes > total => Err(refused(bytes, "the machine has not so much")),
        _ => Ok(()),
    }
}

/// A count of bytes in the system's account of its memory.
fn system_bytes(name: &str) -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<usize>()
        .ok()
        .map(|kib| kib * 1024)
}

fn refused(bytes: usize, why: &str) -> Error {
    Error::new(
        ErrorKind::Device,
        "memory",
        format!(
            "{:.1} GiB wanted at once, {why}",
            bytes as f64 / (1u64 << 30) as f64
        ),
        "use smaller batches or shapes, float32 instead of float64, or dispose of what is no longer needed",
    )
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.bytes > 0
            && let Some(layout) = Block::layout(self.bytes)
        {
            // SAFETY: made by `alloc_zeroed` with this layout, and dropped once.
            unsafe { dealloc(self.base.as_ptr(), layout) };
        }
    }
}

/// The alignment of an empty block.
#[repr(align(64))]
struct Line;

#[derive(Default)]
struct Kept {
    by_size: HashMap<usize, Vec<Block>>,
    bytes: usize,
}

impl Kept {
    fn take(&mut self, bytes: usize) -> Option<Block> {
        let block = self.by_size.get_mut(&bytes)?.pop()?;
        self.bytes -= block.bytes;
        Some(block)
    }

    /// Keeps the block, or returns it when the lists are full.
    fn keep(&mut self, block: Block) -> Option<Block> {
        if block.bytes == 0 || self.bytes + block.bytes > KEPT_BYTES {
            return Some(block);
        }
        let list = self.by_size.entry(block.bytes).or_default();
        if list.len() >= KEPT_PER_SIZE {
            return Some(block);
        }
        self.bytes += block.bytes;
        list.push(block);
        None
    }
}

fn kept() -> MutexGuard<'static, Kept> {
    static KEPT: OnceLock<Mutex<Kept>> = OnceLock::new();
    KEPT.get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// Gives every block that waits for reuse back to the system.
pub fn trim() {
    let blocks = std::mem::take(&mut *kept());
    drop(blocks);
}

/// A tensor's bytes. Shared; a running plan may write them, see [`RawBytes`].
pub(crate) struct CpuStorage {
    block: Option<Block>,
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the pointer is the block's, and blocks may go to other threads.
unsafe impl Send for CpuStorage {}
// SAFETY: the only writers are plans, and the graph runs the plans of a device one after the other, giving them
// for writing only storage that nobody else reads.
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
        // SAFETY: the block has at least `len` bytes, is new, and nobody else knows it.
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
        let surplus = self.block.take().and_then(|block| kept().keep(block));
        drop(surplus);
    }
}

impl Storage for CpuStorage {
    fn byte_len(&self) -> usize {
        self.len
    }

    fn read(&self, out: &mut [u8]) -> Result<()> {
        if out.len() != self.len {
            return Err(Error::internal(
                "read",
                format!("{} bytes wanted of {}", out.len(), self.len),
            ));
        }
        // SAFETY: both ranges have `len` bytes; nobody writes storage while it is read (see the `Sync` impl).
        unsafe {
            out.as_mut_ptr()
                .copy_from_nonoverlapping(self.start.as_ptr(), self.len)
        };
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Memory that programs work in.
pub(crate) struct Arena(Block);

impl Arena {
    /// No memory.
    pub fn empty() -> Arena {
        Arena(Block::empty())
    }

    pub fn new(bytes: usize) -> Result<Arena> {
        let block = Block::take(bytes)?;
        let arenas = ARENA_BYTES.fetch_add(block.bytes, Relaxed) + block.bytes;
        PEAK_BYTES.fetch_max(arenas + LIVE_BYTES.load(Relaxed), Relaxed);
        Ok(Arena(block))
    }

    /// Its size, at least what was asked for.
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
        // The block goes back to the system: a larger or a smaller one takes its place, hardly ever one of this size.
        ARENA_BYTES.fetch_sub(self.0.bytes, Relaxed);
    }
}

/// Where some bytes are. Carries no right to use them: kernels get typed slices from
/// [`Args`](crate::cpu::exec::Args), which knows what a step may touch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawBytes {
    pub start: NonNull<u8>,
    pub len: usize,
}

// SAFETY: an address; using it is unsafe and justified where it happens.
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

    #[test]
    fn a_block_given_back_is_used_again() {
        let first = CpuStorage::new(777_777).unwrap();
        let place = first.start;
        drop(first);
        let second = CpuStorage::new(777_777).unwrap();
        assert_eq!(second.start, place);
        assert_eq!(place.as_ptr() as usize % ALIGN, 0);
    }

    #[test]
    fn storage_reads_what_was_uploaded() {
        let storage = CpuStorage::copy_of(&[1, 2, 3]).unwrap();
        let mut out = [0; 3];
        storage.read(&mut out).unwrap();
        assert_eq!(out, [1, 2, 3]);
        assert!(storage.read(&mut [0; 2]).is_err());
        assert_eq!(CpuStorage::copy_of(&[]).unwrap().byte_len(), 0);
    }
}
