//! Reductions within the current row, in the order of the CPU's: blocks of 1024 elements, of which each is combined in twice 32 lanes,
//! then the lanes by halving, then the blocks one after the other. A lane is a thread of a warp. Blocks shorter than the lanes are
//! combined one element after the other.

use super::axes::RowAxes;
use super::reducer::Reducer;
use super::team::{Team, WARP};
use crate::cuda::ptx::emitter::{Class, Reg};
use crate::cuda::ptx::place::Positions;

/// Elements after which lanes are widened.
const BLOCK: usize = 1024;
/// Elements of the row: what loads them, by their positions.
pub(super) type Elements<'a> = &'a dyn Fn(Reg) -> Reg;
/// What saves the lane of a part, by the number of the part.
pub(super) type Save<'a> = &'a dyn Fn(Reg, Reg);

/// A reduction in a kernel.
#[derive(Clone, Copy)]
pub(super) struct Reduction<'e> {
    pub team: Team<'e>,
    pub reducer: Reducer<'e>,
    pub positions: Positions<'e>,
}

/// Rows in segments: how many, their elements, and from one to the next.
#[derive(Clone, Copy)]
pub(super) struct Segments {
    pub count: usize,
    pub len: usize,
    pub stride: usize,
}

/// The parts of a reduction to one result that the warps of a team share; 0: they share none.
pub(super) fn parts(axes: &RowAxes, warps: usize) -> usize {
    let (whole, rest) = (axes.len / BLOCK, axes.len % BLOCK);
    if axes.segments > 1 && whole == 0 {
        axes.segments.div_ceil(BLOCK.div_ceil(axes.len))
    } else if axes.segments > 1 || warps > 1 && axes.is_contiguous && axes.results == 1 && whole > 0 {
        axes.segments * whole + usize::from(rest > 0)
    } else {
        0
    }
}

