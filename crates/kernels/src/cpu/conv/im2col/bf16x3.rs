//! Im2col with matrix instructions (bf16x3, see [`gemm`](crate::cpu::gemm)): weights are split once, the elements that
//! some positions read are gathered and split, and panels of both are multiplied.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cpu::conv::lanes::LaneDispatch;
use crate::cpu::conv::planes::copy;
use crate::cpu::conv::planes::{Gather, Run, RunGroup, Runs, StridedPositions};
use crate::cpu::conv::problem::ConvGemm;
use crate::cpu::exec::{Args, Env, scratch_bytes};
use crate::cpu::gemm::{
    Matrix, PANEL_LINES, Prefetch, TileMultiplier, pack_columns, pack_rows, panels_words,
};
use crate::cpu::level::Level;
use crate::cpu::pool::{SharedSlice, WorkerSlices};

/// Terms of a block at most: the panels of weights and elements stay in the second-level cache.
const BLOCK_TERMS: usize = 640;
/// Terms of a block at least.
const MIN_BLOCK_TERMS: usize = 32;
/// Weights of a block at most.
const BLOCK_WEIGHTS: usize = 1 << 17;
/// Groups of positions of a task.
const TASK_RUN_GROUPS: usize = 8;
/// Rows of weights from which on panels are full enough.
const MIN_ROWS: usize = 48;
/// Terms from which on splitting the elements pays.
const MIN_TERMS: usize = 192;
/// The same where elements are split where they lie.
const MIN_TERMS_IN_PLACE: usize = 32;
/// Multiply-adds from which on splitting the operands pays.
const MIN_FMAS: usize = 1 << 21;
/// float32 elements of a vector register.
const F32_LANES: usize = 16;

/// A [`ConvGemm`] by bf16x3 products of blocks of its im2col matrix.
pub(in crate::cpu::conv) struct Bf16x3Im2col {
    runs: Runs,
    run_groups: Box<[RunGroup]>,
    /// Whether the groups' elements are contiguous in the planes, so that they need not be gathered.
    is_gathered: bool,
    /// Whether tasks are whole planes of the result, which they set to 0 before they write their positions.
    clears: bool,
    batch: usize,
    /// Groups of the convolution.
    groups: usize,
    rows: usize,
    channels: usize,
    /// Channels of a block of terms.
    block: usize,
    /// Samples and groups of positions of a task.
    samples: usize,
    groups_per_task: usize,
}

/// A task: some positions of some samples, of one of the convolution's groups.
struct Task {
    group: usize,
    samples: Range<usize>,
    run_groups: Range<usize>,
}

/// A thread's work space.
struct Work<'a> {
    planes: &'a mut [f32],
    elements: &'a mut [f32],
    panels: &'a mut [u32],
    sums: &'a mut [f32],
}

impl Bf16x3Im2col {
    /// The algorithm, if it applies and is likely to pay. The positions are some of a larger result's if `strided` says
    /// so.
    pub fn new(gemm: &ConvGemm, env: &Env, strided: Option<StridedPositions>) -> Option<Bf16x3Im2col> {
        let tap_map = &gemm.tap_map;
        let work = gemm.batch * gemm.positions * gemm.rows * gemm.depth;
        let pays = gemm.rows >= MIN_ROWS && gemm.depth >= MIN_TERMS_IN_PLACE && work >= MIN_FMAS;
        let divides = tap_map.axes.iter().any(|axis| axis.divisor != 1);
        if !gemm.may_reassociate || !env.level.matrix() || !pays || divides {
            return None;
        }
        let taps: usize = tap_map.kernel.iter().product();
        let channels = gemm.depth / taps;
        let runs = match strided {
            Some(strided) => Runs::strided(tap_map, channels, F32_LANES, strided),
            None => Runs::new(tap_map, channels, F32_LANES),
        };
        let run_groups = runs.groups(PANEL_LINES);
        let is_gathered = runs.is_gathered(&run_groups, PANEL_LINES);
        if gemm.depth < MIN_TERMS && !is_gathered {
            return None;
        }
        let depth = BLOCK_TERMS.min(BLOCK_WEIGHTS / gemm.rows).max(MIN_BLOCK_TERMS);
        let blocks = gemm.depth.div_ceil(depth).min(channels);
        let mut samples = (TASK_RUN_GROUPS / run_groups.len()).clamp(1, gemm.batch);
        while samples > 1 && gemm.groups * gemm.batch.div_ceil(samples) < 4 * env.pool.threads() {
            samples -= 1;
        }
        Some(Bf16x3Im2col {
            groups_per_task: run_groups
                .len()
                .div_ceil(run_groups.len().div_ceil(TASK_RUN_GROUPS)),
            runs,
            run_groups,
            is_gathered,
            clears: false,
            batch: gemm.batch,
            groups: gemm.groups,
            rows: gemm.rows,
            channels,
            block: channels.div_ceil(blocks),
            samples,
        })
    }

