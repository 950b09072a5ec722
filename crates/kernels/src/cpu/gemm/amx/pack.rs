//! Brings operands into the order of the tile registers, all at once or slice by slice.

use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
use std::ops::Range;

use super::kernel::{PANEL, PANEL_STEP, PARTS, REGISTER, SLICES, STEP, UNIT};
use super::parts::{Largest, Place, copy, slice_of_rows, slice_of_turned, some_rows, turned};

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

/// A unit: where it is read and written.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    x: *const f32,
    /// Elements between rows, and between the rows of both registers of a pair.
    strides: (usize, usize),
    /// What lies side by side is what a register's row holds, or it has to be turned.
    turned: bool,
    out: Place,
    /// Lines and terms, if some are missing.
    some: Option<(usize, usize)>,
    right: bool,
    /// Where a later unit is read, if memory is to be asked for it meanwhile.
    ahead: Option<*const f32>,
}

/// The order of packed units: words between parts, halves of a panel, panels, and steps.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub part: usize,
    pub half: usize,
    pub panel: usize,
    pub step: usize,
}

impl Layout {
    /// Panel after panel, each of so many steps.
    pub fn panels(steps: usize) -> Layout {
        Layout {
            part: REGISTER,
            half: PARTS * REGISTER,
            panel: steps * PANEL_STEP,
            step: PANEL_STEP,
        }
    }

    /// The place of a unit.
    fn place(&self, (panel, step, half): (usize, usize, usize), out: *mut u32) -> Place {
        Place {
            start: out.wrapping_add(panel * self.panel + step * self.step + half * self.half),
            part: self.part,
        }
    }
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

impl Operand<'_> {
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

    /// The unit that begins at a line and a term, as far as `ends` of them.
    pub fn unit(
        &self,
        (line, term): (usize, usize),
        ends: (usize, usize),
        out: Place,
        ahead: Option<*const f32>,
    ) -> Unit {
        let count = (UNIT.min(ends.0.saturating_sub(line)), STEP.min(ends.1 - term));
        let turned = if self.right {
            self.line != 1
        } else {
            self.term != 1
        };
        Unit {
            x: self.at(line, term),
            strides: match (self.right, turned) {
                (true, false) | (false, true) => (self.term, UNIT * self.term),
                (false, false) | (true, true) => (self.line, UNIT),
            },
            turned,
            out,
            some: (count != (UNIT, STEP)).then_some(count),
            right: self.right,
            ahead,
        }
    }
}

impl<'a> Piece<'a> {
    pub fn new(operand: Operand<'a>, lines: Range<usize>, terms: Range<usize>) -> Piece<'a> {
        operand.check(&lines, &terms);
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

    /// Packs all units, one panel of the piece after the other.
    ///
    /// # Safety
    /// As for [`Piece::all_as`].
    #[target_feature(enable = "avx512f,avx512bw")]
    pub unsafe fn all(&self, out: *mut u32, largest: &mut Largest) {
        // SAFETY: as the caller promises.
        unsafe { self.all_as(Layout::panels(self.steps), out, largest) };
    }

    /// Packs all units in this order.
    ///
    /// # Safety
    /// AVX-512; and `out` must have room, which nobody else uses.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub unsafe fn all_as(&self, layout: Layout, out: *mut u32, largest: &mut Largest) {
        for number in 0..self.units() {
            // SAFETY: as the caller promises.
            unsafe { self.unit(number, layout, out, None).pack(largest) };
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

    /// A unit's first line and term.
    fn start(&self, (panel, step, half): (usize, usize, usize)) -> (usize, usize) {
        let line = self.lines.start + panel * PANEL + half * UNIT;
        (line, self.terms.start + step * STEP)
    }

    /// A unit; `next` is the piece after this one.
    fn unit(&self, number: usize, layout: Layout, out: *mut u32, next: Option<&Piece<'_>>) -> Unit {
        let address = |piece: &Piece<'_>, number: usize| {
            let (line, term) = piece.start(piece.place(number));
            piece.operand.at(line, term)
        };
        let ahead = number + AHEAD;
        let ahead = match next {
            _ if ahead < self.units() => Some(address(self, ahead)),
            Some(next) if ahead - self.units() < next.units() => Some(address(next, ahead - self.units())),
            _ => None,
        };
        let place = self.place(number);
        let ends = (self.lines.end, self.terms.end);
        self.operand
            .unit(self.start(place), ends, layout.place(place, out), ahead)
    }
}

impl Unit {
    /// # Safety
    /// As for [`Piece::all`]: the unit's place has room.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub unsafe fn pack(&self, largest: &mut Largest) {
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
    pub unsafe fn slice(&self, slice: usize, largest: &mut Largest) {
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
            unit: piece.unit(0, Layout::panels(piece.steps), out, next.as_ref()),
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
            let layout = Layout::panels(self.piece.steps);
            self.unit = self.piece.unit(self.number, layout, self.out, next);
        }
    }
}
