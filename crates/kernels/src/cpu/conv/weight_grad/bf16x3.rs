//! The adjoint in w with matrix instructions (see [`gemm`](crate::cpu::gemm)): `dw (O, C taps) = dy (O, positions)
//! im2col(x)'`, some positions at a time. Their elements and gradients are split and packed, and panels of both
//! multiplied.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cpu::conv::lanes::LaneDispatch;
use crate::cpu::conv::planes::{Gather, RunGroup, Runs};
use crate::cpu::conv::shape::ConvShape;
use crate::cpu::exec::{Args, Env, scratch_bytes};
use crate::cpu::gemm::{Matrix, PANEL_LINES, TileMultiplier, pack_columns, pack_rows, panels_words};
use crate::cpu::level::Level;
use crate::cpu::transpose::transpose;

/// Positions whose products are summed at a time, at least: memory is then read in long rows.
const MIN_POSITIONS: usize = 256;
/// The same at most.
const MAX_POSITIONS: usize = 1024;
/// Numbers of gradients packed at a time: their panels stay in the second-level cache.
const MAX_GRADIENTS: usize = 1 << 17;
/// Terms of an instruction: positions are filled up to a multiple of it.
const STEP_TERMS: usize = 32;
/// Outputs, and columns, from which on panels are full enough.
const MIN_LINES: usize = 48;
/// Multiply-adds from which on splitting the operands pays.
const MIN_FMAS: usize = 1 << 21;
/// Tasks wanted.
const MIN_TASKS: usize = 16;
/// Elements of all partial sums together.
const PARTIAL_ELEMENTS: usize = 1 << 20;
/// float32 elements of a vector register.
const F32_LANES: usize = 16;
/// Elements of partial sums that a task adds up.
const SUM_TASK_ELEMENTS: usize = 1 << 12;

/// The adjoint and how its work is divided, which depends on the shape alone.
pub(super) struct Bf16x3WeightGrad {
    shape: ConvShape,
    runs: Runs,
    /// Of so many positions at most.
    run_groups: Box<[RunGroup]>,
    width: usize,
    /// Whether a group's elements are contiguous in the planes.
    is_gathered: bool,
    /// Channels and taps.
    columns: usize,
    /// Groups of samples, each with sums of its own.
    sample_groups: usize,
    /// Panels of columns of a task.
    panels: usize,
    /// Whether columns are the left operand. The other operand is transposed when it is packed, so it is the smaller
    /// one.
    columns_left: bool,
}

/// A task: some columns of a group of channels, and some samples.
struct Task {
    group: usize,
    columns: Range<usize>,
    samples: Range<usize>,
}

/// A thread's work space.
struct Work<'a> {
    planes: &'a mut [f32],
    elements: &'a mut [f32],
    columns: &'a mut [u32],
    gradients: &'a mut [u32],
}

impl Bf16x3WeightGrad {
    /// The algorithm, if it applies and is likely to pay.
    pub fn new(shape: &ConvShape, env: &Env) -> Option<Bf16x3WeightGrad> {
        let (columns, positions) = (shape.channels * shape.taps(), shape.output_size());
        let pays = columns.min(shape.outputs) >= MIN_LINES
            && shape.batch * positions * columns * shape.outputs >= MIN_FMAS;
        if !env.level.matrix() || !pays {
            return None;
        }
        let runs = Runs::new(&shape.forward(), shape.channels, F32_LANES);
        let width =
            (MAX_GRADIENTS / shape.outputs / STEP_TERMS * STEP_TERMS).clamp(MIN_POSITIONS, MAX_POSITIONS);
        let run_groups = runs.groups(width);
        let filled: usize = run_groups
            .iter()
            .map(|run_group| run_group.positions.next_multiple_of(STEP_TERMS))
            .sum();
        if 3 * filled > 4 * positions {
            return None;
        }
        let weights = shape.groups * shape.outputs * columns;
        let sample_groups = MIN_TASKS
            .div_ceil(shape.groups)
            .min(PARTIAL_ELEMENTS / weights)
            .clamp(1, shape.batch);
        let panels = columns.div_ceil(PANEL_LINES);
        let shares = MIN_TASKS.div_ceil(sample_groups * shape.groups).min(panels);
        Some(Bf16x3WeightGrad {
            is_gathered: runs.is_gathered(&run_groups, width),
            shape: shape.clone(),
            runs,
            run_groups,
            width,
            columns,
            sample_groups,
            panels: panels.div_ceil(shares),
            columns_left: columns >= shape.outputs,
        })
    }

    /// Tasks of the same samples and group of channels.
    fn shares(&self) -> usize {
        self.columns.div_ceil(self.panels * PANEL_LINES)
    }