    /// Sets the positions of the result to 0 that are between its own, if tasks are whole planes. Whether it does.
    pub fn clear(&mut self) -> bool {
        self.clears = self.groups_per_task == self.run_groups.len();
        self.clears
    }

    /// Terms of a full block.
    fn terms(&self) -> usize {
        self.block * self.runs.taps
    }

    /// Words of the split weights of one of the convolution's groups.
    fn weights_len(&self) -> usize {
        self.channels.div_ceil(self.block) * panels_words(self.rows, self.terms())
    }

    /// Panels of elements of a task.
    fn width(&self) -> usize {
        self.samples * self.groups_per_task
    }

    /// Elements of a thread's planes, elements gathered, and sums; words of panels.
    fn work_lens(&self) -> ([usize; 3], usize) {
        let planes = self.samples * self.runs.len(self.block);
        let elements = (self.terms() + 1) * PANEL_LINES;
        let sums = self.rows.next_multiple_of(PANEL_LINES) * self.width() * PANEL_LINES;
        (
            [planes, elements, sums],
            self.width() * panels_words(PANEL_LINES, self.terms()),
        )
    }

    /// Bytes of scratch that [`Bf16x3Im2col::run`] takes.
    pub fn scratch_bytes(&self, threads: usize) -> usize {
        let (lens, panels) = self.work_lens();
        scratch_bytes::<u32>(self.groups * self.weights_len())
            + scratch_bytes::<f32>(lens.iter().sum::<usize>() * threads)
            + scratch_bytes::<u32>(panels * threads)
    }

    /// `(x, weights) -> out`. False if a number cannot be split: then the result is not valid.
    pub fn run(&self, args: &Args<'_>, x: &[f32], weights: &[f32], out: &mut [f32]) -> bool {
        let fine = AtomicBool::new(true);
        let split = args.scratch::<u32>(self.groups * self.weights_len());
        self.split_weights(args, weights, split, &fine);
        let (lens, panels_words) = self.work_lens();
        let len: usize = lens.iter().sum();
        let floats = args.scratch::<f32>(len * args.pool().threads());
        if lens[0] > 0 {
            args.pool()
                .chunks(floats, len, |_, _, own| own[..lens[0]].fill(0.0));
        }
        let floats = WorkerSlices::new(floats, len);
        let words = args.worker_scratch::<u32>(panels_words);
        let out = SharedSlice::new(out);
        if !fine.load(Ordering::Relaxed) {
            return false;
        }
        let (level, split) = (args.level(), &*split);
        args.pool().run(self.tasks(), |worker, task| {
            // SAFETY: a worker's own part of the work space.
            let (work, panels) = unsafe { (floats.of(worker), words.of(worker)) };
            let (planes, rest) = work.split_at_mut(lens[0]);
            let (elements, sums) = rest.split_at_mut(lens[1]);
            let mut work = Work {
                planes,
                elements,
                panels,
                sums,
            };
            let task = self.task(task);
            let weights = &split[task.group * self.weights_len()..][..self.weights_len()];
            if !self.compute(level, &task, x, weights, &mut work, &out) {
                fine.store(false, Ordering::Relaxed);
            }
        });
        fine.into_inner()
    }

