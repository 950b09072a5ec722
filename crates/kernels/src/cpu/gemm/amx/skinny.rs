//! Skinny products, with 33 to 64 rows or columns (the short side, at most four tile blocks). The long side is most of
//! the memory, and is read once. Each of its tile blocks is split into a ring of four slots in the first-level cache,
//! two steps before it is multiplied with the four of the short side. Nothing that was split goes to the second-level
//! cache and back.
//!
//! Where a number cannot be split, the vector units compute its skinny tile again, before the epilogue. A skinny tile
//! is the same whatever the division, so the bits do not depend on the division.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::bf16::MaxMagnitude;
use super::layout::{
    Destination, SKINNY_LAYOUT, SKINNY_STEP_WORDS, STEP_TERMS, TILE_LINES, skinny_block_words,
};
use super::macro_tile::{MacroTile, Sums};
use super::micro_kernel::skinny_corners;
use super::pack::{OperandBlock, StridedOperand, TileBlock};
use crate::cpu::gemm::macro_kernel::{LeftOperand, OutBlock, Prefetch, RightOperand, macro_kernel};
use crate::cpu::gemm::pack::Matrix;

/// Lines of the short side.
pub(super) const SHORT_LINES: usize = 4 * TILE_LINES;
/// Tile blocks that are split ahead.
const AHEAD_BLOCKS: usize = 2;
/// Slots of the ring.
const RING_BLOCKS: usize = 4;
/// Tile blocks ahead of the present one that are prefetched.
const PREFETCH_BLOCKS: usize = 4;

/// A slot of the ring.
fn ring_slot(work: *mut u32, number: usize) -> Destination {
    let number = number % RING_BLOCKS;
    Destination {
        start: work.wrapping_add(number / 2 * SKINNY_LAYOUT.panel + (2 + number % 2) * SKINNY_LAYOUT.half),
        part: SKINNY_LAYOUT.part,
    }
}

/// Where the tile blocks of some lines are: all steps of a line's tile block in a block of terms, then those of the
/// next line.
#[derive(Clone)]
struct StepCursor {
    lines: Range<usize>,
    k: usize,
    depth: usize,
    block: Range<usize>,
    line: usize,
    term: usize,
}

impl StepCursor {
    fn new(lines: Range<usize>, k: usize, depth: usize) -> StepCursor {
        StepCursor {
            line: lines.start,
            lines,
            k,
            depth,
            block: 0..k.min(depth),
            term: 0,
        }
    }

    fn is_over(&self) -> bool {
        self.term >= self.k
    }

    fn advance(&mut self) {
        self.term += STEP_TERMS;
        if self.term < self.block.end {
            return;
        }
        self.line += TILE_LINES;
        if self.line >= self.lines.end {
            self.line = self.lines.start;
            self.block = self.block.end..self.k.min(self.block.end + self.depth);
        }
        self.term = self.block.start;
    }
}

/// The long side on its way into the ring.
struct SplitStream<'a> {
    operand: StridedOperand<'a>,
    work: *mut u32,
    at: StepCursor,
    ahead: StepCursor,
    number: usize,
    unit: Option<TileBlock>,
    /// Of the present line's numbers.
    max_magnitude: MaxMagnitude,
    /// For each skinny tile, whether a number of its tile block could not be split.
    failed: &'a mut [u32],
}

