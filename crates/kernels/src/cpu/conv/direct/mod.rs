//! Direct convolution, without an im2col matrix. Planes have their padding written out, and are split into phases where
//! the stride is 2 or more. The elements that adjacent positions read at one tap are then adjacent, too: a register of
//! them is read where it lies ([`few_rows`]). Where the elements serve many rows of weights they are gathered first
//! ([`many_rows`]); the adjoint in x of a strided convolution is one such convolution for each class of positions
//! ([`subpixel`]).

mod few_rows;
mod many_rows;
mod subpixel;

pub(super) use subpixel::Subpixel;

use crate::cpu::conv::lanes::LaneDispatch;
use crate::cpu::conv::planes::{RunGroup, Runs};
use crate::cpu::conv::problem::ConvGemm;
use crate::cpu::element::Element;
use crate::cpu::exec::{Args, Plain};
use crate::cpu::gemm::{Epilogue, GemmElement};
use crate::cpu::level::Level;
use crate::cpu::pool::{SharedSlice, WorkerSlices};
use few_rows::FewRows;
use many_rows::{ManyRows, work_len};

/// Rows of weights from which on gathering elements pays.
const MIN_MANY_ROWS: usize = 24;
/// The same where registers would be less than three quarters full; also rows of a task at least.
const TASK_ROWS: usize = 12;
/// Tasks wanted.
const MIN_TASKS: usize = 16;
/// Tasks at most, where there is a task for each image.
const MAX_TASKS: usize = 128;

/// A direct [`ConvGemm`].
pub(super) struct Direct {
    runs: Runs,
    /// Whether elements are gathered, and the groups of runs that are gathered together.
    gathers: bool,
    run_groups: Box<[RunGroup]>,
    /// Parts into which the rows of the weights are divided, for more tasks.
    row_shares: usize,
}

impl Direct {
    /// Direct convolution, for registers of `lanes` and tiles of `width`, if there is one and registers are half full.
    pub fn new(gemm: &ConvGemm, (lanes, width): (usize, usize)) -> Option<Direct> {
        let tap_map = &gemm.tap_map;
        if tap_map.axes.iter().any(|axis| axis.divisor != 1) || gemm.positions * gemm.depth == 0 {
            return None;
        }
        let direct = Direct::always(gemm, (lanes, width));
        (direct.gathers || 2 * gemm.positions >= direct.runs.all.len() * lanes).then_some(direct)
    }

    /// Direct convolution for a convolution that divides by nothing, and has positions and terms.
    pub fn always(gemm: &ConvGemm, (lanes, width): (usize, usize)) -> Direct {
        let taps: usize = gemm.tap_map.kernel.iter().product();
        let images = (gemm.batch * gemm.groups).max(1);
        let row_shares = MIN_TASKS
            .div_ceil(images)
            .clamp(1, gemm.rows.div_ceil(TASK_ROWS).max(1));
        let runs = Runs::new(&gemm.tap_map, gemm.depth / taps, lanes);
        let full = 4 * gemm.positions >= 3 * lanes * runs.all.len();
        let gathers = gemm.rows >= MIN_MANY_ROWS || gemm.rows >= TASK_ROWS && !full;
        Direct {
            run_groups: if gathers {
                runs.groups(width)
            } else {
                Box::default()
            },
            gathers,
            runs,
            row_shares,
        }
    }

    /// Elements of work space for one thread: of [`ManyRows`], and the planes.
    pub fn work_len(&self, gemm: &ConvGemm) -> usize {
        self.gathered_len(gemm) + self.runs.len(gemm.depth / self.runs.taps)
    }

    /// Elements of work space before the planes.
    fn gathered_len(&self, gemm: &ConvGemm) -> usize {
        if self.gathers { work_len(gemm.rows) } else { 0 }
    }

    /// Makes work space ready for [`Direct::image`], any number of times.
    pub fn clear<T: Element>(&self, gemm: &ConvGemm, work: &mut [T]) {
        work[self.gathered_len(gemm)..].fill(T::ZERO);
    }

    /// `(x, weights) -> out`.
    pub fn run<T: GemmElement + Plain + LaneDispatch>(
        &self,
        gemm: &ConvGemm,
        args: &Args<'_>,
        x: &[T],
        weights: &[T],
        out: &mut [T],
        epilogue: Option<&Epilogue<'_, T>>,
    ) {
        let work_len = self.work_len(gemm);
        let work = args.scratch::<T>(work_len * args.pool().threads());
        for work in work.chunks_exact_mut(work_len.max(1)) {
            self.clear(gemm, work);
        }
        let (work, out) = (WorkerSlices::new(work, work_len), SharedSlice::new(out));
        let level = args.level();
        let images = gemm.batch * gemm.groups;
        let rows_of = |row_share: usize| gemm.rows * row_share / self.row_shares;
        args.pool().ranges(
            images * self.row_shares,
            images.div_ceil(MAX_TASKS),
            |worker, tasks| {
                // SAFETY: a worker's own part of the work space.
                let work = unsafe { work.of(worker) };
                for task in tasks {
                    let (image, row_share) = (task / self.row_shares, task % self.row_shares);
                    let rows = rows_of(row_share)..rows_of(row_share + 1);
                    let first = image * gemm.rows * gemm.positions;
                    let own = first + rows.start * gemm.positions..first + rows.end * gemm.positions;
                    // SAFETY: these rows of this image are one task's.
                    let out = unsafe { out.range(own.clone()) };
                    let row = image % gemm.groups * gemm.rows + rows.start;
                    let weights = &weights[row * gemm.depth..][..rows.len() * gemm.depth];
                    let x = &x[image * gemm.plane..][..gemm.plane];
                    self.image(level, gemm, x, weights, out, work);
                    if let Some(epilogue) = epilogue {
                        epilogue(worker, own.start, out);
                    }
                }
            },
        );
    }

    /// Some rows of one image, in work space of [`Direct::work_len`] that was cleared.
    pub fn image<T: GemmElement + LaneDispatch>(
        &self,
        level: Level,
        gemm: &ConvGemm,
        x: &[T],
        weights: &[T],
        out: &mut [T],
        work: &mut [T],
    ) {
        let (work, planes) = work.split_at_mut(self.gathered_len(gemm));
        let planes = self.runs.write(level, x, planes);
        let (runs, positions) = (&self.runs, gemm.positions);
        if self.gathers {
            ManyRows {
                runs,
                run_groups: &self.run_groups,
                positions,
                planes,
                weights,
                out,
                work,
            }
            .run(level);
        } else {
            T::dispatch(
                level,
                FewRows {
                    runs,
                    positions,
                    planes,
                    weights,
                    out,
                },
            );
        }
    }
}