    /// Splits the weights: group by group of the convolution, block by block of terms, panel by panel of rows.
    fn split_weights(&self, args: &Args<'_>, weights: &[f32], out: &mut [u32], fine: &AtomicBool) {
        let depth = self.channels * self.runs.taps;
        let blocks = self.channels.div_ceil(self.block);
        let level = args.level();
        args.pool()
            .chunks(out, panels_words(self.rows, self.terms()), |_, i, out| {
                let (group, first) = (i / blocks, i % blocks * self.terms());
                let data = &weights[group * self.rows * depth..][..self.rows * depth];
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
        self.groups * self.batch.div_ceil(self.samples) * self.run_groups.len().div_ceil(self.groups_per_task)
    }

    fn task(&self, number: usize) -> Task {
        let (shares, samples) = (
            self.run_groups.len().div_ceil(self.groups_per_task),
            self.batch.div_ceil(self.samples),
        );
        let (share, rest) = (number % shares, number / shares);
        let (first, run_group) = (rest % samples * self.samples, share * self.groups_per_task);
        Task {
            group: rest / samples,
            samples: first..self.batch.min(first + self.samples),
            run_groups: run_group..self.run_groups.len().min(run_group + self.groups_per_task),
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
            if !self.gather(level, task, channels.clone(), x, work) {
                return false;
            }
            let terms = channels.len() * self.runs.taps;
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
                    .take(task.samples.len() * task.run_groups.len());
                for (j, right) in rights.enumerate() {
                    let (sample, run_group) = task.member(j);
                    let (to, stride) = match self.at_once(i, &self.run_groups[run_group]) {
                        Some(position) => {
                            result.tile(self.image(task, sample) * self.rows + i * PANEL_LINES, position)
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

    /// Splits the elements that a task's positions read in some channels. False if one cannot be split.
    fn gather(
        &self,
        level: Level,
        task: &Task,
        channels: Range<usize>,
        x: &[f32],
        work: &mut Work<'_>,
    ) -> bool {
        let source = self.runs.planes.source_size();
        let terms = channels.len() * self.runs.taps;
        let planes_len = self.runs.len(self.block);
        let panel = panels_words(PANEL_LINES, terms);
        let mut fine = true;
        for (i, sample) in task.samples.clone().enumerate() {
            let first = self.image(task, sample) * self.channels + channels.start;
            let x = &x[first * source..][..channels.len() * source];
            let planes = self
                .runs
                .write(level, x, &mut work.planes[i * planes_len..(i + 1) * planes_len]);
            if self.is_gathered {
                let run_groups = &self.run_groups[task.run_groups.clone()];
                let matrix = Matrix {
                    data: &planes[self.runs.all[run_groups[0].runs.start].from..],
                    row: self.runs.planes.size(),
                    col: 1,
                };
                let positions = run_groups.iter().map(|run_group| run_group.positions).sum();
                let to = &mut work.panels[i * run_groups.len() * panel..][..run_groups.len() * panel];
                fine &= pack_columns(level, matrix, 0..terms, 0..positions, to);
                continue;
            }
            for (j, run_group) in self.run_groups[task.run_groups.clone()].iter().enumerate() {
                let groups_per_task = Gather {
                    runs: &self.runs,
                    run_group,
                    planes,
                    terms: 0..terms,
                    out: &mut *work.elements,
                    width: PANEL_LINES,
                };
                f32::dispatch(level, groups_per_task);
                let matrix = Matrix {
                    data: &*work.elements,
                    row: PANEL_LINES,
                    col: 1,
                };
                let to = &mut work.panels[(i * task.run_groups.len() + j) * panel..][..panel];
                fine &= pack_columns(level, matrix, 0..terms, 0..run_group.positions, to);
            }
        }
        fine
    }

    /// A sample's group of channels, or of rows.
    fn image(&self, task: &Task, sample: usize) -> usize {
        sample * self.groups + task.group
    }

    /// The first position of a group whose sums, of one panel of weights, go where they belong at once.
    fn at_once(&self, panel: usize, run_group: &RunGroup) -> Option<usize> {
        let whole = run_group.positions == PANEL_LINES && (panel + 1) * PANEL_LINES <= self.rows;
        let contiguous = run_group.contiguous && self.runs.apart == 1;
        (whole && contiguous && self.block == self.channels)
            .then(|| self.runs.all[run_group.runs.start].position)
    }

    fn result(&self, out: &SharedSlice<'_, f32>) -> SharedRows {
        let rows = self.batch * self.groups * self.rows;
        SharedRows {
            start: out.as_mut_ptr(),
            count: rows,
            positions: out.len() / rows,
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
                    // SAFETY: this task's row, of which it has all positions.
                    unsafe { result.clear(to) };
                }
                for (j, run_group) in self.run_groups[task.run_groups.clone()].iter().enumerate() {
                    if self.at_once(row / PANEL_LINES, run_group).is_some() {
                        continue;
                    }
                    let mut sums = &sums[row * stride + (i * task.run_groups.len() + j) * PANEL_LINES..];
                    for run in &self.runs.all[run_group.runs.clone()] {
                        // SAFETY: a run of this task: they have different samples, groups of the convolution, or
                        // positions.
                        unsafe { result.put(to, run, (self.runs.apart, self.clears), &sums[..run.count]) };
                        sums = &sums[run.count..];
                    }
                }
            }
        }
    }
}

impl Task {
    /// The sample and the group of positions of one of its panels of elements.
    fn member(&self, panel: usize) -> (usize, usize) {
        let run_groups = self.run_groups.len();
        (
            self.samples.start + panel / run_groups,
            self.run_groups.start + panel % run_groups,
        )
    }
}

/// The rows of the result, of which tasks write different positions.
struct SharedRows {
    start: *mut f32,
    count: usize,
    positions: usize,
}

impl SharedRows {
    /// Where some positions of [`PANEL_LINES`] rows lie, and elements between the rows. They are brought into the cache
    /// meanwhile.
    fn tile(&self, row: usize, position: usize) -> (*mut f32, usize) {
        assert!(row + PANEL_LINES <= self.count && position + PANEL_LINES <= self.positions);
        let start = self.start.wrapping_add(row * self.positions + position);
        Prefetch {
            matrices: &[start.addr()],
            stride: self.positions,
        }
        .request(size_of::<f32>(), 0..PANEL_LINES, 0..PANEL_LINES);
        (start, self.positions)
    }

    /// Sets a row to 0.
    ///
    /// # Safety
    /// No other task may use the row.
    unsafe fn clear(&self, row: usize) {
        assert!(row < self.count);
        // SAFETY: a row of the result, as checked; no other task uses them, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.positions), self.positions) }
            .fill(0.0);
    }

    /// Puts a run's sums where they belong, so far `apart`, between which everything is 0 if `clear` says so.
    ///
    /// # Safety
    /// No other task may use the positions.
    unsafe fn put(&self, row: usize, run: &Run, (apart, clear): (usize, bool), sums: &[f32]) {
        assert!(row < self.count && run.position + (run.count - 1) * apart < self.positions);
        // SAFETY: within the row, as checked; no other task uses them, as the caller promises.
        unsafe {
            let to = self.start.add(row * self.positions + run.position);
            if apart == 1 {
                copy(sums, std::slice::from_raw_parts_mut(to, sums.len()));
            } else if apart == 2 && clear && run.position + 2 * sums.len() <= self.positions {
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
