//! The steps of a group, each made ready for any rows.

use std::ops::Range;
use std::ptr::NonNull;

use hyperglow_core::DType;
use hyperglow_core::plan::SlotId;
use hyperglow_core::plan::rows::Division;

use crate::cpu::cluster::ClusterKernel;
use crate::cpu::exec::{Args, Env, Kernel, Operand};
use crate::cpu::reduce::Folding;
use crate::cpu::storage::RawBytes;
use crate::cpu::window::Maxima;

/// A step.
pub(super) enum Member {
    Cluster(ClusterKernel, Division),
    Primitive(Primitive),
    Maxima(MaximaOfWindows),
    Accumulation(Accumulation),
}

/// A reduction inside of rows that do not lie in segments, or pooling of planes.
pub(super) struct Primitive {
    pub inputs: Box<[RowSlot]>,
    pub output: RowSlot,
    /// For a block of rows, and for the last rows, where they are fewer.
    pub whole: Kernel,
    pub rest: Option<(usize, Kernel)>,
}

/// The maxima of windows and their places.
pub(super) struct MaximaOfWindows {
    pub kernel: Maxima,
    pub input: RowSlot,
    pub values: RowSlot,
    pub places: RowSlot,
}

/// A reduction of rows that lie in segments, each to one element.
pub(super) struct Accumulation {
    pub folding: Folding,
    pub input: RowSlot,
    pub output: RowSlot,
    /// The byte of the thread's memory at which the states of the rows begin.
    pub states: usize,
}

/// A slot of which each row (in a segment) has a part.
pub(super) struct RowSlot {
    pub slot: SlotId,
    pub dtype: DType,
    /// Elements of a row in a segment.
    pub len: usize,
}

/// What to compute, and where everything is.
pub(super) struct MemberArgs<'a> {
    pub env: &'a Env,
    /// Where the group's slots are, or would have to be.
    pub table: &'a mut [RawBytes],
    /// The thread's memory, and the byte from which on clusters have their registers.
    pub memory: RawBytes,
    pub registers: usize,
    pub rows: Range<usize>,
    /// The group's rows.
    pub all_rows: usize,
    pub piece: SegmentCut,
}

/// Part of the rows at hand.
#[derive(Default)]
pub(super) struct SegmentCut {
    pub segment: usize,
    /// Elements of the segment, where segments are cut; there is one row then.
    pub cut: Option<Range<usize>>,
}

impl MemberArgs<'_> {
    /// The first element and the number of elements, with `len` elements of a row in a segment.
    fn extent(&self, len: usize) -> (usize, usize) {
        let first = (self.piece.segment * self.all_rows + self.rows.start) * len;
        match &self.piece.cut {
            Some(cut) => (first + cut.start, cut.len()),
            None => (first, self.rows.len() * len),
        }
    }
}

impl Member {
    /// Bytes of registers.
    pub fn register_bytes(&self) -> usize {
        match self {
            Member::Cluster(kernel, _) => kernel.register_bytes(),
            Member::Primitive(_) | Member::Maxima(_) | Member::Accumulation(_) => 0,
        }
    }

    /// Begins to accumulate rows.
    ///
    /// # Safety
    /// The thread's memory has what `prepare` planned, and nobody else uses it.
    pub unsafe fn start(&self, at: &MemberArgs<'_>) {
        if let Member::Accumulation(member) = self {
            // SAFETY: as the caller promises.
            unsafe { member.folding.start(at.memory.at(member.states), at.rows.len()) };
        }
    }

    /// Computes the elements at a place, or adds them up.
    ///
    /// # Safety
    /// As for [`Member::start`], which was called before; the slots' elements there are readable or writable, and
    /// nobody else uses the latter.
    pub unsafe fn run(&self, at: &MemberArgs<'_>) {
        match self {
            Member::Cluster(kernel, division) => {
                let (start, count) = at.extent(division.len);
                let registers = at.memory.part(at.registers, at.memory.len - at.registers);
                // SAFETY: as the caller promises.
                unsafe { kernel.stretch(at.env, at.table, registers, 0, start, count, None) };
            }
            // SAFETY: as above.
            Member::Primitive(member) => unsafe { member.run(at) },
            Member::Maxima(MaximaOfWindows {
                kernel,
                input,
                values,
                places,
            }) => {
                let [x, values, places] = [input, values, places].map(|part| part.of(at.table, &at.rows));
                // SAFETY: as above.
                unsafe { kernel.run(at.env.level, x, values, places) };
            }
            Member::Accumulation(Accumulation {
                folding,
                input,
                states,
                ..
            }) => {
                let (start, count) = at.extent(input.len);
                let x = at.table[input.slot].start.as_ptr();
                let x = x.wrapping_add(start * input.dtype.size());
                let rows = at.rows.len();
                // SAFETY: as above.
                unsafe { folding.add(at.env.level, at.memory.at(*states), x, rows, count / rows) };
            }
        }
    }

    /// Writes what was accumulated for the rows.
    ///
    /// # Safety
    /// As for [`Member::run`].
    pub unsafe fn finish(&self, at: &MemberArgs<'_>) {
        if let Member::Accumulation(member) = self {
            let out = member.output.of(at.table, &at.rows).start.as_ptr();
            // SAFETY: as the caller promises.
            unsafe {
                member
                    .folding
                    .finish(at.memory.at(member.states), out, at.rows.len())
            };
        }
    }
}

/// Inputs that a primitive may have.
const MAX_INPUTS: usize = 2;

impl Primitive {
    /// # Safety
    /// As for [`Member::run`].
    unsafe fn run(&self, at: &MemberArgs<'_>) {
        let kernel = match &self.rest {
            Some((rows, kernel)) if at.rows.len() == *rows => kernel,
            _ => &self.whole,
        };
        let output = &self.output;
        let to = output.of(at.table, &at.rows);
        let nothing = Operand {
            slot: 0,
            dtype: output.dtype,
            len: 0,
        };
        let (mut from, mut operands) = ([RawBytes::EMPTY; MAX_INPUTS], [nothing; MAX_INPUTS]);
        for (slot, input) in self.inputs.iter().enumerate() {
            from[slot] = input.of(at.table, &at.rows);
            operands[slot] = Operand {
                slot,
                dtype: input.dtype,
                len: input.len * at.rows.len(),
            };
        }
        // SAFETY: as the caller promises; there is no scratch.
        let args = unsafe { Args::new(at.env, &from, &operands, (to, output.dtype), RawBytes::EMPTY) };
        kernel(&args).expect("an operation on checked shapes refuses nothing");
    }
}

impl RowSlot {
    /// The rows of a slot without segments.
    fn of(&self, table: &[RawBytes], rows: &Range<usize>) -> RawBytes {
        let row = self.len * self.dtype.size();
        let slot = table[self.slot];
        assert!(rows.end * row <= slot.len);
        let start = slot.start.as_ptr().wrapping_add(rows.start * row);
        RawBytes {
            start: NonNull::new(start).expect("not the address 0"),
            len: rows.len() * row,
        }
    }
}
