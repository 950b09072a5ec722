//! Convolution and its two adjoints, as matrix products with a matrix of columns: a row for each channel and tap, a
//! column for each place. It is never whole in memory: read out of padded planes in place ([`direct`], [`wide`]) or
//! made in pieces ([`columns`], [`narrow`]).
//!
//! - forward: `y (O, places) = w (O, C taps) columns(x)`
//! - in x: `dx (C, places) = w' (C, O taps) columns(dy)`, w' the weights with the two kinds of channels exchanged
//! - in w: `dw (O, C taps) = dy (O, places) columns(x)'`, summed over the batch in fixed groups of samples

mod columns;
mod direct;
mod line;
mod narrow;
mod padded;
mod shape;
mod weight_grad;
mod wide;

pub(crate) use shape::ConvShape;
pub(crate) use weight_grad::{weight_grad, weight_grad_scratch};

use super::exec::{Args, Env, Kernel, Plain, scratch_bytes};
use super::gemm::{Left, Matrix, Source, Target, Tiled, Warm, region, work_len};
use super::pool::SharedSlice;
use columns::Columns;
use direct::Direct;
use shape::Meeting;

/// Places that one task computes.
const PLACES: usize = 512;

/// A product of weights with columns, for every sample and group.
struct Pass {
    batch: usize,
    groups: usize,
    /// Rows of the weights of a group.
    rows: usize,
    /// Columns of the weights of a group: channels and taps.
    depth: usize,
    /// Elements of a sample's group in the tensor that the columns are made of.
    plane: usize,
    /// Places of the result.
    places: usize,
    meeting: Meeting,
}

impl Pass {
    fn forward(shape: &ConvShape) -> Pass {
        Pass {
            batch: shape.batch,
            groups: shape.groups,
            rows: shape.outputs,
            depth: shape.channels * shape.taps(),
            plane: shape.channels * shape.input_size(),
            places: shape.output_size(),
            meeting: shape.forward(),
        }
    }

    fn backward(shape: &ConvShape) -> Pass {
        Pass {
            batch: shape.batch,
            groups: shape.groups,
            rows: shape.channels,
            depth: shape.outputs * shape.taps(),
            plane: shape.outputs * shape.output_size(),
            places: shape.input_size(),
            meeting: shape.backward(),
        }
    }

    fn columns_work_len<T: Tiled>(&self, env: &Env) -> usize {
        work_len::<T>(
            env.level,
            self.depth,
            self.rows,
            self.places.min(PLACES),
            false,
            true,
        )
        .next_multiple_of(64)
    }

    fn scratch_bytes<T: Tiled>(&self, env: &Env) -> usize {
        let work_len = match Direct::new(self) {
            Some(direct) => direct.work_len(self),
            None => self.columns_work_len::<T>(env),
        };
        scratch_bytes::<T>(work_len * env.pool.threads())
    }

    /// `out[n, g] = weights[g] columns(x[n, g])`, with columns made as they are needed.
    fn run<T: Tiled + Plain>(&self, args: &Args<'_>, work_len: usize, x: &[T], weights: &[T], out: &mut [T]) {
        let pieces = self.places.div_ceil(PLACES);
        let work = SharedSlice::new(args.scratch::<T>(work_len * args.pool().threads()));
        let (level, out) = (args.level(), SharedSlice::new(out));
        args.pool()
            .run(self.batch * self.groups * pieces, |worker, task| {
                let (image, piece) = (task / pieces, task % pieces * PLACES);
                let group = image % self.groups;
                let cols = piece..self.places.min(piece + PLACES);
                let columns = Columns {
                    planes: &x[image * self.plane..][..self.plane],
                    meeting: self.meeting,
                };
                let weights = &weights[group * self.rows * self.depth..][..self.rows * self.depth];
                let left = Left::Matrix(Matrix {
                    data: weights,
                    row: self.depth,
                    col: 1,
                });
                // SAFETY: a worker's own piece of the work space; a task's own places of the result.
                unsafe {
                    let work = work.range(worker * work_len..(worker + 1) * work_len);
                    let start = out.as_mut_ptr().add(image * self.rows * self.places + piece);
                    let target = Target {
                        start,
                        stride: self.places,
                        add: false,
                        warm: Warm::NOTHING,
                    };
                    region(
                        level,
                        self.depth,
                        left,
                        0..self.rows,
                        &Source::Pack(&columns),
                        cols,
                        target,
                        work,
                    );
                }
            });
    }

    /// A function `(args, x, weights, out)` that does the pass in the way that suits it.
    fn prepare<T: Tiled + Plain>(
        self,
        env: &Env,
    ) -> impl Fn(&Args<'_>, &[T], &[T], &mut [T]) + Send + use<T> {
        let direct = Direct::new(&self);
        let work_len = self.columns_work_len::<T>(env);
        move |args, x, weights, out| match &direct {
            _ if out.is_empty() => {}
            Some(direct) => direct.run(&self, args, x, weights, out),
            None => self.run(args, work_len, x, weights, out),
        }
    }
}

/// x, w -> y.
pub(crate) fn forward<T: Tiled + Plain>(shape: ConvShape, env: &Env) -> Kernel {
    let run = Pass::forward(&shape).prepare::<T>(env);
    Box::new(move |args| {
        run(args, args.input::<T>(0), args.input::<T>(1), args.output::<T>());
        Ok(())
    })
}

/// Bytes of scratch of [`forward`].
pub(crate) fn forward_scratch<T: Tiled>(shape: &ConvShape, env: &Env) -> usize {
    Pass::forward(shape).scratch_bytes::<T>(env)
}

/// dy, w -> dx.
pub(crate) fn input_grad<T: Tiled + Plain>(shape: ConvShape, env: &Env) -> Kernel {
    let run = Pass::backward(&shape).prepare::<T>(env);
    let weights_len = exchanged_len(&shape);
    Box::new(move |args| {
        let exchanged = args.scratch::<T>(weights_len);
        exchange(&shape, args.input::<T>(1), exchanged);
        run(args, args.input::<T>(0), exchanged, args.output::<T>());
        Ok(())
    })
}

/// Bytes of scratch of [`input_grad`].
pub(crate) fn input_grad_scratch<T: Tiled>(shape: &ConvShape, env: &Env) -> usize {
    scratch_bytes::<T>(exchanged_len(shape)) + Pass::backward(shape).scratch_bytes::<T>(env)
}

fn exchanged_len(shape: &ConvShape) -> usize {
    shape.groups * shape.outputs * shape.channels * shape.taps()
}

/// w (groups, O, C, taps) -> (groups, C, O, taps).
fn exchange<T: Copy>(shape: &ConvShape, w: &[T], out: &mut [T]) {
    let (o, c, taps) = (shape.outputs, shape.channels, shape.taps());
    if taps == 0 {
        return;
    }
    for (i, to) in out.chunks_exact_mut(taps).enumerate() {
        let (group, channel, output) = (i / (o * c), i / o % c, i % o);
        to.copy_from_slice(&w[((group * o + output) * c + channel) * taps..][..taps]);
    }
}
