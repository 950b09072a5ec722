//! The weights' adjoint for few channels: scalar products of rows of dy with rows of columns. Both have the places
//! side by side, so the terms are added up in the lanes of registers, without transposing anything.

use std::ops::Range;

use super::columns::Columns;
use super::shape::{ConvShape, Meeting};
use crate::cpu::gemm::{Dots, Tiled, dots};
use crate::cpu::level::Level;

/// Elements of columns made at a time: well within a second-level cache.
const CACHE: usize = 1 << 16;

pub(super) struct Narrow {
    /// Rows of columns.
    depth: usize,
    /// Samples whose columns are made together, and places of each.
    samples: usize,
    places: usize,
    /// Elements between rows of columns: places, rounded up.
    stride: usize,
    meeting: Meeting,
}

impl Narrow {
    pub fn new(shape: &ConvShape) -> Narrow {
        let depth = (shape.channels * shape.taps()).max(1);
        let all = shape.output_size().max(1);
        let places = (CACHE / depth).next_multiple_of(64).clamp(64, 4096).min(all);
        let stride = places.next_multiple_of(16);
        let samples = if places == all {
            (CACHE / (depth * stride)).clamp(1, 8)
        } else {
            1
        };
        Narrow {
            depth,
            samples,
            places,
            stride,
            meeting: shape.forward(),
        }
    }

    /// Elements of work space for one thread.
    pub fn work_len(&self) -> usize {
        (self.samples * self.depth * self.stride).next_multiple_of(64)
    }

    /// Adds what some samples give to the weights of some output channels of a group: rows of channels and taps.
    pub fn add<T: Tiled>(
        &self,
        level: Level,
        shape: &ConvShape,
        (x, dy): (&[T], &[T]),
        (samples, group, outputs): (Range<usize>, usize, Range<usize>),
        work: &mut [T],
        sum: &mut [T],
    ) {
        let Narrow { depth, stride, .. } = *self;
        let (input, output) = (shape.channels * shape.input_size(), shape.output_size());
        for n in samples.clone().step_by(self.samples) {
            let together = self.samples.min(samples.end - n);
            for first in (0..output).step_by(self.places) {
                let count = self.places.min(output - first);
                for s in 0..together {
                    let image = (n + s) * shape.groups + group;
                    let columns = Columns {
                        planes: &x[image * input..][..input],
                        meeting: self.meeting,
                    };
                    let lines = work[s * depth * stride..].chunks_exact_mut(stride);
                    for (row, line) in lines.take(depth).enumerate() {
                        columns.row(row, first, &mut line[..count]);
                    }
                }
                let image = (n * shape.groups + group) * shape.outputs + outputs.start;
                let job = Dots {
                    terms: count,
                    segments: together,
                    left: (output, shape.groups * shape.outputs * output),
                    right: (stride, depth * stride),
                    rows: outputs.len(),
                    cols: depth,
                };
                dots(level, job, &dy[image * output + first..], work, sum);
            }
        }
    }
}