impl<'a> SplitStream<'a> {
    /// # Safety
    /// AVX-512; the slots must have room in the work.
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn new(
        operand: StridedOperand<'a>,
        at: StepCursor,
        work: *mut u32,
        failed: &'a mut [u32],
    ) -> SplitStream<'a> {
        operand.check(&at.lines, &(0..at.k));
        let mut ahead = at.clone();
        (0..PREFETCH_BLOCKS).for_each(|_| ahead.advance());
        let mut stream = SplitStream {
            operand,
            work,
            at,
            ahead,
            number: 0,
            unit: None,
            // SAFETY: as the caller promises.
            max_magnitude: unsafe { MaxMagnitude::none() },
            failed,
        };
        stream.failed.fill(0);
        stream.unit = stream.here();
        stream
    }

    fn here(&self) -> Option<TileBlock> {
        let (at, ahead) = (&self.at, &self.ahead);
        // Where terms are contiguous, the processor asks for them by itself, and better.
        let asked = self.operand.term != 1 && !ahead.is_over();
        (!at.is_over()).then(|| {
            self.operand.unit(
                (at.line, at.term),
                (at.lines.end, at.block.end),
                ring_slot(self.work, self.number),
                asked.then(|| self.operand.at(ahead.line, ahead.term)),
            )
        })
    }

    /// Goes to the next tile block.
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn turn(&mut self) {
        let line = self.at.line;
        self.at.advance();
        if self.at.term == self.at.block.start && self.unit.is_some() {
            // SAFETY: the processor has AVX-512, as this function says.
            let in_range =
                unsafe { std::mem::replace(&mut self.max_magnitude, MaxMagnitude::none()).in_range() };
            self.failed[(line - self.at.lines.start) / TILE_LINES] |= u32::from(!in_range);
        }
        self.ahead.advance();
        self.number += 1;
        self.unit = self.here();
    }
}

impl<'a> MacroTile<'a> {
    /// Computes it with the long side, which is the left one or the right one, packed on the way.
    ///
    /// # Safety
    /// As for [`MacroTile::compute`].
    #[target_feature(enable = "avx512f,avx512bw")]
    pub unsafe fn skinny<const LEFT: bool>(&mut self, work: &mut [u32]) {
        let prepared = self.prepared;
        let (rows, cols) = (self.rows.clone(), self.cols.clone());
        let (long, short, lines, shorts) = if LEFT {
            (prepared.left.operand, prepared.right.operand, rows, cols)
        } else {
            (prepared.right.operand, prepared.left.operand, cols, rows)
        };
        let (work, failed) = work.split_at_mut(work.len() - lines.len().div_ceil(TILE_LINES));
        assert!(work.len() >= skinny_block_words(prepared.k.min(prepared.depth)));
        let block = work.as_mut_ptr();
        let steps = StepCursor::new(lines.clone(), prepared.k, prepared.depth);
        // SAFETY: the block has room for the short side's, and for the slots between; the rest as promised.
        unsafe {
            let mut stream = SplitStream::new(long, steps, block, failed);
            for _ in 0..AHEAD_BLOCKS {
                if let Some(unit) = stream.unit {
                    unit.pack(&mut stream.max_magnitude);
                    stream.turn();
                }
            }
            let mut number = 0;
            for terms in prepared.blocks() {
                let group = OperandBlock::new(short, shorts.clone(), terms.clone());
                group.all_as(SKINNY_LAYOUT, block, &mut self.max_magnitude);
                for line in lines.clone().step_by(TILE_LINES) {
                    let unit = line..lines.end.min(line + TILE_LINES);
                    self.skinny_tile::<LEFT>((unit, &shorts), &terms, (block, &mut stream, &mut number));
                }
            }
            let failed = stream.failed;
            self.recompute_failed::<LEFT>(failed, work);
        }
    }

    /// Computes the failed skinny tiles by the vector units.
    ///
    /// # Safety
    /// As for [`MacroTile::skinny`].
    unsafe fn recompute_failed<const LEFT: bool>(&self, failed: &[u32], work: &mut [u32]) {
        // SAFETY: as the caller promises.
        let all = !unsafe { self.max_magnitude.in_range() };
        let lines = if LEFT { &self.rows } else { &self.cols };
        let mut start = lines.start;
        for run in failed.chunk_by(|a, b| a == b) {
            let some = start..lines.end.min(start + run.len() * TILE_LINES);
            start = some.end;
            if all || run[0] > 0 {
                let (rows, cols) = if LEFT {
                    (some, self.cols.clone())
                } else {
                    (self.rows.clone(), some)
                };
                // SAFETY: as the caller promises.
                unsafe { self.with_vector_units(rows, cols, work) };
            }
        }
    }

