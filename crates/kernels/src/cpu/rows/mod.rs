//! Row groups, run a block of rows at a time: intermediates stay in the cache, and the whole group forks onto the pool once.
//! Private intermediates exist only for the current block, in memory of the thread.
//!
//! Rows with several segments (the channels of a batch of images) are traversed segment by segment, once per phase
//! ([`phases`]). [`group_program`](crate::steps::group_program) is the group as a program of its own, [`tasks`] its tasks, [`prepare`] makes
//! [`group_step`]s of them.

mod group_step;
mod merge;
mod phases;
mod prepare;
mod tasks;

use std::ops::Range;
use std::ptr::NonNull;

use hyperglow_core::plan::SlotId;

use self::group_step::{Chunk, GroupStep, StepArgs};
use super::exec::Env;
use super::storage::RawBytes;

/// The kernel of a [`RowGroup`](hyperglow_core::plan::rows::RowGroup).
pub(crate) struct RowsKernel {
    rows: usize,
    segments: usize,
    /// Rows of a block.
    block: usize,
    /// Blocks of a task.
    blocks_per_task: usize,
    /// (elements of a segment, elements of a chunk), if segments are run in chunks.
    cut: Option<(usize, usize)>,
    slots: Box<[Slot]>,
    phases: Box<[Phase]>,
    /// Offset in a thread's memory of the registers of clusters, after the table of slots, the states and the private slots.
    registers: usize,
    /// Bytes of a thread's memory.
    bytes: usize,
}

/// A slot of the group.
struct Slot {
    storage: SlotStorage,
    /// Bytes of the whole slot.
    bytes: usize,
    /// Bytes of an element.
    size: usize,
    /// Elements of a segment of a row.
    len: usize,
}

/// Where the elements of a slot are. Offsets are bytes of the thread's memory.
enum SlotStorage {
    /// In a slot of the program.
    Memory(SlotId),
    /// The current block of rows, of one segment, at this offset.
    Rows(usize),
    /// The current block of rows, all segments, at this offset.
    Segments(usize),
    /// The current chunk, at this offset.
    Chunk(usize),
}

/// One pass over the segments of a block: reductions of whole rows are known at its end.
struct Phase {
    /// Steps that run once per block, first.
    once: Box<[GroupStep]>,
    /// Steps that run for each chunk.
    each: Box<[GroupStep]>,
    /// Private slots with segments that the steps access.
    segmented: Box<[usize]>,
}

impl RowsKernel {
    /// Bytes of memory for one thread.
    pub fn register_bytes(&self) -> usize {
        self.bytes
    }

    /// Rows per block and number of passes, in words.
    pub fn describe(&self) -> String {
        let (block, rows) = (self.block.min(self.rows), self.rows);
        match self.phases.len() {
            1 => format!("{block} of {rows} rows at a time"),
            passes => format!("{block} of {rows} rows at a time, in {passes} passes"),
        }
    }

    /// # Safety
    /// As for [`ClusterKernel::run`](super::cluster::ClusterKernel::run), for every step of the group; and no slot that it writes
    /// shares memory with another slot of the group.
    pub unsafe fn run(&self, env: &Env, slots: &[RawBytes], memory: RawBytes) {
        let blocks = self.rows.div_ceil(self.block);
        env.pool.ranges(blocks, self.blocks_per_task, |worker, blocks| {
            let mine = memory.part(worker * self.bytes, self.bytes);
            for first in blocks.map(|block| block * self.block) {
                let rows = first..self.rows.min(first + self.block);
                // SAFETY: as the caller promises; tasks have disjoint rows, and each worker has its own memory.
                unsafe { self.block(env, slots, mine, rows) };
            }
        });
    }

