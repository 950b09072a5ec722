//! The positions of a result, in runs that a register holds, and where in padded planes the elements lie that each run
//! reads.

use std::ops::Range;

use super::space_to_depth::SpaceToDepth;
use crate::cpu::conv::lanes::{LaneDispatch, LaneKernel};
use crate::cpu::conv::shape::TapMap;
use crate::cpu::element::Element;
use crate::cpu::gemm::Lanes;
use crate::cpu::level::Level;

/// Adjacent positions, at most a register of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::cpu::conv) struct Run {
    /// The element that the first position reads at the earliest tap; the others read its neighbors.
    pub from: usize,
    /// The first position.
    pub position: usize,
    pub count: usize,
}

/// Padded planes and the runs of what is computed from them.
pub(in crate::cpu::conv) struct Runs {
    pub planes: SpaceToDepth,
    pub all: Box<[Run]>,
    /// Positions of a whole run: the lanes of a register.
    pub lanes: usize,
    /// Taps of a channel.
    pub taps: usize,
    /// Where the row of each channel and tap starts.
    pub offsets: Box<[usize]>,
    /// Elements between positions in the result.
    pub apart: usize,
    /// Whether planes can be read where they are: they have no padding, and runs are whole.
    in_place: bool,
    /// How far from the start of the last channel's plane the last register of elements ends.
    reach: usize,
}

/// Positions of a larger result: the first, and the distances between them.
#[derive(Clone, Copy)]
pub(in crate::cpu::conv) struct StridedPositions {
    pub whole: [usize; 3],
    pub first: [usize; 3],
    pub apart: [usize; 3],
}

impl Runs {
    /// Of a convolution of `channels` that divides by nothing and has positions and taps, for registers of `lanes`.
    pub fn new(tap_map: &TapMap, channels: usize, lanes: usize) -> Runs {
        let to = tap_map.to;
        let everywhere = StridedPositions {
            whole: to,
            first: [0; 3],
            apart: [1; 3],
        };
        Runs::strided(tap_map, channels, lanes, everywhere)
    }

    /// The same, of which the positions are some of a larger result's.
    pub fn strided(tap_map: &TapMap, channels: usize, lanes: usize, strided: StridedPositions) -> Runs {
        let planes = SpaceToDepth::new(tap_map);
        let taps: usize = tap_map.kernel.iter().product();
        let size = planes.size();
        let apart = strided.apart[2];
        let all: Box<[Run]> = runs(&planes, tap_map.to, strided)
            .into_iter()
            .flat_map(|run| {
                (0..run.count).step_by(lanes).map(move |at| Run {
                    from: run.from + at,
                    position: run.position + at * apart,
                    count: lanes.min(run.count - at),
                })
            })
            .collect();
        let offset = (0..taps).map(|tap| planes.tap_offset(tap)).max();
        let from = all.iter().map(|run| run.from).max();
        Runs {
            reach: offset.unwrap_or(0) + from.unwrap_or(0) + lanes,
            in_place: planes.are_source() && all.iter().all(|run| run.count == lanes),
            offsets: (0..channels * taps)
                .map(|k| k / taps * size + planes.tap_offset(k % taps))
                .collect(),
            planes,
            all,
            lanes,
            taps,
            apart,
        }
    }

    /// Elements of the planes of some channels of a sample with what whole registers may read behind them; 0 if they
    /// are read where they are.
    pub fn len(&self, channels: usize) -> usize {
        if self.in_place {
            0
        } else {
            (channels * self.planes.size() + self.lanes).next_multiple_of(64)
        }
    }

    /// The planes of some channels of a sample, written into `work` of [`Runs::len`] unless they can be read where they
    /// are. There must be zeros in `work`, or planes that were written before.
    pub fn write<'a, T: Element + LaneDispatch>(
        &self,
        level: Level,
        x: &'a [T],
        work: &'a mut [T],
    ) -> &'a [T] {
        let planes = if self.in_place {
            x
        } else {
            self.planes.write(level, x, work);
            work
        };
        // No elements: the planes are padding alone, of any number of channels.
        self.check(x.len() / self.planes.source_size().max(1), planes.len());
        planes
    }

    /// Refuses planes of some channels beyond which registers of elements would reach.
    pub fn check(&self, channels: usize, planes: usize) {
        assert!((channels.max(1) - 1) * self.planes.size() + self.reach <= planes);
    }
}

