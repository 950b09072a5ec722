//! Convolution and its two adjoints. Each is a matrix product with an im2col matrix, which is never whole in memory:
//!
//! - forward: `y (O, positions) = w (O, C taps) im2col(x)`
//! - in x: `dx (C, positions) = w' (C, O taps) im2col(dy)`, w' the weights with the two kinds of channels exchanged
//! - in w: `dw (O, C taps) = dy (O, positions) im2col(x)'`, summed over the batch in fixed groups of samples
//!
//! A folder for each algorithm: [`winograd`], [`implicit_gemm`], [`depthwise`], [`direct`], [`im2col`], and those of
//! the adjoint in w in [`weight_grad`]. [`planes`] lays out the planes that they read. `docs/design/conv.md` says which
//! one is taken when. A convolution whose every position has weights of its own is no matrix product: [`local`].

mod depthwise;
mod direct;
pub(crate) mod epilogue;
mod im2col;
mod implicit_gemm;
mod lanes;
pub(crate) mod local;
mod planes;
mod problem;
mod shape;
mod weight_grad;
mod winograd;

pub(crate) use lanes::LaneDispatch;
pub(crate) use shape::ConvShape;
pub(crate) use weight_grad::weight_grad;

use std::sync::Arc;

use super::element::{same, same_mut};
use super::exec::{Args, Chosen, Env, Plain, scratch_bytes};
use super::gemm::{Epilogue, GemmElement};
use depthwise::Depthwise;
use direct::{Direct, Subpixel};
use im2col::{Bf16x3Im2col, Im2col};
use implicit_gemm::ImplicitGemm;
use problem::ConvGemm;
use winograd::Winograd;

/// How a [`ConvGemm`] is computed.
enum Algorithm {
    Winograd(Winograd),
    /// With matrix instructions on records packed once. The other algorithm is for numbers that cannot be split.
    ImplicitGemm(ImplicitGemm, Box<Algorithm>),
    /// With matrix instructions on an im2col matrix made block by block. The other algorithm is for numbers that cannot
    /// be split.
    Bf16x3Im2col(Bf16x3Im2col, Box<Algorithm>),
    Direct(Direct),
    /// On planes as they lie.
    Depthwise(Depthwise),
    /// The adjoint of a strided convolution as one convolution for each class of positions.
    Subpixel(Subpixel),
    /// With an im2col matrix made panel by panel.
    Im2col(Im2col),
}

impl Algorithm {
    fn new<T: GemmElement>(gemm: &ConvGemm, env: &Env) -> Algorithm {
        let winograd = Winograd::new::<T>(gemm, env).map(Algorithm::Winograd);
        let implicit = ImplicitGemm::new(gemm, env, winograd.is_some());
        let vector = || Algorithm::vector::<T>(gemm, env);
        if let Some(implicit) = implicit {
            return Algorithm::ImplicitGemm(implicit, Box::new(winograd.unwrap_or_else(vector)));
        }
        if let Some(winograd) = winograd {
            return winograd;
        }
        let vector = vector();
        match Bf16x3Im2col::new(gemm, env, None) {
            Some(bf16x3) => Algorithm::Bf16x3Im2col(bf16x3, Box::new(vector)),
            None => vector,
        }
    }

    /// The algorithm for numbers that must not be split.
    fn vector<T: GemmElement>(gemm: &ConvGemm, env: &Env) -> Algorithm {
        let kernels = T::micro_kernels(env.level);
        let widths = (kernels.lanes, kernels.width());
        if let Some(subpixel) = Subpixel::new(gemm, env, widths) {
            return Algorithm::Subpixel(subpixel);
        }
        if let Some(depthwise) = Depthwise::new(gemm, widths.0) {
            return Algorithm::Depthwise(depthwise);
        }
        match Direct::new(gemm, widths) {
            Some(direct) => Algorithm::Direct(direct),
            None => Algorithm::Im2col(Im2col::new::<T>(gemm, env)),
        }
    }

