//! The weights' adjoint with matrix instructions (see [`gemm`](crate::cpu::gemm)): `dw (O, C taps) = dy (O, places)
//! columns(x)'`, some places at a time. Their elements and gradients are split and packed, and panels of both multiplied.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::lanes::Vectors;
use super::pieces::{Group, Pieces, Together};
use super::shape::ConvShape;
use crate::cpu::exec::{Args, Env, scratch_bytes};
use crate::cpu::gemm::{Matrix, PANEL_LINES, TileMultiplier, pack_columns, pack_rows, panels_words};
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;
use crate::cpu::transpose::transpose;

/// Places whose products are summed at a time, at least and at most: memory is then read in long rows. And numbers of
/// gradients: their panels stay in the second-level cache.
const RECORDS_PER_TILE: (usize, usize) = (256, 1024);
const GRADIENTS: usize = 1 << 17;
/// Terms of an instruction: places are filled up to a multiple of it.
const STEP: usize = 32;
/// Outputs, and columns, from which on panels are full enough; products from which on it pays to split what is multiplied.
const FULL: usize = 48;
const WORTH: usize = 1 << 21;
/// Tasks wanted, and elements of all partial sums together.
const TASKS: usize = 16;
const PARTIAL: usize = 1 << 20;
/// Elements of a register, and of partial sums that a task adds up.
const LANES: usize = 16;
const PART: usize = 1 << 12;

/// The adjoint and how its work is divided, which depends on the shape alone.
pub(super) struct SplitGrad {
    shape: ConvShape,
    pieces: Pieces,
    /// Of so many places at most.
    groups: Box<[Group]>,
    width: usize,
    /// Whether a group's elements lie side by side in the planes.
    straight: bool,
    /// Channels and taps.
    columns: usize,
    /// Groups of samples, each with sums of its own.
    parts: usize,
    /// Panels of columns of a task.
    panels: usize,
    /// Whether columns are the left operand. The other operand is turned when it is packed, so it is the smaller one.
    columns_left: bool,
}