    /// # Safety
    /// As for [`RowsKernel::run`]; no other thread may run these rows or use this memory.
    unsafe fn block(&self, env: &Env, slots: &[RawBytes], memory: RawBytes, rows: Range<usize>) {
        // SAFETY: `prepare` made room for the table, which is aligned to a cache line and not aliased.
        let table = unsafe {
            let start = memory.start.as_ptr().cast::<RawBytes>();
            for (i, slot) in self.slots.iter().enumerate() {
                start.add(i).write(match slot.storage {
                    SlotStorage::Memory(global) => slots[global],
                    SlotStorage::Rows(_) | SlotStorage::Segments(_) | SlotStorage::Chunk(_) => {
                        RawBytes::EMPTY
                    }
                });
            }
            std::slice::from_raw_parts_mut(start, self.slots.len())
        };
        for (i, slot) in self.slots.iter().enumerate() {
            if let SlotStorage::Rows(at) = slot.storage {
                table[i] = slot.starting_at(memory, at, rows.start * slot.len, 0);
            }
        }
        let mut args = StepArgs {
            env,
            table,
            memory,
            registers: self.registers,
            rows,
            all_rows: self.rows,
            chunk: Chunk::default(),
        };
        for phase in &self.phases {
            // SAFETY: as the caller promises.
            unsafe { self.phase(phase, &mut args) };
        }
    }

    /// # Safety
    /// As for [`RowsKernel::block`].
    unsafe fn phase(&self, phase: &Phase, at: &mut StepArgs<'_>) {
        at.chunk = Chunk::default();
        for step in &phase.once {
            // SAFETY: as the caller promises.
            unsafe { step.run(at) };
        }
        for step in &phase.each {
            // SAFETY: as the caller promises.
            unsafe { step.start(at) };
        }
        let mut next = Some(self.first_chunk(0)).filter(|_| !phase.each.is_empty());
        while let Some(chunk) = next {
            next = self.next_chunk(&chunk);
            for &i in &phase.segmented {
                at.table[i] = self.chunk_of(&self.slots[i], at.memory, &at.rows, &chunk);
            }
            at.chunk = chunk;
            for step in &phase.each {
                // SAFETY: as the caller promises.
                unsafe { step.run(at) };
            }
        }
        for step in &phase.each {
            // SAFETY: see above.
            unsafe { step.finish(at) };
        }
    }

    /// The chunk after `chunk`.
    fn next_chunk(&self, chunk: &Chunk) -> Option<Chunk> {
        if let (Some((len, step)), Some(cut)) = (self.cut, &chunk.cut)
            && cut.end < len
        {
            return Some(Chunk {
                segment: chunk.segment,
                cut: Some(cut.end..len.min(cut.end + step)),
            });
        }
        (chunk.segment + 1 < self.segments).then(|| self.first_chunk(chunk.segment + 1))
    }

    /// The first chunk of a segment.
    fn first_chunk(&self, segment: usize) -> Chunk {
        Chunk {
            segment,
            cut: self.cut.map(|(len, step)| 0..len.min(step)),
        }
    }

    /// The first element and the number of elements of a chunk, with `len` elements in a segment.
    fn extent(&self, len: usize, rows: &Range<usize>, chunk: &Chunk) -> (usize, usize) {
        let first = (chunk.segment * self.rows + rows.start) * len;
        match &chunk.cut {
            Some(cut) => (first + cut.start, cut.len()),
            None => (first, rows.len() * len),
        }
    }

    /// The address at which a private slot with segments would begin if its current chunk is in the thread's memory.
    fn chunk_of(&self, slot: &Slot, memory: RawBytes, rows: &Range<usize>, chunk: &Chunk) -> RawBytes {
        let whole = Chunk {
            segment: chunk.segment,
            cut: None,
        };
        match slot.storage {
            SlotStorage::Chunk(at) => slot.starting_at(memory, at, self.extent(slot.len, rows, chunk).0, 0),
            SlotStorage::Segments(at) => {
                let (first, count) = self.extent(slot.len, rows, &whole);
                slot.starting_at(memory, at, first, chunk.segment * count)
            }
            SlotStorage::Memory(_) | SlotStorage::Rows(_) => unreachable!("it has no segments of its own"),
        }
    }
}

impl Slot {
    /// The address at which the slot would begin if its element `first` is element `to` after byte `at` of `memory`.
    fn starting_at(&self, memory: RawBytes, at: usize, first: usize, to: usize) -> RawBytes {
        let start = memory.start.as_ptr().wrapping_add(at + to * self.size);
        RawBytes {
            start: NonNull::new(start.wrapping_sub(first * self.size)).expect("not the address 0"),
            len: self.bytes,
        }
    }
}
