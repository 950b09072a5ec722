//! The gradient of the absolute similarity: sum_j T_ij sign(x_i - x_j), which no matrix product gives.
//!
//! A task has one register of columns of all samples, copied contiguously. It holds some rows in registers and loops over
//! the others; off the diagonal each sign is used for both samples, so only the upper triangle of T is read.

use super::band::Band;
use super::geometry::Geometry;
use super::rows::Real;
use super::sign_kernels::{SignKernels, SignPanel};
use crate::cpu::exec::Args;
use crate::cpu::level::Level;
use crate::cpu::pool::{SharedSlice, WorkerSlices};

/// Fewest signs for a second thread.
const SERIAL_SIGNS: usize = 1 << 16;

/// Elements of a worker's work space: a register of every sample, and of its sum.
pub(super) fn work_len<T: Real>(g: &Geometry, level: Level) -> usize {
    2 * g.m * T::sign_kernels(level).lanes
}

/// Adds a band's terms of the gradient to `out` (m, d), for samples `x` (m, d).
pub(super) fn add_signs<T: Real>(
    args: &Args<'_>,
    g: &Geometry,
    band: &Band<'_, T>,
    (x, d): (&[T], usize),
    out: &mut [T],
    space: &WorkerSlices<'_, T>,
) {
    let kernels = T::sign_kernels(args.level());
    let lanes = kernels.lanes;
    let out = SharedSlice::new(out);
    let panel = |worker: usize, panel: usize| {
        let columns = panel * lanes..d.min((panel + 1) * lanes);
        // SAFETY: a worker's own work space.
        let space = unsafe { space.of(worker) };
        let (samples, sums) = space[..2 * g.m * lanes].split_at_mut(g.m * lanes);
        for (to, from) in samples.chunks_exact_mut(lanes).zip(x.chunks_exact(d)) {
            to[..columns.len()].copy_from_slice(&from[columns.clone()]);
            to[columns.len()..].fill(T::ZERO);
        }
        sums.fill(T::ZERO);
        for row in band.rows() {
            for column in row..g.blocks() {
                tile(&kernels, g, band, (row, column), samples, sums);
            }
        }
        for (i, sums) in sums.chunks_exact(lanes).enumerate() {
            // SAFETY: the columns are this task's.
            let to = unsafe { out.range(i * d + columns.start..i * d + columns.end) };
            for (to, &sum) in to.iter_mut().zip(sums) {
                *to = if band.is_first() { sum } else { *to + sum };
            }
        }
    };
    let panels = d.div_ceil(lanes);
    if g.m * g.m * d <= SERIAL_SIGNS {
        (0..panels).for_each(|i| panel(0, i));
    } else {
        args.pool().run(panels, panel);
    }
}

/// The terms of tile (row, column) of T for a register of columns.
fn tile<T: Real>(
    kernels: &SignKernels<T>,
    g: &Geometry,
    band: &Band<'_, T>,
    (row, column): (usize, usize),
    samples: &[T],
    sums: &mut [T],
) {
    let (rows, cols, lanes) = (g.block(row), g.block(column), kernels.lanes);
    let entries = band.tile(g, row, column);
    assert!(entries.len() >= (rows.len() - 1) * g.side + cols.len());
    assert!(samples.len() == g.m * lanes && sums.len() == g.m * lanes);
    let [tall, low] = if row == column { kernels.one } else { kernels.both };
    let sums = sums.as_mut_ptr();
    let mut i = 0;
    while i < rows.len() {
        let is_tall = i + kernels.rows <= rows.len();
        // SAFETY: blocks lie within the samples and the tile has their rows and columns, as was checked; of a tile on
        // the diagonal only rows are added to, and blocks off it do not overlap.
        unsafe {
            let job = SignPanel {
                entries: entries.as_ptr().add(i * g.side),
                stride: g.side,
                rows: (
                    samples.as_ptr().add((rows.start + i) * lanes),
                    sums.add((rows.start + i) * lanes),
                ),
                others: (
                    samples.as_ptr().add(cols.start * lanes),
                    sums.add(cols.start * lanes),
                ),
                count: cols.len(),
            };
            (if is_tall { tall } else { low })(&job);
        }
        i += if is_tall { kernels.rows } else { 1 };
    }
}
