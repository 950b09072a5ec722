//! Products with few rows or columns, at most as many as four units: the other operand is read once, and by far the
//! most of it. It is split on the way, unit by unit, into places in the first-level cache, two steps before the unit
//! is multiplied with the four, so that nothing that was split goes to the second-level cache and comes back.
//!
//! Strips with numbers that cannot be split are computed again by the vector units before the region is handed on. A
//! strip is the same whatever the division, so the bits do not depend on it either.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::kernel::{STEP, STRIP, STRIP_STEP, UNIT, strip};
use super::pack::{Operand, Piece, Unit};
use super::parts::{Largest, Place};
use super::region::{Region, Sums};
use crate::cpu::gemm::pack::Matrix;
use crate::cpu::gemm::region::{Left, Source, Target, Warm, region, work_len};
use crate::cpu::level::Level;

/// Lines of the short side.
pub(super) const SHORT: usize = 4 * UNIT;
/// Units that are split ahead, and places for them.
const AHEAD: usize = 2;
const PLACES: usize = 4;
/// Units ahead of which memory is asked for.
const ASKED: usize = 4;

/// Words of work for a task of so many rows and columns: a block of the short side, between which the places lie, or
/// what the vector units want; and what is known of each strip.
pub(super) fn strips_len(level: Level, (rows, cols): (usize, usize), (k, depth): (usize, usize)) -> usize {
    let vectors = |rows, cols| work_len::<f32>(level, k, rows, cols, true, true);
    let work = vectors(rows, cols).max(vectors(cols, rows));
    let len = work.max(block_len(k.min(depth))) + rows.max(cols).div_ceil(UNIT);
    // The next thread's work begins at a whole cache line, too.
    len.next_multiple_of(STRIP_STEP)
}

/// Words of a block of the short side.
fn block_len(terms: usize) -> usize {
    terms.div_ceil(STEP).max(1) * STRIP_STEP
}

/// A place for a unit.
fn place(work: *mut u32, number: usize) -> Place {
    let number = number % PLACES;
    Place {
        start: work.wrapping_add(number / 2 * STRIP.panel + (2 + number % 2) * STRIP.half),
        part: STRIP.part,
    }
}

/// Where the units of some lines are: all steps of a line's unit in a block of terms, then those of the next line.
#[derive(Clone)]
struct Steps {
    lines: Range<usize>,
    k: usize,
    depth: usize,
    block: Range<usize>,
    line: usize,
    term: usize,
}

impl Steps {
    fn new(lines: Range<usize>, k: usize, depth: usize) -> Steps {
        Steps {
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
        self.term += STEP;
        if self.term < self.block.end {
            return;
        }
        self.line += UNIT;
        if self.line >= self.lines.end {
            self.line = self.lines.start;
            self.block = self.block.end..self.k.min(self.block.end + self.depth);
        }
        self.term = self.block.start;
    }
}

/// The long side on its way into the places.
struct Stream<'a> {
    operand: Operand<'a>,
    work: *mut u32,
    at: Steps,
    ahead: Steps,
    number: usize,
    unit: Option<Unit>,
    /// Of the present line's numbers.
    largest: Largest,
    /// For each strip, whether a number of its unit could not be split.
    failed: &'a mut [u32],
}

impl<'a> Stream<'a> {
    /// # Safety
    /// AVX-512; the places must have room in the work.
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn new(operand: Operand<'a>, at: Steps, work: *mut u32, failed: &'a mut [u32]) -> Stream<'a> {
        operand.check(&at.lines, &(0..at.k));
        let mut ahead = at.clone();
        (0..ASKED).for_each(|_| ahead.advance());
        let mut stream = Stream {
            operand,
            work,
            at,
            ahead,
            number: 0,
            unit: None,
            // SAFETY: as the caller promises.
            largest: unsafe { Largest::none() },
            failed,
        };
        stream.failed.fill(0);
        stream.unit = stream.here();
        stream
    }

    fn here(&self) -> Option<Unit> {
        let (at, ahead) = (&self.at, &self.ahead);
        // Where terms lie side by side, the processor asks for them by itself, and better.
        let asked = self.operand.term != 1 && !ahead.is_over();
        (!at.is_over()).then(|| {
            self.operand.unit(
                (at.line, at.term),
                (at.lines.end, at.block.end),
                place(self.work, self.number),
                asked.then(|| self.operand.at(ahead.line, ahead.term)),
            )
        })
    }

    /// Goes to the next unit.
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn turn(&mut self) {
        let line = self.at.line;
        self.at.advance();
        if self.at.term == self.at.block.start && self.unit.is_some() {
            // SAFETY: the processor has AVX-512, as this function says.
            let fine = unsafe { std::mem::replace(&mut self.largest, Largest::none()).fine() };
            self.failed[(line - self.at.lines.start) / UNIT] |= u32::from(!fine);
        }
        self.ahead.advance();
        self.number += 1;
        self.unit = self.here();
    }
}

