//! Convolution without a matrix of columns. On planes with their padding written out (and split into phases, where it
//! moves in larger steps), the elements that neighbouring places meet at one tap are themselves neighbours, so a register
//! of them is read where they lie. Where they serve many rows of weights they are brought together first.

use super::Pass;
use super::epilogue::Finish;
use super::few::Few;
use super::lanes::Vectors;
use super::many::{Many, work_len};
use super::pieces::{Group, Pieces};
use crate::cpu::element::Element;
use crate::cpu::exec::{Args, Plain};
use crate::cpu::gemm::GemmElement;
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;

/// Rows of weights from which on bringing elements together pays.
const MANY: usize = 24;
/// The same where registers would be less than three quarters full; and rows of a task at least.
const ROWS: usize = 12;
/// Tasks wanted, and at most where there is a task for each image.
const TASKS: usize = 16;
const IMAGES: usize = 128;

/// A [`Pass`] done directly.
pub(super) struct Direct {
    pieces: Pieces,
    /// Whether elements are brought together, and the groups of pieces of which they are.
    many: bool,
    groups: Box<[Group]>,
    /// Parts into which the rows of the weights are divided, for more tasks.
    shares: usize,
}

impl Direct {
    /// The direct way, for registers of `lanes` and tiles of `width`, if there is one and registers are half full.
    pub fn new(pass: &Pass, (lanes, width): (usize, usize)) -> Option<Direct> {
        let meeting = &pass.meeting;
        if meeting.axes.iter().any(|axis| axis.divisor != 1) || pass.places * pass.depth == 0 {
            return None;
        }
        let direct = Direct::always(pass, (lanes, width));
        (direct.many || 2 * pass.places >= direct.pieces.all.len() * lanes).then_some(direct)
    }

    /// The direct way for a pass that divides by nothing, and has places and terms.
    pub fn always(pass: &Pass, (lanes, width): (usize, usize)) -> Direct {
        let taps: usize = pass.meeting.kernel.iter().product();
        let images = (pass.batch * pass.groups).max(1);
        let shares = TASKS.div_ceil(images).clamp(1, pass.rows.div_ceil(ROWS).max(1));
        let pieces = Pieces::new(&pass.meeting, pass.depth / taps, lanes);
        let full = 4 * pass.places >= 3 * lanes * pieces.all.len();
        let many = pass.rows >= MANY || pass.rows >= ROWS && !full;
        Direct {
            groups: if many {
                pieces.groups(width)
            } else {
                Box::default()
            },
            many,
            pieces,
            shares,
        }
    }

    /// Elements of work space for one thread: of [`Many`], and the planes.
    pub fn work_len(&self, pass: &Pass) -> usize {
        self.many_len(pass) + self.pieces.len(pass.depth / self.pieces.taps)
    }

    /// Elements of work space before the planes.
    fn many_len(&self, pass: &Pass) -> usize {
        if self.many { work_len(pass.rows) } else { 0 }
    }

    /// Makes work space ready for [`Direct::image`], any number of times.
    pub fn clear<T: Element>(&self, pass: &Pass, work: &mut [T]) {
        work[self.many_len(pass)..].fill(T::ZERO);
    }

    /// See [`Pass::run`].
    pub fn run<T: GemmElement + Plain + Vectors>(
        &self,
        pass: &Pass,
        args: &Args<'_>,
        x: &[T],
        weights: &[T],
        out: &mut [T],
        finish: Finish<'_, T>,
    ) {
        let work_len = self.work_len(pass);
        let work = args.scratch::<T>(work_len * args.pool().threads());
        for work in work.chunks_exact_mut(work_len.max(1)) {
            self.clear(pass, work);
        }
        let (work, out) = (SharedSlice::new(work), SharedSlice::new(out));
        let level = args.level();
        let images = pass.batch * pass.groups;
        let rows_of = |share: usize| pass.rows * share / self.shares;
        args.pool()
            .ranges(images * self.shares, images.div_ceil(IMAGES), |worker, parts| {
                // SAFETY: a worker's own piece of the work space.
                let work = unsafe { work.range(worker * work_len..(worker + 1) * work_len) };
                for part in parts {
                    let (image, share) = (part / self.shares, part % self.shares);
                    let rows = rows_of(share)..rows_of(share + 1);
                    let first = image * pass.rows * pass.places;
                    let own = first + rows.start * pass.places..first + rows.end * pass.places;
                    // SAFETY: these rows of this image are one task's.
                    let out = unsafe { out.range(own.clone()) };
                    let row = image % pass.groups * pass.rows + rows.start;
                    let weights = &weights[row * pass.depth..][..rows.len() * pass.depth];
                    let x = &x[image * pass.plane..][..pass.plane];
                    self.image(level, pass, x, weights, out, work);
                    if let Some(finish) = finish {
                        finish(worker, own.start, out);
                    }
                }
            });
    }

    /// Some rows of one image, in work space of [`Direct::work_len`] that was cleared.
    pub fn image<T: GemmElement + Vectors>(
        &self,
        level: Level,
        pass: &Pass,
        x: &[T],
        weights: &[T],
        out: &mut [T],
        work: &mut [T],
    ) {
        let (work, planes) = work.split_at_mut(self.many_len(pass));
        let planes = self.pieces.write(level, x, planes);
        let (pieces, places) = (&self.pieces, pass.places);
        if self.many {
            Many {
                pieces,
                groups: &self.groups,
                places,
                planes,
                weights,
                out,
                work,
            }
            .run(level);
        } else {
            T::run(
                level,
                Few {
                    pieces,
                    places,
                    planes,
                    weights,
                    out,
                },
            );
        }
    }
}
