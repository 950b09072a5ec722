//! Convolution without a matrix of columns. On planes with their padding written out (and split into phases, where it
//! moves in larger steps), the elements that a run of places meets at one tap are themselves a run, so rows of the
//! right operand are read where they lie, at fixed offsets. Places are counted along padded lines; what falls into the
//! padding between lines is computed and dropped.

use super::Pass;
use super::line::copy;
use super::phases::Phases;
use crate::cpu::exec::{Args, Plain};
use crate::cpu::gemm::{LeftTile, OutTile, ROWS, RightTile, Tiled};
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;

/// Terms summed in registers at a time: a tile's elements then stay in the first-level cache for all rows.
const DEPTH: usize = 128;
/// Tasks wanted.
const TASKS: usize = 16;
/// Widest tile of any level.
const WIDEST: usize = 64;
/// Elements of the widest register.
const LANES: usize = 16;

/// A [`Pass`] done directly.
pub(super) struct Direct {
    planes: Phases,
    /// Where the row of each channel and tap starts.
    offsets: Box<[usize]>,
    /// Places counted along padded lines, up to the last one.
    run: usize,
    /// Parts into which the rows of the weights are divided, for more tasks.
    pieces: usize,
}

impl Direct {
    /// The direct way, if there is one and little is computed to be dropped.
    pub fn new(pass: &Pass) -> Option<Direct> {
        let meeting = &pass.meeting;
        if meeting.axes.iter().any(|axis| axis.divisor != 1) || pass.places * pass.depth == 0 {
            return None;
        }
        let direct = Direct::always(pass);
        // What is dropped costs arithmetic for every row of the weights; columns cost copying, once.
        ((direct.run - pass.places) * pass.rows <= 40 * pass.places).then_some(direct)
    }

    /// The direct way for a pass that divides by nothing, and has places and terms.
    pub fn always(pass: &Pass) -> Direct {
        let meeting = &pass.meeting;
        let planes = Phases::new(meeting);
        let run = planes.place_offset(meeting.to.map(|extent| extent - 1)) + 1;
        let taps: usize = meeting.kernel.iter().product();
        let size = planes.size();
        let offsets = (0..pass.depth)
            .map(|k| k / taps * size + planes.tap_offset(k % taps))
            .collect();
        let images = (pass.batch * pass.groups).max(1);
        let pieces = TASKS
            .div_ceil(images)
            .clamp(1, pass.rows.div_ceil(2 * ROWS).max(1));
        Direct {
            planes,
            offsets,
            run,
            pieces,
        }
    }

    /// Elements of work space for one thread: sums of a tile for all rows, the padded planes, and a tile's width that
    /// may be read beyond them.
    pub fn work_len(&self, pass: &Pass) -> usize {
        let channels = pass.plane / pass.meeting.from.iter().product::<usize>().max(1);
        let planes = if self.in_place(pass) {
            0
        } else {
            channels * self.planes.size()
        };
        self.sums_len(pass) + (planes + WIDEST).next_multiple_of(64)
    }

    fn sums_len(&self, pass: &Pass) -> usize {
        pass.rows.next_multiple_of(ROWS) * WIDEST
    }

    /// Whether the planes can be read where they are: they have no padding, and whole registers of elements.
    fn in_place(&self, pass: &Pass) -> bool {
        self.planes.are_source() && pass.places.is_multiple_of(LANES)
    }

    /// See [`Pass::run`].
    pub fn run<T: Tiled + Plain>(&self, pass: &Pass, args: &Args<'_>, x: &[T], weights: &[T], out: &mut [T]) {
        let work_len = self.work_len(pass);
        let work = SharedSlice::new(args.scratch::<T>(work_len * args.pool().threads()));
        let (level, out) = (args.level(), SharedSlice::new(out));
        let images = pass.batch * pass.groups;
        args.pool().run(images * self.pieces, |worker, task| {
            let (image, piece) = (task / self.pieces, task % self.pieces);
            // SAFETY: a worker's own piece of the work space.
            let work = unsafe { work.range(worker * work_len..(worker + 1) * work_len) };
            // Whole tiles of rows.
            let tiles = pass.rows.div_ceil(ROWS);
            let row = |piece: usize| (tiles * piece / self.pieces * ROWS).min(pass.rows);
            let rows = row(piece)..row(piece + 1);
            let first = image * pass.rows * pass.places;
            // SAFETY: these rows of this image are one task's.
            let out = unsafe { out.range(first + rows.start * pass.places..first + rows.end * pass.places) };
            let group = image % pass.groups * pass.rows + rows.start;
            let weights = &weights[group * pass.depth..][..rows.len() * pass.depth];
            self.image(
                level,
                pass,
                &x[image * pass.plane..][..pass.plane],
                weights,
                out,
                work,
            );
        });
    }