impl<'a> Region<'a> {
    /// Computes it with the long side, which is the left one or the right one, packed on the way.
    ///
    /// # Safety
    /// As for [`Job::region`](super::job::Job::region).
    #[target_feature(enable = "avx512f,avx512bw")]
    pub unsafe fn strips<const LEFT: bool>(&mut self, work: &mut [u32]) {
        let job = self.job;
        let (rows, cols) = (self.rows.clone(), self.cols.clone());
        let (long, short, lines, shorts) = if LEFT {
            (job.left.operand, job.right.operand, rows, cols)
        } else {
            (job.right.operand, job.left.operand, cols, rows)
        };
        let (work, failed) = work.split_at_mut(work.len() - lines.len().div_ceil(UNIT));
        assert!(work.len() >= block_len(job.k.min(job.depth)));
        let block = work.as_mut_ptr();
        let steps = Steps::new(lines.clone(), job.k, job.depth);
        // SAFETY: the block has room for the short side's, and for the places between; the rest as promised.
        unsafe {
            let mut stream = Stream::new(long, steps, block, failed);
            for _ in 0..AHEAD {
                if let Some(unit) = stream.unit {
                    unit.pack(&mut stream.largest);
                    stream.turn();
                }
            }
            let mut number = 0;
            for terms in job.blocks() {
                let group = Piece::new(short, shorts.clone(), terms.clone());
                group.all_as(STRIP, block, &mut self.largest);
                for line in lines.clone().step_by(UNIT) {
                    let unit = line..lines.end.min(line + UNIT);
                    self.strip::<LEFT>((unit, &shorts), &terms, (block, &mut stream, &mut number));
                }
            }
            let failed = stream.failed;
            self.again::<LEFT>(failed, work);
        }
    }

    /// Computes by the vector units the strips that could not be computed so.
    ///
    /// # Safety
    /// As for [`Region::strips`].
    unsafe fn again<const LEFT: bool>(&self, failed: &[u32], work: &mut [u32]) {
        // SAFETY: as the caller promises.
        let all = !unsafe { self.largest.fine() };
        let lines = if LEFT { &self.rows } else { &self.cols };
        let mut start = lines.start;
        for run in failed.chunk_by(|a, b| a == b) {
            let some = start..lines.end.min(start + run.len() * UNIT);
            start = some.end;
            if all || run[0] > 0 {
                let (rows, cols) = if LEFT {
                    (some, self.cols.clone())
                } else {
                    (self.rows.clone(), some)
                };
                // SAFETY: as the caller promises.
                unsafe { self.by_vectors(rows, cols, work) };
            }
        }
    }

    /// Computes rows and columns of the region by the vector units.
    ///
    /// # Safety
    /// As for [`Region::strips`].
    #[cold]
    unsafe fn by_vectors(&self, rows: Range<usize>, cols: Range<usize>, work: &mut [u32]) {
        let job = self.job;
        let matrix = |x: Operand<'a>| Matrix {
            data: x.data,
            row: x.line,
            col: x.term,
        };
        let (left, right) = (matrix(job.left.operand), matrix(job.right.operand));
        let out = self
            .out
            .from((rows.start - self.rows.start, cols.start - self.cols.start));
        let (left, right, rows, cols) = if out.transposed {
            (right, left, cols, rows)
        } else {
            (left, right, rows, cols)
        };
        let target = Target {
            start: out.start,
            stride: out.stride,
            add: false,
            warm: Warm::NOTHING,
        };
        // SAFETY: as the caller promises; any word is a float32.
        unsafe {
            let work = std::slice::from_raw_parts_mut(work.as_mut_ptr().cast::<f32>(), work.len());
            let (left, right) = (Left::Matrix(left), right.t());
            region(
                job.level,
                job.k,
                left,
                rows,
                &Source::Pack(&right),
                cols,
                target,
                work,
            );
        }
    }

    /// Writes a strip for a block of terms, or adds it to what is there.
    ///
    /// # Safety
    /// As for [`Region::strips`].
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn strip<const LEFT: bool>(
        &mut self,
        (unit, shorts): (Range<usize>, &Range<usize>),
        terms: &Range<usize>,
        (work, stream, number): (*mut u32, &mut Stream<'_>, &mut usize),
    ) {
        let add = terms.start > 0;
        let (start, valid, size) = if LEFT {
            (
                (unit.start - self.rows.start, 0),
                (unit.len(), shorts.len()),
                (UNIT, SHORT),
            )
        } else {
            (
                (0, unit.start - self.cols.start),
                (shorts.len(), unit.len()),
                (SHORT, UNIT),
            )
        };
        let out = self.out.from(start);
        let mut sums = MaybeUninit::<Sums>::uninit();
        let whole = valid == size && !out.transposed;
        let (places, stride) = if whole {
            (strip::<LEFT>(out.start, out.stride), out.stride)
        } else {
            (strip::<LEFT>(sums.as_mut_ptr().cast(), size.1), size.1)
        };
        // SAFETY: as the caller promises; `sums` has room for a whole strip, and is written where it is used.
        unsafe {
            self.tiles.begin((add && whole).then_some((places, stride)));
            for step in 0..terms.len().div_ceil(STEP) {
                let (units, unit) = (work.add(step * STRIP_STEP), place(work, *number).start);
                let (next, mut largest) = (stream.unit, stream.largest);
                self.tiles
                    .strip::<LEFT>(units, unit, |slice| pack(&next, slice, &mut largest));
                stream.largest = largest;
                stream.turn();
                *number += 1;
            }
            self.tiles.store(places, stride);
            if !whole {
                sums.assume_init_ref()
                    .merge(self.job.level, size, valid, out, add);
            }
        }
    }
}

/// Splits a slice of the unit that is due, if there is one.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn pack(unit: &Option<Unit>, slice: usize, largest: &mut Largest) {
    if let Some(unit) = unit {
        // SAFETY: the unit was checked to lie in the operand, and its place is read only when it is split.
        unsafe { unit.slice(slice, largest) };
    }
}
