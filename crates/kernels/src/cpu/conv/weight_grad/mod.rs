//! The adjoint of convolution in the weights: `dw (O, C taps) = sum over samples of dy (O, positions) im2col(x)'`.
//!
//! Samples are divided into groups by the shape alone; each group has its own sum, and the sums are added in order.
//! Algorithms: [`depthwise`](super::depthwise) for single channels, [`dot_products`] for few, [`channels_last`] for
//! many; [`bf16x3`] and [`winograd`](super::winograd) where they pay.

mod bf16x3;
mod channels_last;
mod dot_products;

use crate::cpu::conv::depthwise::DepthwiseWeightGrad;
use crate::cpu::conv::lanes::LaneDispatch;
use crate::cpu::conv::problem::may_reassociate;
use crate::cpu::conv::shape::ConvShape;
use crate::cpu::conv::winograd::WinogradWeightGrad;
use crate::cpu::element::{same, same_mut};
use crate::cpu::exec::{Args, Chosen, Env, Kernel, Plain, scratch_bytes};
use crate::cpu::gemm::GemmElement;
use crate::cpu::pool::{SharedSlice, WorkerSlices};
use bf16x3::Bf16x3WeightGrad;
use channels_last::ChannelsLast;
use dot_products::DotProducts;

/// Groups of samples, when the weights are few.
const SAMPLE_GROUPS: usize = 16;
/// Elements of all partial sums together.
const PARTIAL_ELEMENTS: usize = 1 << 21;
/// Tasks wanted.
const MIN_TASKS: usize = 16;
/// Output channels of a task.
const TASK_OUTPUTS: usize = 48;
/// Channels of a group from which on they are held innermost.
const MANY_CHANNELS: usize = 8;

enum Algorithm {
    Depthwise(DepthwiseWeightGrad),
    DotProducts(DotProducts),
    ChannelsLast(ChannelsLast),
}

/// How the work is divided: groups of samples, and of output channels.
struct WeightGradPlan {
    algorithm: Algorithm,
    sample_groups: usize,
    output_shares: usize,
    /// Elements of one partial sum of a channel group.
    sum_len: usize,
}

impl WeightGradPlan {
    fn new<T: GemmElement>(shape: &ConvShape, env: &Env) -> WeightGradPlan {
        let lanes = T::micro_kernels(env.level).lanes;
        let algorithm = if let Some(depthwise) = DepthwiseWeightGrad::new(shape, lanes) {
            Algorithm::Depthwise(depthwise)
        } else if shape.channels >= MANY_CHANNELS {
            Algorithm::ChannelsLast(ChannelsLast::new(shape, lanes))
        } else {
            Algorithm::DotProducts(DotProducts::new(shape, lanes))
        };
        let sum_len = shape.outputs
            * match &algorithm {
                Algorithm::Depthwise(_) | Algorithm::DotProducts(_) => shape.channels * shape.taps(),
                // The same for every level, since the division must not depend on it.
                Algorithm::ChannelsLast(channels_last) => channels_last.row_len(),
            };
        let weights = (shape.groups * shape.outputs * shape.channels * shape.taps()).max(1);
        let sample_groups = SAMPLE_GROUPS
            .div_ceil(shape.groups)
            .min(PARTIAL_ELEMENTS / weights)
            .clamp(1, shape.batch.max(1));
        let output_shares = MIN_TASKS
            .div_ceil(sample_groups * shape.groups)
            .clamp(1, shape.outputs.div_ceil(TASK_OUTPUTS).max(1));
        WeightGradPlan {
            algorithm,
            sample_groups,
            output_shares,
            sum_len,
        }
    }

    fn work_len(&self) -> usize {
        match &self.algorithm {
            Algorithm::Depthwise(_) => 0,
            Algorithm::DotProducts(dot_products) => dot_products.work_len(),
            Algorithm::ChannelsLast(channels_last) => channels_last.work_len(),
        }
    }

    fn sums_len(&self, shape: &ConvShape) -> usize {
        self.sample_groups * shape.groups * self.sum_len
    }

