//! A product whose shared operands are packed, ready for its tasks.
//!
//! An operand that is not packed for all tasks is packed on the way, block by block: the next block is packed between
//! the steps of this block's products, while the matrix unit is busy.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::bf16::MaxMagnitude;
use super::layout::{Layout, PANEL_LINES, PANEL_STEP_WORDS, STEP_TERMS, packed_words};
use super::pack::{OperandBlock, StridedOperand};
use super::plan::Bf16x3;
use crate::cpu::exec::Args;
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;

/// Elements that a task packs of a shared operand.
const PACK_TASK_ELEMENTS: usize = 1 << 14;
/// Lines packed at a time by one task where they are contiguous, so that memory is read in long rows.
const PACK_TASK_LINES: usize = 4 * PANEL_LINES;

/// Where a macro-tile goes.
#[derive(Clone, Copy)]
pub(super) struct OutView {
    pub start: *mut f32,
    /// Elements between rows.
    pub stride: usize,
    /// Rows and columns exchanged.
    pub transposed: bool,
}

impl OutView {
    /// The same from a row and a column on.
    pub fn from(self, (row, col): (usize, usize)) -> OutView {
        let at = if self.transposed {
            col * self.stride + row
        } else {
            row * self.stride + col
        };
        OutView {
            start: self.start.wrapping_add(at),
            ..self
        }
    }
}

/// An operand, and its packed form if that is shared.
#[derive(Clone, Copy)]
pub(super) struct PreparedOperand<'a> {
    pub operand: StridedOperand<'a>,
    lines: usize,
    pub packed: Option<&'a [u32]>,
    /// Lines of a block, if it is packed on the way.
    pub group: usize,
}

/// One product, with what is shared packed.
pub(super) struct Prepared<'a> {
    pub level: Level,
    pub k: usize,
    pub depth: usize,
    pub stream_left: bool,
    pub skinny: bool,
    pub left: PreparedOperand<'a>,
    pub right: PreparedOperand<'a>,
}

impl<'a> Prepared<'a> {
    /// `None` if a number of a shared operand cannot be split. The buffer of an operand that is not shared is empty.
    pub fn new(
        bf16x3: &Bf16x3,
        args: &Args<'_>,
        a: &'a [f32],
        b: &'a [f32],
        buffer: (&'a mut [u32], &'a mut [u32]),
    ) -> Option<Prepared<'a>> {
        let shape = bf16x3.shape;
        let rows = StridedOperand {
            data: a,
            line: shape.a.0,
            term: shape.a.1,
            right: bf16x3.swapped,
        };
        let cols = StridedOperand {
            data: b,
            line: shape.b.1,
            term: shape.b.0,
            right: !bf16x3.swapped,
        };
        let (left, right) = if bf16x3.swapped {
            (cols, rows)
        } else {
            (rows, cols)
        };
        let extents = bf16x3.extents();
        let (k, depth) = (shape.k, bf16x3.depth);
        let buffers = [SharedSlice::new(buffer.0), SharedSlice::new(buffer.1)];
        let packings = [
            SharedPacking::new(left, extents.0, (k, depth), &buffers[0]),
            SharedPacking::new(right, extents.1, (k, depth), &buffers[1]),
        ];
        if !SharedPacking::run(&packings, args) {
            return None;
        }
        let [left_buffer, right_buffer] = buffers;
        let side = |operand, lines, buffer: SharedSlice<'a, u32>, group: usize| PreparedOperand {
            operand,
            lines,
            // SAFETY: all packing is done, and there are no other slices.
            packed: (buffer.len() > 0).then(|| &*unsafe { buffer.range(0..buffer.len()) }),
            group,
        };
        Some(Prepared {
            level: args.level(),
            k,
            depth,
            stream_left: bf16x3.stream_left,
            skinny: bf16x3.skinny,
            left: side(left, extents.0, left_buffer, bf16x3.group(true)),
            right: side(right, extents.1, right_buffer, bf16x3.group(false)),
        })
    }

    /// The terms of a block.
    pub fn block(&self, number: usize) -> Range<usize> {
        number * self.depth..self.k.min((number + 1) * self.depth)
    }

    /// The blocks of terms.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = Range<usize>> + use<> {
        let (k, depth) = (self.k, self.depth);
        (0..k.div_ceil(depth)).map(move |block| block * depth..k.min((block + 1) * depth))
    }
}

