//! Where the arguments of machine code are for one segment after the other.

use hyperglow_core::plan::SlotId;

use super::segments::{Access, Argument};
use crate::cpu::exec::{Word, for_word};
use crate::cpu::storage::RawBytes;
use crate::steps::walk::Walker;

/// Where the operands of one stretch are.
pub(super) struct Stretch<'a> {
    pub slots: &'a [RawBytes],
    pub memory: *mut u8,
    pub start: usize,
    /// Elements of the longest segment.
    pub longest: usize,
    pub instead: Option<(SlotId, *const u8)>,
}

impl Stretch<'_> {
    /// Where element 0 of a slot is, or would be if elements before the stretch were there, too.
    fn base(&self, argument: &Argument) -> *mut u8 {
        match self.instead {
            Some((slot, elements)) if slot == argument.slot => elements
                .cast_mut()
                .wrapping_sub(self.start * argument.dtype.size()),
            _ => self.slots[argument.slot].start.as_ptr(),
        }
    }

    /// The table's entry for elements `first..first + count`.
    ///
    /// # Safety
    /// As for [`Machine::stretch`].
    pub unsafe fn argument(&self, argument: &Argument, first: usize, count: usize) -> u64 {
        let size = argument.dtype.size();
        let base = self.base(argument);
        let at = |element: usize| base.wrapping_add(element * size);
        let address = match &argument.access {
            Access::Straight(start) => at(start + first),
            // SAFETY: the views of a cluster lie within their slots.
            Access::Same(offset) => return unsafe { element(at(*offset), size) },
            // SAFETY: as above.
            Access::RowElement(walker) => return unsafe { element(at(walker.position(first)), size) },
            Access::Block(offset) => self.memory.wrapping_add(*offset),
            Access::Row(walker) => at(walker.position(first)),
            Access::Period(walker, period, offset) => {
                let (to, phase) = (self.memory.wrapping_add(*offset), first % period.len);
                if first == self.start || first.is_multiple_of(period.reach) {
                    let row = at(walker.position(first - phase));
                    // SAFETY: the row lies within its slot, and `segments` made room for a block and a row.
                    unsafe { repeat(row, period.len * size, to, (self.longest + period.len) * size) };
                }
                to.wrapping_add(phase * size)
            }
            Access::Gathered(walker, offset) => {
                let to = self.memory.wrapping_add(*offset);
                for_word!(argument.dtype, T => {
                    // SAFETY: as the caller promises; there is room for a block, which is at least `count` long.
                    unsafe { gather::<T>(walker, base, first, to, count) }
                });
                to
            }
        };
        address.addr() as u64
    }
}

/// The bits of an element; bytes as a number of 32 bits.
///
/// # Safety
/// An element of `size` bytes must be readable there.
unsafe fn element(at: *const u8, size: usize) -> u64 {
    // SAFETY: as the caller promises; an element is aligned.
    unsafe {
        match size {
            1 => u64::from(*at),
            4 => u64::from(*at.cast::<u32>()),
            _ => *at.cast::<u64>(),
        }
    }
}

/// # Safety
/// As for [`Walker::read`](Walker::read), and `to` has room for `count` elements that no other task uses.
unsafe fn gather<T: Word>(walker: &Walker, base: *mut u8, first: usize, to: *mut u8, count: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        let out = std::slice::from_raw_parts_mut(to.cast::<T>(), count);
        walker.read::<T>(base.cast_const().cast(), first, out);
    }
}

/// Writes the `row` bytes at `from` again and again until `all` are written.
///
/// # Safety
/// The row must be readable, `all` bytes writable at `to` and nobody else's, and the two apart.
unsafe fn repeat(from: *const u8, row: usize, to: *mut u8, all: usize) {
    let mut done = row;
    // SAFETY: as the caller promises.
    unsafe { to.copy_from_nonoverlapping(from, done) };
    while done < all {
        let next = done.min(all - done);
        // SAFETY: as above; the two parts do not overlap, since no more is copied than is there.
        unsafe { to.add(done).copy_from_nonoverlapping(to, next) };
        done += next;
    }
}
