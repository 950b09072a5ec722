//! Blocks of memory, and freed blocks kept for reuse.
//!
//! The page faults of a fresh block take five times as long as copying it, so freed blocks are kept for later requests of
//! similar size: sizes are rounded up to classes, eight to a doubling. The bound of the kept bytes depends on the memory that
//! the process may use; beyond the bound, the sizes that were requested least recently are returned to the system.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use hyperglow_core::error::ErrorKind;
use hyperglow_core::{Error, Result};

use super::limits;

/// Every block starts on a cache line.
pub(crate) const ALIGN_BYTES: usize = 64;
/// Blocks from this size on are aligned to it and request huge pages.
const HUGE_PAGE_BYTES: usize = 2 << 20;
/// Alignment of the system's allocator.
const SYSTEM_ALIGN_BYTES: usize = 16;
/// Size classes in a doubling: at most an eighth of a block is beyond the requested size.
const CLASSES_PER_DOUBLING: usize = 8;
/// Most kept blocks of one class.
const KEPT_PER_CLASS: usize = 64;
/// Most kept bytes on any machine, and the most as a fraction of the memory.
const KEPT_BYTES: usize = 1 << 30;
const KEPT_SHARE: usize = 8;
/// Blocks from this size on are requested only if the memory exists: systems overcommit memory, and kill a process that uses
/// more than there is.
const LARGE_BYTES: usize = 64 << 20;

static SYSTEM_ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// Number of allocations from the system.
pub(crate) fn system_allocations() -> usize {
    SYSTEM_ALLOCATIONS.load(Relaxed)
}

/// Kept bytes.
pub(crate) fn kept_bytes() -> usize {
    kept().bytes
}

/// The size class of a request.
fn class_of(bytes: usize) -> Option<usize> {
    let step = bytes.checked_next_power_of_two()? / (2 * CLASSES_PER_DOUBLING);
    bytes.checked_next_multiple_of(step.max(ALIGN_BYTES))
}

/// An owned, aligned block of memory with arbitrary but initialized content (the system fills it with zeros).
pub(crate) struct Block {
    /// The system's allocation.
    base: NonNull<u8>,
    /// The aligned start within it.
    pub start: NonNull<u8>,
    pub bytes: usize,
}

// SAFETY: a block is plain memory without ties to a thread; its owner controls access.
unsafe impl Send for Block {}
// SAFETY: as above; a shared reference gives no access by itself.
unsafe impl Sync for Block {}

impl Block {
    /// Alignment of a block of this size.
    const fn align(bytes: usize) -> usize {
        if bytes >= HUGE_PAGE_BYTES {
            HUGE_PAGE_BYTES
        } else {
            ALIGN_BYTES
        }
    }

    /// The size of the system's allocation: room for the block and its alignment.
    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes.checked_add(Block::align(bytes))?, SYSTEM_ALIGN_BYTES).ok()
    }

    /// No memory at all.
    pub const fn empty() -> Block {
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
        if bytes >= LARGE_BYTES && limits::available().is_some_and(|left| bytes > left) {
            return Err(refused(bytes, "there is not so much left"));
        }
        SYSTEM_ALLOCATIONS.fetch_add(1, Relaxed);
        // Zeroed memory of the system's own alignment has untouched pages, so this thread does not wait for page faults; the
        // block is aligned within it.
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })
            .ok_or_else(|| refused(bytes, "the system refused"))?;
        let skip = base.as_ptr().align_offset(Block::align(bytes));
        // SAFETY: the layout has room for the alignment.
        let start = unsafe { base.add(skip) };
        #[cfg(target_os = "linux")]
        if bytes >= HUGE_PAGE_BYTES {
            // SAFETY: the range was just allocated; the call is advice about its pages and changes no content.
            unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
        }
        Ok(Block { base, start, bytes })
    }

    /// A block of at least `bytes` bytes, a kept block if there is one.
    pub fn take(bytes: usize) -> Result<Block> {
        let class = class_of(bytes).ok_or_else(|| refused(bytes, "no machine has so much"))?;
        let given_back = kept().take(class);
        match given_back.map_or_else(|| Block::from_system(class), Ok) {
            Err(_) => Block::exact(bytes),
            block => block,
        }
    }

    /// A new block of `bytes` bytes, rounded up to whole cache lines. All kept blocks are freed before the request is refused.
    pub fn exact(bytes: usize) -> Result<Block> {
        let rounded = bytes
            .checked_next_multiple_of(ALIGN_BYTES)
            .ok_or_else(|| refused(bytes, "no machine has so much"))?;
        Block::from_system(rounded).or_else(|error| {
            if kept_bytes() == 0 {
                return Err(error);
            }
            release_kept();
            Block::from_system(rounded)
        })
    }

    /// Keeps the block for reuse, or returns it to the system.
    pub fn give_back(self) {
        let surplus = kept().keep(self);
        drop(surplus);
    }
}

/// Refuses a request beyond the memory that the process may use, before the system is asked.
///
/// # Errors
/// If the request is larger than that memory, and the system reports its size.
pub(crate) fn within_limits(bytes: usize) -> Result<()> {
    static TOTAL: OnceLock<Option<usize>> = OnceLock::new();
    if bytes < LARGE_BYTES {
        return Ok(());
    }
    match *TOTAL.get_or_init(limits::total) {
        Some(total) if bytes > total => Err(refused(bytes, "there is not so much")),
        _ => Ok(()),
    }
}

