//! Convolution and its two adjoints, as matrix products with a matrix of columns: a row for each channel and tap, a
//! column for each place. It is never whole in memory: read out of planes as they lie ([`single`]) or with their padding
//! ([`few`], [`narrow`], [`wide`]), from records of what a place has ([`packed`]), brought together in parts ([`many`],
//! [`split`], [`split_grad`]), or made in parts ([`columns`]).
//!
//! - forward: `y (O, places) = w (O, C taps) columns(x)`
//! - in x: `dx (C, places) = w' (C, O taps) columns(dy)`, w' the weights with the two kinds of channels exchanged
//! - in w: `dw (O, C taps) = dy (O, places) columns(x)'`, summed over the batch in fixed groups of samples
//!
//! Convolutions with a kernel for every place are not products of matrices: [`local`].

mod cells;
mod columns;
mod direct;
pub(crate) mod epilogue;
mod few;
mod lanes;
mod line;
mod lines;
pub(crate) mod local;
mod many;
mod narrow;
mod packed;
mod padded;
mod phases;
mod pieces;
mod shape;
mod single;
mod single_grad;
mod split;
mod split_grad;
mod strided;
mod weight_grad;
mod wide;
mod winograd;

pub(crate) use lanes::Vectors;
pub(crate) use shape::ConvShape;
pub(crate) use weight_grad::weight_grad;

use std::sync::{Arc, OnceLock};

use super::element::{same, same_mut};
use super::exec::{Args, Chosen, Env, Plain, scratch_bytes};
use super::gemm::{
    GemmElement, LeftOperand, Matrix, OutBlock, Prefetch, RightOperand, macro_kernel, work_len,
};
use super::pool::SharedSlice;
use columns::Columns;
use direct::Direct;
use epilogue::Finish;
use packed::Packed;
use shape::Meeting;
use single::Single;
use split::Split;
use strided::Strided;
use winograd::Winograd;

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
    /// Whether the weights come with the two kinds of channels exchanged.
    exchanged: bool,
    /// Whether sums may be formed in other ways than directly.
    inexact: bool,
}

/// How a [`Pass`] is done.
enum Way {
    Winograd(Winograd),
    /// With matrix instructions where the numbers allow it, else in the other way.
    Split(Split, Box<Way>),
    /// The same on planes that are packed once.
    Packed(Packed, Box<Way>),
    Direct(Direct),
    /// On planes as they lie.
    Single(Single),
    Strided(Strided),
    /// With columns made as they are needed.
    Columns,
}

impl Pass {
    fn forward<T>(shape: &ConvShape) -> Pass {
        Pass {
            exchanged: false,
            inexact: inexact::<T>(),
            batch: shape.batch,
            groups: shape.groups,
            rows: shape.outputs,
            depth: shape.channels * shape.taps(),
            plane: shape.channels * shape.input_size(),
            places: shape.output_size(),
            meeting: shape.forward(),
        }
    }

    fn backward<T>(shape: &ConvShape) -> Pass {
        Pass {
            exchanged: true,
            inexact: inexact::<T>(),
            batch: shape.batch,
            groups: shape.groups,
            rows: shape.channels,
            depth: shape.outputs * shape.taps(),
            plane: shape.outputs * shape.output_size(),
            places: shape.input_size(),
            meeting: shape.backward(),
        }
    }

