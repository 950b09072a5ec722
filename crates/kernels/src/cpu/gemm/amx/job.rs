//! One product on its way: operands, what of them is packed for all tasks, and the region that a task computes.
//!
//! An operand that is not packed for all tasks is packed on the way, piece by piece: the next piece between the
//! steps of the products of this one, while the matrix unit is busy with them.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Split;
use super::kernel::{PANEL, PANEL_STEP, STEP, Tiles};
use super::pack::{Layout, Operand, Piece, packed_len};
use super::parts::Largest;
use super::region::Region;
use crate::cpu::exec::Args;
use crate::cpu::gemm::region::Warm;
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;

/// Elements packed by one task, if an operand is packed for all.
const PACK_TASK: usize = 1 << 14;
/// Lines packed at a time by one task where they lie side by side, so that memory is read in long rows.
const LONG: usize = 4 * PANEL;

/// Where a region goes.
#[derive(Clone, Copy)]
pub(super) struct Out {
    pub start: *mut f32,
    /// Elements between rows.
    pub stride: usize,
    /// Rows and columns exchanged.
    pub transposed: bool,
}

impl Out {
    /// The same from a row and a column on.
    pub fn from(self, (row, col): (usize, usize)) -> Out {
        let at = if self.transposed {
            col * self.stride + row
        } else {
            row * self.stride + col
        };
        Out {
            start: self.start.wrapping_add(at),
            ..self
        }
    }
}

/// An operand, and its packed form if that is shared.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub operand: Operand<'a>,
    lines: usize,
    pub packed: Option<&'a [u32]>,
    /// Lines of a piece, if it is packed on the way.
    pub group: usize,
}

/// One product, with what is shared packed.
pub(super) struct Job<'a> {
    pub level: Level,
    pub k: usize,
    pub depth: usize,
    stream_left: bool,
    in_strips: bool,
    pub left: Side<'a>,
    pub right: Side<'a>,
}

impl<'a> Job<'a> {
    /// `None` if a number of a shared operand cannot be split. A place is empty where an operand is not shared.
    pub fn new(
        split: &Split,
        args: &Args<'_>,
        a: &'a [f32],
        b: &'a [f32],
        place: (&'a mut [u32], &'a mut [u32]),
    ) -> Option<Job<'a>> {
        let shape = split.shape;
        let rows = Operand {
            data: a,
            line: shape.a.0,
            term: shape.a.1,
            right: split.swapped,
        };
        let cols = Operand {
            data: b,
            line: shape.b.1,
            term: shape.b.0,
            right: !split.swapped,
        };
        let (left, right) = if split.swapped { (cols, rows) } else { (rows, cols) };
        let extents = split.extents();
        let (k, depth) = (shape.k, split.depth);
        let places = [SharedSlice::new(place.0), SharedSlice::new(place.1)];
        let chores = [
            Chores::new(left, extents.0, (k, depth), &places[0]),
            Chores::new(right, extents.1, (k, depth), &places[1]),
        ];
        if !Chores::run(&chores, args) {
            return None;
        }
        let [left_place, right_place] = places;
        let side = |operand, lines, place: SharedSlice<'a, u32>, group: usize| Side {
            operand,
            lines,
            // SAFETY: all chores are done, and there are no other slices.
            packed: (place.len() > 0).then(|| &*unsafe { place.range(0..place.len()) }),
            group,
        };
        Some(Job {
            level: args.level(),
            k,
            depth,
            stream_left: split.stream_left,
            in_strips: split.in_strips,
            left: side(left, extents.0, left_place, split.group(true)),
            right: side(right, extents.1, right_place, split.group(false)),
        })
    }

    /// Computes rows and columns of the result, which start at whole panels if an operand is shared. False if a
    /// number could not be split: then the result is not valid.
    ///
    /// # Safety
    /// `out` must have room for the region and be used by nobody else.
    pub unsafe fn region(
        &self,
        rows: Range<usize>,
        cols: Range<usize>,
        out: Out,
        warm: Warm<'_>,
        work: &mut [u32],
    ) -> bool {
        // SAFETY: this runs only at a level that has the instructions; the rest as the caller promises.
        unsafe {
            let mut region = Region {
                job: self,
                tiles: Tiles::new(),
                rows,
                cols,
                out,
                warm,
                largest: Largest::none(),
            };
            match (self.left.packed, self.right.packed) {
                _ if self.in_strips => {
                    if self.stream_left {
                        region.strips::<true>(work);
                    } else {
                        region.strips::<false>(work);
                    }
                    return true;
                }
                (Some(left), Some(right)) => region.packed(left, right),
                _ => region.on_the_way(self.stream_left, work),
            }
            region.largest.fine()
        }
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

impl<'a> Side<'a> {
    /// The first panel of some lines in a block of terms, of a shared operand.
    pub fn panels<'b>(&self, all: &'b [u32], line: usize, terms: &Range<usize>) -> &'b [u32] {
        &all[packed_len(self.lines, terms.start) + packed_len(line, terms.len())..]
    }
}

/// A shared operand's packing, cut into tasks: by blocks of terms, lines, and parts of the terms of a block.
struct Chores<'a> {
    operand: Operand<'a>,
    lines: usize,
    k: usize,
    depth: usize,
    /// Lines and terms of a task.
    task: (usize, usize),
    place: &'a SharedSlice<'a, u32>,
}

impl<'a> Chores<'a> {
    fn new(
        operand: Operand<'a>,
        lines: usize,
        (k, depth): (usize, usize),
        place: &'a SharedSlice<'_, u32>,
    ) -> Self {
        let lines = if place.len() > 0 { lines } else { 0 };
        let group = if operand.line == 1 { LONG } else { PANEL };
        let terms = (PACK_TASK / group).next_multiple_of(STEP).min(depth);
        Chores {
            operand,
            lines,
            k,
            depth,
            task: (group, terms),
            place,
        }
    }

    fn count(&self) -> usize {
        let parts = self.depth.div_ceil(self.task.1);
        self.k.div_ceil(self.depth) * self.lines.div_ceil(self.task.0) * parts
    }

    /// Does both operands' chores; false if a number cannot be split.
    fn run(chores: &[Chores<'_>; 2], args: &Args<'_>) -> bool {
        let (first, all) = (chores[0].count(), chores[0].count() + chores[1].count());
        let fine = AtomicBool::new(true);
        args.pool().run(all, |_, task| {
            let (chores, task) = if task < first {
                (&chores[0], task)
            } else {
                (&chores[1], task - first)
            };
            if !chores.pack(task) {
                fine.store(false, Ordering::Relaxed);
            }
        });
        fine.into_inner()
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
        let steps = terms.len().div_ceil(STEP);
        let at = packed_len(self.lines, k0)
            + packed_len(lines.start, terms.len())
            + part * self.task.1 / STEP * PANEL_STEP;
        assert!(packed_len(self.lines, k0) + packed_len(lines.end, terms.len()) <= self.place.len());
        // SAFETY: tasks pack different steps of panels, which lie in the place; the processor has AVX-512 where it has
        // these instructions.
        unsafe {
            let mut largest = Largest::none();
            let out = self.place.as_mut_ptr().add(at);
            Piece::new(self.operand, lines, some).all_as(Layout::panels(steps), out, &mut largest);
            largest.fine()
        }
    }
}
