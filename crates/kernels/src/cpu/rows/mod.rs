//! Steps that go row by row, run some rows at a time: what one step leaves for the next is still in the cache, and
//! all of them are handed to the threads once. What no other step reads has no other memory than a thread's own, for
//! the rows at hand.
//!
//! Rows that lie in segments (the channels of a batch of images) are gone through segment by segment, as often as there
//! are [`phases`]. [`local`] is the group by itself, [`tasks`] says what is run, [`prepare`] makes [`member`]s of it.

mod local;
mod member;
mod merge;
mod phases;
mod prepare;
mod tasks;

use std::ops::Range;
use std::ptr::NonNull;

use hyperglow_core::plan::SlotId;

use self::member::{Member, MemberArgs, SegmentCut};
use super::exec::Env;
use super::storage::RawBytes;

/// The steps of a [`RowGroup`](hyperglow_core::plan::rows::RowGroup) made ready.
pub(crate) struct RowsKernel {
    rows: usize,
    segments: usize,
    /// Rows taken at a time.
    block: usize,
    /// Blocks that make a task.
    together: usize,
    /// Elements of a segment, and how many of them are taken at a time, where segments are cut.
    cut: Option<(usize, usize)>,
    slots: Box<[Slot]>,
    phases: Box<[Phase]>,
    /// A thread's memory: the table of the slots, then states and private slots, then from here registers of clusters.
    registers: usize,
    bytes: usize,
}

/// A slot of the group.
struct Slot {
    home: Home,
    /// Bytes of the whole slot, and of an element.
    bytes: usize,
    size: usize,
    /// Elements of a row in a segment.
    len: usize,
}

/// Where a slot is.
enum Home {
    /// A slot of the program.
    Memory(SlotId),
    /// At a byte of the thread's memory: the rows at hand.
    Rows(usize),
    /// The same, and they lie in segments.
    Segments(usize),
    /// The same: the piece at hand.
    SegmentCut(usize),
}

/// What is done between two moments at which something about whole rows becomes known.
struct Phase {
    /// What goes over rows alone, first.
    once: Box<[Member]>,
    /// What is done for each piece of the rows.
    each: Box<[Member]>,
    /// Private slots with segments that are touched.
    moving: Box<[usize]>,
}

impl RowsKernel {
    /// Bytes of memory for one thread.
    pub fn register_bytes(&self) -> usize {
        self.bytes
    }

    /// How the steps are done, in words.
    pub fn describe(&self) -> String {
        let (block, rows) = (self.block.min(self.rows), self.rows);
        match self.phases.len() {
            1 => format!("{block} of {rows} rows at a time"),
            passes => format!("{block} of {rows} rows at a time, in {passes} passes"),
        }
    }

    /// # Safety
    /// As for [`ClusterKernel::run`](super::cluster::ClusterKernel::run), for every step of the group; and the slots
    /// it writes share no memory with each other or with what it reads besides.
    pub unsafe fn run(&self, env: &Env, slots: &[RawBytes], memory: RawBytes) {
        let blocks = self.rows.div_ceil(self.block);
        env.pool.ranges(blocks, self.together, |worker, blocks| {
            let mine = memory.part(worker * self.bytes, self.bytes);
            for first in blocks.map(|block| block * self.block) {
                let rows = first..self.rows.min(first + self.block);
                // SAFETY: as the caller promises; tasks have different rows, and a worker its own memory.
                unsafe { self.block(env, slots, mine, rows) };
            }
        });
    }