    /// Columns and outputs of a task's sums, and elements between their rows: rows are of the left operand.
    fn extents(&self) -> (usize, usize, usize) {
        let (columns, outputs) = (
            self.panels * PANEL_LINES,
            self.shape.outputs.next_multiple_of(PANEL_LINES),
        );
        (
            columns,
            outputs,
            if self.columns_left { outputs } else { columns },
        )
    }

    /// Elements of a task's sums, and of those of all tasks of the same samples.
    fn sums_lens(&self) -> (usize, usize) {
        let (columns, outputs, _) = self.extents();
        (
            columns * outputs,
            columns * outputs * self.shares() * self.shape.groups,
        )
    }

    /// Elements of a thread's planes, and gathered; words of panels of columns and of gradients.
    fn work_lens(&self) -> ([usize; 2], [usize; 2]) {
        let elements = if self.is_gathered {
            0
        } else {
            (PANEL_LINES + 1) * self.width
        };
        (
            [self.runs.len(self.shape.channels), elements],
            [
                panels_words(PANEL_LINES, self.width),
                panels_words(self.shape.outputs, self.width),
            ],
        )
    }

    /// Bytes of scratch that [`Bf16x3WeightGrad::run`] takes.
    pub fn scratch_bytes(&self, threads: usize) -> usize {
        let (floats, words) = self.work_lens();
        scratch_bytes::<f32>(self.sample_groups * self.sums_lens().1)
            + scratch_bytes::<f32>(floats.iter().sum::<usize>() * threads)
            + scratch_bytes::<u32>(words.iter().sum::<usize>() * threads)
    }

    /// x, dy -> dw. False if a number cannot be split: then the result is not valid.
    pub fn run(&self, args: &Args<'_>, x: &[f32], dy: &[f32], dw: &mut [f32]) -> bool {
        let (sum_len, all_len) = self.sums_lens();
        let sums = args.scratch::<f32>(self.sample_groups * all_len);
        let (floats_lens, words_lens) = self.work_lens();
        let (floats_len, words_len) = (
            floats_lens.iter().sum::<usize>(),
            words_lens.iter().sum::<usize>(),
        );
        let floats = args.worker_scratch::<f32>(floats_len);
        let words = args.worker_scratch::<u32>(words_len);
        let (level, fine) = (args.level(), AtomicBool::new(true));
        args.pool().chunks(sums, sum_len, |worker, task, sums| {
            // SAFETY: a worker's own part of the work space.
            let (floats, words) = unsafe { (floats.of(worker), words.of(worker)) };
            let (planes, elements) = floats.split_at_mut(floats_lens[0]);
            let (columns, gradients) = words.split_at_mut(words_lens[0]);
            let mut work = Work {
                planes,
                elements,
                columns,
                gradients,
            };
            if !self.compute(level, &self.task(task), (x, dy), &mut work, sums) {
                fine.store(false, Ordering::Relaxed);
            }
        });
        if !fine.into_inner() {
            return false;
        }
        let (sum_lanes, rest) = sums.split_at_mut(all_len);
        args.pool()
            .chunks(sum_lanes, SUM_TASK_ELEMENTS, |_, i, sum_lanes| {
                for part in rest.chunks_exact(all_len) {
                    let part = &part[i * SUM_TASK_ELEMENTS..][..sum_lanes.len()];
                    sum_lanes
                        .iter_mut()
                        .zip(part)
                        .for_each(|(sum, &part)| *sum += part);
                }
            });
        self.store(args, sum_lanes, dw);
        true
    }

    fn task(&self, number: usize) -> Task {
        let (share, rest) = (number % self.shares(), number / self.shares());
        let (group, part) = (rest % self.shape.groups, rest / self.shape.groups);
        let (first, columns) = (share * self.panels * PANEL_LINES, self.panels * PANEL_LINES);
        Task {
            group,
            columns: first..self.columns.min(first + columns),
            samples: self.shape.batch * part / self.sample_groups
                ..self.shape.batch * (part + 1) / self.sample_groups,
        }
    }

