//! Brings operands into the order of the tile registers, all at once or slice by slice.

use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
use std::ops::Range;

use super::bf16::{MaxMagnitude, copy, partial_rows, slice_of_rows, slice_of_transposed, transposed_block};
use super::layout::{Destination, Layout, PANEL_LINES, STEP_SLICES, STEP_TERMS, TILE_LINES};

/// An operand. Its lines are rows of the left one and columns of the right one.
#[derive(Clone, Copy)]
pub(super) struct StridedOperand<'a> {
    pub data: &'a [f32],
    /// Elements between lines and between terms, one of them 1.
    pub line: usize,
    pub term: usize,
    /// The right one: a word of a register's row is another line, not another term.
    pub right: bool,
}

/// Some lines and terms of an operand, to be packed panel by panel, in each step by step. It is done in tile blocks of
/// [`TILE_LINES`] lines and a step; lines and terms that do not exist are 0.
#[derive(Clone)]
pub(super) struct OperandBlock<'a> {
    operand: StridedOperand<'a>,
    lines: Range<usize>,
    terms: Range<usize>,
    panels: usize,
    steps: usize,
}

/// A tile block with its source and destination.
#[derive(Clone, Copy)]
pub(super) struct TileBlock {
    x: *const f32,
    /// Elements between rows, and between the rows of both registers of a pair.
    strides: (usize, usize),
    /// What is contiguous is what a register's row holds, or it has to be transposed.
    transposed: bool,
    out: Destination,
    /// Lines and terms, if some are missing.
    some: Option<(usize, usize)>,
    right: bool,
    /// Address of a later tile block to prefetch.
    ahead: Option<*const f32>,
}

/// A block that is packed slice by slice.
pub(super) struct SlicedPacking<'a> {
    block: OperandBlock<'a>,
    next: Option<OperandBlock<'a>>,
    out: *mut u32,
    unit: TileBlock,
    number: usize,
    slice: usize,
}

/// Distance of the prefetch, in tile blocks.
const AHEAD_BLOCKS: usize = 8;

impl StridedOperand<'_> {
    /// Panics unless the operand has these lines and terms.
    pub fn check(&self, lines: &Range<usize>, terms: &Range<usize>) {
        assert!(
            lines.is_empty()
                || terms.is_empty()
                || (lines.end - 1) * self.line + (terms.end - 1) * self.term < self.data.len()
        );
    }

    /// Where an element is.
    pub fn at(&self, line: usize, term: usize) -> *const f32 {
        self.data
            .as_ptr()
            .wrapping_add(line * self.line + term * self.term)
    }

    /// The tile block that begins at a line and a term, limited by `ends`.
    pub fn unit(
        &self,
        (line, term): (usize, usize),
        ends: (usize, usize),
        out: Destination,
        ahead: Option<*const f32>,
    ) -> TileBlock {
        let count = (
            TILE_LINES.min(ends.0.saturating_sub(line)),
            STEP_TERMS.min(ends.1 - term),
        );
        let transposed = if self.right {
            self.line != 1
        } else {
            self.term != 1
        };
        TileBlock {
            x: self.at(line, term),
            strides: match (self.right, transposed) {
                (true, false) | (false, true) => (self.term, TILE_LINES * self.term),
                (false, false) | (true, true) => (self.line, TILE_LINES),
            },
            transposed,
            out,
            some: (count != (TILE_LINES, STEP_TERMS)).then_some(count),
            right: self.right,
            ahead,
        }
    }
}

impl<'a> OperandBlock<'a> {
    pub fn new(operand: StridedOperand<'a>, lines: Range<usize>, terms: Range<usize>) -> OperandBlock<'a> {
        operand.check(&lines, &terms);
        let (panels, steps) = (
            lines.len().div_ceil(PANEL_LINES),
            terms.len().div_ceil(STEP_TERMS),
        );
        OperandBlock {
            operand,
            lines,
            terms,
            panels,
            steps,
        }
    }

    /// Number of tile blocks.
    pub fn units(&self) -> usize {
        2 * self.panels * self.steps
    }

    /// Packs all tile blocks, one panel of the block after the other.
    ///
    /// # Safety
    /// As for [`OperandBlock::all_as`].
    #[target_feature(enable = "avx512f,avx512bw")]
    pub unsafe fn all(&self, out: *mut u32, max_magnitude: &mut MaxMagnitude) {
        // SAFETY: as the caller promises.
        unsafe { self.all_as(Layout::panels(self.steps), out, max_magnitude) };
    }

    /// Packs all tile blocks in this order.
    ///
    /// # Safety
    /// AVX-512; and `out` must have room, which no other task uses.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub unsafe fn all_as(&self, layout: Layout, out: *mut u32, max_magnitude: &mut MaxMagnitude) {
        for number in 0..self.units() {
            // SAFETY: as the caller promises.
            unsafe { self.unit(number, layout, out, None).pack(max_magnitude) };
        }
    }

    /// Panel, step and half of a tile block: along what is contiguous in memory, so that it is read in long rows.
    fn tile_block(&self, number: usize) -> (usize, usize, usize) {
        let (pair, half) = (number / 2, number % 2);
        if self.operand.line == 1 {
            (pair % self.panels, pair / self.panels, half)
        } else {
            (pair / self.steps, pair % self.steps, half)
        }
    }

