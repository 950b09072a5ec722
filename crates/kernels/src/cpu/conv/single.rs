//! Convolution to a single row of weights with three lines of taps (depthwise convolutions, the adjoint of one from a
//! single channel), on planes as they lie: see [`lines`](super::lines).

use super::Pass;
use super::epilogue::Finish;
use super::lanes::{Job, Vectors, wide};
use super::lines::{Lines, TAPS};
use crate::cpu::element::Element;
use crate::cpu::exec::{Args, Plain};
use crate::cpu::gemm::{Lanes, prefetch_l2};
use crate::cpu::pool::SharedSlice;

/// Tasks wanted at most.
const TASKS: usize = 128;

/// A [`Pass`] done so.
pub(super) struct Single(Lines);

impl Single {
    /// This way, if it is one, for registers of `lanes`.
    pub fn new(pass: &Pass, lanes: usize) -> Option<Single> {
        (pass.rows == 1 && pass.depth > 0)
            .then(|| Lines::new(&pass.meeting, lanes))
            .flatten()
            .map(Single)
    }

    /// See [`Pass::run`].
    pub fn run<T: Plain + Vectors + Element>(
        &self,
        pass: &Pass,
        args: &Args<'_>,
        x: &[T],
        weights: &[T],
        out: &mut [T],
        finish: Finish<'_, T>,
    ) {
        let images = pass.batch * pass.groups;
        let (level, out) = (args.level(), SharedSlice::new(out));
        args.pool()
            .ranges(images, images.div_ceil(TASKS), |worker, images| {
                for image in images {
                    let first = image * pass.places;
                    // SAFETY: an image's places are one task's.
                    let out = unsafe { out.range(first..first + pass.places) };
                    let job = Alone {
                        lines: &self.0,
                        planes: &x[image * pass.plane..][..pass.plane],
                        weights: &weights[image % pass.groups * pass.depth..][..pass.depth],
                        out: &mut *out,
                    };
                    T::run(level, job);
                    if let Some(finish) = finish {
                        finish(worker, first, out);
                    }
                }
            });
    }
}

/// The plane of places that a row of weights makes of the planes.
struct Alone<'a, T> {
    lines: &'a Lines,
    planes: &'a [T],
    weights: &'a [T],
    out: &'a mut [T],
}

impl<T: Element> Job<T> for Alone<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<Elem = T>>(mut self) {
        let [lines, places] = self.lines.to;
        let channels = self.weights.len() / (TAPS * self.lines.columns);
        let size = self.lines.from[0] * self.lines.from[1];
        assert!(lines * places <= self.out.len() && channels * size <= self.planes.len());
        let mut line = 0;
        while line < lines {
            // SAFETY: these lines exist.
            line += unsafe {
                match lines - line {
                    8.. if wide::<V>() => self.strip::<V, 8>(line),
                    4.. => self.strip::<V, 4>(line),
                    2.. => self.strip::<V, 2>(line),
                    _ => self.strip::<V, 1>(line),
                }
            };
        }
    }
}

impl<T: Element> Alone<'_, T> {
    /// `L` lines of places from `line` on. Gives their number.
    ///
    /// # Safety
    /// The processor must have `V`'s instructions, and the lines exist in planes as `run` checks.
    #[inline(always)]
    unsafe fn strip<V: Lanes<Elem = T>, const L: usize>(&mut self, line: usize) -> usize {
        for place in (0..self.lines.to[1]).step_by(V::N) {
            // SAFETY: as the caller promises.
            unsafe { self.tile::<V, L>(line, place) };
        }
        L
    }

    /// A register of places of `L` lines.
    ///
    /// # Safety
    /// As for [`Alone::strip`]; the first place exists.
    #[inline(always)]
    unsafe fn tile<V: Lanes<Elem = T>, const L: usize>(&mut self, line: usize, place: usize) {
        let geometry = self.lines;
        let [height, width] = geometry.from;
        let taps = TAPS * geometry.columns;
        // SAFETY: as the caller promises.
        let mut sums = unsafe { [V::splat(T::ZERO); L] };
        for (channel, weights) in self.weights.chunks_exact(taps).enumerate() {
            let plane = self.planes.as_ptr().wrapping_add(channel * height * width);
            for column in 0..geometry.columns {
                // SAFETY: as the caller promises.
                unsafe {
                    let weight: [V; TAPS] =
                        std::array::from_fn(|i| V::splat(weights[geometry.tap(i, column)]));
                    geometry.read::<V, L>(plane, (line, place), column, |met, x| {
                        for (tap, &weight) in weight.iter().enumerate() {
                            if (tap..L + tap).contains(&met) {
                                sums[met - tap] = sums[met - tap].fma(weight, x);
                            }
                        }
                    });
                }
            }
        }
        let [_, places] = geometry.to;
        let to = self.out.as_mut_ptr().wrapping_add(line * places + place);
        let next = self.planes.as_ptr_range().end.wrapping_add(line * width + place);
        for (i, sum) in sums.into_iter().enumerate() {
            let to = to.wrapping_add(i * places);
            prefetch_l2(next.wrapping_add(i * width));
            prefetch_l2(to.wrapping_add(geometry.to[0] * places));
            // SAFETY: as the caller promises; a line's last register is not whole.
            unsafe {
                if place + V::N <= places {
                    sum.store(to);
                } else {
                    sum.store_some(to, V::first(places - place));
                }
            }
        }
    }
}
