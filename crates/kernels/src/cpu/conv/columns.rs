//! The matrix that makes a convolution a matrix product: a row for each channel and tap, a column for each place,
//! holding the element that the place meets there, or 0. It is never whole in memory.

use std::ops::Range;

use super::line::copy;
use super::shape::{Meeting, Stretch};
use crate::cpu::element::Element;
use crate::cpu::gemm::{PackRight, PanelWidths};
use crate::cpu::level::Level;

/// The matrix of one sample and group; `planes` are its channels, one after the other.
pub(crate) struct Columns<'a, T> {
    pub planes: &'a [T],
    pub meeting: Meeting,
}

impl<T: Element> PackRight<T> for Columns<'_, T> {
    fn pack(&self, _: Level, ks: Range<usize>, cols: Range<usize>, widths: PanelWidths, out: &mut [T]) {
        let mut at = 0;
        for (valid, padded) in widths.panels(cols) {
            let panel = &mut out[at..at + padded * ks.len()];
            for (row, line) in ks.clone().zip(panel.chunks_exact_mut(padded)) {
                let (line, rest) = line.split_at_mut(valid.len());
                self.row(row, valid.start, line);
                rest.fill(T::ZERO);
            }
            at += padded * ks.len();
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
        // What a whole line meets; a part of a line meets a part of it.
        let whole = axes[2].stretch(tap[2], 0, to[2], from[2]);
        while !out.is_empty() {
            let end = to[2].min(place[2] + out.len());
            let (line, left) = std::mem::take(&mut out).split_at_mut(end - place[2]);
            let z = axes[0].at(place[0], tap[0], from[0]);
            let y = axes[1].at(place[1], tap[1], from[1]);
            match (z, y) {
                (Some(z), Some(y)) => {
                    let s = if line.len() == to[2] {
                        whole
                    } else {
                        axes[2].stretch(tap[2], place[2], end, from[2])
                    };
                    read(
                        &plane[(z * from[1] + y) * from[2]..][..from[2]],
                        s,
                        line,
                        place[2],
                    );
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

/// The elements of a line that places from `first` on meet.
#[inline(always)]
fn read<T: Element>(source: &[T], s: Stretch, line: &mut [T], first: usize) {
    if s.count == 0 {
        line.fill(T::ZERO);
        return;
    }
    let at = s.place - first;
    if s.apart > 1 {
        line.fill(T::ZERO);
        let places = line[at..].iter_mut().step_by(s.apart);
        places
            .zip(&source[s.element..s.element + s.count])
            .for_each(|(out, &x)| *out = x);
        return;
    }
    let (before, rest) = line.split_at_mut(at);
    let (met, after) = rest.split_at_mut(s.count);
    before.fill(T::ZERO);
    if s.step == 1 {
        copy(&source[s.element..s.element + s.count], met);
    } else {
        met.iter_mut()
            .zip(source[s.element..].iter().step_by(s.step))
            .for_each(|(out, &x)| *out = x);
    }
    after.fill(T::ZERO);
}
