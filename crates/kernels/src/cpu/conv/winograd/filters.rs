//! The filters of a convolution, transformed and packed: for each group, panel of outputs and position a matrix of
//! (first tap, channel) x output.

use super::Winograd;
use super::transform::{Filters, POSITIONS};
use crate::cpu::conv::lanes::Vectors;
use crate::cpu::exec::{Args, Plain};
use crate::cpu::gemm::GemmElement;
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;
use crate::cpu::transpose::transpose;

/// Channels whose filters one task transforms.
const TOGETHER: usize = 16;

impl Winograd {
    /// Where the filters of a panel start.
    pub(super) fn filters_at(&self, group: usize, panel: usize) -> usize {
        let rows = POSITIONS * self.geometry.depth * self.geometry.stride;
        rows * (group * self.outputs.next_multiple_of(self.lanes) + panel * self.panel)
    }

    /// Elements of all transformed filters.
    pub(super) fn filters_len(&self) -> usize {
        self.filters_at(self.groups, 0)
    }

    /// Elements of work space for one thread.
    pub(super) fn filter_work_len(&self) -> usize {
        (9 * self.geometry.depth + POSITIONS) * self.panel
    }

    /// Transforms the weights.
    pub(super) fn transform_filters<'a, T: GemmElement + Plain + Vectors>(
        &self,
        args: &Args<'a>,
        weights: &[T],
    ) -> &'a [T] {
        let filters = args.scratch::<T>(self.filters_len());
        let work_len = self.filter_work_len();
        let work = SharedSlice::new(args.scratch::<T>(work_len * args.pool().threads()));
        let (level, panels) = (args.level(), self.outputs.div_ceil(self.panel));
        let shares = self.geometry.stride.div_ceil(TOGETHER);
        {
            let filters = SharedSlice::new(&mut *filters);
            args.pool().run(self.groups * panels * shares, |worker, task| {
                let (group, panel) = (task / shares / panels, task / shares % panels);
                // SAFETY: a worker's own piece of the work space.
                let work = unsafe { work.range(worker * work_len..(worker + 1) * work_len) };
                let first = task % shares * TOGETHER;
                for channel in first..self.geometry.stride.min(first + TOGETHER) {
                    self.transform_channel(level, weights, (group, panel, channel), work, &filters);
                }
            });
        }
        filters
    }

    /// The filters from one channel to a panel's outputs.
    fn transform_channel<T: GemmElement + Vectors>(
        &self,
        level: Level,
        weights: &[T],
        (group, panel, channel): (usize, usize, usize),
        work: &mut [T],
        filters: &SharedSlice<'_, T>,
    ) {
        let (channels, depth) = (self.geometry.channels, self.geometry.depth);
        let taps = 9 * depth;
        let (width, first) = (self.width(panel), panel * self.panel);
        let valid = self.panel.min(self.outputs - first);
        let (work, transformed) = work.split_at_mut(taps * width);
        work.fill(T::ZERO);
        if channel < channels {
            // (output, channel, tap), or (channel, output, tap) if exchanged, to (tap, output).
            let (start, apart) = if self.exchanged {
                (((group * channels + channel) * self.outputs + first) * taps, taps)
            } else {
                (
                    ((group * self.outputs + first) * channels + channel) * taps,
                    channels * taps,
                )
            };
            transpose(level, &weights[start..], (1, apart), (taps, valid), work, width);
        }
        let apart = depth * self.geometry.stride * width;
        let base = self.filters_at(group, panel);
        for z in 0..depth {
            let tap = if self.exchanged { depth - 1 - z } else { z };
            let row = base + (z * self.geometry.stride + channel) * width;
            T::run(
                level,
                Filters {
                    taps: &mut work[tap * 9 * width..],
                    transformed,
                    apart: (width, width),
                    count: width,
                    reversed: self.exchanged,
                    back: false,
                },
            );
            for (position, from) in transformed.chunks_exact(width).take(POSITIONS).enumerate() {
                let at = row + position * apart;
                // SAFETY: a row of this channel, which is one task's.
                unsafe { filters.range(at..at + width) }.copy_from_slice(from);
            }
        }
    }
}
