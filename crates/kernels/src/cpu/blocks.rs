//! Blocks of memory, and those that were given back, kept for reuse.
//!
//! A fresh block costs five times its copying in page faults, so blocks that are given back wait for the next request of
//! about their size: sizes are rounded up to classes, eight to a doubling. How much may wait follows the memory that the process
//! may use; beyond, the sizes that were not asked for longest go back to the system.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use hyperglow_core::error::ErrorKind;
use hyperglow_core::{Error, Result};

use super::limits;

/// Every block starts on a cache line.
pub(crate) const ALIGN: usize = 64;
/// Blocks from this size on are aligned to it and ask for huge pages.
const HUGE_PAGE_BYTES: usize = 2 << 20;
/// What the system's allocator aligns to of itself.
const SYSTEM_ALIGN: usize = 16;
/// Classes of sizes in a doubling: at most an eighth of a block is more than was asked for.
const CLASSES_PER_DOUBLING: usize = 8;
/// Most blocks of one class that wait for reuse.
const KEPT_PER_CLASS: usize = 64;
/// Most bytes that wait for reuse on any machine, and the part of the memory that does on a smaller one.
const KEPT_BYTES: usize = 1 << 30;
const KEPT_SHARE: usize = 8;
/// Blocks from this size on are asked for only when there is the memory: systems promise more than they have, and end the process
/// when it is used.
const LARGE_BYTES: usize = 64 << 20;

static SYSTEM_ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// How often the system was asked for memory.
pub(crate) fn system_allocations() -> usize {
    SYSTEM_ALLOCATIONS.load(Relaxed)
}

/// Bytes that wait for reuse.
pub(crate) fn kept_bytes() -> usize {
    kept().bytes
}

/// The size that a request is rounded up to.
fn class_of(bytes: usize) -> Option<usize> {
    let step = bytes.checked_next_power_of_two()? / (2 * CLASSES_PER_DOUBLING);
    bytes.checked_next_multiple_of(step.max(ALIGN))
}

/// An aligned piece of memory, owned, its content arbitrary but initialized (by the system, with zeros).
pub(crate) struct Block {
    /// What the system gave.
    base: NonNull<u8>,
    /// The aligned start within it.
    pub start: NonNull<u8>,
    pub bytes: usize,
}

// SAFETY: a block is plain memory without ties to a thread; whoever holds it decides about access.
unsafe impl Send for Block {}
// SAFETY: as above; a shared reference gives no access by itself.
unsafe impl Sync for Block {}

impl Block {
    /// What the start of a block of this size is a multiple of.
    const fn align(bytes: usize) -> usize {
        if bytes >= HUGE_PAGE_BYTES {
            HUGE_PAGE_BYTES
        } else {
            ALIGN
        }
    }

    /// What is asked of the system: room for the block wherever it is aligned.
    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes.checked_add(Block::align(bytes))?, SYSTEM_ALIGN).ok()
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
        // Zeroed memory of the system's own alignment comes as untouched pages, so that the thread that asks does not
        // wait for them; the block is aligned within it.
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

    /// A block of at least `bytes` bytes, one that was given back if there is one.
    pub fn take(bytes: usize) -> Result<Block> {
        let class = class_of(bytes).ok_or_else(|| refused(bytes, "no machine has so much"))?;
        let given_back = kept().take(class);
        match given_back.map_or_else(|| Block::from_system(class), Ok) {
            Err(_) => Block::exact(bytes),
            block => block,
        }
    }

    /// A block of `bytes` bytes, to whole cache lines, that is not one given back. What waits for reuse makes room for it before
    /// it is refused.
    pub fn exact(bytes: usize) -> Result<Block> {
        let rounded = bytes
            .checked_next_multiple_of(ALIGN)
            .ok_or_else(|| refused(bytes, "no machine has so much"))?;
        Block::from_system(rounded).or_else(|error| {
            if kept_bytes() == 0 {
                return Err(error);
            }
            release_kept();
            Block::from_system(rounded)
        })
    }

    /// Keeps the block for reuse, or gives it back to the system.
    pub fn give_back(self) {
        let surplus = kept().keep(self);
        drop(surplus);
    }
}

/// Refuses what the process could not hold if there were nothing else: known before anything is asked of the system.
///
/// # Errors
/// Where it could not, and the system says how much memory there is.
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

/// Blocks that wait for reuse.
struct Kept {
    by_class: HashMap<usize, Class>,
    bytes: usize,
    /// Most bytes that may wait.
    bound: usize,
    clock: u64,
}

/// Blocks of one size.
#[derive(Default)]
struct Class {
    blocks: Vec<Block>,
    /// When one was last asked for or given back.
    used: u64,
}

impl Kept {
    /// Nothing, and at most `bound` bytes ever.
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

    /// Keeps a block. What there is no room for is returned: the block, or others that were not asked for longer.
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

/// Gives every block that waits for reuse back to the system, and what the system's allocator keeps.
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
                class >= bytes && class.is_multiple_of(ALIGN),
                "{class} for {bytes}"
            );
            assert!(
                class - bytes < ALIGN.max(bytes / CLASSES_PER_DOUBLING + 1),
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
