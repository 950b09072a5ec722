//! Convolution with matrix instructions (see [`gemm`](crate::cpu::gemm)): weights are split once, the elements that some
//! places meet are brought together and split, and panels of both are multiplied.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Pass;
use super::lanes::Vectors;
use super::line::copy;
use super::pieces::{Group, Piece, Pieces, Spread, Together};
use crate::cpu::exec::{Args, Env, scratch_bytes};
use crate::cpu::gemm::{
    Matrix, PANEL_LINES, Prefetch, TileMultiplier, pack_columns, pack_rows, panels_words,
};
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;

/// Terms of a block at most and at least, and weights: their panels and those of elements stay in the second-level cache.
const DEPTH: usize = 640;
const SHALLOW: usize = 32;
const WEIGHTS: usize = 1 << 17;
/// Groups of places of a task.
const GROUPS: usize = 8;
/// Rows of weights from which on panels are full enough; terms and products from which on it pays to split what is multiplied,
/// and terms where that is split where it lies.
const ROWS: usize = 48;
const TERMS: usize = 192;
const STRAIGHT: usize = 32;
const WORTH: usize = 1 << 21;
/// Elements of a register.
const LANES: usize = 16;

/// A [`Pass`] done so.
pub(super) struct Split {
    pieces: Pieces,
    groups: Box<[Group]>,
    /// Whether the groups' elements lie side by side in the planes, so that they need not be brought together.
    straight: bool,
    /// Whether tasks are whole planes of the result, which they set to 0 before they write their places.
    clears: bool,
    batch: usize,
    /// Groups of the convolution.
    sets: usize,
    rows: usize,
    channels: usize,
    /// Channels of a block of terms.
    block: usize,
    /// Samples and groups of places of a task.
    samples: usize,
    together: usize,
}

/// A task: some places of some samples, of one of the convolution's groups.
struct Task {
    set: usize,
    samples: Range<usize>,
    groups: Range<usize>,
}

/// A thread's work space.
struct Work<'a> {
    planes: &'a mut [f32],
    elements: &'a mut [f32],
    panels: &'a mut [u32],
    sums: &'a mut [f32],
}

impl Split {
    /// This way, if there is one and it is likely to pay. The places are some of a larger result's if `spread` says so.
    pub fn new(pass: &Pass, env: &Env, spread: Option<Spread>) -> Option<Split> {
        let meeting = &pass.meeting;
        let work = pass.batch * pass.places * pass.rows * pass.depth;
        let pays = pass.rows >= ROWS && pass.depth >= STRAIGHT && work >= WORTH;
        let divides = meeting.axes.iter().any(|axis| axis.divisor != 1);
        if !pass.inexact || !env.level.matrix() || !pays || divides {
            return None;
        }
        let taps: usize = meeting.kernel.iter().product();
        let channels = pass.depth / taps;
        let pieces = match spread {
            Some(spread) => Pieces::spread(meeting, channels, LANES, spread),
            None => Pieces::new(meeting, channels, LANES),
        };
        let groups = pieces.groups(PANEL_LINES);
        let straight = pieces.straight(&groups, PANEL_LINES);
        if pass.depth < TERMS && !straight {
            return None;
        }
        let depth = DEPTH.min(WEIGHTS / pass.rows).max(SHALLOW);
        let blocks = pass.depth.div_ceil(depth).min(channels);
        let mut samples = (GROUPS / groups.len()).clamp(1, pass.batch);
        while samples > 1 && pass.groups * pass.batch.div_ceil(samples) < 4 * env.pool.threads() {
            samples -= 1;
        }
        Some(Split {
            together: groups.len().div_ceil(groups.len().div_ceil(GROUPS)),
            pieces,
            groups,
            straight,
            clears: false,
            batch: pass.batch,
            sets: pass.groups,
            rows: pass.rows,
            channels,
            block: channels.div_ceil(blocks),
            samples,
        })
    }

    /// Sets the places of the result to 0 that are between its own, if tasks are whole planes. Whether it does.
    pub fn clear(&mut self) -> bool {
        self.clears = self.together == self.groups.len();
        self.clears
    }

    /// Terms of a full block.
    fn terms(&self) -> usize {
        self.block * self.pieces.taps
    }

