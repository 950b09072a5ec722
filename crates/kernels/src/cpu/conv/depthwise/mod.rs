//! Depthwise convolution: a single row of weights with three lines of taps (also the adjoint of a convolution of a
//! single channel), on planes as they lie: see [`lines`].

mod lines;
mod weight_grad;

pub(super) use weight_grad::DepthwiseWeightGrad;

use crate::cpu::conv::lanes::{LaneDispatch, LaneKernel, has_32_registers};
use crate::cpu::conv::problem::ConvGemm;
use crate::cpu::element::Element;
use crate::cpu::exec::{Args, Plain};
use crate::cpu::gemm::{Epilogue, Lanes, prefetch_l2};
use crate::cpu::pool::SharedSlice;
use lines::{Lines, TAP_LINES};

/// Tasks wanted at most.
const MAX_TASKS: usize = 128;

/// A [`ConvGemm`] with one row of weights.
pub(super) struct Depthwise(Lines);

impl Depthwise {
    /// For registers of `lanes`, if the convolution is one.
    pub fn new(gemm: &ConvGemm, lanes: usize) -> Option<Depthwise> {
        (gemm.rows == 1 && gemm.depth > 0)
            .then(|| Lines::new(&gemm.tap_map, lanes))
            .flatten()
            .map(Depthwise)
    }

    /// `(x, weights) -> out`.
    pub fn run<T: Plain + LaneDispatch + Element>(
        &self,
        gemm: &ConvGemm,
        args: &Args<'_>,
        x: &[T],
        weights: &[T],
        out: &mut [T],
        epilogue: Option<&Epilogue<'_, T>>,
    ) {
        let images = gemm.batch * gemm.groups;
        let (level, out) = (args.level(), SharedSlice::new(out));
        args.pool()
            .ranges(images, images.div_ceil(MAX_TASKS), |worker, images| {
                for image in images {
                    let first = image * gemm.positions;
                    // SAFETY: an image's positions are one task's.
                    let out = unsafe { out.range(first..first + gemm.positions) };
                    let kernel = PlaneKernel {
                        lines: &self.0,
                        planes: &x[image * gemm.plane..][..gemm.plane],
                        weights: &weights[image % gemm.groups * gemm.depth..][..gemm.depth],
                        out: &mut *out,
                    };
                    T::dispatch(level, kernel);
                    if let Some(epilogue) = epilogue {
                        epilogue(worker, first, out);
                    }
                }
            });
    }
}

/// The plane of positions that a row of weights makes of the planes.
struct PlaneKernel<'a, T> {
    lines: &'a Lines,
    planes: &'a [T],
    weights: &'a [T],
    out: &'a mut [T],
}

impl<T: Element> LaneKernel<T> for PlaneKernel<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<Elem = T>>(mut self) {
        let [lines, positions] = self.lines.to;
        let channels = self.weights.len() / (TAP_LINES * self.lines.columns);
        let size = self.lines.from[0] * self.lines.from[1];
        assert!(lines * positions <= self.out.len() && channels * size <= self.planes.len());
        let mut line = 0;
        while line < lines {
            // SAFETY: these lines exist.
            line += unsafe {
                match lines - line {
                    8.. if has_32_registers::<V>() => self.line_block::<V, 8>(line),
                    4.. => self.line_block::<V, 4>(line),
                    2.. => self.line_block::<V, 2>(line),
                    _ => self.line_block::<V, 1>(line),
                }
            };
        }
    }
}

impl<T: Element> PlaneKernel<'_, T> {
    /// `L` lines of positions from `line` on. Gives their number.
    ///
    /// # Safety
    /// The processor must have `V`'s instructions, and the lines exist in planes as `run` checks.
    #[inline(always)]
    unsafe fn line_block<V: Lanes<Elem = T>, const L: usize>(&mut self, line: usize) -> usize {
        for position in (0..self.lines.to[1]).step_by(V::N) {
            // SAFETY: as the caller promises.
            unsafe { self.tile::<V, L>(line, position) };
        }
        L
    }

    /// A register of positions of `L` lines.
    ///
    /// # Safety
    /// As for [`PlaneKernel::line_block`]; the first position exists.
    #[inline(always)]
    unsafe fn tile<V: Lanes<Elem = T>, const L: usize>(&mut self, line: usize, position: usize) {
        let geometry = self.lines;
        let [height, width] = geometry.from;
        let taps = TAP_LINES * geometry.columns;
        // SAFETY: as the caller promises.
        let mut sums = unsafe { [V::splat(T::ZERO); L] };
        for (channel, weights) in self.weights.chunks_exact(taps).enumerate() {
            let plane = self.planes.as_ptr().wrapping_add(channel * height * width);
            for column in 0..geometry.columns {
                // SAFETY: as the caller promises.
                unsafe {
                    let weight: [V; TAP_LINES] =
                        std::array::from_fn(|i| V::splat(weights[geometry.tap(i, column)]));
                    geometry.read::<V, L>(plane, (line, position), column, |met, x| {
                        for (tap, &weight) in weight.iter().enumerate() {
                            if (tap..L + tap).contains(&met) {
                                sums[met - tap] = sums[met - tap].fma(weight, x);
                            }
                        }
                    });
                }
            }
        }
        let [_, positions] = geometry.to;
        let to = self.out.as_mut_ptr().wrapping_add(line * positions + position);
        let next = self
            .planes
            .as_ptr_range()
            .end
            .wrapping_add(line * width + position);
        for (i, sum) in sums.into_iter().enumerate() {
            let to = to.wrapping_add(i * positions);
            prefetch_l2(next.wrapping_add(i * width));
            prefetch_l2(to.wrapping_add(geometry.to[0] * positions));
            // SAFETY: as the caller promises; a line's last register is not whole.
            unsafe {
                if position + V::N <= positions {
                    sum.store(to);
                } else {
                    sum.store_some(to, V::first(positions - position));
                }
            }
        }
    }
}
