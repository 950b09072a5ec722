//! The filters of a convolution, transformed and packed: for each group, panel of outputs and coordinate a matrix of
//! (first tap, channel) x output.

use super::forward::Winograd;
use super::transform::{COORDINATES, Filters};
use crate::cpu::conv::lanes::LaneDispatch;
use crate::cpu::exec::{Args, Plain};
use crate::cpu::gemm::GemmElement;
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;
use crate::cpu::transpose::transpose;

/// Channels whose filters one task transforms.
const FILTERS_TOGETHER: usize = 16;

impl Winograd {
    /// Where the filters of a panel start.
    pub(super) fn filters_at(&self, group: usize, panel: usize) -> usize {
        let rows = COORDINATES * self.shape.depth * self.shape.stride;
        rows * (group * self.outputs.next_multiple_of(self.lanes) + panel * self.panel)
    }

    /// Elements of all transformed filters.
    pub(super) fn filters_len(&self) -> usize {
        self.filters_at(self.groups, 0)
    }

    /// Elements of work space for one thread.
    pub(super) fn filter_work_len(&self) -> usize {
        (9 * self.shape.depth + COORDINATES) * self.panel
    }

    /// Transforms the weights.
    pub(super) fn transform_filters<'a, T: GemmElement + Plain + LaneDispatch>(
        &self,
        args: &Args<'a>,
        weights: &[T],
    ) -> &'a [T] {
        let filters = args.scratch::<T>(self.filters_len());
        let work_len = self.filter_work_len();
        let work = args.worker_scratch::<T>(work_len);
        let (level, panels) = (args.level(), self.outputs.div_ceil(self.panel));
        let shares = self.shape.stride.div_ceil(FILTERS_TOGETHER);
        {
            let filters = SharedSlice::new(&mut *filters);
            args.pool().run(self.groups * panels * shares, |worker, task| {
                let (group, panel) = (task / shares / panels, task / shares % panels);
                // SAFETY: a worker's own part of the work space.
                let work = unsafe { work.of(worker) };
                let first = task % shares * FILTERS_TOGETHER;
                for channel in first..self.shape.stride.min(first + FILTERS_TOGETHER) {
                    self.transform_channel(level, weights, (group, panel, channel), work, &filters);
                }
            });
        }
        filters
    }

    /// The filters from one channel to a panel's outputs.
    fn transform_channel<T: GemmElement + LaneDispatch>(
        &self,
        level: Level,
        weights: &[T],
        (group, panel, channel): (usize, usize, usize),
        work: &mut [T],
        filters: &SharedSlice<'_, T>,
    ) {
        let (channels, depth) = (self.shape.channels, self.shape.depth);
        let taps = 9 * depth;
        let (width, first) = (self.width(panel), panel * self.panel);
        let valid = self.panel.min(self.outputs - first);
        let (work, transformed) = work.split_at_mut(taps * width);
        work.fill(T::ZERO);
        if channel < channels {
            // (output, channel, tap), or (channel, output, tap) if exchanged, to (tap, output).
            let (start, apart) = if self.transposed_weights {
                (((group * channels + channel) * self.outputs + first) * taps, taps)
            } else {
                (
                    ((group * self.outputs + first) * channels + channel) * taps,
                    channels * taps,
                )
            };
            transpose(level, &weights[start..], (1, apart), (taps, valid), work, width);
        }
        let apart = depth * self.shape.stride * width;
        let base = self.filters_at(group, panel);
        for z in 0..depth {
            let tap = if self.transposed_weights { depth - 1 - z } else { z };
            let row = base + (z * self.shape.stride + channel) * width;
            T::dispatch(
                level,
                Filters {
                    taps: &mut work[tap * 9 * width..],
                    transformed,
                    apart: (width, width),
                    count: width,
                    reversed: self.transposed_weights,
                    back: false,
                },
            );
            for (coordinate, from) in transformed.chunks_exact(width).take(COORDINATES).enumerate() {
                let at = row + coordinate * apart;
                // SAFETY: a row of this channel, which is one task's.
                unsafe { filters.range(at..at + width) }.copy_from_slice(from);
            }
        }
    }
}