    /// Words of the split weights of one of the convolution's groups.
    fn weights_len(&self) -> usize {
        self.channels.div_ceil(self.block) * panels_words(self.rows, self.terms())
    }

    /// Panels of elements of a task.
    fn width(&self) -> usize {
        self.samples * self.together
    }

    /// Elements of a thread's planes, elements brought together, and sums; words of panels.
    fn work_lens(&self) -> ([usize; 3], usize) {
        let planes = self.samples * self.pieces.len(self.block);
        let elements = (self.terms() + 1) * PANEL_LINES;
        let sums = self.rows.next_multiple_of(PANEL_LINES) * self.width() * PANEL_LINES;
        (
            [planes, elements, sums],
            self.width() * panels_words(PANEL_LINES, self.terms()),
        )
    }

    /// Bytes of scratch that [`Split::run`] takes.
    pub fn scratch_bytes(&self, threads: usize) -> usize {
        let (lens, panels) = self.work_lens();
        scratch_bytes::<u32>(self.sets * self.weights_len())
            + scratch_bytes::<f32>(lens.iter().sum::<usize>() * threads)
            + scratch_bytes::<u32>(panels * threads)
    }

    /// See [`Pass::run`]. False if a number cannot be split: then the result is not valid.
    pub fn run(&self, args: &Args<'_>, x: &[f32], weights: &[f32], out: &mut [f32]) -> bool {
        let fine = AtomicBool::new(true);
        let split = args.scratch::<u32>(self.sets * self.weights_len());
        self.split_weights(args, weights, split, &fine);
        let (lens, panels_words) = self.work_lens();
        let len: usize = lens.iter().sum();
        let floats = args.scratch::<f32>(len * args.pool().threads());
        if lens[0] > 0 {
            args.pool()
                .chunks(floats, len, |_, _, own| own[..lens[0]].fill(0.0));
        }
        let floats = SharedSlice::new(floats);
        let words = SharedSlice::new(args.scratch::<u32>(panels_words * args.pool().threads()));
        let out = SharedSlice::new(out);
        if !fine.load(Ordering::Relaxed) {
            return false;
        }
        let (level, split) = (args.level(), &*split);
        args.pool().run(self.tasks(), |worker, task| {
            // SAFETY: a worker's own pieces of the work space.
            let (work, panels) = unsafe {
                (
                    floats.range(worker * len..(worker + 1) * len),
                    words.range(worker * panels_words..(worker + 1) * panels_words),
                )
            };
            let (planes, rest) = work.split_at_mut(lens[0]);
            let (elements, sums) = rest.split_at_mut(lens[1]);
            let mut work = Work {
                planes,
                elements,
                panels,
                sums,
            };
            let task = self.task(task);
            let weights = &split[task.set * self.weights_len()..][..self.weights_len()];
            if !self.compute(level, &task, x, weights, &mut work, &out) {
                fine.store(false, Ordering::Relaxed);
            }
        });
        fine.into_inner()
    }

    /// Splits the weights: group by group of the convolution, block by block of terms, panel by panel of rows.
    fn split_weights(&self, args: &Args<'_>, weights: &[f32], out: &mut [u32], fine: &AtomicBool) {
        let depth = self.channels * self.pieces.taps;
        let blocks = self.channels.div_ceil(self.block);
        let level = args.level();
        args.pool()
            .chunks(out, panels_words(self.rows, self.terms()), |_, i, out| {
                let (set, first) = (i / blocks, i % blocks * self.terms());
                let data = &weights[set * self.rows * depth..][..self.rows * depth];
                let matrix = Matrix {
                    data,
                    row: depth,
                    col: 1,
                };
                if !pack_rows(
                    level,
                    matrix,
                    0..self.rows,
                    first..depth.min(first + self.terms()),
                    out,
                ) {
                    fine.store(false, Ordering::Relaxed);
                }
            });
    }

    /// Tasks, of some samples each, and those of the same samples.
    fn tasks(&self) -> usize {
        self.sets * self.batch.div_ceil(self.samples) * self.groups.len().div_ceil(self.together)
    }