    fn columns_work_len<T: GemmElement>(&self, env: &Env) -> usize {
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

    fn way<T: GemmElement>(&self, env: &Env) -> Way {
        let winograd = Winograd::new::<T>(self, env).map(Way::Winograd);
        let packed = Packed::new(self, env, winograd.is_some());
        let other = || self.exact_way::<T>(env);
        if let Some(packed) = packed {
            return Way::Packed(packed, Box::new(winograd.unwrap_or_else(other)));
        }
        if let Some(winograd) = winograd {
            return winograd;
        }
        let other = other();
        match Split::new(self, env, None) {
            Some(split) => Way::Split(split, Box::new(other)),
            None => other,
        }
    }

    /// The way where numbers must not be split.
    fn exact_way<T: GemmElement>(&self, env: &Env) -> Way {
        let tiles = T::micro_kernels(env.level);
        let widths = (tiles.lanes, tiles.width());
        if let Some(strided) = Strided::new(self, env, widths) {
            return Way::Strided(strided);
        }
        if let Some(single) = Single::new(self, widths.0) {
            return Way::Single(single);
        }
        Direct::new(self, widths).map_or(Way::Columns, Way::Direct)
    }

    fn scratch_of<T: GemmElement>(&self, way: &Way, env: &Env) -> usize {
        let threads = env.pool.threads();
        let work_len = match way {
            Way::Winograd(winograd) => return winograd.scratch_bytes::<T>(threads),
            Way::Packed(packed, other) => {
                return packed.scratch_bytes(threads) + self.scratch_of::<T>(other, env);
            }
            Way::Strided(strided) => return strided.scratch_bytes::<T>(threads),
            Way::Split(split, other) => {
                let exchanged = scratch_bytes::<T>(self.exchanged_len());
                return split.scratch_bytes(threads) + exchanged + self.scratch_of::<T>(other, env);
            }
            Way::Direct(direct) => direct.work_len(self),
            Way::Single(_) => 0,
            Way::Columns => self.columns_work_len::<T>(env),
        };
        scratch_bytes::<T>(self.exchanged_len()) + scratch_bytes::<T>(work_len * threads)
    }

    /// Elements of the weights, if they have to be exchanged.
    fn exchanged_len(&self) -> usize {
        if self.exchanged {
            self.groups * self.rows * self.depth
        } else {
            0
        }
    }

    /// The weights (groups, rows, columns).
    fn weights<'a, T: Plain>(&self, args: &Args<'a>, w: &'a [T]) -> &'a [T] {
        if !self.exchanged {
            return w;
        }
        let weights = args.scratch::<T>(self.exchanged_len());
        let taps: usize = self.meeting.kernel.iter().product();
        let (rows, channels) = (self.rows, self.depth / taps.max(1));
        for (i, to) in weights.chunks_exact_mut(taps.max(1)).enumerate() {
            let (group, row, channel) = (i / (rows * channels), i / channels % rows, i % channels);
            to.copy_from_slice(&w[((group * channels + channel) * rows + row) * taps..][..taps]);
        }
        weights
    }

    /// `out[n, g] = weights[g] columns(x[n, g])`, with columns made as they are needed.
    fn run<T: GemmElement + Plain>(
        &self,
        args: &Args<'_>,
        work_len: usize,
        x: &[T],
        weights: &[T],
        out: &mut [T],
    ) {
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
                let left = LeftOperand::Matrix(Matrix {
                    data: weights,
                    row: self.depth,
                    col: 1,
                });
                // SAFETY: a worker's own piece of the work space; a task's own places of the result.
                unsafe {
                    let work = work.range(worker * work_len..(worker + 1) * work_len);
                    let start = out.as_mut_ptr().add(image * self.rows * self.places + piece);
                    let target = OutBlock {
                        start,
                        stride: self.places,
                        add: false,
                        prefetch: Prefetch::NONE,
                    };
                    macro_kernel(
                        level,
                        self.depth,
                        left,
                        0..self.rows,
                        &RightOperand::Pack(&columns),
                        cols,
                        target,
                        work,
                    );
                }
            });
    }

    /// Does the pass. Whether the parts of the result were finished on the way.
    fn run_way<T: GemmElement + Plain + Vectors>(
        &self,
        way: &Way,
        args: &Args<'_>,
        work_len: usize,
        (x, w): (&[T], &[T]),
        out: &mut [T],
        finish: Finish<'_, T>,
    ) -> bool {
        match way {
            Way::Winograd(winograd) => winograd.run(args, x, w, out, finish),
            Way::Direct(direct) => direct.run(self, args, x, self.weights(args, w), out, finish),
            Way::Single(single) => single.run(self, args, x, self.weights(args, w), out, finish),
            Way::Strided(strided) => {
                strided.run(self, args, x, w, out);
                return false;
            }
            Way::Columns => {
                self.run(args, work_len, x, self.weights(args, w), out);
                return false;
            }
            Way::Packed(packed, other) => {
                if let (Some(x), Some(w), Some(out)) = (same(x), same(w), same_mut(out))
                    && packed.run(args, x, w, out)
                {
                    return false;
                }
                return self.run_way(other, args, work_len, (x, w), out, finish);
            }
            Way::Split(split, other) => {
                let numbers = (same(x), same(self.weights(args, w)), same_mut(out));
                if let (Some(x), Some(weights), Some(out)) = numbers
                    && split.run(args, x, weights, out)
                {
                    return false;
                }
                return self.run_way(other, args, work_len, (x, w), out, finish);
            }
        }
        true
    }

    /// `(x, w) -> out` in the way that suits it.
    fn prepare<T: GemmElement + Plain + Vectors>(self, env: &Env) -> Convolution<T> {
        let way = self.way::<T>(env);
        let scratch = self.scratch_of::<T>(&way, env);
        let work_len = self.columns_work_len::<T>(env);
        let run = Arc::new(move |args: &Args<'_>, finish: Finish<'_, T>| {
            let (x, w, out) = (args.input::<T>(0), args.input::<T>(1), args.output::<T>());
            if out.is_empty() || self.run_way(&way, args, work_len, (x, w), out, finish) {
                return;
            }
            if let Some(finish) = finish {
                let out = &*out;
                args.pool().ranges(out.len(), PART, |worker, range| {
                    finish(worker, range.start, &out[range])
                });
            }
        });
        Convolution { run, scratch }
    }
}

/// A pass made ready, to be given what finishes the parts of its result.
type Convolve<T> = Arc<dyn Fn(&Args<'_>, Finish<'_, T>) + Send + Sync>;

/// A convolution, or its adjoint in x, and the bytes of scratch that it takes.
pub(crate) struct Convolution<T> {
    run: Convolve<T>,
    scratch: usize,
}

impl<T: 'static> Convolution<T> {
    /// It, with nothing after it.
    pub fn alone(&self) -> Chosen {
        let run = self.run.clone();
        Chosen {
            scratch: self.scratch,
            kernel: Box::new(move |args| {
                run(args, None);
                Ok(())
            }),
        }
    }
}

/// Elements that a task finishes where the parts were not finished on the way.
const PART: usize = 1 << 14;

/// Whether float32 results need not be sums of products of elements and weights, but of sums of such.
fn inexact<T>() -> bool {
    size_of::<T>() == size_of::<f32>() && !direct_wanted()
}

/// Whether the environment variable `HYPERGLOW_CONV` is `direct`: convolutions are summed directly, term by term.
fn direct_wanted() -> bool {
    static WANTED: OnceLock<bool> = OnceLock::new();
    *WANTED.get_or_init(|| std::env::var("HYPERGLOW_CONV").is_ok_and(|way| way == "direct"))
}

/// x, w -> y.
pub(crate) fn forward<T: GemmElement + Plain + Vectors>(shape: &ConvShape, env: &Env) -> Convolution<T> {
    Pass::forward::<T>(shape).prepare::<T>(env)
}

/// dy, w -> dx.
pub(crate) fn input_grad<T: GemmElement + Plain + Vectors>(shape: &ConvShape, env: &Env) -> Convolution<T> {
    Pass::backward::<T>(shape).prepare::<T>(env)
}