    /// The sums of a task. False if a number cannot be split.
    fn compute(
        &self,
        level: Level,
        task: &Task,
        (x, dy): (&[f32], &[f32]),
        work: &mut Work<'_>,
        sums: &mut [f32],
    ) -> bool {
        let (channels, outputs) = (self.shape.channels, self.shape.outputs);
        let (input, positions) = (channels * self.shape.input_size(), self.shape.output_size());
        let multiplier = TileMultiplier::new(level);
        work.planes.fill(0.0);
        let mut fine = true;
        for sample in task.samples.clone() {
            let image = sample * self.shape.groups + task.group;
            let planes = self
                .runs
                .write(level, &x[image * input..][..input], &mut *work.planes);
            for (i, run_group) in self.run_groups.iter().enumerate() {
                let add = sample > task.samples.start || i > 0;
                let first = image * outputs * positions + self.runs.all[run_group.runs.start].position;
                let lines = OperandLines {
                    data: &dy[first..],
                    apart: positions,
                    count: outputs,
                    terms: run_group.positions,
                };
                let gradients = &mut work.gradients[..panels_words(outputs, run_group.positions)];
                fine &= lines.pack(level, !self.columns_left, gradients);
                for (panel, first) in task.columns.clone().step_by(PANEL_LINES).enumerate() {
                    let some = first..task.columns.end.min(first + PANEL_LINES);
                    let columns = &mut work.columns[..panels_words(PANEL_LINES, run_group.positions)];
                    fine &= self.pack_columns(level, some, run_group, planes, work.elements, columns);
                    self.multiply(&multiplier, (panel, columns), gradients, sums, add);
                }
            }
        }
        fine
    }

    /// Packs what a group's positions read in some columns.
    fn pack_columns(
        &self,
        level: Level,
        columns: Range<usize>,
        run_group: &RunGroup,
        planes: &[f32],
        elements: &mut [f32],
        out: &mut [u32],
    ) -> bool {
        let (count, terms) = (columns.len(), run_group.positions);
        let lines = if self.is_gathered {
            let first = self.runs.all[run_group.runs.start].from + self.runs.offsets[columns.start];
            OperandLines {
                data: &planes[first..],
                apart: self.runs.planes.size(),
                count,
                terms,
            }
        } else {
            let together = Gather {
                runs: &self.runs,
                run_group,
                planes,
                terms: columns,
                out: &mut *elements,
                width: self.width,
            };
            f32::dispatch(level, together);
            OperandLines {
                data: &*elements,
                apart: self.width,
                count,
                terms,
            }
        };
        lines.pack(level, self.columns_left, out)
    }

    /// Adds the products of a panel of columns with all gradients to the sums, or writes them there.
    fn multiply(
        &self,
        multiplier: &TileMultiplier,
        (panel, columns): (usize, &[u32]),
        gradients: &[u32],
        sums: &mut [f32],
        add: bool,
    ) {
        let stride = self.extents().2;
        for (j, gradients) in gradients.chunks_exact(columns.len()).enumerate() {
            let (row, column, left, right) = if self.columns_left {
                (panel, j, columns, gradients)
            } else {
                (j, panel, gradients, columns)
            };
            let to = &mut sums[row * PANEL_LINES * stride + column * PANEL_LINES..];
            assert!(to.len() >= (PANEL_LINES - 1) * stride + PANEL_LINES);
            // SAFETY: the sums have a panel's rows and columns from here on, as checked.
            unsafe { multiplier.product(left, right, to.as_mut_ptr(), stride, add) };
        }
    }

    /// Puts the sums where they belong.
    fn store(&self, args: &Args<'_>, sums: &[f32], dw: &mut [f32]) {
        let (outputs, (width, _, stride)) = (self.shape.outputs, self.extents());
        let (level, len) = (args.level(), self.sums_lens().0);
        args.pool().chunks(dw, outputs * self.columns, |_, group, dw| {
            let sums = &sums[group * self.shares() * len..][..self.shares() * len];
            for (share, sums) in sums.chunks_exact(len).enumerate() {
                let first = share * width;
                let count = width.min(self.columns - first);
                if self.columns_left {
                    let (strides, extents) = ((1, stride), (outputs, count));
                    transpose(level, sums, strides, extents, &mut dw[first..], self.columns);
                } else {
                    for (sums, dw) in sums.chunks_exact(stride).zip(dw.chunks_exact_mut(self.columns)) {
                        dw[first..first + count].copy_from_slice(&sums[..count]);
                    }
                }
            }
        });
    }
}

/// Lines of an operand, whose terms are contiguous.
struct OperandLines<'a> {
    data: &'a [f32],
    /// Elements between lines.
    apart: usize,
    count: usize,
    terms: usize,
}

impl OperandLines<'_> {
    /// Packs them as the rows of a left operand or the columns of a right one. False if a number cannot be split.
    fn pack(&self, level: Level, left: bool, out: &mut [u32]) -> bool {
        let rows = Matrix {
            data: self.data,
            row: self.apart,
            col: 1,
        };
        if left {
            pack_rows(level, rows, 0..self.count, 0..self.terms, out)
        } else {
            pack_columns(level, rows.t(), 0..self.terms, 0..self.count, out)
        }
    }
}
