//! Convolution as a matrix product with an im2col matrix. It has a row for each channel and tap, and a column for each
//! position: the element that the tap reads there, or 0. It is never whole in memory: the macro-kernel packs it panel
//! by panel, or [`bf16x3`] splits it block by block.

mod bf16x3;

pub(super) use bf16x3::Bf16x3Im2col;

use std::ops::Range;

use super::planes::copy;
use super::problem::ConvGemm;
use super::shape::{TapMap, TapRange};
use crate::cpu::element::Element;
use crate::cpu::exec::{Args, Env, Plain};
use crate::cpu::gemm::{
    GemmElement, LeftOperand, Matrix, OutBlock, PackRight, PanelWidths, Prefetch, RightOperand, macro_kernel,
    work_len,
};
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;

/// Positions of a task.
const TASK_POSITIONS: usize = 512;

/// A [`ConvGemm`] by panels of its im2col matrix.
pub(super) struct Im2col {
    work_len: usize,
}

impl Im2col {
    pub fn new<T: GemmElement>(gemm: &ConvGemm, env: &Env) -> Im2col {
        let positions = gemm.positions.min(TASK_POSITIONS);
        let work_len = work_len::<T>(env.level, gemm.depth, gemm.rows, positions, false, true);
        Im2col {
            work_len: work_len.next_multiple_of(64),
        }
    }

    /// Elements of work space of one thread.
    pub fn work_len(&self) -> usize {
        self.work_len
    }

    /// `out[n, g] = weights[g] im2col(x[n, g])`.
    pub fn run<T: GemmElement + Plain>(
        &self,
        gemm: &ConvGemm,
        args: &Args<'_>,
        x: &[T],
        weights: &[T],
        out: &mut [T],
    ) {
        let tasks = gemm.positions.div_ceil(TASK_POSITIONS);
        let work_len = self.work_len;
        let work = args.worker_scratch::<T>(work_len);
        let (level, out) = (args.level(), SharedSlice::new(out));
        args.pool().run(gemm.batch * gemm.groups * tasks, |worker, task| {
            let (image, first) = (task / tasks, task % tasks * TASK_POSITIONS);
            let group = image % gemm.groups;
            let cols = first..gemm.positions.min(first + TASK_POSITIONS);
            let im2col = Im2colMatrix {
                planes: &x[image * gemm.plane..][..gemm.plane],
                tap_map: gemm.tap_map,
            };
            let left = LeftOperand::Matrix(Matrix {
                data: &weights[group * gemm.rows * gemm.depth..][..gemm.rows * gemm.depth],
                row: gemm.depth,
                col: 1,
            });
            // SAFETY: a worker's own part of the work space; a task's own positions of the result.
            unsafe {
                let work = work.of(worker);
                let target = OutBlock {
                    start: out.as_mut_ptr().add(image * gemm.rows * gemm.positions + first),
                    stride: gemm.positions,
                    add: false,
                    prefetch: Prefetch::NONE,
                };
                macro_kernel(
                    level,
                    gemm.depth,
                    left,
                    0..gemm.rows,
                    &RightOperand::Pack(&im2col),
                    cols,
                    target,
                    work,
                );
            }
        });
    }
}

/// The matrix of one sample and group; `planes` are its channels, one after the other.
struct Im2colMatrix<'a, T> {
    pub planes: &'a [T],
    pub tap_map: TapMap,
}

impl<T: Element> PackRight<T> for Im2colMatrix<'_, T> {
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

impl<T: Element> Im2colMatrix<'_, T> {
    /// Row `row` from column `first` on.
    pub fn row(&self, row: usize, first: usize, mut out: &mut [T]) {
        let TapMap {
            from,
            kernel,
            to,
            axes,
        } = self.tap_map;
        let taps: usize = kernel.iter().product();
        let (channel, tap) = (row / taps, row % taps);
        let tap = [
            tap / (kernel[1] * kernel[2]),
            tap / kernel[2] % kernel[1],
            tap % kernel[2],
        ];
        let plane = &self.planes[channel * from.iter().product::<usize>()..];
        let mut position = [first / (to[1] * to[2]), first / to[2] % to[1], first % to[2]];
        // What a whole line reads; a part of a line reads a part of it.
        let whole = axes[2].tap_range(tap[2], 0, to[2], from[2]);
        while !out.is_empty() {
            let end = to[2].min(position[2] + out.len());
            let (line, left) = std::mem::take(&mut out).split_at_mut(end - position[2]);
            let z = axes[0].at(position[0], tap[0], from[0]);
            let y = axes[1].at(position[1], tap[1], from[1]);
            match (z, y) {
                (Some(z), Some(y)) => {
                    let s = if line.len() == to[2] {
                        whole
                    } else {
                        axes[2].tap_range(tap[2], position[2], end, from[2])
                    };
                    read(
                        &plane[(z * from[1] + y) * from[2]..][..from[2]],
                        s,
                        line,
                        position[2],
                    );
                }
                _ => line.fill(T::ZERO),
            }
            out = left;
            position[2] = 0;
            position[1] += 1;
            if position[1] == to[1] {
                (position[1], position[0]) = (0, position[0] + 1);
            }
        }
    }
}

/// The elements of a line that positions from `first` on read.
#[inline(always)]
fn read<T: Element>(source: &[T], s: TapRange, line: &mut [T], first: usize) {
    if s.count == 0 {
        line.fill(T::ZERO);
        return;
    }
    let at = s.position - first;
    if s.apart > 1 {
        line.fill(T::ZERO);
        let positions = line[at..].iter_mut().step_by(s.apart);
        positions
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