    /// Some rows of one image, in work space of [`Direct::work_len`].
    pub fn image<T: Tiled>(
        &self,
        level: Level,
        pass: &Pass,
        x: &[T],
        weights: &[T],
        out: &mut [T],
        work: &mut [T],
    ) {
        let (sums, planes) = work.split_at_mut(self.sums_len(pass));
        let planes = if self.in_place(pass) {
            x
        } else {
            self.planes.write(x, planes);
            planes
        };
        let tiles = T::tiles(level);
        let width = tiles.width();
        let mut segments = Segments::new(pass.meeting.to, self.planes.extents);
        for first in (0..self.run).step_by(width) {
            let cols = width.min(self.run - first).next_multiple_of(tiles.lanes);
            segments.of(first..self.run.min(first + width));
            let kernel = tiles.of[cols / tiles.lanes - 1];
            // A tile without gaps that is done at once goes where it belongs at once.
            let whole = match *segments.found() {
                [(0, place, count)] if count == cols && pass.depth <= DEPTH => Some(place),
                _ => None,
            };
            for k0 in (0..pass.depth).step_by(DEPTH) {
                let right = RightTile::Offsets(planes[first..].as_ptr(), self.offsets[k0..].as_ptr());
                let rows = weights.chunks(ROWS * pass.depth);
                for (i, weights) in rows.enumerate() {
                    let start = weights[k0..].as_ptr();
                    let left = LeftTile::Rows {
                        start,
                        stride: pass.depth,
                        ahead: start.wrapping_add(ROWS * pass.depth),
                    };
                    let (target, stride) = match whole {
                        Some(place) => (out[i * ROWS * pass.places + place..].as_mut_ptr(), pass.places),
                        None => (sums[i * ROWS * WIDEST..].as_mut_ptr(), WIDEST),
                    };
                    let out = OutTile {
                        start: target,
                        stride,
                        rows: weights.len() / pass.depth,
                        cols,
                        add: k0 > 0,
                    };
                    let depth = DEPTH.min(pass.depth - k0);
                    // SAFETY: weights are whole rows; every offset plus the last place lies within the planes, and a
                    // tile's width more within the work space (`work_len`; planes read in place have whole registers);
                    // the sums have room for a tile of every row, and the result for one whose columns are its places.
                    unsafe { kernel(depth, left, right, out) };
                }
            }
            if whole.is_none() {
                for (sums, out) in sums.chunks_exact(WIDEST).zip(out.chunks_exact_mut(pass.places)) {
                    for &(from, to, count) in segments.found() {
                        copy(&sums[from..from + count], &mut out[to..to + count]);
                    }
                }
            }
        }
    }
}

/// The parts of a tile's columns that are places of the result.
struct Segments {
    to: [usize; 3],
    extents: [usize; 3],
    /// (column of the tile, place, count)
    found: [(usize, usize, usize); WIDEST],
    count: usize,
}

impl Segments {
    fn new(to: [usize; 3], extents: [usize; 3]) -> Segments {
        Segments {
            to,
            extents,
            found: [(0, 0, 0); WIDEST],
            count: 0,
        }
    }

    fn found(&self) -> &[(usize, usize, usize)] {
        &self.found[..self.count]
    }

    /// Finds those of the places in `range`, counted along padded lines.
    fn of(&mut self, range: std::ops::Range<usize>) {
        let [_, h, w] = self.extents;
        let mut at = range.start;
        self.count = 0;
        while at < range.end {
            let (line, x) = (at / w, at % w);
            let next = range.end.min(at - x + w);
            let (z, y) = (line / h, line % h);
            let end = self.to[2].min(x + next - at);
            if x < end && y < self.to[1] && z < self.to[0] {
                let place = (z * self.to[1] + y) * self.to[2] + x;
                self.found[self.count] = (at - range.start, place, end - x);
                self.count += 1;
            }
            at = next;
        }
    }
}
