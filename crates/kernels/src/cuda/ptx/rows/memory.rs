//! The memory of a team: private slots of the current row, each only while a step may read it.

use hyperglow_core::plan::rows::Division;

use crate::steps::group_program::GroupProgram;

/// Alignment of slots.
const ALIGN: usize = 16;

/// Offsets in bytes.
pub(super) struct TeamMemory {
    /// Of each private slot.
    pub slots: Vec<Option<usize>>,
    /// Of the parts of reductions.
    pub parts: usize,
    pub bytes: usize,
}

impl TeamMemory {
    /// Places for the private slots, and for so many bytes of parts.
    pub fn new(local: &GroupProgram, part_bytes: usize) -> TeamMemory {
        let parts = part_bytes.next_multiple_of(ALIGN);
        let mut memory = TeamMemory {
            slots: vec![None; local.slots.len()],
            parts: 0,
            bytes: parts,
        };
        // What is placed so far: offset, bytes, first and last step.
        let mut placed: Vec<(usize, usize, usize, usize)> = Vec::new();
        for slot in 0..local.slots.len() {
            let Some((writer, Division { segments, len })) = local.written[slot] else {
                continue;
            };
            if !local.is_private(slot) {
                continue;
            }
            let bytes =
                (segments * len * local.program.slots[slot].spec.dtype.size()).next_multiple_of(ALIGN);
            let last = local.readers(slot).max().unwrap_or(writer);
            let overlapping = placed
                .iter()
                .filter(|&&(_, _, first, until)| first <= last && writer <= until);
            let mut taken: Vec<(usize, usize)> =
                overlapping.map(|&(at, bytes, ..)| (at, at + bytes)).collect();
            taken.sort_unstable();
            let at = taken.iter().fold(
                parts,
                |at, &(start, end)| {
                    if at + bytes <= start { at } else { at.max(end) }
                },
            );
            placed.push((at, bytes, writer, last));
            memory.slots[slot] = Some(at);
            memory.bytes = memory.bytes.max(at + bytes);
        }
        memory
    }
}
