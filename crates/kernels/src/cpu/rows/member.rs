//! The steps of a group, each made ready for any rows.

use std::ops::Range;

use hyperglow_core::DType;
use hyperglow_core::plan::SlotId;
use hyperglow_core::plan::rows::Division;

use crate::cpu::cluster::ClusterKernel;
use crate::cpu::exec::{Args, Env, Kernel, Operand};
use crate::cpu::reduce::Folding;
use crate::cpu::storage::RawBytes;

/// A step.
pub(super) enum Member {
    Cluster(ClusterKernel, Division),
    Reduction(Reduction),
    Accumulation(Accumulation),
}

/// A reduction inside of rows that do not lie in segments.
pub(super) struct Reduction {
    pub input: Part,
    pub output: Part,
    /// For a block of rows, and for the last rows, where they are fewer.
    pub whole: Kernel,
    pub rest: Option<(usize, Kernel)>,
}

/// A reduction of rows that lie in segments, each to one element.
pub(super) struct Accumulation {
    pub folding: Folding,
    pub input: Part,
    pub output: Part,
    /// The byte of the thread's memory at which the states of the rows begin.
    pub states: usize,
}

/// A slot of which each row (in a segment) has a part.
pub(super) struct Part {
    pub slot: SlotId,
    pub dtype: DType,
    /// Elements of a row in a segment.
    pub len: usize,
}

/// What to compute, and where everything is.
pub(super) struct Place<'a> {
    pub env: &'a Env,
    /// Where the group's slots are, or would have to be.
    pub table: &'a [RawBytes],
    /// The thread's memory, and the byte from which on clusters have their registers.
    pub memory: RawBytes,
    pub registers: usize,
    pub rows: Range<usize>,
    /// The group's rows.
    pub all_rows: usize,
    pub segment: usize,
    /// Part of a segment of the only row.
    pub cut: Option<Range<usize>>,
}

impl Place<'_> {
    /// The first element and the number of elements, with `len` elements of a row in a segment.
    fn extent(&self, len: usize) -> (usize, usize) {
        let first = (self.segment * self.all_rows + self.rows.start) * len;
        match &self.cut {
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
            Member::Reduction(_) | Member::Accumulation(_) => 0,
        }
    }

    /// Begins to accumulate `rows` rows.
    ///
    /// # Safety
    /// The thread's memory has what `prepare` planned, and nobody else uses it.
    pub unsafe fn start(&self, memory: RawBytes, rows: usize) {
        if let Member::Accumulation(member) = self {
            // SAFETY: as the caller promises.
            unsafe { member.folding.start(memory.at(member.states), rows) };
        }
    }

    /// Computes the elements at a place, or adds them up.
    ///
    /// # Safety
    /// As for [`Member::start`], which was called before; the slots' elements there are readable or writable, and nobody
    /// else uses the latter.
    pub unsafe fn run(&self, at: &Place<'_>) {
        match self {
            Member::Cluster(kernel, division) => {
                let (start, count) = at.extent(division.len);
                let registers = at.memory.part(at.registers, at.memory.len - at.registers);
                // SAFETY: as the caller promises.
                unsafe { kernel.stretch(at.env, at.table, registers, 0, start, count, None) };
            }
            // SAFETY: as above.
            Member::Reduction(member) => unsafe { member.run(at) },
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
    pub unsafe fn finish(&self, memory: RawBytes, table: &[RawBytes], rows: &Range<usize>) {
        if let Member::Accumulation(member) = self {
            // SAFETY: as the caller promises.
            unsafe {
                let out = member.output.of(table, rows);
                let states = memory.at(member.states);
                member.folding.finish(states, out.start.as_ptr(), rows.len());
            }
        }
    }
}

impl Reduction {
    /// # Safety
    /// As for [`Member::run`].
    unsafe fn run(&self, at: &Place<'_>) {
        let (input, output) = (&self.input, &self.output);
        let kernel = match &self.rest {
            Some((rows, kernel)) if at.rows.len() == *rows => kernel,
            _ => &self.whole,
        };
        let (from, to) = (input.of(at.table, &at.rows), output.of(at.table, &at.rows));
        let operand = Operand {
            slot: 0,
            dtype: input.dtype,
            len: input.len * at.rows.len(),
        };
        let (from, operands) = ([from], [operand]);
        // SAFETY: as the caller promises; there is no scratch.
        let args = unsafe { Args::new(at.env, &from, &operands, (to, output.dtype), RawBytes::EMPTY) };
        kernel(&args).expect("a reduction of checked shapes refuses nothing");
    }
}

impl Part {
    /// The rows of a slot without segments.
    fn of(&self, table: &[RawBytes], rows: &Range<usize>) -> RawBytes {
        let row = self.len * self.dtype.size();
        let slot = table[self.slot];
        assert!(rows.end * row <= slot.len);
        let start = slot.start.as_ptr().wrapping_add(rows.start * row);
        RawBytes {
            start: std::ptr::NonNull::new(start).expect("not the address 0"),
            len: rows.len() * row,
        }
    }
}
