//! The adjoint of convolution in the weights: `dw (O, C taps) = sum over samples of dy (O, places) columns(x)'`.
//!
//! Both factors have the places side by side, so the terms are added up in the lanes of registers, without
//! transposing anything: a tile of results is a few registers of partial sums. Samples are divided into groups, by
//! the shape alone; each group has its own sum, and the sums are added in order.

use super::columns::Columns;
use super::shape::ConvShape;
use crate::cpu::exec::{Env, Kernel, Plain, scratch_bytes};
use crate::cpu::gemm::{Dots, Tiled, dots};
use crate::cpu::pool::SharedSlice;

/// Elements of columns made at a time: well within a second-level cache.
const CACHE: usize = 1 << 16;
/// Groups of samples, when the weights are few.
const GROUPS: usize = 16;
/// Elements of all partial sums together.
const PARTIAL: usize = 1 << 21;

/// How the work is divided.
struct Division {
    /// Groups of samples.
    parts: usize,
    /// Samples whose columns are made together, and places of each.
    samples: usize,
    places: usize,
    /// Elements between rows of columns: places, rounded up.
    stride: usize,
}

impl Division {
    fn new(shape: &ConvShape) -> Division {
        let depth = (shape.channels * shape.taps()).max(1);
        let weights = shape.groups * shape.outputs * depth;
        let parts = GROUPS.min(PARTIAL / weights.max(1)).clamp(1, shape.batch.max(1));
        let all = shape.output_size().max(1);
        let places = (CACHE / depth).next_multiple_of(64).clamp(64, 4096).min(all);
        let stride = places.next_multiple_of(16);
        let samples = if places == all {
            (CACHE / (depth * stride)).clamp(1, 8)
        } else {
            1
        };
        Division {
            parts,
            samples,
            places,
            stride,
        }
    }

    fn columns_len(&self, shape: &ConvShape) -> usize {
        (self.samples * shape.channels * shape.taps() * self.stride).next_multiple_of(64)
    }
}

/// x, dy -> dw.
pub(crate) fn weight_grad<T: Tiled + Plain>(shape: ConvShape, _: &Env) -> Kernel {
    let division = Division::new(&shape);
    Box::new(move |args| {
        let (x, dy, dw) = (args.input::<T>(0), args.input::<T>(1), args.output::<T>());
        let (groups, depth) = (shape.groups, shape.channels * shape.taps());
        let per_group = shape.outputs * depth;
        let (input, output) = (shape.channels * shape.input_size(), shape.output_size());
        let meeting = shape.forward();
        let Division {
            parts,
            samples,
            places,
            stride,
        } = division;
        let partial = args.scratch::<T>(if parts > 1 { parts * dw.len() } else { 0 });
        let work_len = division.columns_len(&shape);
        let work = SharedSlice::new(args.scratch::<T>(work_len * args.pool().threads()));
        let level = args.level();
        if dw.is_empty() {
            return Ok(());
        }
        {
            let sums = SharedSlice::new(if parts > 1 { &mut *partial } else { &mut *dw });
            args.pool().run(parts * groups, |worker, task| {
                let (part, group) = (task / groups, task % groups);
                // SAFETY: a worker's own piece of the work space, a task's own piece of the sums.
                let (work, sum) = unsafe {
                    let work = work.range(worker * work_len..(worker + 1) * work_len);
                    (work, sums.range(task * per_group..(task + 1) * per_group))
                };
                sum.fill(T::ZERO);
                let end = shape.batch * (part + 1) / parts;
                for n in (shape.batch * part / parts..end).step_by(samples) {
                    for first in (0..output).step_by(places) {
                        let count = places.min(output - first);
                        let together = samples.min(end - n);
                        for s in 0..together {
                            let image = (n + s) * groups + group;
                            let columns = Columns {
                                planes: &x[image * input..][..input],
                                meeting,
                            };
                            for (row, line) in work[s * depth * stride..]
                                .chunks_exact_mut(stride)
                                .take(depth)
                                .enumerate()
                            {
                                columns.row(row, first, &mut line[..count]);
                            }
                        }
                        let image = n * groups + group;
                        let left = &dy[image * shape.outputs * output + first..];
                        let job = Dots {
                            terms: count,
                            segments: together,
                            left: (output, groups * shape.outputs * output),
                            right: (stride, depth * stride),
                            rows: shape.outputs,
                            cols: depth,
                        };
                        dots(level, job, left, work, sum);
                    }
                }
            });
        }
        if parts > 1 {
            let size = dw.len();
            args.pool().chunks(dw, 4096, |_, i, piece| {
                piece.copy_from_slice(&partial[i * 4096..][..piece.len()]);
                for part in 1..parts {
                    let from = &partial[part * size + i * 4096..][..piece.len()];
                    piece
                        .iter_mut()
                        .zip(from)
                        .for_each(|(sum, &x)| *sum = sum.plus(x));
                }
            });
        }
        Ok(())
    })
}

/// Bytes of scratch of [`weight_grad`].
pub(crate) fn weight_grad_scratch<T: Tiled>(shape: &ConvShape, env: &Env) -> usize {
    let division = Division::new(shape);
    let weights = shape.groups * shape.outputs * shape.channels * shape.taps();
    let partial = if division.parts > 1 {
        division.parts * weights
    } else {
        0
    };
    scratch_bytes::<T>(partial) + scratch_bytes::<T>(division.columns_len(shape) * env.pool.threads())
}