    /// # Safety
    /// As for [`RowsKernel::run`]; nobody else may be at these rows or use this memory.
    unsafe fn block(&self, env: &Env, slots: &[RawBytes], memory: RawBytes, rows: Range<usize>) {
        // SAFETY: `prepare` made room for the table, which is aligned to a cache line; nobody else uses it.
        let table = unsafe {
            let start = memory.start.as_ptr().cast::<RawBytes>();
            for (i, slot) in self.slots.iter().enumerate() {
                start.add(i).write(match slot.home {
                    Home::Memory(global) => slots[global],
                    _ => RawBytes::EMPTY,
                });
            }
            std::slice::from_raw_parts_mut(start, self.slots.len())
        };
        for (i, slot) in self.slots.iter().enumerate() {
            if let Home::Rows(at) = slot.home {
                table[i] = slot.lying(memory, at, rows.start * slot.len, 0);
            }
        }
        let mut args = MemberArgs {
            env,
            table,
            memory,
            registers: self.registers,
            rows,
            all_rows: self.rows,
            piece: SegmentCut::default(),
        };
        for phase in &self.phases {
            // SAFETY: as the caller promises.
            unsafe { self.phase(phase, &mut args) };
        }
    }

    /// # Safety
    /// As for [`RowsKernel::block`].
    unsafe fn phase(&self, phase: &Phase, at: &mut MemberArgs<'_>) {
        at.piece = SegmentCut::default();
        for member in &phase.once {
            // SAFETY: as the caller promises.
            unsafe { member.run(at) };
        }
        for member in &phase.each {
            // SAFETY: as the caller promises.
            unsafe { member.start(at) };
        }
        let mut next = Some(self.beginning(0)).filter(|_| !phase.each.is_empty());
        while let Some(piece) = next {
            next = self.after(&piece);
            for &i in &phase.moving {
                at.table[i] = self.piece_of(&self.slots[i], at.memory, &at.rows, &piece);
            }
            at.piece = piece;
            for member in &phase.each {
                // SAFETY: as the caller promises.
                unsafe { member.run(at) };
            }
        }
        for member in &phase.each {
            // SAFETY: see above.
            unsafe { member.finish(at) };
        }
    }

    /// The piece after one.
    fn after(&self, piece: &SegmentCut) -> Option<SegmentCut> {
        if let (Some((len, step)), Some(cut)) = (self.cut, &piece.cut)
            && cut.end < len
        {
            return Some(SegmentCut {
                segment: piece.segment,
                cut: Some(cut.end..len.min(cut.end + step)),
            });
        }
        (piece.segment + 1 < self.segments).then(|| self.beginning(piece.segment + 1))
    }

    /// The first piece of a segment.
    fn beginning(&self, segment: usize) -> SegmentCut {
        SegmentCut {
            segment,
            cut: self.cut.map(|(len, step)| 0..len.min(step)),
        }
    }

    /// The first element and the number of elements of a piece, with `len` elements in a segment.
    fn extent(&self, len: usize, rows: &Range<usize>, piece: &SegmentCut) -> (usize, usize) {
        let first = (piece.segment * self.rows + rows.start) * len;
        match &piece.cut {
            Some(cut) => (first + cut.start, cut.len()),
            None => (first, rows.len() * len),
        }
    }

    /// Where a private slot with segments would have to begin, so that a piece of it lies in the thread's memory.
    fn piece_of(&self, slot: &Slot, memory: RawBytes, rows: &Range<usize>, piece: &SegmentCut) -> RawBytes {
        let whole = SegmentCut {
            segment: piece.segment,
            cut: None,
        };
        match slot.home {
            Home::SegmentCut(at) => slot.lying(memory, at, self.extent(slot.len, rows, piece).0, 0),
            Home::Segments(at) => {
                let (first, count) = self.extent(slot.len, rows, &whole);
                slot.lying(memory, at, first, piece.segment * count)
            }
            Home::Memory(_) | Home::Rows(_) => unreachable!("it has no segments of its own"),
        }
    }
}

impl Slot {
    /// Where the slot would have to begin, so that its element `first` is the `to`-th from byte `at` on.
    fn lying(&self, memory: RawBytes, at: usize, first: usize, to: usize) -> RawBytes {
        let start = memory.start.as_ptr().wrapping_add(at + to * self.size);
        RawBytes {
            start: NonNull::new(start.wrapping_sub(first * self.size)).expect("not the address 0"),
            len: self.bytes,
        }
    }
}
