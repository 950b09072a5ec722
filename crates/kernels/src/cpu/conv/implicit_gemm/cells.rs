//! What a convolution reads of planes whose channels are innermost. A tap is then a distance between positions, the
//! same for every position, whatever the stride. In the adjoint of a strided convolution, positions that leave the same
//! remainders make a class with taps of its own; a cell is one position of each class.

use std::ops::Range;

use crate::cpu::conv::shape::{AxisMap, TapMap};

/// The geometry of a plane.
pub(super) struct Cells {
    from: [usize; 2],
    /// Extents of the result, in positions and in cells.
    pub to: [usize; 2],
    pub cells: [usize; 2],
    pub step: [usize; 2],
    /// Positions of a cell.
    pub divisor: [usize; 2],
    /// What the first cell reads at the earliest tap, and how far the last tap lies from it.
    low: [isize; 2],
    reach: [usize; 2],
    /// The taps of each class, line by line of a cell's positions.
    pub classes: Box<[Box<[Tap]>]>,
}

/// A tap: its number, and where from its cell's earliest element it leads.
pub(super) struct Tap {
    pub number: usize,
    at: [usize; 2],
}

/// A tap on one axis.
type AxisTap = (usize, isize);

impl Cells {
    /// Of a convolution on two axes.
    pub fn new(tap_map: &TapMap) -> Option<Cells> {
        let ([1, height, width], [1, lines, positions], [1, down, across]) =
            (tap_map.from, tap_map.to, tap_map.kernel)
        else {
            return None;
        };
        let [depth, axes @ ..] = tap_map.axes;
        if depth.offset != 0 || depth.step * depth.divisor != 1 {
            return None;
        }
        let (to, divisor) = ([lines, positions], axes.map(|axis| axis.divisor as usize));
        let lines = taps_of(&axes[0], down);
        let columns = taps_of(&axes[1], across);
        let (first, last) = (extent(&lines)?, extent(&columns)?);
        let low = [first.0, last.0];
        let classes = lines.iter().flat_map(|lines| {
            columns.iter().map(|columns| {
                let taps = lines.iter().flat_map(|&(line, y)| {
                    columns.iter().map(move |&(column, x)| Tap {
                        number: line * across + column,
                        at: [(y - low[0]) as usize, (x - low[1]) as usize],
                    })
                });
                taps.collect()
            })
        });
        Some(Cells {
            from: [height, width],
            to,
            cells: std::array::from_fn(|i| to[i].div_ceil(divisor[i])),
            step: axes.map(|axis| axis.step as usize),
            divisor,
            low,
            reach: [(first.1 - low[0]) as usize, (last.1 - low[1]) as usize],
            classes: classes.collect(),
        })
    }

    /// Elements of a line that its cells read.
    pub fn pitch(&self) -> usize {
        (self.cells[1] - 1) * self.step[1] + self.reach[1] + 1
    }

    /// Lines that so many lines of cells read.
    pub fn lines(&self, cells: usize) -> usize {
        (cells - 1) * self.step[0] + self.reach[0] + 1
    }

    /// How many elements a tap's one lies behind its cell's first one.
    pub fn offset(&self, tap: &Tap) -> usize {
        tap.at[0] * self.pitch() + tap.at[1]
    }

    /// Whether any tap leads to a line, counted from what a line of cells reads first.
    pub fn reads(&self, line: usize) -> bool {
        let step = self.step[0];
        let mut taps = self.classes.iter().flatten();
        taps.any(|tap| tap.at[0] % step == line % step)
    }

    /// The first element of such a line that is there, when the cells are those from line `first` on.
    pub fn source(&self, first: usize, line: usize) -> Option<usize> {
        let at = (first * self.step[0] + line) as isize + self.low[0];
        let [height, width] = self.from;
        let there = at >= 0 && (at as usize) < height && !self.columns().is_empty();
        there.then(|| at as usize * width + self.low[1].max(0) as usize)
    }

    /// The elements of such a line that are there.
    pub fn columns(&self) -> Range<usize> {
        let there = |at: usize| (at as isize - self.low[1]).clamp(0, self.pitch() as isize) as usize;
        there(0)..there(self.from[1])
    }
}

/// The taps at which positions that leave each remainder read something, and what position 0 reads there.
fn taps_of(axis: &AxisMap, kernel: usize) -> Vec<Vec<AxisTap>> {
    let axis_tap = |first: isize| {
        (0..kernel)
            .map(move |tap| (tap, first + tap as isize * axis.tap + axis.offset))
            .filter(|(_, at)| at % axis.divisor == 0)
            .map(|(tap, at)| (tap, at / axis.divisor))
            .collect()
    };
    (0..axis.divisor).map(axis_tap).collect()
}

/// The least and the greatest of what is read.
fn extent(classes: &[Vec<AxisTap>]) -> Option<(isize, isize)> {
    let all = || classes.iter().flatten().map(|&(_, at)| at);
    Some((all().min()?, all().max()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_meet_what_their_places_meet() {
        for (step, tap, offset, divisor) in [
            (1, 1, -1, 1),
            (2, 1, -1, 1),
            (3, 2, 1, 1),
            (1, -1, 1, 1),
            (1, -1, 1, 2),
            (1, -2, 0, 2),
            (1, -1, -3, 3),
        ] {
            let axis = AxisMap {
                step,
                tap,
                offset,
                divisor,
            };
            let one = AxisMap {
                step: 1,
                tap,
                offset: 0,
                divisor: 1,
            };
            let tap_map = TapMap {
                from: [1, 5, 6],
                kernel: [1, 3, 2],
                to: [1, 7, 8],
                axes: [one, axis, axis],
            };
            let cells = Cells::new(&tap_map).expect("two axes");
            let (pitch, first) = (cells.pitch(), 1);
            let mut elements = vec![None; cells.lines(cells.cells[0] - first) * pitch];
            for (line, elements) in elements.chunks_exact_mut(pitch).enumerate() {
                if let Some(source) = cells.source(first, line).filter(|_| cells.reads(line)) {
                    for (i, column) in cells.columns().enumerate() {
                        elements[column] = Some(source + i);
                    }
                }
            }
            let [down, across] = cells.divisor;
            for (y, x) in (first * down..7).flat_map(|y| (0..8).map(move |x| (y, x))) {
                let class = &cells.classes[y % down * across + x % across];
                let at = (y / down - first) * cells.step[0] * pitch + x / across * cells.step[1];
                for tap in 0..6 {
                    let [line, column] = [(1, y, tap / 2), (2, x, tap % 2)]
                        .map(|(i, position, tap)| tap_map.axes[i].at(position, tap, tap_map.from[i]));
                    let expected = line.zip(column).map(|(line, column)| line * 6 + column);
                    let mut taps = class.iter().filter(|found| found.number == tap);
                    let found = taps.next().and_then(|tap| elements[at + cells.offset(tap)]);
                    assert_eq!(found, expected, "{tap_map:?} {y} {x} {tap}");
                }
            }
        }
    }
}
