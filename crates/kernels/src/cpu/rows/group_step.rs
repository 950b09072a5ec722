//! The prepared steps of a row group, which run for any block of rows.

use std::ops::Range;
use std::ptr::NonNull;

use hyperglow_core::DType;
use hyperglow_core::plan::SlotId;
use hyperglow_core::plan::rows::Division;

use crate::cpu::cluster::ClusterKernel;
use crate::cpu::exec::{Args, Env, Kernel, Operand};
use crate::cpu::reduce::RowReducer;
use crate::cpu::storage::RawBytes;
use crate::cpu::window::Maxima;

/// A prepared step.
pub(super) enum GroupStep {
    Cluster(Box<ClusterKernel>, Division),
    Primitive(Primitive),
    Maxima(WindowMaxima),
    Accumulation(Accumulation),
}

/// A reduction within rows of one segment, or pooling of planes.
pub(super) struct Primitive {
    pub inputs: Box<[RowSlot]>,
    pub output: RowSlot,
    /// The kernel for a whole block of rows.
    pub whole: Kernel,
    /// Rows of the last block and its kernel, if it is smaller.
    pub rest: Option<(usize, Kernel)>,
}

/// The maxima of windows and their places.
pub(super) struct WindowMaxima {
    pub kernel: Maxima,
    pub input: RowSlot,
    pub values: RowSlot,
    pub positions: RowSlot,
}

/// A reduction of rows with segments to one element each.
pub(super) struct Accumulation {
    pub reducer: RowReducer,
    pub input: RowSlot,
    pub output: RowSlot,
    /// Offset in the thread's memory of the states of the rows, in bytes.
    pub states: usize,
}

/// A slot that is divided into rows.
pub(super) struct RowSlot {
    pub slot: SlotId,
    pub dtype: DType,
    /// Elements of a segment of a row.
    pub len: usize,
}

/// Arguments of a step: the current block of rows, its chunk, and the memory.
pub(super) struct StepArgs<'a> {
    pub env: &'a Env,
    /// Addresses of the group's slots.
    pub table: &'a mut [RawBytes],
    /// The thread's memory.
    pub memory: RawBytes,
    /// Offset in it of the registers of clusters, in bytes.
    pub registers: usize,
    pub rows: Range<usize>,
    /// Number of rows of the group.
    pub all_rows: usize,
    pub chunk: Chunk,
}

/// A range of the current rows: one segment, or a range of it.
#[derive(Default)]
pub(super) struct Chunk {
    pub segment: usize,
    /// Range of the segment's elements, if segments are run in chunks; a block then has one row.
    pub cut: Option<Range<usize>>,
}

impl StepArgs<'_> {
    /// The first element and the number of elements of the chunk, for `len` elements per segment of a row.
    fn extent(&self, len: usize) -> (usize, usize) {
        let first = (self.chunk.segment * self.all_rows + self.rows.start) * len;
        match &self.chunk.cut {
            Some(cut) => (first + cut.start, cut.len()),
            None => (first, self.rows.len() * len),
        }
    }
}

impl GroupStep {
    /// Bytes of registers of a cluster.
    pub fn register_bytes(&self) -> usize {
        match self {
            GroupStep::Cluster(kernel, _) => kernel.register_bytes(),
            GroupStep::Primitive(_) | GroupStep::Maxima(_) | GroupStep::Accumulation(_) => 0,
        }
    }

    /// Initializes the accumulation of rows.
    ///
    /// # Safety
    /// The thread's memory is laid out as `prepare` planned, and is not aliased.
    pub unsafe fn start(&self, at: &StepArgs<'_>) {
        if let GroupStep::Accumulation(step) = self {
            // SAFETY: as the caller promises.
            unsafe { step.reducer.start(at.memory.at(step.states), at.rows.len()) };
        }
    }

    /// Computes the elements of the chunk, or accumulates them.
    ///
    /// # Safety
    /// As for [`GroupStep::start`], which was called before; the chunk's elements are readable and writable, and written elements
    /// are not aliased.
    pub unsafe fn run(&self, at: &StepArgs<'_>) {
        match self {
            GroupStep::Cluster(kernel, division) => {
                let (start, count) = at.extent(division.len);
                let registers = at.memory.part(at.registers, at.memory.len - at.registers);
                // SAFETY: as the caller promises.
                unsafe { kernel.stretch(at.env, at.table, registers, 0, start, count, None) };
            }
            // SAFETY: as above.
            GroupStep::Primitive(step) => unsafe { step.run(at) },
            GroupStep::Maxima(WindowMaxima {
                kernel,
                input,
                values,
                positions,
            }) => {
                let [x, values, positions] =
                    [input, values, positions].map(|slot| slot.of(at.table, &at.rows));
                // SAFETY: as above.
                unsafe { kernel.run(at.env.level, x, values, positions) };
            }
            GroupStep::Accumulation(Accumulation {
                reducer,
                input,
                states,
                ..
            }) => {
                let (start, count) = at.extent(input.len);
                let x = at.table[input.slot].start.as_ptr();
                let x = x.wrapping_add(start * input.dtype.size());
                let rows = at.rows.len();
                // SAFETY: as above.
                unsafe { reducer.add(at.env.level, at.memory.at(*states), x, rows, count / rows) };
            }
        }
    }

    /// Writes the results of an accumulation.
    ///
    /// # Safety
    /// As for [`GroupStep::run`].
    pub unsafe fn finish(&self, at: &StepArgs<'_>) {
        if let GroupStep::Accumulation(step) = self {
            let out = step.output.of(at.table, &at.rows).start.as_ptr();
            // SAFETY: as the caller promises.
            unsafe { step.reducer.finish(at.memory.at(step.states), out, at.rows.len()) };
        }
    }
}

/// Maximal number of inputs of a primitive.
const MAX_INPUTS: usize = 2;

impl Primitive {
    /// # Safety
    /// As for [`GroupStep::run`].
    unsafe fn run(&self, at: &StepArgs<'_>) {
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
    /// The bytes of the rows, in a slot of one segment.
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