    /// A tile block's first line and term.
    fn start(&self, (panel, step, half): (usize, usize, usize)) -> (usize, usize) {
        let line = self.lines.start + panel * PANEL_LINES + half * TILE_LINES;
        (line, self.terms.start + step * STEP_TERMS)
    }

    /// A tile block; `next` is the block after this one.
    fn unit(
        &self,
        number: usize,
        layout: Layout,
        out: *mut u32,
        next: Option<&OperandBlock<'_>>,
    ) -> TileBlock {
        let address = |block: &OperandBlock<'_>, number: usize| {
            let (line, term) = block.start(block.tile_block(number));
            block.operand.at(line, term)
        };
        let ahead = number + AHEAD_BLOCKS;
        let ahead = match next {
            _ if ahead < self.units() => Some(address(self, ahead)),
            Some(next) if ahead - self.units() < next.units() => Some(address(next, ahead - self.units())),
            _ => None,
        };
        let tile_block = self.tile_block(number);
        let ends = (self.lines.end, self.terms.end);
        self.operand.unit(
            self.start(tile_block),
            ends,
            layout.destination(tile_block, out),
            ahead,
        )
    }
}

impl TileBlock {
    /// # Safety
    /// As for [`OperandBlock::all`]: room for the tile block.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub unsafe fn pack(&self, max_magnitude: &mut MaxMagnitude) {
        for slice in 0..STEP_SLICES {
            // SAFETY: as the caller promises.
            unsafe { self.slice(slice, max_magnitude) };
        }
    }

    /// Packs one of [`STEP_SLICES`] parts of the tile block, or the existing elements of a partial tile block as the first part.
    ///
    /// # Safety
    /// As for [`TileBlock::pack`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub unsafe fn slice(&self, slice: usize, max_magnitude: &mut MaxMagnitude) {
        // SAFETY: as the caller promises; lines and terms of the tile block lie in the operand.
        unsafe {
            match self.some {
                None if self.transposed => {
                    self.prefetch_ahead(slice);
                    slice_of_transposed(slice, self.x, self.strides, self.out, max_magnitude);
                }
                None => {
                    self.prefetch_ahead(slice);
                    slice_of_rows(slice, self.x, self.strides, self.out, max_magnitude);
                }
                Some(count) if slice == 0 => self.some(count, max_magnitude),
                Some(_) => {}
            }
        }
    }

    /// Prefetches a part of the tile block ahead. Prefetching the whole tile block would use all line fill buffers.
    #[inline(always)]
    fn prefetch_ahead(&self, slice: usize) {
        let Some(ahead) = self.ahead else { return };
        for row in 2 * slice..2 * slice + 2 {
            let row = ahead.wrapping_add(row * self.strides.0);
            for at in [row, row.wrapping_add(self.strides.1)] {
                // SAFETY: a hint; every x86-64 has it.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) };
            }
        }
    }

    /// # Safety
    /// As for [`TileBlock::pack`].
    #[cold]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn some(&self, (lines, terms): (usize, usize), max_magnitude: &mut MaxMagnitude) {
        let TileBlock { x, strides, out, .. } = *self;
        let (low, high) = (terms.min(TILE_LINES), terms.saturating_sub(TILE_LINES));
        // SAFETY: as the caller promises; what is transposed is copied before, with 0 for what is missing.
        unsafe {
            match (self.right, self.transposed) {
                (false, false) => partial_rows(x, strides, ((lines, low), (lines, high)), out, max_magnitude),
                (true, false) => partial_rows(x, strides, ((low, lines), (high, lines)), out, max_magnitude),
                (false, true) => {
                    let copied = copy::<STEP_TERMS, TILE_LINES>(x, strides.0, (terms, lines));
                    transposed_block(
                        copied.0.as_ptr(),
                        (TILE_LINES, TILE_LINES * TILE_LINES),
                        out,
                        max_magnitude,
                    );
                }
                (true, true) => {
                    let copied = copy::<TILE_LINES, STEP_TERMS>(x, strides.0, (lines, terms));
                    transposed_block(copied.0.as_ptr(), (STEP_TERMS, TILE_LINES), out, max_magnitude);
                }
            }
        }
    }
}

impl<'a> SlicedPacking<'a> {
    /// `next` is the block that is prefetched during the last tile blocks of this one.
    pub fn new(block: OperandBlock<'a>, next: Option<OperandBlock<'a>>, out: *mut u32) -> SlicedPacking<'a> {
        SlicedPacking {
            unit: block.unit(0, Layout::panels(block.steps), out, next.as_ref()),
            block,
            next,
            out,
            number: 0,
            slice: 0,
        }
    }

    /// Number of slices.
    pub fn slices(&self) -> usize {
        self.block.units() * STEP_SLICES
    }

    /// Packs the next slice; there must be one.
    ///
    /// # Safety
    /// As for [`OperandBlock::all`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub unsafe fn slice(&mut self, max_magnitude: &mut MaxMagnitude) {
        // SAFETY: as the caller promises.
        unsafe { self.unit.slice(self.slice, max_magnitude) };
        self.slice += 1;
        if self.slice == STEP_SLICES {
            self.advance();
        }
    }

    /// Advances to the next tile block.
    #[inline(never)]
    fn advance(&mut self) {
        (self.slice, self.number) = (0, self.number + 1);
        if self.number < self.block.units() {
            let next = self.next.as_ref();
            let layout = Layout::panels(self.block.steps);
            self.unit = self.block.unit(self.number, layout, self.out, next);
        }
    }
}