    /// Bytes of scratch that [`Algorithm::run`] takes.
    fn scratch_bytes<T: GemmElement>(&self, gemm: &ConvGemm, env: &Env) -> usize {
        let threads = env.pool.threads();
        let work_len = match self {
            Algorithm::Winograd(winograd) => return winograd.scratch_bytes::<T>(threads),
            Algorithm::ImplicitGemm(implicit, other) => {
                return implicit.scratch_bytes(threads) + other.scratch_bytes::<T>(gemm, env);
            }
            Algorithm::Subpixel(subpixel) => return subpixel.scratch_bytes::<T>(threads),
            Algorithm::Bf16x3Im2col(bf16x3, other) => {
                let transposed = scratch_bytes::<T>(gemm.transposed_weights_len());
                return bf16x3.scratch_bytes(threads) + transposed + other.scratch_bytes::<T>(gemm, env);
            }
            Algorithm::Direct(direct) => direct.work_len(gemm),
            Algorithm::Depthwise(_) => 0,
            Algorithm::Im2col(im2col) => im2col.work_len(),
        };
        scratch_bytes::<T>(gemm.transposed_weights_len()) + scratch_bytes::<T>(work_len * threads)
    }

    /// Computes the result. Whether the epilogue was run on its parts.
    fn run<T: GemmElement + Plain + LaneDispatch>(
        &self,
        gemm: &ConvGemm,
        args: &Args<'_>,
        (x, w): (&[T], &[T]),
        out: &mut [T],
        epilogue: Option<&Epilogue<'_, T>>,
    ) -> bool {
        match self {
            Algorithm::Winograd(winograd) => winograd.run(args, x, w, out, epilogue),
            Algorithm::Direct(direct) => direct.run(gemm, args, x, gemm.weights(args, w), out, epilogue),
            Algorithm::Depthwise(depthwise) => {
                depthwise.run(gemm, args, x, gemm.weights(args, w), out, epilogue)
            }
            Algorithm::Subpixel(subpixel) => {
                subpixel.run(gemm, args, x, w, out);
                return false;
            }
            Algorithm::Im2col(im2col) => {
                im2col.run(gemm, args, x, gemm.weights(args, w), out);
                return false;
            }
            Algorithm::ImplicitGemm(implicit, other) => {
                if let (Some(x), Some(w), Some(out)) = (same(x), same(w), same_mut(out))
                    && implicit.run(args, x, w, out)
                {
                    return false;
                }
                return other.run(gemm, args, (x, w), out, epilogue);
            }
            Algorithm::Bf16x3Im2col(bf16x3, other) => {
                let numbers = (same(x), same(gemm.weights(args, w)), same_mut(out));
                if let (Some(x), Some(weights), Some(out)) = numbers
                    && bf16x3.run(args, x, weights, out)
                {
                    return false;
                }
                return other.run(gemm, args, (x, w), out, epilogue);
            }
        }
        true
    }
}

/// A convolution ready to run, given an epilogue.
type Convolve<T> = Arc<dyn Fn(&Args<'_>, Option<&Epilogue<'_, T>>) + Send + Sync>;

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
            serial: false,
            kernel: Box::new(move |args| {
                run(args, None);
                Ok(())
            }),
        }
    }
}

/// Elements of a task of an epilogue that was not run on the parts of the result.
const EPILOGUE_ELEMENTS: usize = 1 << 14;

/// `(x, w) -> out` by the algorithm that suits it.
fn prepare<T: GemmElement + Plain + LaneDispatch>(gemm: ConvGemm, env: &Env) -> Convolution<T> {
    let algorithm = Algorithm::new::<T>(&gemm, env);
    let scratch = algorithm.scratch_bytes::<T>(&gemm, env);
    let run = Arc::new(move |args: &Args<'_>, epilogue: Option<&Epilogue<'_, T>>| {
        let (x, w, out) = (args.input::<T>(0), args.input::<T>(1), args.output::<T>());
        if out.is_empty() || algorithm.run(&gemm, args, (x, w), out, epilogue) {
            return;
        }
        if let Some(epilogue) = epilogue {
            let out = &*out;
            args.pool().ranges(out.len(), EPILOGUE_ELEMENTS, |worker, range| {
                epilogue(worker, range.start, &out[range])
            });
        }
    });
    Convolution { run, scratch }
}

/// x, w -> y.
pub(crate) fn forward<T: GemmElement + Plain + LaneDispatch>(shape: &ConvShape, env: &Env) -> Convolution<T> {
    prepare::<T>(ConvGemm::forward::<T>(shape), env)
}

/// dy, w -> dx.
pub(crate) fn input_grad<T: GemmElement + Plain + LaneDispatch>(
    shape: &ConvShape,
    env: &Env,
) -> Convolution<T> {
    prepare::<T>(ConvGemm::backward::<T>(shape), env)
}
