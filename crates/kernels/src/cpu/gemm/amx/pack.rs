//! Brings operands into the order of the tile registers, all at once or slice by slice.

use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
use std::ops::Range;

use super::kernel::{PANEL, PANEL_STEP, PARTS, REGISTER, SLICES, STEP, UNIT};
use super::parts::{Largest, copy, slice_of_rows, slice_of_turned, some_rows, turned};

/// An operand. Its lines are rows of the left one and columns of the right one.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    pub data: &'a [f32],
    /// Elements between lines and between terms, one of them 1.
    pub line: usize,
    pub term: usize,
    /// The right one: a word of a register's row is another line, not another term.
    pub right: bool,
}

/// Some lines and terms of an operand, to be packed panel by panel, in each step by step. It is done in units of
/// [`UNIT`] lines and a step; lines and terms that do not exist are 0.
#[derive(Clone)]
pub(super) struct Piece<'a> {
    operand: Operand<'a>,
    lines: Range<usize>,
    terms: Range<usize>,
    panels: usize,
    steps: usize,
}

/// A unit of a piece: where it is read and written.
#[derive(Clone, Copy)]
struct Unit {
    x: *const f32,
    /// Elements between rows, and between the rows of both registers of a pair.
    strides: (usize, usize),
    /// What lies side by side is what a register's row holds, or it has to be turned.
    turned: bool,
    out: *mut u32,
    /// Lines and terms, if some are missing.
    some: Option<(usize, usize)>,
    right: bool,
    /// Where a later unit is read, for which memory is asked meanwhile.
    ahead: *const f32,
}

/// A piece that is packed slice by slice.
pub(super) struct Packing<'a> {
    piece: Piece<'a>,
    next: Option<Piece<'a>>,
    out: *mut u32,
    unit: Unit,
    number: usize,
    slice: usize,
}

/// Units ahead of which memory is asked for.
const AHEAD: usize = 8;

/// Words of the packed form.
pub(super) fn packed_len(lines: usize, terms: usize) -> usize {
    lines.div_ceil(PANEL) * terms.div_ceil(STEP) * PANEL_STEP
}

impl<'a> Piece<'a> {
    pub fn new(operand: Operand<'a>, lines: Range<usize>, terms: Range<usize>) -> Piece<'a> {
        assert!(
            lines.is_empty()
                || terms.is_empty()
                || (lines.end - 1) * operand.line + (terms.end - 1) * operand.term < operand.data.len()
        );
        let (panels, steps) = (lines.len().div_ceil(PANEL), terms.len().div_ceil(STEP));
        Piece {
            operand,
            lines,
            terms,
            panels,
            steps,
        }
    }

    /// How many units there are.
    pub fn units(&self) -> usize {
        2 * self.panels * self.steps
    }

    /// Packs all units; `apart` steps lie between two panels of `out`, if not the steps of the piece.
    ///
    /// # Safety
    /// AVX-512; and `out` must have room, which nobody else uses.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub unsafe fn all(&self, apart: Option<usize>, out: *mut u32, largest: &mut Largest) {
        let apart = apart.unwrap_or(self.steps);
        for number in 0..self.units() {
            // SAFETY: as the caller promises.
            unsafe { self.unit(number, apart, out, None).pack(largest) };
        }
    }

    /// Panel, step and half of a unit: along what lies side by side in memory, so that it is read in long rows.
    fn place(&self, number: usize) -> (usize, usize, usize) {
        let (pair, half) = (number / 2, number % 2);
        if self.operand.line == 1 {
            (pair % self.panels, pair / self.panels, half)
        } else {
            (pair / self.steps, pair % self.steps, half)
        }
    }

    /// A unit's first element, and its lines and terms.
    fn extent(&self, (panel, step, half): (usize, usize, usize)) -> (*const f32, (usize, usize)) {
        let x = &self.operand;
        let line = self.lines.start + panel * PANEL + half * UNIT;
        let term = self.terms.start + step * STEP;
        let start = x.data.as_ptr().wrapping_add(line * x.line + term * x.term);
        let lines = UNIT.min(self.lines.end.saturating_sub(line));
        (start, (lines, STEP.min(self.terms.end - term)))
    }

