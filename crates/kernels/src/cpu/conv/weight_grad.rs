//! The adjoint of convolution in the weights: `dw (O, C taps) = sum over samples of dy (O, places) columns(x)'`.
//!
//! Samples are divided into groups by the shape alone; each group has its own sum, and the sums are added in
//! order. Ways: [`single_grad`](super::single_grad) for single channels, [`narrow`](super::narrow) for few,
//! [`wide`](super::wide) for many, [`split_grad`](super::split_grad)
//! and [`winograd`] where they pay.

use super::lanes::Vectors;
use super::narrow::Narrow;
use super::shape::ConvShape;
use super::single_grad::SingleGrad;
use super::split_grad::SplitGrad;
use super::wide::Wide;
use super::winograd;
use crate::cpu::element::{same, same_mut};
use crate::cpu::exec::{Chosen, Env, Kernel, Plain, scratch_bytes};
use crate::cpu::gemm::GemmElement;
use crate::cpu::pool::SharedSlice;

/// Groups of samples, when the weights are few.
const PARTS: usize = 16;
/// Elements of all partial sums together.
const PARTIAL: usize = 1 << 21;
/// Tasks wanted.
const TASKS: usize = 16;
/// Output channels of a task.
const OUTPUTS: usize = 48;
/// Channels of a group from which on they are held innermost.
const MANY: usize = 8;

enum Way {
    Single(SingleGrad),
    Narrow(Narrow),
    Wide(Wide),
}

/// How the work is divided: groups of samples, and of output channels.
struct Division {
    way: Way,
    parts: usize,
    pieces: usize,
    /// Elements of one partial sum of a channel group.
    sum_len: usize,
}

impl Division {
    fn new<T: GemmElement>(shape: &ConvShape, env: &Env) -> Division {
        let lanes = T::micro_kernels(env.level).lanes;
        let way = if let Some(single) = SingleGrad::new(shape, lanes) {
            Way::Single(single)
        } else if shape.channels >= MANY {
            Way::Wide(Wide::new(shape, lanes))
        } else {
            Way::Narrow(Narrow::new(shape, lanes))
        };
        let sum_len = shape.outputs
            * match &way {
                Way::Single(_) | Way::Narrow(_) => shape.channels * shape.taps(),
                // The same for every level, since the division must not depend on it.
                Way::Wide(wide) => wide.row_len(),
            };
        let weights = (shape.groups * shape.outputs * shape.channels * shape.taps()).max(1);
        let parts = PARTS
            .div_ceil(shape.groups)
            .min(PARTIAL / weights)
            .clamp(1, shape.batch.max(1));
        let pieces = TASKS
            .div_ceil(parts * shape.groups)
            .clamp(1, shape.outputs.div_ceil(OUTPUTS).max(1));
        Division {
            way,
            parts,
            pieces,
            sum_len,
        }
    }

    fn work_len(&self) -> usize {
        match &self.way {
            Way::Single(_) => 0,
            Way::Narrow(narrow) => narrow.work_len(),
            Way::Wide(wide) => wide.work_len(),
        }
    }

    fn sums_len(&self, shape: &ConvShape) -> usize {
        self.parts * shape.groups * self.sum_len
    }
}

/// By transformed tiles, where that is possible and wanted.
fn winograd<T>(shape: &ConvShape) -> Option<winograd::WeightGrad> {
    super::inexact::<T>()
        .then(|| winograd::WeightGrad::new(shape))
        .flatten()
}

/// With matrix instructions, where the numbers allow it.
fn split<T>(shape: &ConvShape, env: &Env) -> Option<SplitGrad> {
    super::inexact::<T>()
        .then(|| SplitGrad::new(shape, env))
        .flatten()
}

/// x, dy -> dw.
pub(crate) fn weight_grad<T: GemmElement + Plain + Vectors>(shape: ConvShape, env: &Env) -> Chosen {
    let threads = env.pool.threads();
    if let Some(winograd) = winograd::<T>(&shape) {
        return Chosen {
            scratch: winograd.scratch_bytes::<T>(threads),
            kernel: Box::new(move |args| {
                winograd.run(args, args.input::<T>(0), args.input::<T>(1), args.output::<T>());
                Ok(())
            }),
        };
    }
    let split = split::<T>(&shape, env);
    let division = Division::new::<T>(&shape, env);
    let scratch = split.as_ref().map_or(0, |split| split.scratch_bytes(threads))
        + scratch_bytes::<T>(division.sums_len(&shape))
        + scratch_bytes::<T>(division.work_len() * threads);
    let kernel: Kernel = Box::new(move |args| {
        let (x, dy, dw) = (args.input::<T>(0), args.input::<T>(1), args.output::<T>());
        if let (Some(split), Some(x), Some(dy), Some(dw)) = (&split, same(x), same(dy), same_mut(dw))
            && split.run(args, x, dy, dw)
        {
            return Ok(());
        }
        let sums = args.scratch::<T>(division.sums_len(&shape));
        let work_len = division.work_len();
        let work = SharedSlice::new(args.scratch::<T>(work_len * args.pool().threads()));
        if dw.is_empty() {
            return Ok(());
        }
        let (level, groups) = (args.level(), shape.groups);
        let Division {
            parts,
            pieces,
            sum_len,
            ..
        } = division;
        let row_len = sum_len / shape.outputs;
        {
            let sums = SharedSlice::new(&mut *sums);
            args.pool().run(parts * groups * pieces, |worker, task| {
                let (piece, rest) = (task % pieces, task / pieces);
                let (group, part) = (rest % groups, rest / groups);
                let outputs = shape.outputs * piece / pieces..shape.outputs * (piece + 1) / pieces;
                let samples = shape.batch * part / parts..shape.batch * (part + 1) / parts;
                // SAFETY: a worker's own piece of the work space, a task's own rows of the sums.
                let (work, sum) = unsafe {
                    let work = work.range(worker * work_len..(worker + 1) * work_len);
                    let start = rest * sum_len;
                    (
                        work,
                        sums.range(start + outputs.start * row_len..start + outputs.end * row_len),
                    )
                };
                sum.fill(T::ZERO);
                match &division.way {
                    Way::Single(single) => single.add(level, &shape, (x, dy), (samples, group), sum),
                    Way::Narrow(narrow) => {
                        narrow.add(level, &shape, (x, dy), (samples, group, outputs), work, sum)
                    }
                    Way::Wide(wide) => wide.add(level, &shape, (x, dy), (samples, group, outputs), work, sum),
                }
            });
        }
        // One output channel at a time.
        let (taps, channels) = (shape.taps(), shape.channels);
        let all = groups * sum_len;
        args.pool().chunks(dw, channels * taps, |_, row, out| {
            for (i, out) in out.iter_mut().enumerate() {
                let at = row * row_len
                    + match &division.way {
                        Way::Single(_) | Way::Narrow(_) => i,
                        Way::Wide(wide) => wide.place(i / taps, i % taps),
                    };
                *out = (1..parts).fold(sums[at], |sum, part| sum.plus(sums[part * all + at]));
            }
        });
        Ok(())
    });
    Chosen { kernel, scratch }
}
