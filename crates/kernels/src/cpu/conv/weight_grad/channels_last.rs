//! The adjoint in w for many channels. x is padded and transposed so that channels are innermost: then a row of
//! the right operand, the channels that a position reads at a tap, is contiguous in memory and needs no copying.

use std::ops::Range;

use crate::cpu::conv::planes::Padded;
use crate::cpu::conv::shape::ConvShape;
use crate::cpu::gemm::{GemmElement, LeftPanel, OutTile, RightPanel, TILE_ROWS};
use crate::cpu::level::Level;

/// Positions whose terms are summed in registers at a time.
const BLOCK_TERMS: usize = 128;
/// Channels are padded to a multiple of this number of elements: the lanes of the widest register.
const CHANNEL_ALIGN: usize = 16;

pub(super) struct ChannelsLast {
    padded: Padded,
    /// Where each position's channels at the earliest tap start.
    positions: Box<[usize]>,
    /// Where each run of elements that are adjacent starts from there: a tap's channels, or those of a line of taps.
    runs: Box<[usize]>,
    /// Elements of a run, without what the channels of its last tap are rounded up by.
    run: usize,
    taps: usize,
    /// Channels, and what they are rounded up to.
    channels: usize,
    stride: usize,
}

impl ChannelsLast {
    /// For registers of `lanes` elements.
    pub fn new(shape: &ConvShape, lanes: usize) -> ChannelsLast {
        let padded = Padded::new(&shape.forward());
        let stride = shape.channels.next_multiple_of(CHANNEL_ALIGN);
        let [_, h, w] = shape.output;
        // Taps that are adjacent have their channels side by side.
        let in_line = shape.kernel[2] > 1 && padded.tap_offset(1) == 1;
        let together = if in_line { shape.kernel[2] } else { 1 };
        let position = |p: usize| padded.position_offset([p / (h * w), p / w % h, p % w]) * stride;
        ChannelsLast {
            padded,
            positions: (0..shape.output_size()).map(position).collect(),
            runs: (0..shape.taps())
                .step_by(together)
                .map(|tap| padded.tap_offset(tap) * stride)
                .collect(),
            run: ((together - 1) * stride + shape.channels).next_multiple_of(lanes),
            taps: shape.taps(),
            channels: shape.channels,
            stride,
        }
    }

    /// Elements of the weights of one output channel, as [`ChannelsLast::add`] lays them out.
    pub fn row_len(&self) -> usize {
        self.taps * self.stride
    }

    /// Where a channel's tap lies among them.
    pub fn position(&self, channel: usize, tap: usize) -> usize {
        tap * self.stride + channel
    }

    /// Elements of work space for one thread.
    pub fn work_len(&self) -> usize {
        (self.padded.size() * self.stride).next_multiple_of(64)
    }

    /// Adds what some samples give to the weights of some output channels of a group: rows of taps and channels.
    pub fn add<T: GemmElement>(
        &self,
        level: Level,
        shape: &ConvShape,
        (x, dy): (&[T], &[T]),
        (samples, group, outputs): (Range<usize>, usize, Range<usize>),
        work: &mut [T],
        sum: &mut [T],
    ) {
        let tiles = T::micro_kernels(level);
        let (input, output, row_len) = (
            self.channels * shape.input_size(),
            self.positions.len(),
            self.row_len(),
        );
        for n in samples {
            let image = n * shape.groups + group;
            self.padded
                .write_transposed(&x[image * input..][..input], work, self.stride, level);
            let dy = &dy[(image * shape.outputs + outputs.start) * output..][..outputs.len() * output];
            for p0 in (0..output).step_by(BLOCK_TERMS) {
                let depth = BLOCK_TERMS.min(output - p0);
                for (i, &offset) in self.runs.iter().enumerate() {
                    let first = i * (self.taps / self.runs.len()) * self.stride;
                    for c in (0..self.run).step_by(tiles.width()) {
                        let cols = tiles.width().min(self.run - c);
                        let kernel = tiles.of[cols / tiles.lanes - 1];
                        let right =
                            RightPanel::Offsets(work[offset + c..].as_ptr(), self.positions[p0..].as_ptr());
                        for (r, sum) in sum.chunks_mut(TILE_ROWS * row_len).enumerate() {
                            let start = dy[r * TILE_ROWS * output + p0..].as_ptr();
                            let ahead = start.wrapping_add(TILE_ROWS * output);
                            let left = LeftPanel::Rows {
                                start,
                                stride: output,
                                ahead,
                            };
                            let position = &mut sum[first + c..];
                            let rows = TILE_ROWS.min(outputs.len() - r * TILE_ROWS);
                            let out = OutTile {
                                start: position.as_mut_ptr(),
                                stride: row_len,
                                rows,
                                cols,
                                add: true,
                            };
                            // SAFETY: the left operand is `rows` rows of dy; every position and run of taps lies within
                            // the padded planes with all their channels, rounded up; the result is rows of `sum` of
                            // equal rounding.
                            unsafe { kernel(depth, left, right, out) };
                        }
                    }
                }
            }
        }
    }
}