impl<'a> PreparedOperand<'a> {
    /// The first panel of some lines in a block of terms, of a shared operand.
    pub fn panels<'b>(&self, all: &'b [u32], line: usize, terms: &Range<usize>) -> &'b [u32] {
        &all[packed_words(self.lines, terms.start) + packed_words(line, terms.len())..]
    }
}

/// A shared operand's packing, cut into tasks: by blocks of terms, lines, and parts of the terms of a block.
struct SharedPacking<'a> {
    operand: StridedOperand<'a>,
    lines: usize,
    k: usize,
    depth: usize,
    /// Lines and terms of a task.
    task: (usize, usize),
    buffer: &'a SharedSlice<'a, u32>,
}

impl<'a> SharedPacking<'a> {
    fn new(
        operand: StridedOperand<'a>,
        lines: usize,
        (k, depth): (usize, usize),
        buffer: &'a SharedSlice<'_, u32>,
    ) -> Self {
        let lines = if buffer.len() > 0 { lines } else { 0 };
        let group = if operand.line == 1 {
            PACK_TASK_LINES
        } else {
            PANEL_LINES
        };
        let terms = (PACK_TASK_ELEMENTS / group)
            .next_multiple_of(STEP_TERMS)
            .min(depth);
        SharedPacking {
            operand,
            lines,
            k,
            depth,
            task: (group, terms),
            buffer,
        }
    }

    fn count(&self) -> usize {
        let parts = self.depth.div_ceil(self.task.1);
        self.k.div_ceil(self.depth) * self.lines.div_ceil(self.task.0) * parts
    }

    /// Does the packing of both operands; false if a number cannot be split.
    fn run(packings: &[SharedPacking<'_>; 2], args: &Args<'_>) -> bool {
        let (first, all) = (packings[0].count(), packings[0].count() + packings[1].count());
        let in_range = AtomicBool::new(true);
        args.pool().run(all, |_, task| {
            let (packings, task) = if task < first {
                (&packings[0], task)
            } else {
                (&packings[1], task - first)
            };
            if !packings.pack(task) {
                in_range.store(false, Ordering::Relaxed);
            }
        });
        in_range.into_inner()
    }

    fn pack(&self, task: usize) -> bool {
        let parts = self.depth.div_ceil(self.task.1);
        let groups = self.lines.div_ceil(self.task.0);
        let (block, group, part) = (task / parts / groups, task / parts % groups, task % parts);
        let k0 = block * self.depth;
        let terms = k0..self.k.min(k0 + self.depth);
        let some = k0 + part * self.task.1..terms.end.min(k0 + (part + 1) * self.task.1);
        if some.is_empty() {
            return true;
        }
        let lines = group * self.task.0..self.lines.min((group + 1) * self.task.0);
        let steps = terms.len().div_ceil(STEP_TERMS);
        let at = packed_words(self.lines, k0)
            + packed_words(lines.start, terms.len())
            + part * self.task.1 / STEP_TERMS * PANEL_STEP_WORDS;
        assert!(packed_words(self.lines, k0) + packed_words(lines.end, terms.len()) <= self.buffer.len());
        // SAFETY: tasks pack different steps of panels, which are in the buffer; a processor with matrix instructions
        // has AVX-512.
        unsafe {
            let mut max_magnitude = MaxMagnitude::none();
            let out = self.buffer.as_mut_ptr().add(at);
            OperandBlock::new(self.operand, lines, some).all_as(
                Layout::panels(steps),
                out,
                &mut max_magnitude,
            );
            max_magnitude.in_range()
        }
    }
}
