//! The adjoint in w of depthwise convolutions with three by three taps: nine dot products of a plane of gradients with
//! a plane of elements, both as they lie (see [`lines`](super::lines)). The sums of all taps stay in registers while
//! lines are walked along, and an element that was read serves the three lines of gradients that read it.

use std::ops::Range;

use super::lines::{Lines, TAP_LINES};
use crate::cpu::conv::lanes::{LaneDispatch, LaneKernel, has_32_registers, sum_lanes};
use crate::cpu::conv::shape::ConvShape;
use crate::cpu::element::Element;
use crate::cpu::gemm::{Lanes, prefetch_l2};
use crate::cpu::level::Level;

/// Taps of a line.
const TAP_COLUMNS: usize = 3;

pub(in crate::cpu::conv) struct DepthwiseWeightGrad(Lines);

impl DepthwiseWeightGrad {
    /// For registers of `lanes`, if the convolution is depthwise.
    pub fn new(shape: &ConvShape, lanes: usize) -> Option<DepthwiseWeightGrad> {
        let lines = Lines::new(&shape.forward(), lanes)?;
        let single = shape.channels == 1 && shape.outputs == 1 && lines.columns == TAP_COLUMNS;
        single.then_some(DepthwiseWeightGrad(lines))
    }

    /// Adds what some samples give to the weights of a group.
    pub fn add<T: Element + LaneDispatch>(
        &self,
        level: Level,
        shape: &ConvShape,
        (x, dy): (&[T], &[T]),
        (samples, group): (Range<usize>, usize),
        sums: &mut [T],
    ) {
        if samples.is_empty() {
            return;
        }
        let plane = |size: usize| (samples.start * shape.groups + group) * size;
        let (input, output) = (shape.input_size(), shape.output_size());
        let kernel = SamplePlanes {
            lines: &self.0,
            samples: samples.len(),
            x: (&x[plane(input)..], shape.groups * input),
            dy: (&dy[plane(output)..], shape.groups * output),
            sums,
        };
        T::dispatch(level, kernel);
    }
}

/// What the planes of some samples give.
struct SamplePlanes<'a, T> {
    lines: &'a Lines,
    samples: usize,
    /// The first plane, and elements between planes.
    x: (&'a [T], usize),
    dy: (&'a [T], usize),
    sums: &'a mut [T],
}

/// The sums of all taps, line by line.
type Sums<V> = [[V; TAP_LINES]; TAP_COLUMNS];

impl<T: Element> LaneKernel<T> for SamplePlanes<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<Elem = T>>(self) {
        let [lines, positions] = self.lines.to;
        let last = self.samples - 1;
        assert!(last * self.x.1 + self.lines.from[0] * self.lines.from[1] <= self.x.0.len());
        assert!(last * self.dy.1 + lines * positions <= self.dy.0.len());
        assert!(self.sums.len() == TAP_LINES * TAP_COLUMNS);
        // SAFETY: the instructions are there, as the caller promises; the planes exist, as checked.
        unsafe {
            let mut sums = [[V::splat(T::ZERO); TAP_LINES]; TAP_COLUMNS];
            for sample in 0..self.samples {
                let mut line = 0;
                while line < lines {
                    line += match lines - line {
                        8.. if has_32_registers::<V>() => self.line_block::<V, 8>(sample, line, &mut sums),
                        4.. => self.line_block::<V, 4>(sample, line, &mut sums),
                        2.. => self.line_block::<V, 2>(sample, line, &mut sums),
                        _ => self.line_block::<V, 1>(sample, line, &mut sums),
                    };
                }
            }
            for (column, sums) in sums.into_iter().enumerate() {
                for (line, sum) in sums.into_iter().enumerate() {
                    let to = &mut self.sums[self.lines.tap(line, column)];
                    *to = to.plus(sum_lanes(sum));
                }
            }
        }
    }
}

impl<T: Element> SamplePlanes<'_, T> {
    /// Adds what `L` lines of gradients give. Gives their number.
    ///
    /// # Safety
    /// The processor must have `V`'s instructions, and the lines exist in planes as `run` checks.
    #[inline(always)]
    unsafe fn line_block<V: Lanes<Elem = T>, const L: usize>(
        &self,
        sample: usize,
        line: usize,
        sums: &mut Sums<V>,
    ) -> usize {
        let ([_, width], [_, positions]) = (self.lines.from, self.lines.to);
        let x = self.x.0.as_ptr().wrapping_add(sample * self.x.1);
        let dy = self
            .dy
            .0
            .as_ptr()
            .wrapping_add(sample * self.dy.1 + line * positions);
        for position in (0..positions).step_by(V::N) {
            let dy = dy.wrapping_add(position);
            for i in 0..L {
                prefetch_l2(dy.wrapping_add(self.dy.1 + i * positions));
                prefetch_l2(x.wrapping_add(self.x.1 + (line + i) * width + position));
            }
            // SAFETY: as the caller promises; only lines that exist are read, and lanes within them.
            unsafe {
                let gradients: [V; L] = if position + V::N <= positions {
                    std::array::from_fn(|i| V::load(dy.wrapping_add(i * positions)))
                } else {
                    let mask = V::first(positions - position);
                    std::array::from_fn(|i| V::load_some(dy.wrapping_add(i * positions), mask))
                };
                for (column, sums) in sums.iter_mut().enumerate() {
                    let mut own = *sums;
                    self.lines.read::<V, L>(x, (line, position), column, |met, x| {
                        for (tap, sum) in own.iter_mut().enumerate() {
                            if (tap..L + tap).contains(&met) {
                                *sum = sum.fma(gradients[met - tap], x);
                            }
                        }
                    });
                    *sums = own;
                }
            }
        }
        L
    }
}