impl Reduction<'_> {
    /// The position `start + offset`.
    fn at(self, start: Reg, offset: usize) -> Reg {
        if offset == 0 {
            start
        } else {
            self.positions.op("add.s", start, offset)
        }
    }

    /// The element of this thread's lane at `start + offset`.
    fn mine(self, elements: Elements<'_>, start: Reg, offset: usize) -> Reg {
        let lane = self.positions.of_narrow(self.team.lane);
        let at = self.at(self.positions.op("add.s", start, lane), offset);
        elements(at)
    }

    /// Adds `count` elements from `start` on to the lanes, a variable.
    fn add_to_lanes(self, elements: Elements<'_>, start: Reg, count: usize, lanes: Reg) {
        let (to, reducer) = (self.team.to, self.reducer);
        let more = to.variable(reducer.lane_class(), reducer.identity());
        let add = |lanes: Reg, element: Reg| to.assign(lanes, reducer.with(lanes, element));
        let pairs = count / (2 * WARP) * (2 * WARP);
        if pairs > 0 {
            to.count(0, pairs, 2 * WARP, self.positions.class(), |i| {
                let start = self.positions.op("add.s", start, i);
                add(lanes, self.mine(elements, start, 0));
                add(more, self.mine(elements, start, WARP));
            });
        }
        let mut done = pairs;
        if count - done >= WARP {
            add(lanes, self.mine(elements, start, done));
            done += WARP;
        }
        if count > done {
            let is_left = to.op(Class::Pred, "setp.lt.s32", &[&self.team.lane, &(count - done)]);
            to.when(is_left, true, || add(more, self.mine(elements, start, done)));
        }
        to.assign(lanes, reducer.join(lanes, more));
    }

    /// The lanes combined by halving: right in the first thread of the warp.
    fn joined(self, lanes: Reg) -> Reg {
        let mut joined = lanes;
        let mut half = WARP / 2;
        while half > 0 {
            joined = self.reducer.join(joined, self.team.shuffled_down(joined, half));
            half /= 2;
        }
        joined
    }

    /// A block of elements as one lane: right in the first thread of the warp.
    fn block(self, elements: Elements<'_>, start: Reg, count: usize) -> Reg {
        let (to, reducer) = (self.team.to, self.reducer);
        let lanes = to.variable(reducer.lane_class(), reducer.identity());
        if count < WARP {
            self.one_by_one(elements, start, count, lanes);
            return lanes;
        }
        self.add_to_lanes(elements, start, count, lanes);
        self.joined(lanes)
    }

    /// Adds elements to a lane in order, on each thread that runs it.
    fn one_by_one(self, elements: Elements<'_>, start: Reg, count: usize, lane: Reg) {
        let to = self.team.to;
        to.count(0, count, 1, self.positions.class(), |i| {
            let element = elements(self.positions.op("add.s", start, i));
            to.assign(lane, self.reducer.with(lane, element));
        });
    }

    /// The result of `len` elements from `start` on, of one thread alone; for fewer elements than lanes.
    pub fn of_few(self, elements: Elements<'_>, start: Reg, len: usize) -> Reg {
        let (to, reducer) = (self.team.to, self.reducer);
        let lane = to.variable(reducer.lane_class(), reducer.identity());
        self.one_by_one(elements, start, len, lane);
        let wide = reducer.start();
        reducer.accumulate(&wide, lane);
        reducer.finish(&wide)
    }

    /// The result of `len` elements from `start` on, of one thread alone, in lanes of [`WARP`] elements: not the CPU's order.
    pub fn of_blocks(self, elements: Elements<'_>, start: Reg, len: usize) -> Reg {
        let (to, reducer, class) = (self.team.to, self.reducer, self.positions.class());
        let wide = reducer.start();
        let whole = len / WARP * WARP;
        let block = |start: Reg, count: usize| {
            let lane = to.variable(reducer.lane_class(), reducer.identity());
            self.one_by_one(elements, start, count, lane);
            reducer.accumulate(&wide, lane);
        };
        if whole > 0 {
            to.count(0, whole, WARP, class, |first| {
                block(self.positions.op("add.s", start, first), WARP);
            });
        }
        if len > whole {
            block(self.at(start, whole), len - whole);
        }
        reducer.finish(&wide)
    }

    /// The result of `len` elements from `start` on, of one warp: right in its first thread.
    pub fn of_warp(self, elements: Elements<'_>, start: Reg, len: usize) -> Reg {
        let (to, reducer) = (self.team.to, self.reducer);
        let wide = reducer.start();
        let whole = len / BLOCK * BLOCK;
        if whole > 0 {
            to.count(0, whole, BLOCK, self.positions.class(), |first| {
                let start = self.positions.op("add.s", start, first);
                reducer.accumulate(&wide, self.block(elements, start, BLOCK));
            });
        }
        if len > whole {
            let start = self.at(start, whole);
            reducer.accumulate(&wide, self.block(elements, start, len - whole));
        }
        reducer.finish(&wide)
    }

    /// Saves the lane of each block of `len` elements from `start` on.
    pub fn save_blocks(self, elements: Elements<'_>, start: Reg, len: usize, save: Save<'_>) {
        let one = Segments {
            count: 1,
            len,
            stride: 0,
        };
        self.save_long(elements, start, one, save);
    }

    /// Saves the lanes of rows in segments. Lanes are saved when they hold a block's number of elements, also of several segments.
    pub fn save_segments(self, elements: Elements<'_>, start: Reg, segments: Segments, save: Save<'_>) {
        if segments.len >= BLOCK {
            return self.save_long(elements, start, segments, save);
        }
        let (to, team) = (self.team.to, self.team);
        let Segments { count, len, stride } = segments;
        let together = BLOCK.div_ceil(len);
        let (whole, rest) = (count / together, count % together);
        let part = |number: Reg, first: Reg, count: usize| {
            self.save_part(number, save, |lanes| {
                to.count(0, count, 1, self.positions.class(), |i| {
                    let segment = self.positions.op("add.s", first, i);
                    let at = self.positions.mad(segment, stride as i64, start);
                    self.add_to_lanes(elements, at, len, lanes);
                });
            });
        };
        to.count(team.warp, whole, team.warps, Class::B32, |number| {
            let first = self
                .positions
                .op("mul.lo.s", self.positions.of_narrow(number), together);
            part(number, first, together);
        });
        if rest > 0 {
            team.only(team.warp, whole % team.warps, || {
                let first = to.constant(self.positions.class(), whole * together);
                part(to.constant(Class::B32, whole), first, rest);
            });
        }
    }

    /// As [`Reduction::save_segments`], for segments of at least a block: a segment's rest is saved with the next one's first block.
    fn save_long(self, elements: Elements<'_>, start: Reg, segments: Segments, save: Save<'_>) {
        let (to, team, positions) = (self.team.to, self.team, self.positions);
        let Segments { count, len, stride } = segments;
        let (blocks, rest) = (len / BLOCK, len % BLOCK);
        let all = count * blocks;
        to.count(team.warp, all, team.warps, Class::B32, |number| {
            let wide = positions.of_narrow(number);
            let segment = positions.op("div.u", wide, blocks);
            let block = positions.mad(segment, -(blocks as i64), wide);
            let at = positions.mad(segment, stride as i64, start);
            self.save_part(number, save, |lanes| {
                if rest > 0 && count > 1 {
                    let first = positions.is_less(block, 1);
                    let later = positions.is_less(segment, 1);
                    let later = to.op(Class::Pred, "not.pred", &[&later]);
                    let after = to.op(Class::Pred, "and.pred", &[&first, &later]);
                    to.when(after, true, || {
                        let before = positions.op("sub.s", at, stride - blocks * BLOCK);
                        self.add_to_lanes(elements, before, rest, lanes);
                    });
                }
                let at = positions.mad(block, BLOCK as i64, at);
                self.add_to_lanes(elements, at, BLOCK, lanes);
            });
        });
        if rest > 0 {
            team.only(team.warp, all % team.warps, || {
                let at = self.at(start, (count - 1) * stride + blocks * BLOCK);
                self.save_last(to.constant(Class::B32, all), save, elements, at, (rest, count));
            });
        }
    }

    /// Saves what is left at the end. Without segments a short rest is combined one by one.
    fn save_last(
        self,
        number: Reg,
        save: Save<'_>,
        elements: Elements<'_>,
        at: Reg,
        (rest, segments): (usize, usize),
    ) {
        if segments == 1 {
            let lane = self.block(elements, at, rest);
            self.team.only(self.team.lane, 0, || save(number, lane));
        } else {
            self.save_part(number, save, |lanes| self.add_to_lanes(elements, at, rest, lanes));
        }
    }

    /// Saves the lanes that `add` adds to, combined.
    fn save_part(self, number: Reg, save: Save<'_>, add: impl FnOnce(Reg)) {
        let (to, reducer) = (self.team.to, self.reducer);
        let lanes = to.variable(reducer.lane_class(), reducer.identity());
        add(lanes);
        let lane = self.joined(lanes);
        self.team.only(self.team.lane, 0, || save(number, lane));
    }

    /// The result of saved lanes, in order: right in the first thread of the team.
    pub fn of_parts(self, count: usize, part: &dyn Fn(Reg) -> Reg) -> Reg {
        let (to, reducer, team) = (self.team.to, self.reducer, self.team);
        team.wait();
        let wide = reducer.start();
        team.only(team.thread, 0, || {
            to.count(0, count, 1, Class::B32, |number| {
                reducer.accumulate(&wide, part(number));
            });
        });
        reducer.finish(&wide)
    }
}