    fn task(&self, number: usize) -> Task {
        let (shares, samples) = (
            self.groups.len().div_ceil(self.together),
            self.batch.div_ceil(self.samples),
        );
        let (share, rest) = (number % shares, number / shares);
        let (first, group) = (rest % samples * self.samples, share * self.together);
        Task {
            set: rest / samples,
            samples: first..self.batch.min(first + self.samples),
            groups: group..self.groups.len().min(group + self.together),
        }
    }

    /// False if a number cannot be split.
    fn compute(
        &self,
        level: Level,
        task: &Task,
        x: &[f32],
        weights: &[u32],
        work: &mut Work<'_>,
        out: &SharedSlice<'_, f32>,
    ) -> bool {
        let multiplier = TileMultiplier::new(level);
        let stride = self.width() * PANEL_LINES;
        let result = self.result(out);
        for first in (0..self.channels).step_by(self.block) {
            let channels = first..self.channels.min(first + self.block);
            if !self.bring_together(level, task, channels.clone(), x, work) {
                return false;
            }
            let terms = channels.len() * self.pieces.taps;
            let panel = panels_words(PANEL_LINES, terms);
            let weights = &weights[first / self.block * panels_words(self.rows, self.terms())..];
            for (i, left) in weights
                .chunks_exact(panel)
                .take(self.rows.div_ceil(PANEL_LINES))
                .enumerate()
            {
                let rights = work
                    .panels
                    .chunks_exact(panel)
                    .take(task.samples.len() * task.groups.len());
                for (j, right) in rights.enumerate() {
                    let (sample, group) = task.member(j);
                    let (to, stride) = match self.at_once(i, &self.groups[group]) {
                        Some(place) => {
                            result.tile(self.image(task, sample) * self.rows + i * PANEL_LINES, place)
                        }
                        None => (
                            work.sums[i * PANEL_LINES * stride + j * PANEL_LINES..].as_mut_ptr(),
                            stride,
                        ),
                    };
                    // SAFETY: the sums have a panel's rows and columns from here on, or the result has: this task's.
                    unsafe { multiplier.product(left, right, to, stride, first > 0) };
                }
            }
        }
        drop(multiplier);
        self.store(task, work.sums, out);
        true
    }

    /// Splits the elements that a task's places meet in some channels. False if one cannot be split.
    fn bring_together(
        &self,
        level: Level,
        task: &Task,
        channels: Range<usize>,
        x: &[f32],
        work: &mut Work<'_>,
    ) -> bool {
        let source = self.pieces.planes.source_size();
        let terms = channels.len() * self.pieces.taps;
        let planes_len = self.pieces.len(self.block);
        let panel = panels_words(PANEL_LINES, terms);
        let mut fine = true;
        for (i, sample) in task.samples.clone().enumerate() {
            let first = self.image(task, sample) * self.channels + channels.start;
            let x = &x[first * source..][..channels.len() * source];
            let planes = self
                .pieces
                .write(level, x, &mut work.planes[i * planes_len..(i + 1) * planes_len]);
            if self.straight {
                let groups = &self.groups[task.groups.clone()];
                let matrix = Matrix {
                    data: &planes[self.pieces.all[groups[0].pieces.start].from..],
                    row: self.pieces.planes.size(),
                    col: 1,
                };
                let places = groups.iter().map(|group| group.places).sum();
                let to = &mut work.panels[i * groups.len() * panel..][..groups.len() * panel];
                fine &= pack_columns(level, matrix, 0..terms, 0..places, to);
                continue;
            }
            for (j, group) in self.groups[task.groups.clone()].iter().enumerate() {
                let together = Together {
                    pieces: &self.pieces,
                    group,
                    planes,
                    terms: 0..terms,
                    out: &mut *work.elements,
                    width: PANEL_LINES,
                };
                f32::run(level, together);
                let matrix = Matrix {
                    data: &*work.elements,
                    row: PANEL_LINES,
                    col: 1,
                };
                let to = &mut work.panels[(i * task.groups.len() + j) * panel..][..panel];
                fine &= pack_columns(level, matrix, 0..terms, 0..group.places, to);
            }
        }
        fine
    }

    /// A sample's group of channels, or of rows.
    fn image(&self, task: &Task, sample: usize) -> usize {
        sample * self.sets + task.set
    }