/// A task: some columns of a group of channels, and some samples.
struct Task {
    set: usize,
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

impl SplitGrad {
    /// This way, if there is one and it is likely to pay.
    pub fn new(shape: &ConvShape, env: &Env) -> Option<SplitGrad> {
        let (columns, places) = (shape.channels * shape.taps(), shape.output_size());
        let pays =
            columns.min(shape.outputs) >= FULL && shape.batch * places * columns * shape.outputs >= WORTH;
        if !env.level.matrix() || !pays {
            return None;
        }
        let pieces = Pieces::new(&shape.forward(), shape.channels, LANES);
        let width = (GRADIENTS / shape.outputs / STEP * STEP).clamp(RECORDS_PER_TILE.0, RECORDS_PER_TILE.1);
        let groups = pieces.groups(width);
        let filled: usize = groups
            .iter()
            .map(|group| group.places.next_multiple_of(STEP))
            .sum();
        if 3 * filled > 4 * places {
            return None;
        }
        let weights = shape.groups * shape.outputs * columns;
        let parts = TASKS
            .div_ceil(shape.groups)
            .min(PARTIAL / weights)
            .clamp(1, shape.batch);
        let panels = columns.div_ceil(PANEL_LINES);
        let shares = TASKS.div_ceil(parts * shape.groups).min(panels);
        Some(SplitGrad {
            straight: pieces.straight(&groups, width),
            shape: shape.clone(),
            pieces,
            groups,
            width,
            columns,
            parts,
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

    /// Elements of a thread's planes, and brought together; words of panels of columns and of gradients.
    fn work_lens(&self) -> ([usize; 2], [usize; 2]) {
        let elements = if self.straight {
            0
        } else {
            (PANEL_LINES + 1) * self.width
        };
        (
            [self.pieces.len(self.shape.channels), elements],
            [
                panels_words(PANEL_LINES, self.width),
                panels_words(self.shape.outputs, self.width),
            ],
        )
    }

    /// Bytes of scratch that [`SplitGrad::run`] takes.
    pub fn scratch_bytes(&self, threads: usize) -> usize {
        let (floats, words) = self.work_lens();
        scratch_bytes::<f32>(self.parts * self.sums_lens().1)
            + scratch_bytes::<f32>(floats.iter().sum::<usize>() * threads)
            + scratch_bytes::<u32>(words.iter().sum::<usize>() * threads)
    }

    /// x, dy -> dw. False if a number cannot be split: then the result is not valid.
    pub fn run(&self, args: &Args<'_>, x: &[f32], dy: &[f32], dw: &mut [f32]) -> bool {
        let (sum_len, all_len) = self.sums_lens();
        let sums = args.scratch::<f32>(self.parts * all_len);
        let (floats_lens, words_lens) = self.work_lens();
        let (floats_len, words_len) = (
            floats_lens.iter().sum::<usize>(),
            words_lens.iter().sum::<usize>(),
        );
        let floats = SharedSlice::new(args.scratch::<f32>(floats_len * args.pool().threads()));
        let words = SharedSlice::new(args.scratch::<u32>(words_len * args.pool().threads()));
        let (level, fine) = (args.level(), AtomicBool::new(true));
        args.pool().chunks(sums, sum_len, |worker, task, sums| {
            // SAFETY: a worker's own pieces of the work space.
            let (floats, words) = unsafe {
                (
                    floats.range(worker * floats_len..(worker + 1) * floats_len),
                    words.range(worker * words_len..(worker + 1) * words_len),
                )
            };
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
        let (total, rest) = sums.split_at_mut(all_len);
        args.pool().chunks(total, PART, |_, i, total| {
            for part in rest.chunks_exact(all_len) {
                let part = &part[i * PART..][..total.len()];
                total.iter_mut().zip(part).for_each(|(sum, &part)| *sum += part);
            }
        });
        self.store(args, total, dw);
        true
    }

    fn task(&self, number: usize) -> Task {
        let (share, rest) = (number % self.shares(), number / self.shares());
        let (set, part) = (rest % self.shape.groups, rest / self.shape.groups);
        let (first, columns) = (share * self.panels * PANEL_LINES, self.panels * PANEL_LINES);
        Task {
            set,
            columns: first..self.columns.min(first + columns),
            samples: self.shape.batch * part / self.parts..self.shape.batch * (part + 1) / self.parts,
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
        let (input, places) = (channels * self.shape.input_size(), self.shape.output_size());
        let multiplier = TileMultiplier::new(level);
        work.planes.fill(0.0);
        let mut fine = true;
        for sample in task.samples.clone() {
            let image = sample * self.shape.groups + task.set;
            let planes = self
                .pieces
                .write(level, &x[image * input..][..input], &mut *work.planes);
            for (i, group) in self.groups.iter().enumerate() {
                let add = sample > task.samples.start || i > 0;
                let first = image * outputs * places + self.pieces.all[group.pieces.start].place;
                let lines = Lines {
                    data: &dy[first..],
                    apart: places,
                    count: outputs,
                    terms: group.places,
                };
                let gradients = &mut work.gradients[..panels_words(outputs, group.places)];
                fine &= lines.pack(level, !self.columns_left, gradients);
                for (panel, first) in task.columns.clone().step_by(PANEL_LINES).enumerate() {
                    let some = first..task.columns.end.min(first + PANEL_LINES);
                    let columns = &mut work.columns[..panels_words(PANEL_LINES, group.places)];
                    fine &= self.pack_columns(level, some, group, planes, work.elements, columns);
                    self.multiply(&multiplier, (panel, columns), gradients, sums, add);
                }
            }
        }
        fine
    }

    /// Packs what a group's places meet in some columns.
    fn pack_columns(
        &self,
        level: Level,
        columns: Range<usize>,
        group: &Group,
        planes: &[f32],
        elements: &mut [f32],
        out: &mut [u32],
    ) -> bool {
        let (count, terms) = (columns.len(), group.places);
        let lines = if self.straight {
            let first = self.pieces.all[group.pieces.start].from + self.pieces.offsets[columns.start];
            Lines {
                data: &planes[first..],
                apart: self.pieces.planes.size(),
                count,
                terms,
            }
        } else {
            let together = Together {
                pieces: &self.pieces,
                group,
                planes,
                terms: columns,
                out: &mut *elements,
                width: self.width,
            };
            f32::run(level, together);
            Lines {
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
        args.pool().chunks(dw, outputs * self.columns, |_, set, dw| {
            let sums = &sums[set * self.shares() * len..][..self.shares() * len];
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

/// Lines of an operand, whose terms lie side by side.
struct Lines<'a> {
    data: &'a [f32],
    /// Elements between lines.
    apart: usize,
    count: usize,
    terms: usize,
}

impl Lines<'_> {
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
