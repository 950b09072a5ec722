//! The matrix that makes a convolution a matrix product: a row for each channel and tap, a column for each place,
//! holding the element that the place meets there, or 0. It is never whole in memory.

use std::ops::Range;

use super::shape::Meeting;
use crate::cpu::element::Element;
use crate::cpu::gemm::Right;
use crate::cpu::level::Level;

/// The matrix of one sample and group; `planes` are its channels, one after the other.
pub(crate) struct Columns<'a, T> {
    pub planes: &'a [T],
    pub meeting: Meeting,
}

impl<T: Element> Right<T> for Columns<'_, T> {
    fn pack(&self, _: Level, ks: Range<usize>, cols: Range<usize>, width: usize, out: &mut [T]) {
        for (row, line) in ks.zip(out.chunks_exact_mut(width)) {
            let (valid, rest) = line.split_at_mut(cols.len());
            self.row(row, cols.start, valid);
            rest.fill(T::ZERO);
        }
    }
}

impl<T: Element> Columns<'_, T> {
    /// Row `row` from column `first` on.
    pub fn row(&self, row: usize, first: usize, mut out: &mut [T]) {
        let Meeting {
            from,
            kernel,
            to,
            axes,
        } = self.meeting;
        let taps: usize = kernel.iter().product();
        let (channel, tap) = (row / taps, row % taps);
        let tap = [
            tap / (kernel[1] * kernel[2]),
            tap / kernel[2] % kernel[1],
            tap % kernel[2],
        ];
        let plane = &self.planes[channel * from.iter().product::<usize>()..];
        let mut place = [first / (to[1] * to[2]), first / to[2] % to[1], first % to[2]];
        while !out.is_empty() {
            let end = to[2].min(place[2] + out.len());
            let (line, left) = std::mem::take(&mut out).split_at_mut(end - place[2]);
            let z = axes[0].at(place[0], tap[0], from[0]);
            let y = axes[1].at(place[1], tap[1], from[1]);
            match (z, y) {
                (Some(z), Some(y)) => {
                    let s = axes[2].stretch(tap[2], place[2], end, from[2]);
                    let source = &plane[(z * from[1] + y) * from[2]..][..from[2]];
                    if s.count == 0 {
                        line.fill(T::ZERO);
                    } else if s.apart == 1 {
                        let at = s.place - place[2];
                        line[..at].fill(T::ZERO);
                        line[at + s.count..].fill(T::ZERO);
                        copy(&mut line[at..at + s.count], &source[s.element..], s.step);
                    } else {
                        line.fill(T::ZERO);
                        let places = line[s.place - place[2]..].iter_mut().step_by(s.apart);
                        places
                            .zip(&source[s.element..s.element + s.count])
                            .for_each(|(out, &x)| *out = x);
                    }
                }
                _ => line.fill(T::ZERO),
            }
            out = left;
            place[2] = 0;
            place[1] += 1;
            if place[1] == to[1] {
                (place[1], place[0]) = (0, place[0] + 1);
            }
        }
    }
}

#[inline(always)]
fn copy<T: Element>(out: &mut [T], from: &[T], step: usize) {
    if step == 1 {
        out.copy_from_slice(&from[..out.len()]);
    } else {
        out.iter_mut()
            .zip(from.iter().step_by(step))
            .for_each(|(out, &x)| *out = x);
    }
}
