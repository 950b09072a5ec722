//! Lines of planes that are read where they lie: a register of neighboring positions reads, at one tap, a register of
//! neighboring elements. Lanes beyond the ends of a line are masked, lines beyond the plane left out, so nothing is
//! padded or copied.

use std::ops::Range;

use crate::cpu::conv::shape::TapMap;
use crate::cpu::gemm::Lanes;

/// Lines of taps: an element that was read serves so many lines of positions.
pub(super) const TAP_LINES: usize = 3;

/// The geometry of a plane of positions and of the elements that they read, in steps of 1 and three lines of taps.
pub(super) struct Lines {
    /// Extents of the elements and of the positions.
    pub from: [usize; 2],
    pub to: [usize; 2],
    /// Taps of a line.
    pub columns: usize,
    /// The line of elements that line 0 of positions reads at the earliest line of taps; it may not be there.
    low: isize,
    /// Whether the earliest line of taps is the last one.
    reversed: bool,
    /// How far to the right of its position the element at the first tap of a line lies, and from one to the next.
    shift: isize,
    apart: isize,
}

impl Lines {
    /// Of a convolution that reads lines so, if registers of `lanes` are at least half full.
    pub fn new(tap_map: &TapMap, lanes: usize) -> Option<Lines> {
        let ([1, height, width], [1, lines, positions], [1, TAP_LINES, columns]) =
            (tap_map.from, tap_map.to, tap_map.kernel)
        else {
            return None;
        };
        let [depth, down, across] = tap_map.axes;
        let plain = tap_map
            .axes
            .iter()
            .all(|axis| axis.step == 1 && axis.divisor == 1);
        let full = 2 * positions >= positions.next_multiple_of(lanes);
        if !plain || !full || depth.offset != 0 || down.tap.abs() != 1 || height * width * columns == 0 {
            return None;
        }
        let reversed = down.tap < 0;
        Some(Lines {
            from: [height, width],
            to: [lines, positions],
            columns,
            low: down.offset - if reversed { TAP_LINES as isize - 1 } else { 0 },
            reversed,
            shift: across.offset,
            apart: across.tap,
        })
    }

    /// The number of a tap; lines are counted from the earliest on.
    pub fn tap(&self, line: usize, column: usize) -> usize {
        let line = if self.reversed { TAP_LINES - 1 - line } else { line };
        line * self.columns + column
    }

    /// The first line of elements that `count` lines of positions from `line` on read, and those of these `count + 2`
    /// that are there.
    fn met(&self, line: usize, count: usize) -> (isize, Range<usize>) {
        let first = line as isize + self.low;
        let there = |at: isize| (at - first).clamp(0, (count + TAP_LINES - 1) as isize) as usize;
        (first, there(0)..there(self.from[0] as isize))
    }

    /// Where in its line the element lies that `position` reads in a column of taps; it may not be there.
    fn element(&self, position: usize, column: usize) -> isize {
        position as isize + self.shift + column as isize * self.apart
    }

    /// Those lanes of the register of `lanes` from `element` on that lie within a line.
    fn within(&self, element: isize, lanes: usize) -> (usize, usize) {
        let lane = |at: isize| (at - element).clamp(0, lanes as isize) as usize;
        (lane(0), lane(self.from[1] as isize))
    }

    /// Calls `each` with the number of each line of elements that `L` lines of positions from `line` on read, if it is
    /// there, and the register that the positions from `position` on read in a column of taps, if any of its lanes is
    /// there.
    ///
    /// # Safety
    /// The processor must have `V`'s instructions, and `plane` the lines and columns of elements.
    #[inline(always)]
    pub unsafe fn read<V: Lanes, const L: usize>(
        &self,
        plane: *const V::Elem,
        (line, position): (usize, usize),
        column: usize,
        mut each: impl FnMut(usize, V),
    ) {
        let width = self.from[1];
        let (first, there) = self.met(line, L);
        let element = self.element(position, column);
        let (start, end) = self.within(element, V::N);
        let from = plane.wrapping_offset(first * width as isize + element);
        let from = |line: usize| from.wrapping_add(line * width);
        // SAFETY: as the caller promises: these lines and lanes exist.
        unsafe {
            if end - start == V::N && there.len() == L + TAP_LINES - 1 {
                (0..L + TAP_LINES - 1).for_each(|line| each(line, V::load(from(line))));
            } else if start < end {
                // A bit for each line is what is tested fastest.
                let bits = (1_u32 << there.end) - (1 << there.start);
                let lines = (0..L + TAP_LINES - 1).filter(|line| bits & 1 << line != 0);
                let mask = V::between(start, end);
                lines.for_each(|line| each(line, V::load_some(from(line), mask)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::conv::shape::AxisMap;

    #[test]
    fn lines_meet_what_their_places_meet() {
        for (tap, offset) in [(1, -1), (1, 0), (-1, 1), (-1, 4), (1, -5), (-1, -2)] {
            let axis = |tap: isize, offset: isize| AxisMap {
                step: 1,
                tap,
                offset,
                divisor: 1,
            };
            let tap_map = TapMap {
                from: [1, 5, 7],
                kernel: [1, 3, 2],
                to: [1, 6, 8],
                axes: [axis(tap, 0), axis(tap, offset), axis(2 * tap, offset)],
            };
            let lines = Lines::new(&tap_map, 4).expect("it is met so");
            for (y, count) in [(0, 6), (1, 2), (5, 1)] {
                let (first, there) = lines.met(y, count);
                for line in 0..count {
                    for down in 0..3 {
                        for column in 0..2 {
                            let tap = lines.tap(down, column);
                            let met = tap_map.axes[1].at(y + line, tap / 2, 5);
                            let number = line + down;
                            let found = there
                                .contains(&number)
                                .then(|| (first + number as isize) as usize);
                            assert_eq!(found, met, "{tap_map:?}");
                        }
                    }
                }
            }
            for (position, column) in [(0, 0), (4, 0), (0, 1), (4, 1)] {
                let element = lines.element(position, column);
                let (start, end) = lines.within(element, 4);
                for lane in 0..4 {
                    let met = tap_map.axes[2].at(position + lane, column, 7);
                    let found = (start..end)
                        .contains(&lane)
                        .then(|| (element + lane as isize) as usize);
                    assert_eq!(found, met, "{tap_map:?}");
                }
            }
        }
    }
}
