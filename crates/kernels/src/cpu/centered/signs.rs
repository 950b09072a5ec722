//! The gradient of the absolute similarity: sum_j T_ij sign(x_i - x_j), which no matrix product gives.
//!
//! A task takes one register of columns and all samples, copied so that rows lie side by side. Some rows stay in
//! registers while others go by; off the diagonal each sign serves both of its samples, so that only the upper half of
//! T is gone through.

use super::band::Band;
use super::geometry::Geometry;
use super::rows::Real;
use super::sign_kernels::{SignKernels, SignPanel};
use crate::cpu::exec::Args;
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;

/// Signs that are worth a second thread.
const SERIAL_SIGNS: usize = 1 << 16;

/// Elements of a worker's work space: a register of every sample, and what is added to it.
pub(super) fn work_len<T: Real>(g: &Geometry, level: Level) -> usize {
    2 * g.m * T::sign_kernels(level).lanes
}

/// Adds to `out` (m, d) what a band of T does to the samples `x` (m, d).
pub(super) fn add_signs<T: Real>(
    args: &Args<'_>,
    g: &Geometry,
    band: &Band<'_, T>,
    (x, d): (&[T], usize),
    out: &mut [T],
    (space, worker_len): (&mut [T], usize),
) {
    let kernels = T::sign_kernels(args.level());
    let lanes = kernels.lanes;
    let (space, out) = (SharedSlice::new(space), SharedSlice::new(out));
    let panel = |worker: usize, panel: usize| {
        let columns = panel * lanes..d.min((panel + 1) * lanes);
        // SAFETY: a worker's own work space.
        let space = unsafe { space.range(worker * worker_len..worker * worker_len + 2 * g.m * lanes) };
        let (samples, sums) = space.split_at_mut(g.m * lanes);
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
            // SAFETY: these columns are this task's.
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

/// What tile (row, column) of T does to a register of columns of the samples.
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