    /// The partial sums of every group of samples.
    fn sum<T: GemmElement + Plain + LaneDispatch>(
        &self,
        args: &Args<'_>,
        shape: &ConvShape,
        operands: (&[T], &[T]),
        work: &WorkerSlices<'_, T>,
        sums: &mut [T],
    ) {
        let (level, groups) = (args.level(), shape.groups);
        let (shares, sample_groups) = (self.output_shares, self.sample_groups);
        let row_len = self.sum_len / shape.outputs;
        let sums = SharedSlice::new(sums);
        args.pool().run(sample_groups * groups * shares, |worker, task| {
            let (share, rest) = (task % shares, task / shares);
            let (group, sample_group) = (rest % groups, rest / groups);
            let outputs = shape.outputs * share / shares..shape.outputs * (share + 1) / shares;
            let samples =
                shape.batch * sample_group / sample_groups..shape.batch * (sample_group + 1) / sample_groups;
            let start = rest * self.sum_len;
            let rows = start + outputs.start * row_len..start + outputs.end * row_len;
            // SAFETY: a worker's own part of the work space, a task's own rows of the sums.
            let (work, sum) = unsafe { (work.of(worker), sums.range(rows)) };
            sum.fill(T::ZERO);
            match &self.algorithm {
                Algorithm::Depthwise(depthwise) => {
                    depthwise.add(level, shape, operands, (samples, group), sum)
                }
                Algorithm::DotProducts(dot_products) => {
                    dot_products.add(level, shape, operands, (samples, group, outputs), work, sum)
                }
                Algorithm::ChannelsLast(channels_last) => {
                    channels_last.add(level, shape, operands, (samples, group, outputs), work, sum)
                }
            }
        });
    }

    /// Adds the sums of the groups of samples in order, one output channel at a time.
    fn join<T: GemmElement>(&self, args: &Args<'_>, shape: &ConvShape, sums: &[T], dw: &mut [T]) {
        let taps = shape.taps();
        let row_len = self.sum_len / shape.outputs;
        let all = shape.groups * self.sum_len;
        args.pool().chunks(dw, shape.channels * taps, |_, row, out| {
            for (i, out) in out.iter_mut().enumerate() {
                let at = row * row_len
                    + match &self.algorithm {
                        Algorithm::Depthwise(_) | Algorithm::DotProducts(_) => i,
                        Algorithm::ChannelsLast(channels_last) => channels_last.position(i / taps, i % taps),
                    };
                *out = (1..self.sample_groups).fold(sums[at], |sum, sample_group| {
                    sum.plus(sums[sample_group * all + at])
                });
            }
        });
    }
}

/// By transformed tiles, where that is possible and wanted.
fn winograd<T>(shape: &ConvShape) -> Option<WinogradWeightGrad> {
    may_reassociate::<T>()
        .then(|| WinogradWeightGrad::new(shape))
        .flatten()
}

/// With matrix instructions, where the numbers allow it.
fn bf16x3<T>(shape: &ConvShape, env: &Env) -> Option<Bf16x3WeightGrad> {
    may_reassociate::<T>()
        .then(|| Bf16x3WeightGrad::new(shape, env))
        .flatten()
}

/// x, dy -> dw.
pub(crate) fn weight_grad<T: GemmElement + Plain + LaneDispatch>(shape: ConvShape, env: &Env) -> Chosen {
    let threads = env.pool.threads();
    if let Some(winograd) = winograd::<T>(&shape) {
        return Chosen {
            scratch: winograd.scratch_bytes::<T>(threads),
            serial: false,
            kernel: Box::new(move |args| {
                winograd.run(args, args.input::<T>(0), args.input::<T>(1), args.output::<T>());
                Ok(())
            }),
        };
    }
    let bf16x3 = bf16x3::<T>(&shape, env);
    let plan = WeightGradPlan::new::<T>(&shape, env);
    let scratch = bf16x3.as_ref().map_or(0, |bf16x3| bf16x3.scratch_bytes(threads))
        + scratch_bytes::<T>(plan.sums_len(&shape))
        + scratch_bytes::<T>(plan.work_len() * threads);
    let kernel: Kernel = Box::new(move |args| {
        let (x, dy, dw) = (args.input::<T>(0), args.input::<T>(1), args.output::<T>());
        if let (Some(bf16x3), Some(x), Some(dy), Some(dw)) = (&bf16x3, same(x), same(dy), same_mut(dw))
            && bf16x3.run(args, x, dy, dw)
        {
            return Ok(());
        }
        let sums = args.scratch::<T>(plan.sums_len(&shape));
        let work = args.worker_scratch::<T>(plan.work_len());
        if !dw.is_empty() {
            plan.sum(args, &shape, (x, dy), &work, sums);
            plan.join(args, &shape, sums, dw);
        }
        Ok(())
    });
    Chosen {
        kernel,
        scratch,
        serial: false,
    }
}
