//! The places of a result in pieces that a register holds, and where in padded planes the elements lie that they meet.

use std::ops::Range;

use super::lanes::{Job, Vectors};
use super::phases::Phases;
use super::shape::Meeting;
use crate::cpu::element::Element;
use crate::cpu::gemm::Lanes;
use crate::cpu::level::Level;

/// Places that are neighbours, at most a register of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece {
    /// The element that the first place meets at the earliest tap; the others meet its neighbours.
    pub from: usize,
    /// The first place.
    pub place: usize,
    pub count: usize,
}

/// Padded planes and the pieces of what is computed from them.
pub(super) struct Pieces {
    pub planes: Phases,
    pub all: Box<[Piece]>,
    /// Places of a whole piece: the lanes of a register.
    pub lanes: usize,
    /// Taps of a channel.
    pub taps: usize,
    /// Where the row of each channel and tap starts.
    pub offsets: Box<[usize]>,
    /// Elements between places in the result.
    pub apart: usize,
    /// Whether planes can be read where they are: they have no padding, and pieces are whole.
    in_place: bool,
    /// How far from the start of the last channel's plane the last register of elements ends.
    reach: usize,
}

/// Places of a larger result: the first, and the distances between them.
#[derive(Clone, Copy)]
pub(super) struct Spread {
    pub whole: [usize; 3],
    pub first: [usize; 3],
    pub apart: [usize; 3],
}

impl Pieces {
    /// Of a convolution of `channels` that divides by nothing and has places and taps, for registers of `lanes`.
    pub fn new(meeting: &Meeting, channels: usize, lanes: usize) -> Pieces {
        let to = meeting.to;
        let everywhere = Spread {
            whole: to,
            first: [0; 3],
            apart: [1; 3],
        };
        Pieces::spread(meeting, channels, lanes, everywhere)
    }

    /// The same, of which the places are some of a larger result's.
    pub fn spread(meeting: &Meeting, channels: usize, lanes: usize, spread: Spread) -> Pieces {
        let planes = Phases::new(meeting);
        let taps: usize = meeting.kernel.iter().product();
        let size = planes.size();
        let apart = spread.apart[2];
        let all: Box<[Piece]> = runs(&planes, meeting.to, spread)
            .into_iter()
            .flat_map(|run| {
                (0..run.count).step_by(lanes).map(move |at| Piece {
                    from: run.from + at,
                    place: run.place + at * apart,
                    count: lanes.min(run.count - at),
                })
            })
            .collect();
        let offset = (0..taps).map(|tap| planes.tap_offset(tap)).max();
        let from = all.iter().map(|piece| piece.from).max();
        Pieces {
            reach: offset.unwrap_or(0) + from.unwrap_or(0) + lanes,
            in_place: planes.are_source() && all.iter().all(|piece| piece.count == lanes),
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

    /// Elements of the planes of some channels of a sample with what whole registers may read behind them; 0 if they are
    /// read where they are.
    pub fn len(&self, channels: usize) -> usize {
        if self.in_place {
            0
        } else {
            (channels * self.planes.size() + self.lanes).next_multiple_of(64)
        }
    }

    /// The planes of some channels of a sample, written into `work` of [`Pieces::len`] unless they can be read where they
    /// are. There must be zeros in `work`, or planes that were written before.
    pub fn write<'a, T: Element + Vectors>(&self, level: Level, x: &'a [T], work: &'a mut [T]) -> &'a [T] {
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

/// Pieces whose elements are brought together side by side.
#[derive(Clone)]
pub(super) struct Group {
    pub pieces: Range<usize>,
    /// Places of all.
    pub places: usize,
    /// Whether the places are neighbours too.
    pub neighbours: bool,
}

impl Pieces {
    /// Groups of at most `width` places.
    pub fn groups(&self, width: usize) -> Box<[Group]> {
        let mut groups: Vec<Group> = Vec::new();
        for (i, piece) in self.all.iter().enumerate() {
            match groups.last_mut() {
                Some(group) if group.places + piece.count <= width => {
                    group.neighbours &= self.all[group.pieces.start].place + group.places == piece.place;
                    group.pieces.end = i + 1;
                    group.places += piece.count;
                }
                _ => groups.push(Group {
                    pieces: i..i + 1,
                    places: piece.count,
                    neighbours: true,
                }),
            }
        }
        groups.into()
    }

    /// Whether places meet one tap, what they meet lies side by side in a channel's plane, and all `groups` but the last are
    /// of `width`.
    pub fn straight(&self, groups: &[Group], width: usize) -> bool {
        let follow = |pair: &[Piece]| pair[0].from + pair[0].count == pair[1].from;
        let whole = |group: &Group| group.places == width;
        self.taps == 1 && self.all.windows(2).all(follow) && groups.iter().rev().skip(1).all(whole)
    }
}

/// Brings together what the pieces of a group meet at some terms: a row of `width` for each. Behind a row's places
/// anything may be.
pub(super) struct Together<'a, T> {
    pub pieces: &'a Pieces,
    pub group: &'a Group,
    pub planes: &'a [T],
    pub terms: Range<usize>,
    /// With a register's elements behind the last row.
    pub out: &'a mut [T],
    pub width: usize,
}

impl<T: Element> Job<T> for Together<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<Elem = T>>(self) {
        let Together {
            pieces,
            group,
            planes,
            terms,
            out,
            width,
        } = self;
        assert!(V::N == pieces.lanes && group.places <= width && terms.len() * width + V::N <= out.len());
        pieces.check(terms.end.div_ceil(pieces.taps), planes.len());
        let (planes, mut row) = (planes.as_ptr(), out.as_mut_ptr());
        let members = &pieces.all[group.pieces.clone()];
        for offset in &pieces.offsets[terms] {
            let mut to = row;
            for piece in members {
                // SAFETY: a register within the planes and within `out`, as checked. What it writes beyond the piece, the next
                // piece or row writes over.
                unsafe {
                    V::load(planes.add(piece.from + offset)).store(to);
                    to = to.add(piece.count);
                }
            }
            row = row.wrapping_add(width);
        }
    }
}

/// Places that are neighbours and meet neighbours: lines, or more where nothing lies between lines.
fn runs(planes: &Phases, to: [usize; 3], Spread { whole, first, apart }: Spread) -> Vec<Piece> {
    let mut runs: Vec<Piece> = Vec::new();
    for line in 0..to[0] * to[1] {
        let (z, y) = (line / to[1], line % to[1]);
        let from = planes.place_offset([z, y, 0]);
        let place = ((first[0] + z * apart[0]) * whole[1] + first[1] + y * apart[1]) * whole[2] + first[2];
        match runs.last_mut() {
            Some(run) if run.from + run.count == from && run.place + run.count * apart[2] == place => {
                run.count += to[2];
            }
            _ => runs.push(Piece {
                from,
                place,
                count: to[2],
            }),
        }
    }
    runs
}