fn refused(bytes: usize, why: &str) -> Error {
    Error::new(
        ErrorKind::Device,
        "memory",
        format!(
            "{bytes} bytes or {:.1} GiB wanted at once, {why}",
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
pub(crate) struct Line;

/// Kept blocks.
struct Kept {
    by_class: HashMap<usize, Class>,
    bytes: usize,
    /// Most kept bytes.
    bound: usize,
    clock: u64,
}

/// Blocks of one size.
#[derive(Default)]
struct Class {
    blocks: Vec<Block>,
    /// Time of the last request or return.
    used: u64,
}

impl Kept {
    /// No blocks, and at most `bound` bytes later.
    fn within(bound: usize) -> Kept {
        Kept {
            by_class: HashMap::new(),
            bytes: 0,
            bound,
            clock: 0,
        }
    }

    fn take(&mut self, class: usize) -> Option<Block> {
        self.clock += 1;
        let list = self.by_class.get_mut(&class)?;
        list.used = self.clock;
        let block = list.blocks.pop()?;
        self.bytes -= block.bytes;
        Some(block)
    }

    /// Keeps a block. Returns the blocks beyond the bound: the block itself, or blocks that were requested less recently.
    fn keep(&mut self, block: Block) -> Vec<Block> {
        if block.bytes == 0 || block.bytes > self.bound || class_of(block.bytes) != Some(block.bytes) {
            return vec![block];
        }
        self.clock += 1;
        let list = self.by_class.entry(block.bytes).or_default();
        list.used = self.clock;
        if list.blocks.len() >= KEPT_PER_CLASS {
            return vec![block];
        }
        self.bytes += block.bytes;
        list.blocks.push(block);
        let mut surplus = Vec::new();
        while self.bytes > self.bound {
            let held = self.by_class.values_mut().filter(|list| !list.blocks.is_empty());
            let Some(oldest) = held
                .min_by_key(|list| list.used)
                .and_then(|list| list.blocks.pop())
            else {
                break;
            };
            self.bytes -= oldest.bytes;
            surplus.push(oldest);
        }
        surplus
    }

    fn take_all(&mut self) -> HashMap<usize, Class> {
        self.bytes = 0;
        std::mem::take(&mut self.by_class)
    }
}

fn kept() -> MutexGuard<'static, Kept> {
    static KEPT: OnceLock<Mutex<Kept>> = OnceLock::new();
    KEPT.get_or_init(|| {
        let part = limits::total().map_or(KEPT_BYTES, |total| total / KEPT_SHARE);
        Mutex::new(Kept::within(part.min(KEPT_BYTES)))
    })
    .lock()
    .unwrap_or_else(PoisonError::into_inner)
}

/// Returns every kept block to the system, and the free memory of the system's allocator.
pub fn release_kept() {
    let blocks = kept().take_all();
    drop(blocks);
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call takes no pointers and may be made at any time.
    unsafe {
        libc::malloc_trim(0)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_at_most_an_eighth_larger_than_what_is_asked_for() {
        let mut classes = std::collections::HashSet::new();
        for bytes in 1..100_000 {
            let class = class_of(bytes).unwrap();
            assert!(
                class >= bytes && class.is_multiple_of(ALIGN_BYTES),
                "{class} for {bytes}"
            );
            assert!(
                class - bytes < ALIGN_BYTES.max(bytes / CLASSES_PER_DOUBLING + 1),
                "{class} for {bytes}"
            );
            assert_eq!(class_of(class), Some(class));
            classes.insert(class);
        }
        assert!(classes.len() < 80, "{}", classes.len());
        assert_eq!((class_of(0), class_of(usize::MAX)), (Some(0), None));
    }

    #[test]
    fn near_sizes_use_the_same_block() {
        let block = Block::take(1_000_001).unwrap();
        let place = block.start;
        let mut kept = Kept::within(1 << 22);
        assert!(kept.keep(block).is_empty());
        let class = class_of(1_030_000).unwrap();
        assert_eq!(kept.take(class).map(|block| block.start), Some(place));
        assert_eq!((kept.bytes, kept.take(class).is_none()), (0, true));
    }

    #[test]
    fn beyond_the_bound_the_sizes_not_asked_for_longest_go() {
        let mut kept = Kept::within(10_000);
        let block = |bytes| Block::from_system(bytes).unwrap();
        for bytes in [4096, 2048, 1024] {
            assert!(kept.keep(block(bytes)).is_empty());
        }
        let again = kept.take(4096).unwrap();
        assert!(kept.keep(again).is_empty());
        let gone: Vec<usize> = kept.keep(block(4608)).iter().map(|b| b.bytes).collect();
        assert_eq!(gone, [2048]);
        assert_eq!(kept.bytes, 4096 + 1024 + 4608);
        assert_eq!(kept.keep(block(16_384)).len(), 1);
        assert_eq!(kept.take_all().len(), 4);
        assert_eq!(kept.bytes, 0);
    }
}