    /// Computes rows and columns of the macro-tile by the vector units.
    ///
    /// # Safety
    /// As for [`MacroTile::skinny`].
    #[cold]
    unsafe fn with_vector_units(&self, rows: Range<usize>, cols: Range<usize>, work: &mut [u32]) {
        let prepared = self.prepared;
        let matrix = |x: StridedOperand<'a>| Matrix {
            data: x.data,
            row: x.line,
            col: x.term,
        };
        let (left, right) = (matrix(prepared.left.operand), matrix(prepared.right.operand));
        let out = self
            .out
            .from((rows.start - self.rows.start, cols.start - self.cols.start));
        let (left, right, rows, cols) = if out.transposed {
            (right, left, cols, rows)
        } else {
            (left, right, rows, cols)
        };
        let target = OutBlock {
            start: out.start,
            stride: out.stride,
            add: false,
            prefetch: Prefetch::NONE,
        };
        // SAFETY: as the caller promises; any word is a float32.
        unsafe {
            let work = std::slice::from_raw_parts_mut(work.as_mut_ptr().cast::<f32>(), work.len());
            let (left, right) = (LeftOperand::Matrix(left), right.t());
            macro_kernel(
                prepared.level,
                prepared.k,
                left,
                rows,
                &RightOperand::Pack(&right),
                cols,
                target,
                work,
            );
        }
    }

    /// Writes a skinny tile for a block of terms, or adds it to what is there.
    ///
    /// # Safety
    /// As for [`MacroTile::skinny`].
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn skinny_tile<const LEFT: bool>(
        &mut self,
        (unit, shorts): (Range<usize>, &Range<usize>),
        terms: &Range<usize>,
        (work, stream, number): (*mut u32, &mut SplitStream<'_>, &mut usize),
    ) {
        let add = terms.start > 0;
        let (start, valid, size) = if LEFT {
            (
                (unit.start - self.rows.start, 0),
                (unit.len(), shorts.len()),
                (TILE_LINES, SHORT_LINES),
            )
        } else {
            (
                (0, unit.start - self.cols.start),
                (shorts.len(), unit.len()),
                (SHORT_LINES, TILE_LINES),
            )
        };
        let out = self.out.from(start);
        let mut sums = MaybeUninit::<Sums>::uninit();
        let whole = valid == size && !out.transposed;
        let (places, stride) = if whole {
            (skinny_corners::<LEFT>(out.start, out.stride), out.stride)
        } else {
            (skinny_corners::<LEFT>(sums.as_mut_ptr().cast(), size.1), size.1)
        };
        // SAFETY: as the caller promises; `sums` has room for a whole skinny tile, and is written where it is used.
        unsafe {
            self.tiles.begin((add && whole).then_some((places, stride)));
            for step in 0..terms.len().div_ceil(STEP_TERMS) {
                let (units, unit) = (work.add(step * SKINNY_STEP_WORDS), ring_slot(work, *number).start);
                let (next, mut max_magnitude) = (stream.unit, stream.max_magnitude);
                self.tiles
                    .skinny_step::<LEFT>(units, unit, |slice| split_slice(&next, slice, &mut max_magnitude));
                stream.max_magnitude = max_magnitude;
                stream.turn();
                *number += 1;
            }
            self.tiles.store(places, stride);
            if !whole {
                sums.assume_init_ref()
                    .merge(self.prepared.level, size, valid, out, add);
            }
        }
    }
}

/// Splits a slice of the tile block that is due, if there is one.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn split_slice(unit: &Option<TileBlock>, slice: usize, max_magnitude: &mut MaxMagnitude) {
    if let Some(unit) = unit {
        // SAFETY: the tile block was checked to lie in the operand, and its slot is read only when it is split.
        unsafe { unit.slice(slice, max_magnitude) };
    }
}