    /// The first place of a group whose sums, of one panel of weights, go where they belong at once.
    fn at_once(&self, panel: usize, group: &Group) -> Option<usize> {
        let whole = group.places == PANEL_LINES && (panel + 1) * PANEL_LINES <= self.rows;
        let neighbours = group.neighbours && self.pieces.apart == 1;
        (whole && neighbours && self.block == self.channels)
            .then(|| self.pieces.all[group.pieces.start].place)
    }

    fn result(&self, out: &SharedSlice<'_, f32>) -> Rows {
        let rows = self.batch * self.sets * self.rows;
        Rows {
            start: out.as_mut_ptr(),
            count: rows,
            places: out.len() / rows,
        }
    }

    /// Puts those of a task's sums where they belong that are not there yet.
    fn store(&self, task: &Task, sums: &[f32], out: &SharedSlice<'_, f32>) {
        let result = self.result(out);
        let stride = self.width() * PANEL_LINES;
        for (i, sample) in task.samples.clone().enumerate() {
            for row in 0..self.rows {
                let to = self.image(task, sample) * self.rows + row;
                if self.clears {
                    // SAFETY: this task's row, of which it has all places.
                    unsafe { result.clear(to) };
                }
                for (j, group) in self.groups[task.groups.clone()].iter().enumerate() {
                    if self.at_once(row / PANEL_LINES, group).is_some() {
                        continue;
                    }
                    let mut sums = &sums[row * stride + (i * task.groups.len() + j) * PANEL_LINES..];
                    for piece in &self.pieces.all[group.pieces.clone()] {
                        // SAFETY: a piece of this task: they have different samples, groups of the convolution, or places.
                        unsafe {
                            result.put(to, piece, (self.pieces.apart, self.clears), &sums[..piece.count])
                        };
                        sums = &sums[piece.count..];
                    }
                }
            }
        }
    }
}

impl Task {
    /// The sample and the group of places of one of its panels of elements.
    fn member(&self, panel: usize) -> (usize, usize) {
        let groups = self.groups.len();
        (
            self.samples.start + panel / groups,
            self.groups.start + panel % groups,
        )
    }
}

/// The rows of the result, of which tasks write different places.
struct Rows {
    start: *mut f32,
    count: usize,
    places: usize,
}

impl Rows {
    /// Where some places of [`PANEL_LINES`] rows lie, and elements between the rows. They are brought into the cache meanwhile.
    fn tile(&self, row: usize, place: usize) -> (*mut f32, usize) {
        assert!(row + PANEL_LINES <= self.count && place + PANEL_LINES <= self.places);
        let start = self.start.wrapping_add(row * self.places + place);
        Prefetch {
            matrices: &[start.addr()],
            stride: self.places,
        }
        .request(size_of::<f32>(), 0..PANEL_LINES, 0..PANEL_LINES);
        (start, self.places)
    }

    /// Sets a row to 0.
    ///
    /// # Safety
    /// Nobody else may use the row.
    unsafe fn clear(&self, row: usize) {
        assert!(row < self.count);
        // SAFETY: a row of the result, as checked; nobody else's, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.places), self.places) }.fill(0.0);
    }

    /// Puts a piece's sums where they belong, so far `apart`, between which everything is 0 if `clear` says so.
    ///
    /// # Safety
    /// Nobody else may use the places.
    unsafe fn put(&self, row: usize, piece: &Piece, (apart, clear): (usize, bool), sums: &[f32]) {
        assert!(row < self.count && piece.place + (piece.count - 1) * apart < self.places);
        // SAFETY: within the row, as checked; nobody else's, as the caller promises.
        unsafe {
            let to = self.start.add(row * self.places + piece.place);
            if apart == 1 {
                copy(sums, std::slice::from_raw_parts_mut(to, sums.len()));
            } else if apart == 2 && clear && piece.place + 2 * sums.len() <= self.places {
                let pairs = std::slice::from_raw_parts_mut(to, 2 * sums.len());
                for (pair, &sum) in pairs.chunks_exact_mut(2).zip(sums) {
                    pair.copy_from_slice(&[sum, 0.0]);
                }
            } else {
                for (i, &sum) in sums.iter().enumerate() {
                    *to.add(i * apart) = sum;
                }
            }
        }
    }
}