    /// A unit; `next` is the piece after this one.
    fn unit(&self, number: usize, apart: usize, out: *mut u32, next: Option<&Piece<'_>>) -> Unit {
        let start = |piece: &Piece<'_>, number: usize| piece.extent(piece.place(number)).0;
        let ahead = number + AHEAD;
        let place = self.place(number);
        let (x, count) = self.extent(place);
        let Operand {
            line, term, right, ..
        } = self.operand;
        let turned = if right { line != 1 } else { term != 1 };
        Unit {
            x,
            strides: match (right, turned) {
                (true, false) | (false, true) => (term, UNIT * term),
                (false, false) | (true, true) => (line, UNIT),
            },
            turned,
            out: out.wrapping_add((place.0 * apart + place.1) * PANEL_STEP + place.2 * PARTS * REGISTER),
            some: (count != (UNIT, STEP)).then_some(count),
            right,
            ahead: match next {
                _ if ahead < self.units() => start(self, ahead),
                Some(next) if ahead - self.units() < next.units() => start(next, ahead - self.units()),
                _ => x,
            },
        }
    }
}

impl Unit {
    /// # Safety
    /// As for [`Piece::all`]: the unit's place has room.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn pack(&self, largest: &mut Largest) {
        for slice in 0..SLICES {
            // SAFETY: as the caller promises.
            unsafe { self.slice(slice, largest) };
        }
    }

    /// Packs one of [`SLICES`] parts of the unit, or what there is of the unit in place of the first part.
    ///
    /// # Safety
    /// As for [`Unit::pack`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn slice(&self, slice: usize, largest: &mut Largest) {
        // SAFETY: as the caller promises; lines and terms of the unit lie in the operand.
        unsafe {
            match self.some {
                None if self.turned => {
                    self.ask(slice);
                    slice_of_turned(slice, self.x, self.strides, self.out, largest);
                }
                None => {
                    self.ask(slice);
                    slice_of_rows(slice, self.x, self.strides, self.out, largest);
                }
                Some(count) if slice == 0 => self.some(count, largest),
                Some(_) => {}
            }
        }
    }

    /// Asks memory for a part of the unit ahead. All at once would take all the places for waiting that there are.
    #[inline(always)]
    fn ask(&self, slice: usize) {
        for row in 2 * slice..2 * slice + 2 {
            let row = self.ahead.wrapping_add(row * self.strides.0);
            for at in [row, row.wrapping_add(self.strides.1)] {
                // SAFETY: a hint; every x86-64 has it.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) };
            }
        }
    }

    /// # Safety
    /// As for [`Unit::pack`].
    #[cold]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn some(&self, (lines, terms): (usize, usize), largest: &mut Largest) {
        let Unit { x, strides, out, .. } = *self;
        let (low, high) = (terms.min(UNIT), terms.saturating_sub(UNIT));
        // SAFETY: as the caller promises; what is turned is copied before, with 0 for what is missing.
        unsafe {
            match (self.right, self.turned) {
                (false, false) => some_rows(x, strides, ((lines, low), (lines, high)), out, largest),
                (true, false) => some_rows(x, strides, ((low, lines), (high, lines)), out, largest),
                (false, true) => {
                    let copied = copy::<STEP, UNIT>(x, strides.0, (terms, lines));
                    turned(copied.0.as_ptr(), (UNIT, UNIT * UNIT), out, largest);
                }
                (true, true) => {
                    let copied = copy::<UNIT, STEP>(x, strides.0, (lines, terms));
                    turned(copied.0.as_ptr(), (STEP, UNIT), out, largest);
                }
            }
        }
    }
}

impl<'a> Packing<'a> {
    /// `next` is the piece whose memory is asked for towards the end of this one.
    pub fn new(piece: Piece<'a>, next: Option<Piece<'a>>, out: *mut u32) -> Packing<'a> {
        Packing {
            unit: piece.unit(0, piece.steps, out, next.as_ref()),
            piece,
            next,
            out,
            number: 0,
            slice: 0,
        }
    }

    /// How many slices there are.
    pub fn slices(&self) -> usize {
        self.piece.units() * SLICES
    }

    /// Packs the next slice, of which there must be one.
    ///
    /// # Safety
    /// As for [`Piece::all`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub unsafe fn slice(&mut self, largest: &mut Largest) {
        // SAFETY: as the caller promises.
        unsafe { self.unit.slice(self.slice, largest) };
        self.slice += 1;
        if self.slice == SLICES {
            self.turn();
        }
    }

    /// Goes to the next unit.
    #[inline(never)]
    fn turn(&mut self) {
        (self.slice, self.number) = (0, self.number + 1);
        if self.number < self.piece.units() {
            let next = self.next.as_ref();
            self.unit = self.piece.unit(self.number, self.piece.steps, self.out, next);
        }
    }
}