/// Runs whose elements are gathered side by side.
#[derive(Clone)]
pub(in crate::cpu::conv) struct RunGroup {
    pub runs: Range<usize>,
    /// Positions of all.
    pub positions: usize,
    /// Whether the positions are adjacent too.
    pub contiguous: bool,
}

impl Runs {
    /// Groups of at most `width` positions.
    pub fn groups(&self, width: usize) -> Box<[RunGroup]> {
        let mut groups: Vec<RunGroup> = Vec::new();
        for (i, run) in self.all.iter().enumerate() {
            match groups.last_mut() {
                Some(group) if group.positions + run.count <= width => {
                    group.contiguous &= self.all[group.runs.start].position + group.positions == run.position;
                    group.runs.end = i + 1;
                    group.positions += run.count;
                }
                _ => groups.push(RunGroup {
                    runs: i..i + 1,
                    positions: run.count,
                    contiguous: true,
                }),
            }
        }
        groups.into()
    }

    /// Whether positions read one tap, what they read is contiguous in a channel's plane, and all `groups` but the last
    /// are of `width`.
    pub fn is_gathered(&self, groups: &[RunGroup], width: usize) -> bool {
        let follow = |pair: &[Run]| pair[0].from + pair[0].count == pair[1].from;
        let whole = |group: &RunGroup| group.positions == width;
        self.taps == 1 && self.all.windows(2).all(follow) && groups.iter().rev().skip(1).all(whole)
    }
}

/// Gathers what the runs of a group read at some terms: a row of `width` for each. Behind a row's positions
/// anything may be.
pub(in crate::cpu::conv) struct Gather<'a, T> {
    pub runs: &'a Runs,
    pub run_group: &'a RunGroup,
    pub planes: &'a [T],
    pub terms: Range<usize>,
    /// With a register's elements behind the last row.
    pub out: &'a mut [T],
    pub width: usize,
}

impl<T: Element> LaneKernel<T> for Gather<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<Elem = T>>(self) {
        let Gather {
            runs,
            run_group,
            planes,
            terms,
            out,
            width,
        } = self;
        assert!(
            V::N == runs.lanes && run_group.positions <= width && terms.len() * width + V::N <= out.len()
        );
        runs.check(terms.end.div_ceil(runs.taps), planes.len());
        let (planes, mut row) = (planes.as_ptr(), out.as_mut_ptr());
        let members = &runs.all[run_group.runs.clone()];
        for offset in &runs.offsets[terms] {
            let mut to = row;
            for run in members {
                // SAFETY: a register within the planes and within `out`, as checked. What it writes beyond the run, the
                // next run or row writes over.
                unsafe {
                    V::load(planes.add(run.from + offset)).store(to);
                    to = to.add(run.count);
                }
            }
            row = row.wrapping_add(width);
        }
    }
}

/// Adjacent positions that read adjacent elements: lines, or more where nothing lies between lines.
fn runs(
    planes: &SpaceToDepth,
    to: [usize; 3],
    StridedPositions { whole, first, apart }: StridedPositions,
) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for line in 0..to[0] * to[1] {
        let (z, y) = (line / to[1], line % to[1]);
        let from = planes.position_offset([z, y, 0]);
        let position = ((first[0] + z * apart[0]) * whole[1] + first[1] + y * apart[1]) * whole[2] + first[2];
        match runs.last_mut() {
            Some(run) if run.from + run.count == from && run.position + run.count * apart[2] == position => {
                run.count += to[2];
            }
            _ => runs.push(Run {
                from,
                position,
                count: to[2],
            }),
        }
    }
    runs
}
